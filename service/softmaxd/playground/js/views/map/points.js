// The points that a person has dropped, as a table.

import { bodyFor } from "../../answer.js";
import { curl, pathOf } from "../../api.js";
import { codeLine, h } from "../../dom.js";
import { probability, short } from "../../format.js";
import { setInWords } from "./here.js";

/** @typedef {import("./extents.js").Point} Point */

export class Points {
  /** @param {import("../../api.js").Model} model @param {(index: number) => void} removed */
  constructor(model, removed) {
    this.model = model;
    this.removed = removed;
    this.body = h("tbody");
    this.line = codeLine("The same request for a shell");
    const heads = [...model.features.map(({ name }) => name), "Label", "Probability"];
    const trust = model.calibration ? ["Typicality", "Prediction set"] : [];
    this.none = h("p", { class: "muted", text: "Click the map to drop a point, or press Enter on it." });
    const columns = ["#", ...heads, ...trust].map((text) => h("th", { scope: "col", text }));
    const table = h("table", {}, h("thead", {}, h("tr", {}, ...columns, h("td"))), this.body);
    const scroll = { class: "scroll points", tabindex: "0", role: "group", "aria-label": "Your points" };
    this.filled = h("div", { class: "stack" }, h("div", scroll, table), this.line.element);
    this.heading = h("h2", { id: "points", text: "Your points" });
    this.element = h("section", { class: "panel", "aria-labelledby": "points" });
    this.show([], null);
  }

  /** @param {Point[]} points @param {import("../../api.js").PredictReply | null} reply */
  show(points, reply) {
    this.element.replaceChildren(this.heading, points.length ? this.filled : this.none);
    if (reply === null) {
      return;
    }
    const { labels, probabilities, typicality, prediction_sets: sets } = reply;
    const digits = (/** @type {string} */ text) => h("td", { class: "digits", text });
    this.body.replaceChildren(
      ...points.map((point, index) =>
        h(
          "tr",
          {},
          h("th", { scope: "row", text: index + 1 }),
          ...point.map((value) => digits(short(value))),
          h("td", { text: labels[index] }),
          digits(probability(Math.max(...probabilities[index]))),
          typicality && digits(probability(typicality[index])),
          sets && h("td", { text: setInWords(sets[index]) }),
          h("td", {}, this.remover(index)),
        ),
      ),
    );
    this.line.show(curl(pathOf(this.model, "predict"), bodyFor(this.model, points)));
  }

  /** @param {number} index */
  remover(index) {
    const name = `Remove point ${index + 1}`;
    const act = () => this.removed(index);
    return h("button", { type: "button", class: "quiet", "aria-label": name, text: "×", onclick: act });
  }
}
