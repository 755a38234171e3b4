// Numbers as a person reads them. Widths do not change while numbers do.

/**
 * A probability with four digits after the point. A number that is not 0 or 1 is never shown as one of them.
 * @param {number} value
 */
export function probability(value) {
  if (value > 0 && value < 0.00005) {
    return "<.0001";
  }
  if (value < 1 && value >= 0.99995) {
    return ">.9999";
  }
  return value.toFixed(4);
}

/**
 * A share as a percentage with one digit after the point. Only 0 and 1 themselves are shown as 0 and 100 %.
 * @param {number} value
 */
export function percent(value) {
  if (value > 0 && value < 0.0005) {
    return "<0.1 %";
  }
  if (value < 1 && value >= 0.9995) {
    return ">99.9 %";
  }
  return `${(value * 100).toFixed(1)} %`;
}

/**
 * Any number with a few digits.
 * @param {number} value
 * @param {number} [digits] significant ones
 */
export function short(value, digits = 5) {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  }
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-4 || size >= 1e6)
      ? value.toExponential(digits - 2).replace(/\.?0+e/, "e")
      : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

/**
 * A whole number with separators.
 * @param {number} value
 */
export function count(value) {
  return value.toLocaleString("en");
}
