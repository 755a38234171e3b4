// From a drawing to the pixels that a model sees, as its training pictures are made.

import { h } from "../../dom.js";
import { pathOf, UNITS } from "./strokes.js";

/** @typedef {import("./strokes.js").Stroke} Stroke */
/** @typedef {import("./shape.js").Shape} Shape */
/** @typedef {{canvas: HTMLCanvasElement, box: Box | null}} Picture with the box of its ink, null if there is none */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{strokes: Stroke[], picture: Picture | null, pen: number, fit: string}} Drawing */

const FINE = 4; // points of the fine picture for each pixel and direction: the training pictures of digits count these
const MOST_ZOOM = 4; // of small drawings
const INK = 128; // below this, a point of the fine picture is ink

/** How drawings are put into the frame: the part of it that they fill, and where.
 * @type {Record<string, {name: string, width: number, height: number, isSqueezed?: boolean, isByMass?: boolean}>} */
export const FITS = {
  fill: { name: "Full height, as scikit-learn’s digits", width: 0.8, height: 1, isSqueezed: true },
  middle: {
    name: "With a margin, as MNIST’s digits",
    width: 20 / 28,
    height: 20 / 28,
    isByMass: true,
  },
  none: { name: "As it is drawn", width: 1, height: 1 },
};

/**
 * The fit of a model's training pictures, as far as their size tells.
 * @param {Shape} shape
 */
export function usualFit({ height, width, channels }) {
  const size = `${height} ${width} ${channels}`;
  return size === "8 8 1" ? "fill" : size === "28 28 1" ? "middle" : "none";
}

/**
 * The size of the pad and of pictures on it.
 * @param {Shape} shape
 */
export function padOf({ height, width }) {
  const longer = Math.max(height, width);
  return { width: (UNITS * width) / longer, height: (UNITS * height) / longer };
}

/**
 * The pixels of a drawing, row by row: the share of ink of each, or its colours.
 * @param {Shape} shape
 * @param {Drawing} drawing
 * @returns {number[][]}
 */
export function pixelsOf(shape, drawing) {
  const isFitted = drawing.fit !== "none";
  const canvas = h("canvas", { width: shape.width * FINE, height: shape.height * FINE });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const place = placeOf(shape, drawing);
  let points = paint(context, shape, drawing, place);
  if (FITS[drawing.fit].isByMass) {
    const [x, y] = middleOf(points, canvas.width);
    place.left += canvas.width / 2 - x;
    place.top += canvas.height / 2 - y;
    points = paint(context, shape, drawing, place);
  }
  const pixels = [];
  for (let y = 0; y < shape.height; y += 1) {
    for (let x = 0; x < shape.width; x += 1) {
      pixels.push(pixel(points, canvas.width, x * FINE, y * FINE, shape.channels, isFitted));
    }
  }
  return pixels;
}

/**
 * One pixel of a fine picture.
 * @param {Uint8ClampedArray} points red, green, blue and opacity of each
 * @param {number} width
 * @param {number} left
 * @param {number} top
 * @param {number} channels
 * @param {boolean} isCounted black points are counted, as those of bitmaps
 */
function pixel(points, width, left, top, channels, isCounted) {
  const sums = [0, 0, 0];
  for (let index = 0; index < FINE * FINE; index += 1) {
    const at = 4 * ((top + Math.floor(index / FINE)) * width + left + (index % FINE));
    for (let channel = 0; channel < 3; channel += 1) {
      sums[channel] += isCounted ? (points[at] < INK ? 0 : 255) : points[at + channel];
    }
  }
  const [red, green, blue] = sums.map((sum) => sum / (FINE * FINE * 255));
  return channels === 3 ? [red, green, blue] : [Math.round(1e4 * (1 - grey(red, green, blue))) / 1e4];
}

/**
 * How light a colour is.
 * @param {number} red @param {number} green @param {number} blue
 */
export function grey(red, green, blue) {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/**
 * Where the drawing comes to lie in the fine picture: a scale for each direction, and the place of its corner.
 * @param {Shape} shape
 * @param {Drawing} drawing
 */
function placeOf(shape, { strokes, picture, pen, fit }) {
  const { width, height, isSqueezed } = FITS[fit];
  const unit = (FINE * Math.max(shape.width, shape.height)) / UNITS; // as it is drawn
  const points = strokes.flat();
  const box = picture?.box;
  const xs = [...points.map(([x]) => x), ...(box ? [box.x, box.x + box.width] : [])];
  const ys = [...points.map(([, y]) => y), ...(box ? [box.y, box.y + box.height] : [])];
  if (fit === "none" || xs.length === 0) {
    return { across: unit, down: unit, left: 0, top: 0 };
  }
  const edge = points.length ? pen * unit : 0; // half the pen on either side
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = (/** @type {number} */ room, /** @type {number} */ extent) =>
    Math.min(MOST_ZOOM * unit, (room - edge) / (extent || 1e-9));
  const wide = scale(shape.width * FINE * width, x1 - x0);
  const high = scale(shape.height * FINE * height, y1 - y0);
  const across = Math.min(wide, high);
  const down = isSqueezed ? high : across;
  return {
    across,
    down,
    left: (shape.width * FINE - (x0 + x1) * across) / 2,
    top: (shape.height * FINE - (y0 + y1) * down) / 2,
  };
}

/**
 * Paint a drawing, black on white, and return the points. The pen is as thick as on the pad, however large it is drawn.
 * @param {CanvasRenderingContext2D} context
 * @param {Shape} shape
 * @param {Drawing} drawing
 * @param {{across: number, down: number, left: number, top: number}} place
 */
function paint(context, shape, { strokes, picture, pen }, { across, down, left, top }) {
  const { width, height } = context.canvas;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  if (picture) {
    const pad = padOf(shape);
    context.imageSmoothingQuality = "high";
    context.drawImage(picture.canvas, left, top, pad.width * across, pad.height * down);
  }
  context.lineWidth = (pen * FINE * Math.max(shape.width, shape.height)) / UNITS;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.stroke(new Path2D(pathOf(stroke.map(([x, y]) => [left + x * across, top + y * down]))));
  }
  return context.getImageData(0, 0, width, height).data;
}

/**
 * The centre of mass of the ink.
 * @param {Uint8ClampedArray} points
 * @param {number} width
 */
function middleOf(points, width) {
  let [x, y, sum] = [0, 0, 0];
  for (let at = 0; at < points.length; at += 4) {
    const ink = 255 - points[at];
    x += ink * (((at / 4) % width) + 0.5);
    y += ink * (Math.floor(at / 4 / width) + 0.5);
    sum += ink;
  }
  return sum ? [x / sum, y / sum] : [width / 2, points.length / 8 / width];
}
