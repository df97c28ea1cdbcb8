/* What the theme leaves to do for keyboards, telephones, screen readers and paper. */
"use strict";

const STATIC = document.currentScript.src.replace(/[^/]*$/, "");

document.addEventListener("DOMContentLoaded", () => {
  // A clip with tracks brings its own script; other pages do not load it.
  if (document.querySelector('#landing-clip, [data-clip="landing"]')) {
    document.head.append(Object.assign(document.createElement("script"), { src: `${STATIC}landing.js` }));
  }

  const all = (css) => [...document.querySelectorAll(css)];

  // Code in a line of text breaks between its words; a long word after an underscore, a sign or a dot, if it must.
  const LONG = 24;
  const breakable = (name, longest) => {
    const words = name.textContent.split(/(\s+)/).map((word) => {
      if (word.length <= longest || /^\s/.test(word)) return [word];
      return word.split(/(?<=[a-z]_|[,=/]|[a-z]\.(?=[a-z]))/).flatMap((part, n) => (n ? [document.createElement("wbr"), part] : [part]));
    });
    name.replaceChildren(...words.flatMap((parts) => {
      if (parts.length > 1 || !/\S-/.test(parts[0]) && !parts[0].startsWith("-")) return parts;
      return [Object.assign(document.createElement("span"), { className: "whole", textContent: parts[0] })];
    }));
  };
  all("article code .pre, article :is(h2, h3) > code").forEach((name) => { if (!name.children.length) breakable(name, name.closest("td, th") ? 20 : LONG); });
  all("article table.dataframe th").forEach((name) => { if (!name.children.length) breakable(name, 0); });

  // A formula keeps the signs that touch it: no line begins with the comma behind it, none ends with the bracket before it.
  all("article span.math").forEach((formula) => {
    const before = formula.previousSibling, after = formula.nextSibling;
    const open = before?.nodeType === 3 ? before.data.match(/[([“]+$/)?.[0] ?? "" : "";
    const close = after?.nodeType === 3 ? after.data.match(/^[^\s\w([“–—-]+/)?.[0] ?? "" : "";
    if (!open && !close) return;
    if (open) before.data = before.data.slice(0, -open.length);
    if (close) after.data = after.data.slice(close.length);
    const whole = document.createElement("span");
    whole.className = "whole";
    formula.replaceWith(whole);
    whole.append(open, formula, close);
  });

  // A column of words stands left; the name of an index is its column's head, not a line of its own; a telephone shows a row
  // of prose as a card, each cell below its column's head.
  const NUMBER = /^[\s\d.,+\-−–±%[\]*()x×:/]*$/;
  all("table.dataframe").forEach((table) => {
    const [top, names] = table.tHead?.rows.length === 2 ? table.tHead.rows : [];
    const named = names ? [...names.cells].filter((cell) => cell.textContent.trim()) : [];
    if (named.length && top.cells.length === names.cells.length && named.every((cell) => !top.cells[cell.cellIndex].textContent.trim())) {
      named.map((cell) => [cell, top.cells[cell.cellIndex]]).forEach(([cell, place]) => place.replaceWith(cell));
      names.remove();
    }
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]), width = Math.max(0, ...rows.map((row) => row.cells.length));
    for (let place = 1; place <= width; place += 1) { // counted from the right, where cells that span rows leave no gap
      const cells = rows.map((row) => row.cells[row.cells.length - place]).filter(Boolean);
      if (cells.every((cell) => NUMBER.test(cell.textContent))) continue;
      const last = table.tHead?.rows[table.tHead.rows.length - 1];
      [...cells, last?.cells[last.cells.length - place]].forEach((cell) => cell?.classList.add("words"));
    }
  });
  all("article table.table:not(.dataframe)").forEach((table) => {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])], rows = [...(table.tBodies[0]?.rows ?? [])];
    const numbers = heads.filter((head, place) => /^\s*\d+\s*$/.test(head.textContent) || // a second, as in a table over time
      rows.every((row) => NUMBER.test(row.cells[place]?.textContent ?? ""))).length;
    if (heads.length < 3 || numbers > heads.length / 3) return;
    table.classList.add("cards");
    table.setAttribute("role", "table"); // a card is a block, and a block is no table to a screen reader
    rows.forEach((row) => {
      row.setAttribute("role", "row");
      [...row.cells].forEach((cell, place) => {
        cell.setAttribute("role", "cell");
        const head = document.createElement("span");
        head.className = "head";
        head.append(...[...(heads[place]?.childNodes ?? [])].map((node) => node.cloneNode(true)));
        cell.prepend(head);
        cell.classList.toggle("empty", cell.textContent.trim() === head.textContent.trim());
      });
    });
  });

  // Numbers printed in columns stay in them; the caption of a table stays in the window where the table is wider.
  all(".cell_output .output pre").forEach((text) => {
    const columns = text.textContent.replace(/^ok +/gm, "").match(/\S {2,}\S/g) ?? [];
    text.classList.toggle("columns", columns.length > 1);
  });
  all("table.dataframe caption").forEach((caption) => {
    const words = document.createElement("span");
    words.append(...caption.childNodes);
    caption.append(words);
  });

  const boxes = "pre, .wide, div.math, div.math mjx-container, article figure:not(:has(> .drawing)), .drawing, article .diagram, .cell_output > .output, .pst-scrollable-table-container";

  // Where there is little room a formula shrinks a little before it scrolls; on paper, which does not scroll, a table does too.
  const fit = (box, least, room = box) => {
    box.style.fontSize = "";
    const ratio = room.clientWidth / box.scrollWidth;
    if (ratio < 1) box.style.fontSize = `${Math.max(least, ratio - 0.01) * parseFloat(getComputedStyle(box).fontSize)}px`;
  };

  // Boxes that scroll sideways show it: they fade where more is, a line below says so (and one above, where the end is far
  // off), they are reached by the keyboard, and have a name.
  const hint = (box, end) => {
    const beside = end === "after" ? box.nextElementSibling : box.previousElementSibling;
    return beside?.classList.contains("scroll-hint") && beside.dataset.end === end ? beside : null;
  };
  const tell = (box, end, wanted) => {
    if (!wanted || hint(box, end)) return wanted || hint(box, end)?.remove();
    const line = Object.assign(document.createElement("p"), { className: "scroll-hint", textContent: "scrolls sideways →" });
    line.dataset.end = end;
    line.setAttribute("aria-hidden", "true");
    box[end](line);
  };
  const fade = (box) => {
    box.classList.toggle("more-left", box.scrollLeft > 1);
    box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  };
  const reach = () => {
    const paper = matchMedia("print").matches, least = paper ? 0.5 : 0.78;
    all("div.math mjx-container").forEach((box) => fit(box, least));
    all(".cards td > p mjx-container").forEach((box) => fit(box, least, box.closest("p")));
    all("article table").forEach((table) => fit(table, paper ? least : 1, table.parentElement));
    all("table.dataframe").forEach((table) => { // a table a little too wide gets less air
      table.classList.remove("tight");
      table.classList.toggle("tight", table.scrollWidth > table.closest(".output, .scroller")?.clientWidth);
    });
    all(boxes).forEach((box) => {
      const wide = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      box.classList.toggle("scrolls", wide);
      const lines = wide && !box.matches("pre, mjx-container");
      tell(box, "after", lines);
      tell(box, "before", lines && box.clientHeight > 0.8 * innerHeight);
      if (!wide) {
        box.classList.remove("more-left", "more-right");
        if (box.dataset.reached) ["tabindex", "role", "aria-label", "data-reached"].forEach((name) => box.removeAttribute(name));
        return;
      }
      fade(box);
      if (box.tabIndex < 0) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", box.matches("pre") ? "Code, scrolls sideways" : "Scrolls sideways");
        box.dataset.reached = "yes";
      }
    });
    all("div.math:not(.scrolls)").forEach((box) => tell(box, "after", Boolean(box.querySelector(":scope > mjx-container.scrolls"))));
  };
  document.addEventListener("scroll", (event) => { if (event.target.classList?.contains("scrolls")) fade(event.target); }, { capture: true, passive: true });
  reach();
  window.addEventListener("load", () => { reach(); window.MathJax?.startup?.promise.then(reach); });
  window.addEventListener("resize", reach);
  matchMedia("print").addEventListener("change", reach);
  // A fold that opens shows boxes that had no size before, and the theme moves the text to its new width over a moment.
  let asked, room;
  const soon = () => { clearTimeout(asked); asked = setTimeout(reach); };
  document.addEventListener("toggle", soon, { capture: true });
  const widths = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width !== room) soon();
    room = contentRect.width;
  });
  all("article").forEach((article) => widths.observe(article));

  // On paper everything is unfolded and every picture is there.
  window.addEventListener("beforeprint", () => {
    all("article details").forEach((fold) => { fold.open = true; });
    all("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  });

  // The theme's search field and folded cells show words that their names lack; the references are no list items; a table's
  // empty corner is no header; the sidebar is a landmark.
  all(".search-button-field, summary[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
  all('.citation-list > [role="doc-biblioentry"]').forEach((item) => item.setAttribute("role", "listitem"));
  all("th").filter((cell) => !cell.textContent.trim()).forEach((cell) => {
    const plain = document.createElement("td");
    for (const { name, value } of cell.attributes) if (name !== "scope") plain.setAttribute(name, value);
    cell.replaceWith(plain);
  });
  all("th").filter((cell) => cell.querySelector(".math")).forEach((cell) => {
    cell.setAttribute("aria-label", cell.textContent.replace(/\\[()]/g, "").trim());
  });
  const side = document.querySelector(".bd-sidebar-primary");
  side?.setAttribute("role", "complementary");
  side?.setAttribute("aria-label", "Contents of the book");
});
