// How the answer moves as one feature moves and the others stay: individual conditional expectation.

import { isWhole } from "../../cells.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {number | string | boolean | null} Value */
/** A feature, its index, and the values that it takes in turn: points of a curve, or choices; null is a missing one.
 * @typedef {{index: number, name: string, isCurve: boolean, isKnown: boolean, values: Value[]}} Move */
/** A move with the answers for its values, its class that moves most, and how far.
 * @typedef {Move & {p: number[][], typicality: number[] | undefined, most: number, low: number, high: number}} Effect */

export const MOST_MOVES = 40; // features
const [MOST_POINTS, FEWEST_POINTS] = [41, 5];
const MOST_CHOICES = 24;
const MOST_NUMBERS = 200_000; // of a request

/**
 * The moves of all features of a row. A text whose categories are not known is not moved.
 * @param {Model} model
 * @param {Value[]} row
 * @returns {Move[]}
 */
export function movesOf({ features, datatype }, row) {
  const moved = features.slice(0, MOST_MOVES);
  const most = Math.floor(MOST_NUMBERS / row.length / moved.length);
  const points = Math.max(FEWEST_POINTS, Math.min(MOST_POINTS, most));
  return moved
    .map((feature, index) => {
      const type = feature.datatype ?? datatype ?? "FP32";
      const { name, values, min, max } = feature;
      const isCurve = !(type === "BYTES" || type === "BOOL" || (values.length && values.length <= MOST_CHOICES));
      const isKnown = values.length > 0 || (min !== null && max !== null);
      const taken = isCurve ? curve(feature, type, row[index], points) : choices(feature, type, row[index]);
      return { index, name, isCurve, isKnown: isKnown || !isCurve, values: taken };
    })
    .filter((move) => move.values.length > 0);
}

/**
 * The choices of a feature, the present one among them.
 * @param {import("../../api.js").Feature} feature
 * @param {string} type
 * @param {Value} value
 * @returns {Value[]}
 */
function choices({ categories, values, nullable }, type, value) {
  const known = type === "BOOL" ? [false, true] : type === "BYTES" ? categories : values;
  return known.length ? [...new Set([...known.slice(0, MOST_CHOICES), value, ...(nullable ? [null] : [])])] : [];
}

/**
 * The points of a curve over the range of a feature, which goes as far as the present value; then a missing one.
 * @param {import("../../api.js").Feature} feature
 * @param {string} type
 * @param {Value} value
 * @param {number} points
 * @returns {Value[]}
 */
function curve({ min, max, values, nullable }, type, value, points) {
  const here = typeof value === "number" ? [value] : [];
  const [middle] = [...here, 0];
  const reach = Math.max(1, Math.abs(middle) / 2); // where no range is known
  const ends = min !== null && max !== null ? [min, max] : [middle - reach, middle + reach];
  const [low, high] = [Math.min(...ends, ...here), Math.max(...ends, ...here)];
  const even = Array.from({ length: points }, (_, at) => {
    const share = at / (points - 1);
    const number = low * (1 - share) + high * share; // finite at the ends of float64, too
    return isWhole(type) ? Math.round(number) : number;
  });
  return [...new Set(values.length ? values : even), ...(nullable ? [null] : [])];
}

/**
 * The rows of a request: the present one, then those of each move.
 * @param {Value[]} row
 * @param {Move[]} moves
 */
export function rowsOf(row, moves) {
  return [
    row,
    ...moves.flatMap(({ index, values }) => values.map((value) => row.map((own, at) => (at === index ? value : own)))),
  ];
}

/**
 * The effects of moves.
 * @param {Move[]} moves
 * @param {import("../../api.js").PredictReply} reply for `rowsOf`
 * @returns {Effect[]}
 */
export function effectsOf(moves, reply) {
  let from = 1;
  return moves.map((move) => {
    const to = from + move.values.length;
    const p = reply.probabilities.slice(from, to);
    const typicality = reply.typicality?.slice(from, to);
    from = to;
    const ranges = p[0].map((_, most) => {
      const column = p.map((each) => each[most]);
      return { most, low: Math.min(...column), high: Math.max(...column) };
    });
    const widest = ranges.reduce((one, other) => (other.high - other.low > one.high - one.low ? other : one));
    return { ...move, p, typicality, ...widest };
  });
}
