/* A quiz question is a list of choices "(a) ..." and a fold-out answer whose bold letter is the key.
   Without this script it reads as that; with it the choices are buttons. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".quiz").forEach((quiz) => {
    const answer = quiz.querySelector("details");
    const key = answer && answer.querySelector("strong");
    const items = [...quiz.querySelectorAll("ul > li")];
    if (!key || !items.length) return;
    const said = document.createElement("p");
    said.className = "said";
    said.setAttribute("aria-live", "polite");
    items.forEach((item) => {
      const letter = (item.textContent.trim().match(/^\([a-z]\)/) || [""])[0];
      const button = document.createElement("button");
      button.type = "button";
      const inner = item.querySelector(":scope > p") || item;
      button.append(...inner.childNodes);
      item.replaceChildren(button);
      button.addEventListener("click", () => {
        const right = key.textContent.includes(letter);
        items.forEach((other) => other.removeAttribute("data-mark"));
        item.dataset.mark = right ? "right" : "wrong";
        said.textContent = right ? `${letter} Right.` : `${letter} Not this one. Try again, or open the answer.`;
        if (right) answer.open = true;
      });
    });
    quiz.dataset.drawn = "yes";
    answer.before(said);
  });
});
