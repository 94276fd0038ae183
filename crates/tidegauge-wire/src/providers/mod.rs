//! The providers, one file each, and one row for each host that speaks another's format.

pub(crate) mod headers;

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod compatible;
mod credentials;
mod gemini;
mod lists;
mod ollama;
mod openai;
mod plain;
mod reset;
mod results;
mod routes;
mod vertex;

pub use credentials::credential_owner;
pub use lists::price_id_of;

use crate::provider::Provider;

/// Every provider, those whose claims are narrowest first.
pub(crate) const ALL: &[&dyn Provider] = &[
    // Known by their paths.
    &vertex::Vertex,
    &bedrock::Bedrock,
    &azure::Azure,
    &ollama::Ollama,
    &cohere::Cohere,
    // Known by a header too, which clients of those above may send as well.
    &anthropic::ANTHROPIC,
    &gemini::Gemini,
    // Known by configuration only.
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
    &compatible::VLLM,
    &compatible::LLAMACPP,
];

/// Whose format most clients speak.
pub(crate) const DEFAULT: &dyn Provider = &openai::OpenAi;
