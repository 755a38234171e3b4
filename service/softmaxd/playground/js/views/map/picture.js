// The canvas of the map: regions, hatching, lines of typicality, and training rows.

import { colourOf } from "../../charts.js";
import { h, set } from "../../dom.js";
import { short } from "../../format.js";
import { contour } from "./contours.js";

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./extents.js").Extent} Extent */
/** @typedef {{rows: number[][], classes: number[]}} Sample */
/** @typedef {{extent: Extent, grid: Grid | null, sample: Sample | null, hasLines: boolean}} Scene */

const [SHADE, LEAST_SHADE] = [125, 22]; // opacity of a cell whose class is certain, and of a guess
const RADIUS = 4.2;
/** @type {[number, number][]} */
const SHAPES = [
  [16, 0],
  [4, Math.PI / 4],
  [3, -Math.PI / 2],
  [4, 0],
]; // corners, and the turn of the first

/** The typicality of the lines. Below the last the map is hatched: hardly any calibration row is as far out.
 * @param {number} rows that calibrated the model */
export function levelsOf(rows) {
  const last = Math.max(0.01, 1.5 / (rows + 1)); // with few rows, where none is
  return [0.5, 0.1, last].filter((level) => level >= last);
}

export class Picture {
  /** @param {number[]} levels */
  constructor(levels) {
    this.levels = levels;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.probe = h("span", { class: "dot unseen" }); // its colours are those of the theme
    /** @type {WeakMap<Grid, ReturnType<typeof layersOf>>} */
    this.layers = new WeakMap();
    /** @type {Map<string, string>} */
    this.colours = new Map();
  }

  /** @param {string} colour */
  resolve(colour) {
    set(this.probe, { "--colour": colour });
    const resolved = this.colours.get(colour) ?? getComputedStyle(this.probe).backgroundColor;
    this.colours.set(colour, resolved);
    return resolved;
  }

  /** Forget the colours: the theme is another. */
  forget() {
    this.colours.clear();
    this.layers = new WeakMap();
  }

  /** @param {Scene} scene */
  paint({ extent, grid, sample, hasLines }) {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = canvas.getContext("2d");
    if (context === null || width === 0) {
      return;
    }
    [canvas.width, canvas.height] = [width * ratio, height * ratio]; // which clears it
    context.scale(ratio, ratio);
    const across = width / (extent.to - extent.from);
    const up = height / (extent.high - extent.low);
    if (grid) {
      const { from, to, low, high } = grid.extent;
      const [wide, tall] = [((to - from) * across) / grid.columns, ((high - low) * up) / grid.rows];
      const matrix = new DOMMatrix([wide, 0, 0, tall, (from - extent.from) * across, (extent.high - high) * up]);
      this.paintGrid(context, grid, matrix, hasLines);
    }
    sample?.rows.forEach(([x, y], row) => {
      const index = sample.classes[row];
      mark(context, (x - extent.from) * across, (extent.high - y) * up, index, this.resolve(colourOf(index)));
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Grid} grid
   * @param {DOMMatrix} matrix from cells to pixels
   * @param {boolean} hasLines
   */
  paintGrid(context, grid, matrix, hasLines) {
    const ink = this.resolve("var(--text)");
    const layers = this.layers.get(grid) ?? layersOf(grid, this.levels, (index) => this.resolve(colourOf(index)));
    this.layers.set(grid, layers);
    drawImage(context, layers.regions, matrix);
    if (layers.unlike && hasLines) {
      hatch(context, layers.unlike, matrix, ink);
      context.strokeStyle = ink;
      layers.lines.forEach(({ path }, index) => {
        const drawn = new Path2D();
        drawn.addPath(path, matrix);
        const isLast = index === this.levels.length - 1;
        [context.globalAlpha, context.lineWidth] = isLast ? [0.9, 1.5] : [0.55, 1];
        context.stroke(drawn);
      });
      context.globalAlpha = 1;
    }
  }

  /** The places of the labels of the lines, the last line first: from 0 to 1 across the grid, and from its top.
   * @param {Grid} grid */
  labels(grid) {
    const places = (this.layers.get(grid)?.lines ?? []).flatMap(({ top }, index) =>
      top === null ? [] : [{ text: short(this.levels[index], 2), x: top[0] / grid.columns, y: top[1] / grid.rows }],
    );
    return places.reverse();
  }
}

/** The layers of a grid, which only move while the person does: images of a pixel for each cell, and lines.
 * @param {Grid} grid @param {number[]} levels @param {(index: number) => string} colour of a class */
function layersOf({ columns, rows, best, sure, typicality }, levels, colour) {
  const last = levels[levels.length - 1];
  /** @type {number[][]} */
  const colours = [];
  for (const index of best) {
    colours[index] ??= (colour(index).match(/[\d.]+/g) ?? []).map(Number);
  }
  const regions = pixels(columns, rows, (at) => [
    ...colours[best[at]].slice(0, 3),
    LEAST_SHADE + (SHADE - LEAST_SHADE) * sure[at],
  ]);
  if (typicality === null) {
    return { regions, unlike: null, lines: [] };
  }
  const logs = typicality.map(Math.log);
  return {
    regions,
    unlike: pixels(columns, rows, (at) => [0, 0, 0, typicality[at] < last ? 255 : 0]),
    lines: levels.map((level) => contour(logs, columns, Math.log(level))),
  };
}

/**
 * @param {number} width
 * @param {number} height
 * @param {(at: number) => number[]} of the pixel: red, green, blue, opacity
 */
function pixels(width, height, of) {
  const { canvas, context } = sheet(width, height);
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    image.data.set(of(at), 4 * at);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** @param {number} width @param {number} height */
function sheet(width, height) {
  const canvas = h("canvas", { width, height });
  return { canvas, context: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")) };
}

/** @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} image @param {DOMMatrix} matrix */
function drawImage(context, image, { a, d, e, f }) {
  context.drawImage(image, e, f, a * image.width, d * image.height);
}

/**
 * Hatch the pixels of a mask.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} mask
 * @param {DOMMatrix} matrix
 * @param {string} ink
 */
function hatch(context, mask, matrix, ink) {
  const { width, height } = context.canvas;
  const { canvas, context: own } = sheet(width, height);
  const scale = context.getTransform();
  own.setTransform(scale);
  drawImage(own, mask, matrix);
  own.globalCompositeOperation = "source-in";
  own.strokeStyle = ink;
  own.lineWidth = 1;
  own.beginPath();
  const [right, bottom] = [width / scale.a, height / scale.d];
  for (let x = -bottom; x < right; x += 9) {
    own.moveTo(x, bottom);
    own.lineTo(x + bottom, 0);
  }
  own.stroke(); // and nothing of the mask is left between the lines
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 0.2;
  context.drawImage(canvas, 0, 0);
  context.restore();
}

/**
 * A mark with a shape and a colour of its class.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} index of the class
 * @param {string} colour
 */
function mark(context, x, y, index, colour) {
  const [sides, turn] = SHAPES[index % SHAPES.length];
  context.beginPath();
  for (let side = 0; side < sides; side += 1) {
    const angle = turn + (2 * Math.PI * side) / sides;
    context.lineTo(x + RADIUS * Math.cos(angle), y + RADIUS * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = "#fff9";
  context.lineWidth = 0.8;
  context.stroke();
}
