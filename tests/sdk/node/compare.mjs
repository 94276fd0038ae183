// Makes the same calls with the official Node SDK direct and through the proxy, and compares.
//
//     node compare.mjs DIRECT PROXY
//
// Both are origins. TIDEGAUGE_SDK_NODE is a folder with `node_modules/openai`. A line per case on
// standard output; exit 1 if any differs or is not what the upstream said.

import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.TIDEGAUGE_SDK_NODE, "from.js"));
const { default: OpenAI } = require("openai");

const messages = [{ role: "user", content: "Say hello." }];
const tools = [{ type: "function", function: { name: "weather", description: "Tells the weather.",
  parameters: { type: "object", properties: { city: { type: "string" } } } } }];

async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

async function error(call) {
  try {
    await call();
    return { raises: null };
  } catch (raised) {
    return { raises: raised.constructor.name, status: raised.status, code: raised.code, message: raised.message };
  }
}

function cases(baseURL) {
  const client = new OpenAI({ baseURL, apiKey: "sk-rig", maxRetries: 0, timeout: 20_000 });
  const chat = (more) => client.chat.completions.create({ model: "gpt-4o-mini", messages, ...more });
  const fails = (model, raises) => [model, () => error(() => chat({ model })), raises];
  return [
    ["chat", () => chat(), "Hello there."],
    ["chat stream", () => all(chat({ stream: true })), '"content":" there"'],
    ["chat stream with usage", () => all(chat({ stream: true, stream_options: { include_usage: true } })), '"prompt_tokens":12'],
    ["tools", () => chat({ tools }), "Bergen"],
    ["embeddings", () => client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] }), "[1,2,3]"],
    ["responses", () => client.responses.create({ model: "gpt-4o-mini", input: "Say hello." }), "Hello there."],
    ["responses stream", () => all(client.responses.create({ model: "gpt-4o-mini", input: "Say hello.", stream: true })), "response.completed"],
    ["models", () => all(client.models.list()), "gpt-4o-mini"],
    fails("fails-auth", "AuthenticationError"),
    fails("fails-permission", "PermissionDeniedError"),
    fails("fails-missing", "NotFoundError"),
    fails("fails-invalid", "BadRequestError"),
    fails("fails-limited", "RateLimitError"),
    fails("fails-inside", "InternalServerError"),
  ];
}

async function results(base) {
  const found = [];
  for (const [name, call, said] of cases(base)) {
    let text;
    try {
      text = JSON.stringify(await call());
    } catch (raised) {
      text = `unexpected ${raised.stack}`;
    }
    found.push({ name, text, said });
  }
  return found;
}

const [direct, proxy] = process.argv.slice(2);
const want = await results(`${direct}/v1`);
const got = await results(`${proxy}/openai/v1`);
let wrong = 0;
want.forEach(({ name, text, said }, at) => {
  const same = text === got[at].text && text.includes(said);
  if (!same) wrong += 1;
  console.log(same ? `same  ${name}` : `DIFFERS  ${name}\n  expected ${said}\n  direct  ${text}\n  proxied ${got[at].text}`);
});
console.log(`${want.length - wrong} of ${want.length} calls are the same`);
process.exit(wrong ? 1 : 0);
