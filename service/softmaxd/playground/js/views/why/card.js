// One feature that moves: a curve for each class, or a bar for each choice.

import { UNLIKE } from "../../answer.js";
import { Chart, colourOf, stack } from "../../charts.js";
import { h, set, svg } from "../../dom.js";
import { probability, short } from "../../format.js";

/** @typedef {import("./moves.js").Effect} Effect */
/** @typedef {import("./moves.js").Value} Value */

const KINDS = ["", "dashed", "dotted"]; // of lines, so that colours do not stand alone
const LETTER = 7; // pixels that a letter is wide, about

/**
 * The kind of line of a class.
 * @param {number} index
 */
export function kindOf(index) {
  return KINDS[index % KINDS.length];
}

export class Card {
  /**
   * @param {string} name
   * @param {string[]} classes
   * @param {(text: string) => void} moved by the slider
   */
  constructor(name, classes, moved) {
    this.classes = classes;
    this.text = h("p", { class: "muted small" });
    this.chart = new Chart({ x: name, y: "probability", height: 190 });
    this.slider = h("input", { type: "range", "aria-label": `Move ${name}` });
    this.slider.addEventListener("input", () => moved(String(Number(this.slider.valueAsNumber.toPrecision(6)))));
    this.curves = h("div", { class: "sliding" }, this.chart.element, this.slider);
    this.choices = h("tbody");
    this.table = h("table", { class: "choices" }, h("caption", { class: "unseen", text: name }), this.choices);
    this.element = h(
      "section",
      { class: "panel", "aria-label": name },
      h("h3", { text: name }),
      this.text,
      this.curves,
      this.table,
    );
  }

  /**
   * @param {Effect} effect
   * @param {Value} here the present value
   * @param {number[]} p of the present row
   * @param {number[]} shown the classes that have curves
   */
  show(effect, here, p, shown) {
    const { most, low, high, isKnown, isCurve, values } = effect;
    const range = isKnown ? "" : " Its range in training is not known.";
    this.text.textContent = `“${this.classes[most]}” moves most: from ${probability(low)} to ${probability(high)}.${range}`;
    const points = isCurve ? values.filter((value) => value !== null).length : 0;
    this.curves.hidden = !isCurve;
    if (isCurve) {
      this.draw(effect, here, p, shown, points);
    }
    this.table.hidden = points === values.length;
    this.choices.replaceChildren(
      ...values.slice(points).map((value, index) => this.choice(value, effect.p[points + index], value === here)),
    );
  }

  /**
   * @param {Effect} effect
   * @param {Value} here
   * @param {number[]} p
   * @param {number[]} shown
   * @param {number} count of the points of the curve
   */
  draw({ name, values, p: rows, typicality }, here, p, shown, count) {
    const { chart, slider } = this;
    const xs = /** @type {number[]} */ (values.slice(0, count));
    const [from, to] = [xs[0], xs[count - 1]];
    const present = typeof here === "number" ? [here] : [];
    chart.range(from, to);
    set(slider, { min: from, max: to, step: xs.every(Number.isInteger) ? 1 : "any" });
    for (const value of present) {
      slider.value = String(value);
    }
    const best = this.classes[p.indexOf(Math.max(...p))];
    const at = present.length
      ? `At ${short(present[0])}, the present value, the answer is ${best}.`
      : "It is missing now.";
    const [top, bottom] = [chart.y(1), chart.y(0)];
    chart.draw(`Probabilities of the classes for ${name} from ${short(from)} to ${short(to)}. ${at}`, () => [
      ...unlike(xs, typicality ?? []).map(([low, high]) => {
        const [x, width] = [chart.x(low), chart.x(high) - chart.x(low)];
        return svg("rect", { class: "unlike", x, y: top, width, height: bottom - top });
      }),
      ...this.names(xs, rows),
      ...present.map((x) => chart.curve([x, x], [0, 1], { colour: "var(--edge)", kind: "thin" })),
      ...shown.map((index) => {
        const column = rows.slice(0, count).map((row) => row[index]);
        return chart.curve(xs, column, { colour: colourOf(index), kind: kindOf(index) });
      }),
      ...shown.flatMap((index) => present.map((x) => chart.point(x, p[index], { colour: colourOf(index), radius: 4 }))),
    ]);
  }

  /**
   * The names of the answers along a curve, above the stretch where each is the most probable class, if it fits there.
   * @param {number[]} xs
   * @param {number[][]} rows
   */
  names(xs, rows) {
    const { chart } = this;
    const best = xs.map((_, at) => rows[at].indexOf(Math.max(...rows[at])));
    const starts = best.flatMap((index, at) => (index === best[at - 1] ? [] : [at]));
    return starts.flatMap((start, place) => {
      const [low, high] = [start, (starts[place + 1] ?? xs.length) - 1].map((at) => chart.x(xs[at]));
      const text = this.classes[best[start]];
      const label = svg("text", { x: (low + high) / 2, y: chart.y(1) - 3, "text-anchor": "middle", text });
      return high - low < text.length * LETTER ? [] : [label];
    });
  }

  /**
   * @param {Value} value
   * @param {number[]} p
   * @param {boolean} isHere
   */
  choice(value, p, isHere) {
    const best = p.indexOf(Math.max(...p));
    const text = value === null ? "(missing)" : String(value) || "(empty)";
    const bar = h("span", { "--stack": stack(p), "aria-hidden": "true" });
    const number = h("span", { class: "number", text: probability(p[best]) });
    return h(
      "tr",
      { "aria-current": isHere && "true" },
      h("th", { scope: "row", text: isHere ? `${text}, now` : text }),
      h("td", {}, h("span", { class: "stacked" }, bar, number)),
      h("td", { text: this.classes[best] }),
    );
  }
}

/**
 * The stretches of a curve whose rows are unlike the training rows.
 * @param {number[]} xs
 * @param {number[]} typicality
 */
function unlike(xs, typicality) {
  /** @type {[number, number][]} */
  const found = [];
  xs.forEach((x, index) => {
    if (typicality[index] < UNLIKE) {
      const [low, high] = [xs[index - 1] ?? x, xs[index + 1] ?? x].map((other) => (other + x) / 2);
      const last = found[found.length - 1];
      if (last?.[1] === low) {
        last[1] = high;
      } else {
        found.push([low, high]);
      }
    }
  });
  return found;
}
