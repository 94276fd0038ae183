// The @google/genai SDK, for Gemini.

import { all, failed, raised, record, sdk } from "./case.mjs";

const { GoogleGenAI } = sdk("@google/genai");
const model = "gemini-2.5-flash";
const contents = "Say hello.";
const FAILURES = [
  ["fails-auth", "auth", 400],
  ["fails-missing", "model_not_found", 404],
  ["fails-limited", "rate_limit", 429],
  ["fails-overloaded", "overloaded", 503],
];

// An answer without the headers it came with.
const plain = ({ sdkHttpResponse, ...answer }) => answer;

export function* cases(base) {
  const { models } = new GoogleGenAI({ apiKey: "rig", httpOptions: { baseUrl: base("gemini"), timeout: 20_000 } });
  // Thinking counts as output.
  const told = (more) => [record("generate_content", model, { answered: model, tokens: [12, 8], finish: "STOP",
    "/usage/reasoning_tokens": 5, ...more })];
  yield { name: "generate", call: async () => plain(await models.generateContent({ model, contents })),
    said: "Hello there.", records: told() };
  yield { name: "stream", call: async () => (await all(models.generateContentStream({ model, contents }))).map(plain),
    said: '" there"', records: told({ stream: true }) };
  yield { name: "embed", said: "[1,2,3]",
    call: async () => plain(await models.embedContent({ model: "gemini-embedding-001", contents: ["one", "two"] })),
    records: [record("embeddings", "gemini-embedding-001", { tokens: [7, null] })] };
  for (const [name, category, status] of FAILURES) {
    yield { name, call: () => raised(() => models.generateContent({ model: name, contents })), said: "ApiError",
      records: [failed("generate_content", name, category, status)] };
  }
}
