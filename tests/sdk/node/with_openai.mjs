// The openai SDK.

import { all, failed, raised, record, sdk } from "./case.mjs";

const { default: OpenAI } = sdk("openai");
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];
const tools = [{ type: "function", function: { name: "weather", description: "Tells the weather.",
  parameters: { type: "object", properties: { city: { type: "string" } } } } }];
const FAILURES = [
  ["fails-auth", "AuthenticationError", "auth", 401],
  ["fails-permission", "PermissionDeniedError", "permission", 403],
  ["fails-missing", "NotFoundError", "model_not_found", 404],
  ["fails-invalid", "BadRequestError", "invalid_request", 400],
  ["fails-limited", "RateLimitError", "rate_limit", 429],
  ["fails-inside", "InternalServerError", "server_error", 500],
];

export function* cases(base) {
  const client = new OpenAI({ baseURL: `${base("openai")}/v1`, apiKey: "sk-rig", maxRetries: 0, timeout: 20_000 });
  const chat = (more) => client.chat.completions.create({ model, messages, ...more });
  const told = (more) => [record("chat", model, { answered: model, finish: "stop", ...more })];
  yield { name: "chat", call: () => chat(), said: "Hello there.", records: told() };
  yield { name: "chat stream", call: () => all(chat({ stream: true })), said: '"content":" there"',
    records: told({ stream: true, "/usage/source": "injected" }) };
  yield { name: "chat stream with usage", said: '"prompt_tokens":12', records: told({ stream: true }),
    call: () => all(chat({ stream: true, stream_options: { include_usage: true } })) };
  yield { name: "tools", call: () => chat({ tools }), said: "Bergen",
    records: told({ finish: "tool_calls", tokens: [40, 9], "/response/tool_calls": 1 }) };
  yield { name: "embeddings", said: "[1,2,3]",
    call: () => client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] }),
    records: [record("embeddings", "text-embedding-3-small", { answered: "text-embedding-3-small", tokens: [7, null] })] };
  yield { name: "responses", said: "Hello there.", records: told({ finish: null }),
    call: () => client.responses.create({ model, input: "Say hello." }) };
  yield { name: "responses stream", said: "response.completed", records: told({ finish: null, stream: true }),
    call: () => all(client.responses.create({ model, input: "Say hello.", stream: true })) };
  yield { name: "models", call: () => all(client.models.list()), said: model, records: [record("models", null, { tokens: null })] };
  for (const [name, raises, category, status] of FAILURES) {
    yield { name, call: () => raised(() => chat({ model: name })), said: raises, records: [failed("chat", name, category, status)] };
  }
}
