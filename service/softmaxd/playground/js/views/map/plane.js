// The plane itself: its extent and its marks, moved by mouse, touch and keyboard.

import { Chart } from "../../charts.js";
import { h, set, svg } from "../../dom.js";
import { short } from "../../format.js";
import { isInside, rounded, scaled } from "./extents.js";
import { listen } from "./gestures.js";
import { typesOf } from "./grid.js";
import { kindOf, nearest } from "./kinds.js";
import { labelsOf } from "./labels.js";
import { levelsOf, Picture } from "./picture.js";

/** @typedef {import("./extents.js").Extent} Extent */
/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./extents.js").Point} Point */
/** @typedef {{moved: () => void, pointed: (at: Point | null, isByKey: boolean) => void, dropped: (at: Point) => void}} Told */

const [NEAREST, FARTHEST] = [1e-3, 1e4]; // of the extent at first
const STEP = 1 / 40; // of the extent, for an arrow key
const JUMP = 1 / 4;
const ZOOM = 1.5;
const [LETTER, LINE] = [8, 15]; // pixels, about
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Plane {
  /**
   * @param {import("./grid.js").Model} model
   * @param {{home: Extent, extent: Extent, sample: import("./picture.js").Sample | null}} shown
   * @param {Told} told
   */
  constructor(model, { home, extent, sample }, told) {
    this.model = model;
    this.kinds = typesOf(model).map(kindOf);
    this.home = home;
    this.extent = extent;
    this.sample = sample;
    this.told = told;
    this.hasRows = true;
    this.hasLines = true;
    /** @type {Grid | null} */
    this.grid = null;
    /** @type {Point[]} */
    this.points = [];
    /** @type {Point | null} */
    this.cross = null;
    this.isHovered = false;
    const [x, y] = model.features.map(({ name }) => name);
    this.chart = new Chart({ x, y, height: innerWidth < 700 ? 340 : 520 });
    this.picture = new Picture(levelsOf(model.calibration?.rows ?? 0));
    this.element = h(
      "div",
      {
        class: "map",
        tabindex: "0",
        role: "application",
        "aria-label": `Map of ${model.name}`,
        "aria-describedby": "map-keys",
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.press(event),
        onblur: () => this.point(null),
        onfocus: () => this.element.matches(":focus-visible") && this.point(this.middle(), true),
      },
      this.picture.canvas,
      this.picture.probe,
      this.chart.element,
    );
    listen(this.element, {
      pan: (across, down) => {
        const [fromX, fromY] = this.at(0, 0);
        const [toX, toY] = this.at(across, down);
        this.pan(fromX - toX, fromY - toY);
      },
      zoom: (factor, x, y) => this.zoom(factor, this.at(x, y)),
      hover: (x, y) => this.hover(this.at(x, y)),
      leave: () => this.leave(),
      click: (x, y) => isInside(this.extent, this.at(x, y)) && this.told.dropped(this.rounded(this.at(x, y))),
    });
    this.chart.range(extent.from, extent.to, extent.low, extent.high);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** The plane in pixels of the element. */
  box() {
    const { from, to, low, high } = this.chart.span;
    const [left, top] = [this.chart.x(from), this.chart.y(high)];
    return { left, top, width: this.chart.x(to) - left, height: this.chart.y(low) - top };
  }

  /** The point at a place of the element.
   * @param {number} x @param {number} y @returns {Point} */
  at(x, y) {
    const { left, top, width, height } = this.box();
    const { from, to, low, high } = this.extent;
    return [from + ((x - left) / width) * (to - from), high - ((y - top) / height) * (high - low)];
  }

  /** @returns {Point} */
  middle() {
    const { from, to, low, high } = this.extent;
    return this.rounded([from / 2 + to / 2, low / 2 + high / 2]);
  }

  /** A point that is a row, with as many digits as can be seen.
   * @param {Point} point @returns {Point} */
  rounded(point) {
    const [x, y] = rounded(this.extent, point);
    return [nearest(this.kinds[0], x), nearest(this.kinds[1], y)];
  }

  /** @param {Extent} extent */
  show(extent) {
    this.extent = extent;
    this.chart.range(extent.from, extent.to, extent.low, extent.high);
    this.draw();
    this.told.moved();
  }

  /** @param {number} across @param {number} up */
  pan(across, up) {
    const { from, to, low, high } = this.extent;
    this.show({ from: from + across, to: to + across, low: low + up, high: high + up });
  }

  /** Zoom out by a factor around a point that keeps its place.
   * @param {number} factor @param {Point} [around] */
  zoom(factor, around = this.cross ?? this.middle()) {
    const { from, to } = this.extent;
    const now = (to - from) / (this.home.to - this.home.from);
    this.show(scaled(this.extent, Math.min(FARTHEST / now, Math.max(NEAREST / now, factor)), around));
  }

  /** @param {Point} at */
  hover(at) {
    if (!this.isHovered) {
      this.cross = null;
      this.isHovered = true;
      this.drawMarks();
    }
    this.told.pointed(isInside(this.extent, at) ? this.rounded(at) : null, false);
  }

  leave() {
    this.isHovered = false;
    if (this.cross === null) {
      this.point(null);
    }
  }

  /** Move the crosshair of the keyboard, and the plane with it if it would leave it.
   * @param {Point | null} at @param {boolean} [isByKey] */
  point(at, isByKey = false) {
    this.cross = at;
    this.isHovered &&= at === null;
    if (at !== null && !isInside(this.extent, at)) {
      const { from, to, low, high } = this.extent;
      const over = (/** @type {number} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
        value - Math.min(Math.max(value, least), most);
      this.pan(over(at[0], from, to), over(at[1], low, high));
    }
    this.drawMarks();
    this.told.pointed(at, isByKey);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const { from, to, low, high } = this.extent;
    const arrow = ARROWS[event.key];
    const [x, y] = this.cross ?? this.middle();
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (arrow && event.shiftKey) {
      this.pan(arrow[0] * JUMP * (to - from), arrow[1] * JUMP * (high - low));
      this.point(this.middle(), true);
    } else if (arrow) {
      const [across, up] = [STEP * (to - from), STEP * (high - low)].map((step, axis) =>
        Math.max(step, this.kinds[axis].step),
      );
      this.point(this.rounded([x + arrow[0] * across, y + arrow[1] * up]), true);
    } else if (event.key === "+" || event.key === "=") {
      this.zoom(1 / ZOOM);
    } else if (event.key === "-") {
      this.zoom(ZOOM);
    } else if (event.key === "0" || event.key === "Home") {
      this.show(this.home);
      this.point(this.middle(), true);
    } else if (event.key === "Enter" || event.key === " ") {
      this.told.dropped([x, y]);
    } else {
      return;
    }
    event.preventDefault();
  }

  draw() {
    const { extent, grid, picture } = this;
    const { left, top, width, height } = this.box();
    const place = { "--left": left, "--top": top, "--wide": width, "--high": height };
    set(picture.canvas, place);
    picture.paint({ extent, grid, sample: this.hasRows ? this.sample : null, hasLines: this.hasLines });
    this.drawMarks();
  }

  drawMarks() {
    const { from, to, low, high } = this.extent;
    const [x, y] = this.model.features.map(({ name }) => name);
    this.chart.draw(
      `The classes of ${this.model.name} for ${x} from ${short(from, 3)} to ${short(to, 3)} and ${y} from ${short(low, 3)} to ${short(high, 3)}`,
      () => [...this.labels(), ...this.marks()],
    );
  }

  labels() {
    const { grid, chart, home, extent } = this;
    if (grid === null) {
      return [];
    }
    const isNear = extent.to - extent.from < 2 * (home.to - home.from);
    const sample = this.hasRows && isNear ? this.sample : null;
    const lines = this.hasLines && isNear ? this.picture.labels(grid) : [];
    const { left, width } = this.box();
    /** @type {{x: number, y: number, half: number, text: string, kind: string}[]} */
    const shown = []; // in pixels: none over another, none that is too long
    for (const { text, kind, ...point } of labelsOf(grid, this.model.classes, sample, lines)) {
      const [x, y, half] = [chart.x(point.x), chart.y(point.y), (LETTER * text.length) / 2];
      const isFree = shown.every((other) => Math.abs(other.x - x) > other.half + half || Math.abs(other.y - y) > LINE);
      const fits = half < width / 6 && x - half > left && x + half < left + width;
      if (isFree && fits && isInside(extent, [point.x, point.y])) {
        shown.push({ x, y, half, text, kind });
      }
    }
    return shown.map(({ x, y, text, kind }) => svg("text", { class: kind, x, y: y + 4, text }));
  }

  /** The points that were dropped, and the crosshair. */
  marks() {
    const { chart, cross } = this;
    /** @type {SVGElement[]} */
    const marks = this.points.flatMap(([x, y], index) => {
      const [across, down] = [chart.x(x), chart.y(y)];
      return isInside(this.extent, [x, y])
        ? [
            svg("circle", { class: "drop", cx: across, cy: down, r: 9 }),
            svg("text", { class: "drop", x: across, y: down + 4, text: index + 1 }),
          ]
        : [];
    });
    const ring = cross ?? (this.isHovered || this.points.length ? null : this.middle());
    if (ring) {
      marks.push(svg("circle", { class: "cross", cx: chart.x(ring[0]), cy: chart.y(ring[1]), r: 6 }));
    }
    if (cross) {
      const { left, top, width, height } = this.box();
      marks.push(
        svg("path", {
          class: "cross",
          d: `M${left} ${chart.y(cross[1])}h${width}M${chart.x(cross[0])} ${top}v${height}`,
        }),
      );
    }
    return marks;
  }
}
