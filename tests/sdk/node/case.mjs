// One call through an SDK: how it is made, what it must say, and what must be recorded of it.

import { createRequire } from "node:module";
import path from "node:path";

export const sdk = createRequire(path.join(process.env.TIDEGAUGE_SDK_NODE, "from.js"));

// The record of a call that went well, by JSON pointer; null for nothing.
export function record(operation, model, { answered = null, tokens = [12, 3], finish = null, stream = false, ...more } = {}) {
  return {
    "/operation": operation,
    "/request/model": model,
    "/response/model": answered,
    "/response/finish_reasons": finish && [finish],
    "/usage/source": tokens ? "provider" : "missing",
    "/usage/input_tokens": tokens && tokens[0],
    "/usage/output_tokens": tokens && tokens[1],
    "/cost/status": tokens ? "priced" : "unknown",
    "/stream": stream,
    "/category": null,
    "/end": "complete",
    ...more,
  };
}

// The record of a call that the provider refused.
export function failed(operation, model, category, status) {
  return {
    "/operation": operation,
    "/request/model": model,
    "/response/status": status,
    "/usage/source": "missing",
    "/cost/status": "unknown",
    "/category": category,
  };
}

export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

// What a call raises, as data.
export async function raised(call) {
  try {
    await call();
    return { raises: null };
  } catch (error) {
    const { status, statusCode, code, message, responseBody } = error;
    return { raises: error.constructor.name, status, statusCode, code, message, responseBody };
  }
}
