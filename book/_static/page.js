/* What the theme leaves to do for keyboards and screen readers. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // Boxes that scroll sideways are reachable by keyboard, and named.
  const reach = () => document.querySelectorAll(
    "pre, .wide, div.math, div.math mjx-container, .cell_output > .output, .pst-scrollable-table-container").forEach((box) => {
    if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", box.matches("pre") ? "Code, scrolls sideways" : "Scrolls sideways");
    }
  });
  reach();
  window.addEventListener("load", () => { reach(); window.MathJax?.startup?.promise.then(reach); });
  window.addEventListener("resize", reach);

  // On paper everything is unfolded.
  window.addEventListener("beforeprint", () => document.querySelectorAll("article details").forEach((fold) => { fold.open = true; }));

  // The theme's search field and folded cells show words that their names lack; the list of references has no list items.
  document.querySelectorAll(".search-button-field, summary[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
  document.querySelectorAll('.citation-list > [role="doc-biblioentry"]').forEach((item) => item.setAttribute("role", "listitem"));
});
