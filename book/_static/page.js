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

  // The widget manager asks for MathJax 2.
  if (window.MathJax && !window.MathJax.Hub) {
    window.MathJax.Hub = { Queue: ([, , node]) => window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([node])) };
  }
  // Widgets draw themselves late: name their sliders after their labels, their buttons after their icons.
  const name = () => {
    document.querySelectorAll(".noUi-handle:not([aria-label])").forEach((handle) => {
      const label = handle.closest(".jupyter-widgets")?.querySelector(".widget-label");
      handle.setAttribute("aria-label", label?.textContent || "value");
    });
    document.querySelectorAll(".jupyter-button:not([aria-label])").forEach((button) => {
      const icon = button.querySelector("i");
      if (!button.textContent.trim() && icon) button.setAttribute("aria-label", icon.className.replace(/^.*fa-(fw )?/, ""));
    });
    document.querySelectorAll(".jupyter-widgets [role=progressbar]:not([aria-label])").forEach((bar) => bar.setAttribute("aria-label", "value"));
  };
  if (document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) {
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  }
});
