// Softmax, sigmoid and argmax of the same logits, side by side.

import { Bar, colourOf } from "../../charts.js";
import { h } from "../../dom.js";
import { probability, short } from "../../format.js";

/** @typedef {import("../explorer.js").Scores} Scores */
/** @typedef {{p: number[], logP: number[], sigmoid: number[], loss: number, entropy: number}} Answer */

export class Bars {
  constructor() {
    this.body = h("tbody");
    this.sums = h("tr");
    this.loss = h("p", { class: "tabular" });
    this.entropy = h("p", { class: "tabular" });
    /** @type {{name: HTMLElement, bars: Bar[]}[]} */
    this.rows = [];
    this.element = h(
      "section",
      { class: "panel", "aria-label": "Softmax, sigmoid and argmax" },
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h("tr", {}, ...["Class", "Softmax", "Sigmoid", "Argmax"].map((text) => h("th", { scope: "col", text }))),
          ),
          this.body,
          h("tfoot", {}, this.sums),
        ),
      ),
      this.loss,
      this.entropy,
    );
  }

  /**
   * @param {Scores} scores
   * @param {Answer} answer
   */
  show(scores, { p, sigmoid, loss, entropy }) {
    if (this.rows.length !== p.length) {
      this.rows = p.map((_, index) => ({
        name: h("span", { class: "label" }),
        bars: [0, 1, 2].map(() => new Bar(colourOf(index))),
      }));
      this.body.replaceChildren(
        ...this.rows.map(({ name, bars }) =>
          h("tr", {}, h("th", { scope: "row" }, name), ...bars.map((bar) => h("td", {}, bar.element))),
        ),
      );
    }
    const best = p.indexOf(Math.max(...p));
    this.rows.forEach(({ name, bars }, index) => {
      name.textContent = scores.names[index];
      bars[0].show(p[index]);
      bars[1].show(sigmoid[index]);
      bars[2].show(Number(index === best), index === best ? "1" : "0");
    });
    const sum = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0);
    this.sums.replaceChildren(
      h("th", { scope: "row", text: "sum" }),
      ...[sum(p), sum(sigmoid), 1].map((value) => h("td", { class: "number", text: value.toFixed(4) })),
    );
    const name = scores.names[scores.target];
    this.loss.textContent = `loss = −ln ${probability(p[scores.target])} = ${short(loss)} nats if “${name}” is true`;
    this.entropy.textContent = `entropy = ${short(entropy)} nats`;
  }
}
