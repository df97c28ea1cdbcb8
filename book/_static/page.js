/* What the theme leaves to do for keyboards, telephones, screen readers and paper. */
"use strict";

const STATIC = document.currentScript.src.replace(/[^/]*$/, "");

document.addEventListener("DOMContentLoaded", () => {
  // A clip with tracks brings its own script; other pages do not load it.
  if (document.querySelector('#landing-clip, [data-clip="landing"]')) {
    document.head.append(Object.assign(document.createElement("script"), { src: `${STATIC}landing.js` }));
  }

  const all = (css) => [...document.querySelectorAll(css)];

  // A long name breaks after an underscore, a sign or a dot, if it must.
  all("article code .pre, article :is(h2, h3) > code, article table.dataframe th").forEach((name) => {
    if (name.children.length) return;
    const parts = name.textContent.split(/(?<=[a-z]_|[,=/]|[a-z]\.(?=[a-z]))/);
    name.replaceChildren(...parts.flatMap((part, n) => (n ? [document.createElement("wbr"), part] : [part])));
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

  const boxes = "pre, .wide, div.math, div.math mjx-container, article figure, article .diagram, .cell_output > .output, .pst-scrollable-table-container";

  // On a narrow screen a formula shrinks a little before it scrolls.
  const fit = (box) => {
    box.style.fontSize = "";
    const ratio = box.clientWidth / box.scrollWidth;
    if (ratio < 1) box.style.fontSize = `${Math.max(0.78, ratio - 0.01) * parseFloat(getComputedStyle(box).fontSize)}px`;
  };

  // Boxes that scroll sideways show it, are reached by the keyboard, and have a name.
  const reach = () => {
    all("div.math mjx-container").forEach(fit);
    all(boxes).forEach((box) => {
      const wide = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      const hint = box.nextElementSibling?.classList.contains("scroll-hint") ? box.nextElementSibling : null;
      box.classList.toggle("scrolls", wide);
      if (!wide) {
        hint?.remove();
        if (box.dataset.reached) ["tabindex", "role", "aria-label", "data-reached"].forEach((name) => box.removeAttribute(name));
        return;
      }
      if (box.tabIndex < 0) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", box.matches("pre") ? "Code, scrolls sideways" : "Scrolls sideways");
        box.dataset.reached = "yes";
      }
      if (!hint && !box.matches("pre, mjx-container")) {
        const line = document.createElement("p");
        line.className = "scroll-hint";
        line.setAttribute("aria-hidden", "true");
        line.textContent = "scrolls sideways →";
        box.after(line);
      }
    });
    all("div.math:has(> mjx-container.scrolls)").forEach((box) => {
      if (box.nextElementSibling?.classList.contains("scroll-hint")) return;
      const line = document.createElement("p");
      line.className = "scroll-hint";
      line.setAttribute("aria-hidden", "true");
      line.textContent = "scrolls sideways →";
      box.after(line);
    });
  };
  reach();
  window.addEventListener("load", () => { reach(); window.MathJax?.startup?.promise.then(reach); });
  window.addEventListener("resize", reach);

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
