// The tour: the article's chapters in order, each with a live piece. The arrow keys turn the pages.

import { h } from "../dom.js";
import { linkTo } from "../state.js";
import { CHAPTERS } from "./tour/chapters.js";
import { pieceOf } from "./tour/pieces.js";

const OWN_ARROWS = "input, select, textarea, summary, .scroll, pre, #views"; // these use the arrow keys themselves

/** @type {import("../main.js").View} */
export async function view(main, values) {
  const wanted = Number(values.get("chapter"));
  const number = CHAPTERS[wanted - 1] ? wanted : 1;
  const chapter = CHAPTERS[number - 1];
  const to = (/** @type {number} */ other) => linkTo("tour", { chapter: other });
  const piece = await pieceOf(chapter);
  main.append(
    h(
      "nav",
      { "aria-label": "Chapters" },
      h(
        "ol",
        { class: "chapters" },
        ...CHAPTERS.map(({ title }, index) => {
          const isShown = index + 1 === number;
          const link = { class: "chapter", href: to(index + 1), "aria-current": isShown && "page" };
          return h("li", {}, h("a", link, h("span", { text: title })));
        }),
      ),
    ),
    h(
      "article",
      { "aria-label": chapter.title },
      h("h1", { text: `${number}. ${chapter.title}` }),
      h("div", { class: "prose" }, ...chapter.text.map((text) => h("p", { text }))),
      piece,
    ),
    h(
      "nav",
      { class: "line turn", "aria-label": "Turn the page" },
      number > 1 && h("a", { class: "button", rel: "prev", href: to(number - 1), text: "← Previous" }),
      number < CHAPTERS.length && h("a", { class: "button", rel: "next", href: to(number + 1), text: "Next →" }),
      h("span", {
        class: "muted small",
        text: `Chapter ${number} of ${CHAPTERS.length}. The keys ← and → turn the page.`,
      }),
    ),
  );

  /** @param {KeyboardEvent} event */
  function turn(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isPlain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    const target = /** @type {Element} */ (event.target);
    if (step && isPlain && CHAPTERS[number - 1 + step] && !target.closest(OWN_ARROWS)) {
      location.hash = to(number + step);
    }
  }

  document.addEventListener("keydown", turn);
  return () => document.removeEventListener("keydown", turn);
}
