//! The providers, one file each, and one row for each host that speaks another's format.

pub(crate) mod headers;

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod compatible;
mod gemini;
mod ollama;
mod openai;
mod routes;
mod vertex;

use crate::provider::Provider;

/// Every provider, those whose claims are narrowest first.
pub(crate) const ALL: &[&dyn Provider] = &[
    &anthropic::Anthropic,
    &gemini::Gemini,
    &azure::Azure,
    &openai::OpenAi,
    &compatible::COMPATIBLE,
    &compatible::GROQ,
    &compatible::DEEPSEEK,
    &compatible::MISTRAL,
    &compatible::TOGETHER,
    &compatible::FIREWORKS,
    &compatible::OPENROUTER,
    &compatible::PERPLEXITY,
    &compatible::XAI,
    &compatible::CEREBRAS,
    &compatible::HUGGINGFACE,
    &compatible::VERCEL,
    &compatible::ZAI,
    &compatible::MOONSHOT,
    &ollama::Ollama,
    &compatible::VLLM,
    &compatible::LLAMACPP,
    &vertex::Vertex,
    &bedrock::Bedrock,
    &cohere::Cohere,
];
