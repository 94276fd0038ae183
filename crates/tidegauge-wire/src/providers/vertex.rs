//! Google's cloud platform: the same formats as the public API, and other vendors' models in their
//! own formats.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Category, Dialect, Head, Matched, Operation, Peek, ProviderError, Response};

use super::anthropic;
use super::gemini::path::{self, Path};
use super::gemini::{self, errors, generate};
use super::openai::{OpenAi, chat};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Provider, Reader, SocketReader, peek};
use crate::transcript::Prompt;

/// aiplatform.googleapis.com and its regional hosts.
#[derive(Debug)]
pub(crate) struct Vertex;

impl Dialect for Vertex {
    fn kind(&self) -> &'static str {
        "vertex"
    }

    fn provider(&self) -> &'static str {
        "gcp.vertex_ai"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        path::is_platform(head.path)
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        if path::is_compatible(head.path) {
            return OpenAi.matched(head);
        }
        let path = Path::of(head.path);
        let operation = match (path.method, &*path.model) {
            ("rawPredict", "count-tokens") => Operation::CountTokens,
            ("rawPredict" | "streamRawPredict", _) => Operation::Chat,
            _ => gemini::operation(&path, head.method),
        };
        Matched { operation, route: path.route() }
    }

    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes {
        errors::body(status, kind, message)
    }
}

impl Provider for Vertex {
    fn upstream(&self) -> Option<&'static str> {
        Some("https://aiplatform.googleapis.com")
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("google")
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        if path::is_compatible(head.path) {
            return OpenAi.reader(head);
        }
        let path = Path::of(head.path);
        match path.method {
            "generateContent" => Some(&generate::ON_PLATFORM),
            "streamGenerateContent" => Some(&generate::ON_PLATFORM_STREAM),
            "rawPredict" | "streamRawPredict" => Some(raw_reader(&path)),
            _ => gemini::reader(&path),
        }
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        gemini::socket(&Path::of(head.path))
    }

    fn region(&self, path: &str) -> Option<String> {
        Path::of(path).location()
    }

    fn read_error(&self, body: Json<'_>, into: &mut Response) {
        errors::read(body, into);
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        errors::classify(error)
    }
}

/// What a vendor's own body is read by: its model's publisher tells.
fn raw_reader(path: &Path<'_>) -> &'static dyn Reader {
    match (&*path.publisher, &*path.model) {
        ("anthropic", "count-tokens") => &anthropic::CountTokens,
        ("anthropic", _) => &Messages,
        _ => &chat::Chat,
    }
}

/// Anthropic's Messages, with the model and the wish for a stream in the path.
struct Messages;

impl Reader for Messages {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        anthropic::Messages.read_request(head, body, into);
        let path = Path::of(&head.path);
        into.request.model = path::model(&path).or(into.request.model.take());
        into.request.stream |= path.method == "streamRawPredict";
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        anthropic::Messages.read_event(event, into);
    }
}
