// The pad to draw on: by mouse, pen, finger and keyboard.

import { say, set, svg } from "../../dom.js";
import { padOf } from "./raster.js";
import { pathOf, UNITS } from "./strokes.js";

/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./strokes.js").Point} Point */

const NEAR = 2; // units: nearer points of a stroke are left out
const STEPS = 16; // of the keyboard, from one edge to the other
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /**
   * @param {import("./shape.js").Shape} shape
   * @param {Stroke[]} strokes
   * @param {{changed: () => void, begun: () => void, undone: () => void}} told `begun` before each stroke
   */
  constructor(shape, strokes, told) {
    this.strokes = strokes;
    this.told = told;
    this.size = padOf(shape);
    this.pen = 0;
    this.isDrawing = false;
    /** @type {Point} */
    this.cursor = this.within([this.size.width / 2, this.size.height / 2]);
    this.picture = svg("image", { width: this.size.width, height: this.size.height });
    this.lines = svg("g", { class: "ink" });
    this.cross = svg("path", { class: "cross" });
    this.element = svg(
      "svg",
      {
        class: "pad",
        viewBox: `0 0 ${this.size.width} ${this.size.height}`,
        role: "application",
        tabindex: "0",
        "aria-label": "Drawing",
        "aria-describedby": "pad-help",
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.press(event),
        onpointerdown: (/** @type {PointerEvent} */ event) => this.begin(event),
        onpointermove: (/** @type {PointerEvent} */ event) => this.go(event),
        onpointerup: () => this.stop(),
        onpointercancel: () => this.stop(),
      },
      this.picture,
      this.lines,
      this.cross,
    );
  }

  /**
   * Show other strokes, and a picture under them.
   * @param {Stroke[]} strokes
   * @param {HTMLCanvasElement | undefined} picture
   * @param {number} pen in units
   */
  show(strokes, picture, pen) {
    this.strokes = strokes;
    this.pen = pen;
    set(this.element, { class: picture ? "pad pictured" : "pad" });
    set(this.picture, { href: picture?.toDataURL() ?? null });
    this.redraw();
  }

  redraw() {
    set(this.lines, { "stroke-width": this.pen });
    this.lines.replaceChildren(...this.strokes.map((stroke) => svg("path", { d: pathOf(stroke) })));
    const [x, y] = this.cursor;
    set(this.cross, { d: `M${x - 3} ${y}h6M${x} ${y - 3}v6` });
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button !== 0 || !event.isPrimary) {
      return;
    }
    this.element.setPointerCapture(event.pointerId);
    this.told.begun();
    this.isDrawing = true;
    this.add([this.place(event)]);
  }

  /** @param {PointerEvent} event */
  go(event) {
    if (this.isDrawing && event.isPrimary) {
      const stroke = this.strokes[this.strokes.length - 1];
      for (const each of pointsOf(event)) {
        const [x, y] = this.place(each);
        const [lastX, lastY] = stroke[stroke.length - 1];
        if (Math.hypot(x - lastX, y - lastY) >= NEAR) {
          stroke.push([x, y]);
        }
      }
      this.redraw();
      this.told.changed();
    }
  }

  stop() {
    if (this.isDrawing) {
      this.isDrawing = false;
      this.told.changed();
    }
  }

  /** @param {Stroke} stroke */
  add(stroke) {
    this.strokes.push(stroke);
    this.redraw();
    this.told.changed();
  }

  /**
   * Where an event is, in units.
   * @param {PointerEvent} event
   * @returns {Point}
   */
  place(event) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return this.within([
      ((event.clientX - left) / width) * this.size.width,
      ((event.clientY - top) / height) * this.size.height,
    ]);
  }

  /**
   * The nearest point on the pad.
   * @param {Point} point
   * @returns {Point}
   */
  within([x, y]) {
    const clip = (/** @type {number} */ value, /** @type {number} */ size) =>
      Math.max(0, Math.min(size - 1, Math.round(value)));
    return [clip(x, this.size.width), clip(y, this.size.height)];
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey); // the browser has keys, too
    const arrow = ARROWS[event.key];
    if (arrow && isPlain) {
      const before = this.cursor;
      this.cursor = this.within(
        /** @type {Point} */ (before.map((each, axis) => each + (arrow[axis] * UNITS) / STEPS)),
      );
      if (event.shiftKey) {
        this.told.begun();
        this.add([before, this.cursor]);
      } else {
        this.redraw();
      }
      say(`${event.shiftKey ? "Line to" : "At"} ${this.where()}`);
    } else if (event.key === " " && isPlain) {
      this.told.begun();
      this.add([this.cursor]);
      say(`Dot at ${this.where()}`);
    } else if ((event.key === "Backspace" && isPlain) || (event.key === "z" && (event.ctrlKey || event.metaKey))) {
      this.told.undone();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The place of the cursor in words. */
  where() {
    const [x, y] = this.cursor.map((each) => Math.round((each * STEPS) / UNITS));
    return `column ${x}, row ${y} of ${STEPS}`;
  }
}

/**
 * All places since the last event: browsers tell them on a secure page only.
 * @param {PointerEvent} event
 */
function pointsOf(event) {
  const all = event.getCoalescedEvents?.() ?? [];
  return all.length ? all : [event];
}
