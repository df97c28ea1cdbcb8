// Runs in every page that check_site.py opens; its value is a list of complaints.
(() => {
  const problems = [], all = (css) => [...document.querySelectorAll(css)];
  const say = (node) => (node.outerHTML || "").slice(0, 120).replace(/\s+/g, " ");
  for (const m of all("span.math, div.math")) if (!m.querySelector("mjx-container")) problems.push("maths not drawn: " + say(m));
  for (const m of all("mjx-merror, [data-mjx-error]")) problems.push("maths error: " + m.textContent.slice(0, 80));
  for (const i of all("img")) if (!i.complete || !i.naturalWidth) problems.push("picture not loaded: " + say(i));
  for (const i of all("article img")) if (!(i.getAttribute("alt") || "").trim()) problems.push("no alternative text: " + say(i));
  for (const s of all("article .diagram svg")) if (!s.getAttribute("aria-label")) problems.push("drawing without a label");
  for (const e of all("[data-explorer], .quiz")) if (e.dataset.drawn !== "yes") problems.push("not drawn: " + say(e));
  for (const s of all('script[type="application/vnd.jupyter.widget-view+json"]'))
    if (!s.parentElement.querySelector(".jupyter-widgets, .widget-subarea")) problems.push("widget not drawn: " + say(s));
  const root = document.scrollingElement;
  if (root.scrollWidth > innerWidth + 1) {
    const wide = all("main *").filter((n) => n.getBoundingClientRect().right > innerWidth + 1 && !n.closest(
      "pre, .wide, .pst-scrollable-table-container, .cell_output > .output, div.math, mjx-container")).slice(0, 3).map(say);
    problems.push(`scrolls sideways: ${root.scrollWidth} > ${innerWidth}: ${wide.join(" | ")}`);
  }
  const h1 = all("article h1").length;
  if (h1 !== 1 && !location.pathname.match(/(search|genindex)\.html$/)) problems.push(`${h1} headings of level 1`);
  return problems;
})()
