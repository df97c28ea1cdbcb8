/* What the theme leaves to do for keyboards and screen readers. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // Boxes that scroll sideways are reachable by keyboard, and named.
  const reach = () => document.querySelectorAll("pre, .wide, div.math, .cell_output > .output, table").forEach((box) => {
    if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0) {
      box.tabIndex = 0;
      if (box.tagName !== "TABLE") {
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", box.matches("pre") ? "Code, scrolls sideways" : "Scrolls sideways");
      }
    }
  });
  reach();
  window.addEventListener("load", reach);
  window.addEventListener("resize", reach);
});
