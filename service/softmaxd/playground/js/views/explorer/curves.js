// What happens as one logit moves: softmax of every class, and sigmoid of the one that moves.

import { Chart, colourOf, legend } from "../../charts.js";
import { h } from "../../dom.js";
import { percent, short } from "../../format.js";

/** @typedef {import("../explorer.js").Scores} Scores */
/** @typedef {import("./bars.js").Answer} Answer */

const POINTS = 121;
const REACH = 10;

export class Curves {
  constructor() {
    this.heading = h("h2");
    this.legend = h("div");
    this.chart = new Chart({ x: "logit", y: "probability" });
    this.element = h("section", { class: "panel" }, this.heading, this.legend, this.chart.element);
    this.slopeChart = new Chart({ x: "logit", y: "output" });
    this.slopeText = h("p", { class: "muted small" });
    this.slope = h(
      "section",
      { class: "panel" },
      h("h2", { text: "Why not argmax? The slope" }),
      legend([
        { name: "softmax", colour: "var(--accent)" },
        { name: "its slope here", colour: "var(--class-1)", kind: "dashed" },
        { name: "argmax", colour: "var(--muted)", kind: "dotted" },
      ]),
      this.slopeChart.element,
      this.slopeText,
    );
  }

  /**
   * The logits of all points of the curves.
   * @param {Scores} scores
   * @param {number} moved the class whose logit moves
   */
  rows({ logits }, moved) {
    return this.positions(logits, moved).map((position) =>
      logits.map((logit, index) => (index === moved ? position : logit)),
    );
  }

  /** @param {number[]} logits @param {number} moved */
  positions(logits, moved) {
    const others = logits.filter((_, index) => index !== moved);
    const middle = others.length === 0 || Math.max(...others.map(Math.abs)) <= REACH / 2 ? 0 : Math.max(...others);
    const reach = clip(Math.max(REACH, Math.ceil(Math.abs(logits[moved] - middle))));
    return Array.from({ length: POINTS }, (_, index) => clip(middle + reach * ((2 * index) / (POINTS - 1) - 1)));
  }

  /**
   * @param {Scores} scores
   * @param {number} moved
   * @param {Answer} answer
   * @param {import("../../api.js").SoftmaxReply} many of `rows`
   */
  show(scores, moved, answer, many) {
    const { names, logits, temperature } = scores;
    const xs = this.positions(logits, moved);
    const here = logits[moved];
    const own = many.probabilities.map((row) => row[moved]);
    this.heading.textContent = `As the logit of “${names[moved]}” moves`;
    const sigmoid = { name: `sigmoid of ${names[moved]}`, colour: "var(--text)", kind: "dotted" };
    this.legend.replaceChildren(
      legend([
        ...names.map((name, index) => ({ name, colour: colourOf(index), kind: index === moved ? "" : "dashed" })),
        sigmoid,
      ]),
    );
    const [from, to] = [xs[0], xs[xs.length - 1]];
    const column = (/** @type {number[][]} */ rows, /** @type {number} */ index) => rows.map((row) => row[index]);
    this.chart.range(from, to);
    this.chart.draw(
      `Softmax of every class for logits of ${names[moved]} from ${short(from)} to ${short(to)}. At ${short(here)} it is ${percent(answer.p[moved])}.`,
      () => [
        this.chart.curve(xs, column(many.sigmoid ?? [], moved), sigmoid),
        ...names.map((_, index) =>
          this.chart.curve(xs, column(many.probabilities, index), {
            colour: colourOf(index),
            kind: index === moved ? "" : "dashed",
          }),
        ),
        ...names.map((_, index) => this.chart.point(here, answer.p[index], { colour: colourOf(index) })),
      ],
    );
    const p = answer.p[moved];
    const step = Math.max(...logits.filter((_, index) => index !== moved)); // where argmax changes
    this.slopeChart.range(from, to);
    this.showSlope({ xs, own, here, p, slope: (p * (1 - p)) / temperature, step, name: names[moved] });
  }

  /** @param {{xs: number[], own: number[], here: number, p: number, slope: number, step: number, name: string}} shown */
  showSlope({ xs, own, here, p, slope, step, name }) {
    const chart = this.slopeChart;
    const [from, to] = [xs[0], xs[xs.length - 1]];
    const jump = Math.min(Math.max(step, from), to); // outside the picture it is at its edge
    chart.draw(
      `Softmax of ${name} has a slope of ${short(slope, 3)} at ${short(here)}; argmax has a slope of 0.`,
      () => [
        chart.curve([from, jump, jump, to], [0, 0, 1, 1], { colour: "var(--muted)", kind: "dotted" }),
        chart.curve(xs, own),
        chart.curve(...tangent(here, p, slope, to - from), { colour: "var(--class-1)", kind: "dashed" }),
        chart.point(here, p),
      ],
    );
    this.slopeText.textContent = `Softmax: p (1 − p) / T = ${short(slope, 3)} here. Argmax: 0 on both sides of its step, and none at the step. Training follows the slope, so only softmax can be trained.`;
  }
}

/**
 * A number whose distance to every other such number is finite.
 * @param {number} value
 */
function clip(value) {
  return Math.max(-Number.MAX_VALUE / 2, Math.min(Number.MAX_VALUE / 2, value));
}

/**
 * The ends of a tangent that stays in the picture.
 * @param {number} x
 * @param {number} y
 * @param {number} slope
 * @param {number} width of the picture
 * @returns {[number[], number[]]}
 */
function tangent(x, y, slope, width) {
  const reach = width / 6;
  const [down, up] = [y, 1 - y].map((room) => (slope * reach > room ? room / slope : reach));
  return [
    [clip(x - down), clip(x + up)],
    [y - slope * down, y + slope * up],
  ];
}
