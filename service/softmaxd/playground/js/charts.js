// Charts: axes, curves and bars, as SVG and HTML.

import { h, set, svg } from "./dom.js";
import { probability, short } from "./format.js";

const COLOURS = 8;
const FEWEST = 0.004; // share of a class that is drawn
const LETTER = 7; // pixels that a letter is wide, about
const MARGIN = { left: 40, right: 12, top: 10, bottom: 34 };

/**
 * The colour of a class. After eight they begin again: names tell the classes apart as well.
 * @param {number} index
 */
export function colourOf(index) {
  return `var(--class-${index % COLOURS})`;
}

/** A bar with its number. */
export class Bar {
  /** @param {string} [colour] */
  constructor(colour = "var(--accent)") {
    this.number = h("span");
    this.element = h("div", { class: "bar", "--colour": colour }, h("span", { "aria-hidden": "true" }), this.number);
  }

  /**
   * @param {number} share from 0 to 1
   * @param {string} [text]
   */
  show(share, text = probability(share)) {
    this.element.style.setProperty("--share", String(Number.isFinite(share) ? share : 0));
    this.number.textContent = text;
  }
}

/**
 * The probabilities of a row as one bar: a background.
 * @param {number[]} p
 */
export function stack(p) {
  const stops = [];
  let from = 0;
  for (let index = 0; index < p.length; index += 1) {
    if (p[index] >= FEWEST) {
      const to = from + p[index] * 100;
      stops.push(`${colourOf(index)} ${from.toFixed(1)}% ${to.toFixed(1)}%`);
      from = to;
    }
  }
  return `linear-gradient(to right, ${stops}, transparent ${from.toFixed(1)}%)`;
}

/** Axes of a chart, and the drawing in them: in pixels of the screen, so that its letters keep their size. */
export class Chart {
  /** @param {{x: string, y: string, from?: number, to?: number, low?: number, high?: number, height?: number}} options */
  constructor({ x, y, from = 0, to = 1, low = 0, high = 1, height = 240 }) {
    this.size = { width: 480, height };
    this.names = { x, y };
    this.span = { from, to, low, high };
    this.axes = svg("g");
    this.drawing = svg("g");
    this.element = svg("svg", { class: "chart", height, role: "img" }, this.axes, this.drawing);
    /** @type {() => SVGElement[]} */
    this.shapes = () => [];
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  fit() {
    const width = Math.round(this.element.clientWidth);
    if (width > 0 && width !== this.size.width) {
      this.size.width = width;
      this.redraw();
    }
  }

  /**
   * Set the extent of the axes.
   * @param {number} from
   * @param {number} to
   * @param {number} [low]
   * @param {number} [high]
   */
  range(from, to, low = 0, high = 1) {
    this.span = { from, to, low, high };
  }

  /**
   * Draw shapes; they are made again when the size changes.
   * @param {string} description for a screen reader
   * @param {() => SVGElement[]} shapes
   */
  draw(description, shapes) {
    set(this.element, { "aria-label": description });
    this.shapes = shapes;
    this.redraw();
  }

  redraw() {
    const { width, height } = this.size;
    set(this.element, { viewBox: `0 0 ${width} ${height}` });
    this.axes.replaceChildren(...this.marks());
    this.drawing.replaceChildren(...this.shapes());
  }

  /** The axes' lines and numbers. */
  marks() {
    const { width, height } = this.size;
    const { from, to, low, high } = this.span;
    const bottom = height - MARGIN.bottom;
    const [left, right] = [MARGIN.left, width - MARGIN.right];
    const marks = [];
    for (const at of ticks(low, high, 4)) {
      const y = this.y(at);
      marks.push(svg("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
      marks.push(svg("text", { x: left - 6, y: y + 4, "text-anchor": "end", text: short(at) }));
    }
    for (const at of ticks(from, to, Math.min(6, width / 80))) {
      const x = this.x(at);
      marks.push(svg("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 4 }));
      marks.push(svg("text", { x, y: bottom + 16, "text-anchor": "middle", text: short(at) }));
    }
    marks.push(svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    const most = width / 2 / LETTER - 4; // each has half the width, and an arrow
    marks.push(svg("text", { x: right, y: height - 3, "text-anchor": "end", text: `${cut(this.names.x, most)} →` }));
    marks.push(svg("text", { x: 2, y: height - 3, text: `↑ ${cut(this.names.y, most)}` }));
    return marks;
  }

  /** @param {number} value */
  x(value) {
    const { from, to } = this.span;
    return MARGIN.left + share(value, from, to) * (this.size.width - MARGIN.left - MARGIN.right);
  }

  /** @param {number} value */
  y(value) {
    const { low, high } = this.span;
    const bottom = this.size.height - MARGIN.bottom;
    return bottom - share(value, low, high) * (bottom - MARGIN.top);
  }

  /**
   * @param {number[]} xs
   * @param {number[]} ys
   * @param {{colour?: string, kind?: string}} [options] kind: `dashed`, `dotted` or empty
   */
  curve(xs, ys, { colour = "var(--accent)", kind = "" } = {}) {
    const points = xs.map((x, index) => `${this.x(x).toFixed(1)},${this.y(ys[index]).toFixed(1)}`).join(" ");
    return svg("polyline", { class: `curve ${kind}`, points, "--colour": colour });
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {{colour?: string, radius?: number}} [options]
   */
  point(x, y, { colour = "var(--accent)", radius = 5 } = {}) {
    return svg("circle", { class: "point", cx: this.x(x), cy: this.y(y), r: radius, "--colour": colour });
  }
}

/**
 * A legend of curves.
 * @param {{name: string, colour: string, kind?: string}[]} entries
 */
export function legend(entries) {
  return h(
    "ul",
    { class: "legend" },
    ...entries.map(({ name, colour, kind = "" }) =>
      h("li", {}, h("span", { class: `stroke ${kind}`, "--colour": colour, "aria-hidden": "true" }), name),
    ),
  );
}

/**
 * A text of at most so many letters.
 * @param {string} text
 * @param {number} most
 */
function cut(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most).join("")}…` : text;
}

/**
 * Where a value lies between two ends: 0 at the first, 1 at the last. The halves keep the difference finite.
 * @param {number} value
 * @param {number} from
 * @param {number} to
 */
function share(value, from, to) {
  return (value / 2 - from / 2) / (to / 2 - from / 2 || 1);
}

/**
 * Round numbers between two ends.
 * @param {number} from @param {number} to @param {number} wanted
 */
export function ticks(from, to, wanted) {
  const rough = (to - from) / wanted;
  if (!(rough > 0 && Number.isFinite(rough))) {
    return [from]; // an extent beyond float64
  }
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((each) => each >= rough * 0.999) ?? rough;
  const found = [];
  for (let index = Math.ceil(from / step - 1e-9); index <= Math.floor(to / step + 1e-9); index += 1) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}
