// Versions that share the requests to a model, and shadows, in words.

import { count, percent } from "../../format.js";

/**
 * @param {import("./metrics.js").Reading} reading
 * @returns {string[]} a sentence for each model with shares, and for each shadow that has compared rows
 */
export function routes({ shares, shadows }) {
  /** @type {Map<string, string[]>} */
  const parts = new Map();
  for (const { model, version, share } of shares.filter((each) => each.share > 0 && each.share < 1)) {
    parts.set(model, [...(parts.get(model) ?? []), `version ${version} answers ${percent(share)} of the requests`]);
  }
  const compared = [...shadows.values()].filter(({ rows }) => rows > 0);
  return [
    ...[...parts].map(([model, each]) => `${model}: ${each.join(", ")}.`),
    ...compared.map(
      ({ model, version, shadow, rows, others }) =>
        `${model}: version ${shadow} as a shadow gave another label than version ${version} for ${count(others)} of ` +
        `${count(rows)} rows (${percent(others / rows)}) since the service started.`,
    ),
  ];
}
