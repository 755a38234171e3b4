// The points that a person has dropped, as a table.

import { curl, pathOf } from "../../api.js";
import { codeLine, h } from "../../dom.js";
import { probability, short } from "../../format.js";
import { requestFor, setInWords } from "./here.js";

/** @typedef {import("./extents.js").Point} Point */

export class Points {
  /**
   * @param {import("../../api.js").Model} model
   * @param {(index: number) => void} removed
   */
  constructor(model, removed) {
    this.model = model;
    this.removed = removed;
    this.body = h("tbody");
    this.line = codeLine("The same request for a shell");
    const heads = [...model.features.map(({ name }) => name), "Label", "Probability"];
    const trust = model.calibration ? ["Typicality", "Prediction set"] : [];
    this.none = h("p", { class: "muted", text: "Click the map to drop a point, or press Enter on it." });
    this.filled = h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "scroll points", tabindex: "0", role: "group", "aria-label": "Your points" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h("tr", {}, ...["#", ...heads, ...trust].map((text) => h("th", { scope: "col", text })), h("td")),
          ),
          this.body,
        ),
      ),
      this.line.element,
    );
    this.heading = h("h2", { id: "points", text: "Your points" });
    this.element = h("section", { class: "panel", "aria-labelledby": "points" });
    this.show([], null);
  }

  /**
   * @param {Point[]} points
   * @param {import("../../api.js").PredictReply | null} reply
   */
  show(points, reply) {
    this.element.replaceChildren(this.heading, points.length ? this.filled : this.none);
    if (reply === null) {
      return;
    }
    this.body.replaceChildren(
      ...points.map((point, index) => {
        const p = Math.max(...reply.probabilities[index]);
        const numbers = [...point.map((value) => short(value))];
        const t = reply.typicality?.[index];
        return h(
          "tr",
          {},
          h("th", { scope: "row", text: index + 1 }),
          ...numbers.map((text) => h("td", { class: "digits", text })),
          h("td", { text: reply.labels[index] }),
          h("td", { class: "digits", text: probability(p) }),
          t !== undefined && h("td", { class: "digits", text: probability(t) }),
          reply.prediction_sets && h("td", { text: setInWords(reply.prediction_sets[index]) }),
          h(
            "td",
            {},
            h("button", {
              type: "button",
              class: "quiet",
              "aria-label": `Remove point ${index + 1}`,
              text: "×",
              onclick: () => this.removed(index),
            }),
          ),
        );
      }),
    );
    this.line.show(curl(pathOf(this.model, "predict"), requestFor(this.model, points)));
  }
}
