// Parts of the plane.

import { numbersOf } from "../../state.js";

/** The first feature from left to right, the second from bottom to top.
 * @typedef {{from: number, to: number, low: number, high: number}} Extent */
/** @typedef {[number, number]} Point */

const MARGIN = 0.15; // around the training rows
const FAR = 6; // heights of the first extent above it

/** The extent of the training rows with a margin.
 * @param {import("../../api.js").Model} model @param {{rows: number[][]} | null} sample @returns {Extent} */
export function homeOf({ features }, sample) {
  const [across, up] = features.map(({ min, max }, index) => {
    const values = sample?.rows.map((row) => row[index]) ?? [-10, 10];
    const [least, most] = [min ?? Math.min(...values), max ?? Math.max(...values)];
    const margin = (most - least) * MARGIN || 1;
    return [least - margin, most + margin];
  });
  return { from: across[0], to: across[1], low: up[0], high: up[1] };
}

/** A point far above the training rows, and an extent with both.
 * @param {Extent} home @returns {{extent: Extent, point: Point}} */
export function farOf({ from, to, low, high }) {
  const [middle, height] = [(from + to) / 2, high - low];
  const reach = ((FAR + 2) / 2) * (to - from);
  return {
    extent: { from: middle - reach, to: middle + reach, low: low - height / 2, high: high + (FAR + 0.5) * height },
    point: [middle, high + FAR * height],
  };
}

/** @param {string | null} text @returns {Extent | null} */
export function extentOf(text) {
  const numbers = numbersOf(text);
  if (numbers?.length !== 4) {
    return null;
  }
  const [from, to, low, high] = numbers;
  return from < to && low < high && Number.isFinite(to - from + high - low) ? { from, to, low, high } : null;
}

/** @param {Extent} extent @param {Point} point */
export function isInside({ from, to, low, high }, [x, y]) {
  return x >= from && x <= to && y >= low && y <= high;
}

/** An extent made larger by a factor, around a point that keeps its place.
 * @param {Extent} extent @param {number} by @param {Point} around @returns {Extent} */
export function scaled({ from, to, low, high }, by, [x, y]) {
  return { from: x + (from - x) * by, to: x + (to - x) * by, low: y + (low - y) * by, high: y + (high - y) * by };
}

/** A point with as many digits as can be seen.
 * @param {Extent} extent @param {Point} point @returns {Point} */
export function rounded({ from, to, low, high }, [x, y]) {
  return [round(x, to - from), round(y, high - low)];
}

/** A number to a thousandth of a width.
 * @param {number} value @param {number} width */
function round(value, width) {
  const digits = Math.min(100, Math.max(0, 3 - Math.floor(Math.log10(width))));
  return Number(value.toFixed(digits)) + 0; // and no minus before a zero
}
