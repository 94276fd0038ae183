//! Google's Gemini API: the model and what is asked of it stand in the path.
//!
//! The readers are shared with the cloud platform's endpoints, which put more before the model.

mod batch;
pub(super) mod count;
pub(super) mod embed;
pub(super) mod errors;
pub(super) mod generate;
mod interactions;
pub(super) mod live;
pub(super) mod path;
pub(super) mod predict;
mod usage;
mod words;

use bytes::Bytes;
use http::{Method, StatusCode};
use tidegauge_core::{Category, Dialect, Head, Matched, Operation, Peek, ProviderError, Response};

use self::path::Path;
use super::openai::OpenAi;
use crate::field::Json;
use crate::provider::{Provider, Reader, SocketReader, peek};

/// generativelanguage.googleapis.com.
#[derive(Debug)]
pub(crate) struct Gemini;

impl Dialect for Gemini {
    fn kind(&self) -> &'static str {
        "gemini"
    }

    fn provider(&self) -> &'static str {
        "gcp.gemini"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        let key = head.headers.contains_key("x-goog-api-key");
        path::is_public(head.path) || key && !path::is_platform(head.path)
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        if path::is_compatible(head.path) {
            return OpenAi.matched(head);
        }
        let path = Path::of(head.path);
        Matched { operation: operation(&path, head.method), route: path.route() }
    }

    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes {
        errors::body(status, kind, message)
    }
}

impl Provider for Gemini {
    fn upstream(&self) -> Option<&'static str> {
        Some("https://generativelanguage.googleapis.com")
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("google")
    }

    fn client_variable(&self) -> Option<(&'static str, &'static str)> {
        Some(("GOOGLE_GEMINI_BASE_URL", ""))
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        if path::is_compatible(head.path) {
            return OpenAi.reader(head);
        }
        reader(&Path::of(head.path))
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        socket(&Path::of(head.path))
    }

    fn read_error(&self, body: Json<'_>, into: &mut Response) {
        errors::read(body, into);
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        errors::classify(error)
    }
}

/// What is asked of a model, or of the API itself.
pub(super) fn operation(path: &Path<'_>, method: &Method) -> Operation {
    match path.method {
        "generateContent" | "streamGenerateContent" => Operation::GenerateContent,
        "countTokens" | "computeTokens" => Operation::CountTokens,
        "embedContent" | "batchEmbedContents" => Operation::Embeddings,
        "predict" => predict::operation(&path.model),
        "predictLongRunning" => Operation::VideoGeneration,
        "batchGenerateContent" | "asyncBatchEmbedContent" | "download" => Operation::Batch,
        path::LIVE => Operation::Realtime,
        "" if path.is_interaction() && method == Method::POST => Operation::GenerateContent,
        "" if path.collection == "batches" => Operation::Batch,
        "" if path.collection == "models" && method == Method::GET => Operation::Models,
        _ => Operation::Other,
    }
}

/// Who reads what a path asks for.
pub(super) fn reader(path: &Path<'_>) -> Option<&'static dyn Reader> {
    match path.method {
        "generateContent" => Some(&generate::PUBLIC),
        "streamGenerateContent" => Some(&generate::PUBLIC_STREAM),
        "countTokens" => Some(&count::CountTokens),
        "embedContent" | "batchEmbedContents" => Some(&embed::Embed),
        "predict" => Some(&predict::Predict),
        "predictLongRunning" => Some(&predict::LongRunning),
        "download" => Some(&batch::FILE),
        "" if path.is_batch() => Some(&batch::OPERATION),
        "" if path.is_interaction() => Some(&interactions::Interactions),
        _ => None,
    }
}

/// Who reads the messages of the socket that a path asks for.
pub(super) fn socket(path: &Path<'_>) -> Option<&'static dyn SocketReader> {
    (path.method == path::LIVE).then_some(&live::Live)
}

/// The member under its name in JSON, or under that of the field it is made from: the API takes
/// both.
fn either<'a>(of: Json<'a>, camel: &str, snake: &str) -> Json<'a> {
    let told = of.get(camel);
    if told.exists() { told } else { of.get(snake) }
}
