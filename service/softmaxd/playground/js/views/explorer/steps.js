// The article's steps as a table, computed back from the service's answer, beside the textbook's formula.

import { h } from "../../dom.js";
import { short } from "../../format.js";

/** @typedef {import("../explorer.js").Scores} Scores */
/** @typedef {import("./bars.js").Answer} Answer */

const HEADS = ["Class", "Logit z", "z / T − max", "exp", "÷ sum: probability", "−ln p", "Textbook: exp(z / T) ÷ Σ"];

const NOTE =
  "The steps are computed back from the service's answer. The textbook's column is computed by this page: it is what NumPy gives without the shift.";

export class Steps {
  constructor() {
    this.body = h("tbody");
    this.foot = h("tr");
    const table = h(
      "table",
      {},
      h(
        "thead",
        {},
        h("tr", {}, ...HEADS.map((text, index) => h("th", { scope: "col", text, class: index ? "number" : "" }))),
      ),
      this.body,
      h("tfoot", {}, this.foot),
    );
    this.element = h(
      "div",
      { class: "stack tight" },
      h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "The steps of softmax" }, table),
      h("p", { class: "muted small", text: NOTE }),
    );
  }

  /**
   * @param {Scores} scores
   * @param {Answer} answer
   */
  show({ names, logits, temperature, target }, { p, logP }) {
    const [most, mostLog] = [Math.max(...p), Math.max(...logP)];
    const naive = logits.map((logit) => Math.exp(logit / temperature)); // as NumPy's float64 does
    const naiveSum = naive.reduce((total, value) => total + value, 0);
    this.body.replaceChildren(
      ...names.map((name, index) => {
        const cells = [
          short(logits[index]),
          short(logP[index] - mostLog),
          short(p[index] / most),
          short(p[index], 8),
          short(-logP[index]),
        ];
        const textbook = `${short(naive[index], 4)} ÷ ${short(naiveSum, 4)} = ${short(naive[index] / naiveSum)}`;
        return h(
          "tr",
          {},
          h("th", { scope: "row", text: index === target ? `${name} (true)` : name }),
          ...cells.map((text) => h("td", { class: "number", text })),
          h("td", { class: Number.isFinite(naive[index] / naiveSum) ? "number" : "number wrong", text: textbook }),
        );
      }),
    );
    this.foot.replaceChildren(
      h("th", { scope: "row", text: "sum" }),
      h("td"),
      h("td"),
      h("td", { class: "number", text: short(1 / most) }),
      h("td", { class: "number", text: short(p.reduce((total, value) => total + value, 0)) }),
      h("td"),
      h("td", { class: "number", text: short(naiveSum, 4) }),
    );
  }
}
