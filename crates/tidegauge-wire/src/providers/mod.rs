//! The providers, one file each, and one row for each host that speaks another's format.

pub(crate) mod headers;

mod anthropic;
mod compatible;
mod named;
mod openai;
mod routes;

use crate::provider::Provider;

/// Every provider, those whose claims are narrowest first.
pub(crate) const ALL: &[&dyn Provider] = &[
    &anthropic::Anthropic,
    &named::GEMINI,
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
    &compatible::OLLAMA,
    &compatible::VLLM,
    &compatible::LLAMACPP,
    &named::VERTEX,
    &named::BEDROCK,
    &named::COHERE,
];
