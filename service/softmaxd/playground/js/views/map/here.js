// What the model says of one point, in bars and words.

import { UNLIKE } from "../../answer.js";
import { Bar, colourOf } from "../../charts.js";
import { h } from "../../dom.js";
import { count, percent, probability, short } from "../../format.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("../../api.js").PredictReply} PredictReply */
/** @typedef {import("./extents.js").Point} Point */

const MOST_BARS = 8;
const MOST_NAMES = 5;

export class Here {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.heading = h("h2", { class: "tabular" });
    this.rows = model.classes
      .slice(0, MOST_BARS)
      .map(() => ({ name: h("span"), dot: h("span", { class: "dot" }), bar: new Bar() }));
    this.typicality = new Bar("var(--text)");
    this.set = h("p", { class: "small" });
    this.verdict = h("p");
    const table = this.rows.flatMap(({ name, dot, bar }) => [h("dt", {}, dot, name), h("dd", {}, bar.element)]);
    this.element = h(
      "section",
      { class: "panel", "aria-label": "The point" },
      this.heading,
      h(
        "dl",
        { class: "bars" },
        ...table,
        model.calibration && h("dt", { class: "apart", text: "typicality" }),
        model.calibration && h("dd", { class: "apart" }, this.typicality.element),
      ),
      h("div", { class: "verdict" }, this.verdict, this.set),
    );
  }

  /** @param {Point} point @param {PredictReply} reply */
  show([x, y], { probabilities: [p], typicality, prediction_sets: sets }) {
    const [first, second] = this.model.features.map(({ name }) => name);
    this.heading.textContent = `${first} ${short(x)}, ${second} ${short(y)}`;
    const order = p.map((_, index) => index);
    const shown = order.length > MOST_BARS ? order.sort((a, b) => p[b] - p[a]) : order;
    this.rows.forEach(({ name, dot, bar }, row) => {
      const index = shown[row];
      name.textContent = this.model.classes[index];
      for (const element of [dot, bar.element]) {
        element.style.setProperty("--colour", colourOf(index));
      }
      bar.show(p[index]);
    });
    if (typicality && sets) {
      this.typicality.show(typicality[0]);
      const why = sets[0].length ? "" : ": no class is probable enough";
      this.set.textContent = `Prediction set for 95 %: ${setInWords(sets[0])}${why}.`;
    }
    this.verdict.textContent = verdict(this.model, typicality?.[0], Math.max(...p));
  }
}

/** @param {string[]} labels */
export function setInWords(labels) {
  const rest = labels.length > MOST_NAMES ? ` and ${labels.length - MOST_NAMES} more` : "";
  return labels.length ? labels.slice(0, MOST_NAMES).join(", ") + rest : "empty";
}

/** @param {Model} model @param {number | undefined} typicality @param {number} most the highest probability */
function verdict({ calibration }, typicality, most) {
  if (typicality === undefined || calibration === null) {
    return "This model has no calibration data, so nothing says whether the point is like its training rows.";
  }
  if (typicality * (calibration.rows + 1) < 1.5) {
    return `Like no training row: none of the ${count(calibration.rows)} calibration rows is as far out. The softmax says ${probability(most)} all the same. It only tells on which side of a border the point is.`;
  }
  if (typicality < UNLIKE) {
    return `Unusual: only ${percent(typicality)} of the calibration rows are as far out. Trust the probabilities less here.`;
  }
  return `Like the training rows: ${percent(typicality)} of the calibration rows are at least as far out.`;
}
