// Asks the service at the given URL through the generated types, and prints its answers as one line of JSON.

import createClient from "openapi-fetch";
import type { components as Blobs, paths as BlobsPaths } from "./blobs.js";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });

async function answer<T>(reply: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await reply;
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const vector: components["schemas"]["SoftmaxRequest"] = { logits: [0.7, 1.5, 4.8] };
const rows: components["schemas"]["PredictRequest"] = { instances: [[1, 2]], include: ["logits"] };
const tensor: components["schemas"]["V2InferRequest"] = {
  inputs: [{ name: "features", shape: [1, 2], datatype: "FP32", data: [1, 2] }],
  outputs: [{ name: "probabilities" }],
};
const path = { name: "blobs" };
const blobs = createClient<BlobsPaths>({ baseUrl: process.argv[2] });
const row: Blobs["schemas"]["Row"] = { x1: 1, x2: 2 };
// @ts-expect-error - a text is no number
export const wrong: Blobs["schemas"]["Row"] = { x1: 1, x2: "2" };

const softmax = await answer(client.POST("/softmax", { body: vector }));
const predict = await answer(client.POST("/predict", { body: rows }));
const infer = await answer(client.POST("/v2/models/{name}/infer", { params: { path }, body: tensor }));
if (typeof infer === "string") throw new Error("asked for JSON, not for bytes");
const typed = await answer(blobs.POST("/models/blobs/predict", { body: { instances: [row] } }));
const labels: ("blob-0" | "blob-1" | "blob-2" | "blob-3")[] = typed.labels;
const { models } = await answer(client.GET("/models"));
const refused = await client.POST("/softmax", { body: { logits: [] } });

console.log(
  JSON.stringify({
    softmax: softmax.probabilities,
    predict: [predict.labels, predict.probabilities, predict.logits],
    infer: infer.outputs[0]?.data,
    typed: labels,
    models: models.map((model) => `${model.name} ${model.version} ${model.state}`),
    refused: refused.error,
  }),
);
