// The answer of a model for one row, as bars and in words.

import { post, pathOf } from "./api.js";
import { Bar, colourOf } from "./charts.js";
import { h, set } from "./dom.js";
import { percent } from "./format.js";

/** @typedef {import("./api.js").Model} Model */
/** @typedef {import("./api.js").PredictReply} PredictReply */

export const UNLIKE = 0.05; // rows of a lower typicality are called unlike the training rows
const COVERAGE = 0.95;
const MOST_BARS = 12; // of more classes, the most probable ones are shown

/**
 * Ask a model for the answers of rows, with prediction sets and typicality if it has calibration data.
 * @param {Model} model
 * @param {unknown[]} instances
 * @returns {Promise<PredictReply>}
 */
export function predict(model, instances) {
  return post(pathOf(model, "predict"), bodyFor(model, instances));
}

/**
 * The body of such a request.
 * @param {Model} model
 * @param {unknown[]} instances
 */
export function bodyFor(model, instances) {
  return model.calibration
    ? { instances, include: ["prediction_sets", "typicality"], coverage: COVERAGE }
    : { instances };
}

/**
 * The answer for the first row, in a short sentence.
 * @param {PredictReply} reply
 */
export function inShort({ labels, probabilities, prediction_sets: sets, typicality }) {
  const [label] = labels;
  const said = `“${label}”, with ${percent(Math.max(...probabilities[0]))}`;
  if (typicality && typicality[0] < UNLIKE) {
    return `Unlike the training rows. The model says ${said}: do not rely on it.`;
  }
  if (sets && sets[0].length !== 1) {
    return `Not sure. The most probable is ${said}.`;
  }
  return `${said}.`;
}

/** Bars of all classes, or of the most probable ones, with the prediction set and the typicality in words. */
export class AnswerPanel {
  /**
   * @param {Model} model
   * @param {string} name of the panel
   */
  constructor(model, name) {
    this.model = model;
    this.coverage = COVERAGE;
    this.verdict = h("p", { class: "finding" });
    this.rows = model.classes
      .slice(0, MOST_BARS)
      .map((text) => ({ name: h("span", { class: "label", text }), bar: new Bar() }));
    this.trust = h("dl", { class: "facts long" });
    const more = model.classes.length - this.rows.length;
    this.element = h(
      "section",
      { class: "panel", "aria-label": name },
      h("h2", { text: name }),
      this.verdict,
      h(
        "table",
        { class: "chances" },
        h("caption", {
          class: more ? "" : "unseen",
          text: more ? `Probabilities, without the ${more} lowest` : "Probabilities",
        }),
        h(
          "tbody",
          {},
          ...this.rows.map(({ name: label, bar }) =>
            h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, bar.element)),
          ),
        ),
      ),
      this.trust,
    );
  }

  /**
   * Show the answer for the first row of a reply.
   * @param {PredictReply} reply
   * @param {string} [verdict] another sentence than `inShort` has
   */
  show(reply, verdict = inShort(reply)) {
    this.verdict.textContent = verdict;
    const [p] = reply.probabilities;
    const order = p.map((_, index) => index);
    if (order.length > MOST_BARS) {
      order.sort((one, other) => p[other] - p[one]);
    }
    this.rows.forEach(({ name, bar }, place) => {
      const index = order[place];
      name.textContent = this.model.classes[index];
      set(bar.element, { "--colour": colourOf(index) });
      bar.show(p[index]);
    });
    this.trust.replaceChildren(
      ...this.facts(reply).flatMap(([name, text]) => [h("dt", { text: name }), h("dd", { text })]),
    );
  }

  /**
   * The prediction set and the typicality, in words.
   * @param {PredictReply} reply
   * @returns {[string, string][]}
   */
  facts({ prediction_sets: sets, typicality }) {
    if (!sets || !typicality) {
      return [
        ["No prediction set, no typicality", "The model has no calibration data: nothing says how far to trust it."],
      ];
    }
    const [labels] = sets;
    return [
      [
        `Prediction set: ${labels.join(", ") || "empty"}`,
        labels.length === 0
          ? `No class is probable enough for a coverage of ${percent(this.coverage)}.`
          : `Such sets hold the true class of at least ${percent(this.coverage)} of all rows like the training rows.`,
      ],
      [
        `Typicality: ${percent(typicality[0])}`,
        typicality[0] < UNLIKE
          ? "Hardly any calibration row is this unlike the training rows."
          : "This share of the calibration rows is at least as unlike the training rows.",
      ],
    ];
  }
}
