// The numbers that a feature takes: any, or the whole ones that its type has.

/** `step` is the least difference of two numbers, 0 for any.
 * @typedef {{step: number, least: number, most: number}} Kind */

const WHOLE = /^(U?)INT(\d+)$/;
const EXACT = 53; // bits of a whole number that a browser holds
/** @type {Kind} */
const ANY = { step: 0, least: -Infinity, most: Infinity };

/** @param {string} type @returns {Kind} */
export function kindOf(type) {
  const [, unsigned, bits] = WHOLE.exec(type) ?? [];
  if (bits === undefined) {
    return ANY;
  }
  const reach = 2 ** Math.min(EXACT, Number(bits) - (unsigned ? 0 : 1));
  return { step: 1, least: unsigned ? 0 : -reach, most: reach - 1 };
}

/** The number of a kind that is nearest to another.
 * @param {Kind} kind @param {number} value */
export function nearest({ step, least, most }, value) {
  return Math.min(Math.max(step ? Math.round(value) : value, least), most) + 0; // and no minus before a zero
}

/** An axis cut into cells, each with a number in its middle: at most `count`, and of whole numbers one each if possible.
 * @param {Kind} kind @param {number} from @param {number} to @param {number} count
 * @returns {{from: number, to: number, values: number[]}} */
export function axisOf(kind, from, to, count) {
  if (kind.step === 0) {
    return { from, to, values: middles(from, to, count) };
  }
  const [first, last] = [nearest(kind, from), nearest(kind, to)];
  const cells = Math.min(count, last - first + 1);
  const ends = { from: first - 0.5, to: last + 0.5 };
  return { ...ends, values: middles(ends.from, ends.to, cells).map((value) => nearest(kind, value)) };
}

/** The middles of cells, from one end to the other.
 * @param {number} from @param {number} to @param {number} count */
function middles(from, to, count) {
  return Array.from({ length: count }, (_, index) => from + ((index + 0.5) / count) * (to - from));
}
