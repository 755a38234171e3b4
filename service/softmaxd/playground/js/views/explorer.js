// The softmax explorer: logits in, and everything that softmax makes of them.

import { curl, latest } from "../api.js";
import { codeLine, h, say } from "../dom.js";
import { count, percent, short } from "../format.js";
import { keepState, numbersOf } from "../state.js";
import { requestFor, showScores, stateOf } from "./explorer/answer.js";
import { Bars } from "./explorer/bars.js";
import { Controls, MOST_CLASSES, MOST_LETTERS } from "./explorer/controls.js";
import { Curves } from "./explorer/curves.js";
import { PRESETS } from "./explorer/presets.js";
import { Steps } from "./explorer/steps.js";

const OWN = "Scores of your own. The address of the page has them, so you can share this view.";

/** @typedef {{names: string[], logits: number[], temperature: number, target: number}} Scores */

/** @type {import("../main.js").View} */
export async function view(main, values) {
  const controls = new Controls(scoresOf(values), latest(update));
  const [bars, curves, steps] = [new Bars(), new Curves(), new Steps()];
  const line = codeLine("The same request for a shell");
  const given = numbersOf(values.get("logits"))?.length ?? 0;
  const cut = given > MOST_CLASSES && `The link has ${count(given)} logits. These are the first ${MOST_CLASSES}.`;
  const problem = h("p", { class: "problem", role: "alert" });
  const notes = [...PRESETS.map(({ note }) => note), OWN].map((text) => h("p", { class: "muted", text }));
  const presets = PRESETS.map((preset) =>
    h("button", { type: "button", text: preset.name, onclick: () => controls.put(preset.scores) }),
  );

  /** @param {Scores} scores */
  async function update(scores) {
    try {
      const { p } = await showScores(scores, controls.moved, { bars, curves, steps });
      say(`Softmax of ${scores.names[controls.moved]}: ${percent(p[controls.moved])}`);
      problem.textContent = "";
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
    }
    line.show(curl("softmax", requestFor(scores)));
    const preset = PRESETS.findIndex(({ scores: other }) => isSame(other, scores));
    const shown = notes.at(preset); // the last one if it is no preset
    for (const note of notes) {
      note.classList.toggle("shown", note === shown);
    }
    keepState("explorer", stateOf(scores));
  }

  await controls.tell(); // a frame without numbers would move when they come
  main.append(
    h("h1", { text: "From scores to probabilities" }),
    h("p", {
      class: "muted",
      text: "A network's last layer gives any real number for each class: its logits. Softmax turns them into probabilities: exp of each, divided by the sum.",
    }),
    h("div", { class: "line", role: "group", "aria-label": "Examples" }, ...presets),
    h("div", { class: "notes" }, ...notes),
    h("p", { class: "problem", text: cut || "" }),
    problem,
    h("div", { class: "columns" }, controls.element, h("div", { class: "stack" }, bars.element, curves.element)),
    h(
      "section",
      { class: "panel", "aria-labelledby": "steps" },
      h("h2", { id: "steps", text: "Step by step" }),
      steps.element,
    ),
    h(
      "div",
      { class: "columns even" },
      curves.slope,
      h("section", { class: "panel" }, h("h2", { text: "The same from a shell" }), line.element),
    ),
  );
}

/**
 * The scores of a URL, or the first preset.
 * @param {URLSearchParams} values
 * @returns {Scores}
 */
function scoresOf(values) {
  const logits = numbersOf(values.get("logits"))?.slice(0, MOST_CLASSES);
  if (logits === undefined) {
    return PRESETS[0].scores;
  }
  const names = (values.get("names") ?? "").split("|");
  const temperature = Number(values.get("t") ?? 1);
  const target = Number(values.get("target") ?? 0);
  return {
    logits,
    names: logits.map((_, index) => names[index]?.slice(0, MOST_LETTERS) || `class ${index}`),
    temperature: temperature > 0 && Number.isFinite(temperature) ? temperature : 1,
    target: Number.isInteger(target) && target >= 0 && target < logits.length ? target : 0,
  };
}

/** @param {Scores} one @param {Scores} other */
function isSame(one, other) {
  return (
    one.temperature === other.temperature &&
    String(one.logits.map((z) => short(z))) === String(other.logits.map((z) => short(z)))
  );
}
