// The AI SDK, with its providers for OpenAI and Anthropic.

import { all, failed, raised, record, sdk } from "./case.mjs";

const { embedMany, generateText, jsonSchema, streamText, tool } = sdk("ai");
const { createOpenAI } = sdk("@ai-sdk/openai");
const { createAnthropic } = sdk("@ai-sdk/anthropic");
const gpt = "gpt-4o-mini";
const claude = "claude-sonnet-4-5";
const vectors = "text-embedding-3-small";

const ask = (model, more) => ({ model, prompt: "Say hello.", maxRetries: 0, maxOutputTokens: 64, ...more });
const whole = async (model, more) => {
  const { text, toolCalls, finishReason, usage } = await generateText(ask(model, more));
  return { text, tools: toolCalls.map(({ toolName, input }) => ({ toolName, input })), finishReason, usage };
};
const stream = async (model) => {
  const answer = streamText(ask(model));
  return [await all(answer.textStream), await answer.finishReason, await answer.usage];
};
const weather = { weather: tool({ description: "Tells the weather.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }) }) };

export function* cases(base) {
  const openai = createOpenAI({ baseURL: `${base("openai")}/v1`, apiKey: "sk-rig" });
  const anthropic = createAnthropic({ baseURL: `${base("anthropic")}/v1`, apiKey: "sk-ant-rig" });
  const told = (model, finish, more) => [record("chat", model, { answered: model, finish, ...more })];
  yield { name: "openai responses", call: () => whole(openai(gpt)), said: "Hello there.", records: told(gpt, null) };
  yield { name: "openai responses stream", call: () => stream(openai(gpt)), said: '" there"',
    records: told(gpt, null, { stream: true }) };
  yield { name: "openai chat", call: () => whole(openai.chat(gpt)), said: "Hello there.", records: told(gpt, "stop") };
  yield { name: "openai chat stream", call: () => stream(openai.chat(gpt)), said: '" there"',
    records: told(gpt, "stop", { stream: true }) };
  yield { name: "openai tools", call: () => whole(openai.chat(gpt), { tools: weather }), said: "Bergen",
    records: told(gpt, "tool_calls", { tokens: [40, 9], "/response/tool_calls": 1 }) };
  yield { name: "openai embeddings", said: "[1,2,3]",
    call: async () => (await embedMany({ model: openai.textEmbeddingModel(vectors), values: ["one", "two"], maxRetries: 0 })).embeddings,
    records: [record("embeddings", vectors, { answered: vectors, tokens: [7, null] })] };
  yield { name: "anthropic", call: () => whole(anthropic(claude)), said: "Hello there.", records: told(claude, "end_turn") };
  yield { name: "anthropic stream", call: () => stream(anthropic(claude)), said: '" there"',
    records: told(claude, "end_turn", { stream: true }) };
  yield { name: "anthropic tools", call: () => whole(anthropic(claude), { tools: weather }), said: "Bergen",
    records: told(claude, "tool_use", { tokens: [50, 21], "/response/tool_calls": 1 }) };
  yield { name: "openai limited", call: () => raised(() => whole(openai.chat("fails-limited"))), said: '"statusCode":429',
    records: [failed("chat", "fails-limited", "rate_limit", 429)] };
  yield { name: "anthropic overloaded", call: () => raised(() => whole(anthropic("fails-overloaded"))), said: '"statusCode":529',
    records: [failed("chat", "fails-overloaded", "overloaded", 529)] };
}
