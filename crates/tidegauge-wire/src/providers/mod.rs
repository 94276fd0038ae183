//! The providers, one file each, and one row for each host that speaks another's format.

pub(crate) mod headers;

mod anthropic;
mod bedrock;
mod cohere;
mod compatible;
mod gemini;
mod ollama;
mod openai;
mod plain;
mod routes;

use crate::provider::Provider;

/// Every provider, those whose claims are narrowest first.
pub(crate) const ALL: &[&dyn Provider] = &[
    &anthropic::ANTHROPIC,
    &gemini::GEMINI,
    &compatible::AZURE,
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
    &gemini::VERTEX,
    &bedrock::BEDROCK,
    &cohere::COHERE,
];

/// Whose format most clients speak.
pub(crate) const DEFAULT: &dyn Provider = &openai::OpenAi;
