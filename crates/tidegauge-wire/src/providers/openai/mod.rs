//! OpenAI: the routes of its API, its errors, and the readers that many other hosts share.

pub(crate) mod audio;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod conversations;
pub(crate) mod embeddings;
pub(crate) mod images;
pub(crate) mod moderations;
pub(crate) mod rerank;
pub(crate) mod responses;

mod lasting;
mod realtime;
mod request;
mod usage;
pub(crate) mod words;

use bytes::Bytes;
use http::{Method, StatusCode};
use tidegauge_core::{Dialect, Filter, Head, Matched, Operation, Peek, Splice, UsagePolicy};

use super::anthropic;
use super::plain::{self, Found};
use super::results;
use super::routes::{self, Route, any, get, post};
use crate::provider::{Provider, Reader, SocketReader, peek};
use crate::splice;

/// api.openai.com.
#[derive(Debug)]
pub(crate) struct OpenAi;

impl Dialect for OpenAi {
    fn kind(&self) -> &'static str {
        "openai"
    }

    fn provider(&self) -> &'static str {
        "openai"
    }

    fn claims(&self, _head: Head<'_>) -> bool {
        false
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        // `/openai/deployments/...` is Azure's; behind this provider's name it would take the key of
        // another here.
        let ours = !head.path.starts_with("/deployments/");
        find_served(head).filter(|_| ours).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        may_splice(operation, head)
    }

    fn splice(&self, body: &[u8]) -> Option<Splice> {
        splice::ask_for_usage(body)
    }

    fn refuses_splice(&self, status: StatusCode, body: &[u8]) -> bool {
        splice::is_refusal(status, body)
    }

    fn filter(&self) -> Box<dyn Filter> {
        Box::new(splice::UsageFilter::default())
    }

    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        error_body(kind, message)
    }
}

impl Provider for OpenAi {
    fn upstream(&self) -> Option<&'static str> {
        Some("https://api.openai.com")
    }

    fn usage(&self) -> UsagePolicy {
        UsagePolicy::Inject
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("openai")
    }

    fn client_variable(&self) -> Option<(&'static str, &'static str)> {
        Some(("OPENAI_BASE_URL", "/v1"))
    }

    fn names_surfaces(&self) -> bool {
        true
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        let anthropic = || anthropic::find(head).and_then(|(_, reader)| reader);
        routes::row(ROUTES, head).and_then(|row| row.reader).or_else(anthropic)
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        socket(head)
    }
}

/// What a path asks for where a host serves OpenAI's APIs and may serve Anthropic's beside them, as
/// gateways do.
pub(crate) fn find_served(head: Head<'_>) -> Option<Found> {
    find(head).or_else(|| anthropic::find(head))
}

/// What a path of this API asks for, whoever serves it.
pub(crate) fn find(head: Head<'_>) -> Option<Found> {
    plain::by_table(ROUTES, head)
}

/// The same of chat alone.
pub(crate) fn find_chat(head: Head<'_>) -> Option<Found> {
    find(head).filter(|_| routes::row(ROUTES, head).is_some_and(|row| row.pattern == CHAT))
}

/// Who reads the messages of a socket of this API, whoever serves it.
pub(crate) fn socket(head: Head<'_>) -> Option<&'static dyn SocketReader> {
    match routes::row(ROUTES, head)?.pattern {
        REALTIME => Some(&realtime::Realtime),
        RESPONSES => Some(&lasting::Lasting),
        _ => None,
    }
}

/// Only the two APIs with `stream_options` are spliced, and only plain JSON bodies.
pub(crate) fn may_splice(operation: Operation, head: Head<'_>) -> bool {
    let spliced = matches!(operation, Operation::Chat | Operation::TextCompletion);
    let asks = || {
        let row = routes::row(ROUTES, head);
        row.is_some_and(|row| matches!(row.pattern, CHAT | COMPLETIONS))
    };
    spliced && asks() && splice::is_plain_json(head.headers)
}

/// `{"error": {"message", "type", "param", "code"}}`
pub(crate) fn error_body(kind: &str, message: &str) -> Bytes {
    let (message, kind) = (splice::quoted(message), splice::quoted(kind));
    let text =
        format!(r#"{{"error":{{"message":{message},"type":{kind},"param":null,"code":{kind}}}}}"#);
    Bytes::from(text)
}

const CHAT: &str = "chat/completions";
const COMPLETIONS: &str = "completions";
const RESPONSES: &str = "responses";
const REALTIME: &str = "realtime";

/// The content of a file, which may be the results of a batch job.
const FILE: Route = Route {
    method: Some(Method::GET),
    pattern: "files/{id}/content",
    operation: Operation::Batch,
    reader: Some(&results::FILE),
};

/// A job that may hold its results.
const JOB: Route = Route {
    method: Some(Method::GET),
    pattern: "batch/jobs/{id}",
    operation: Operation::Batch,
    reader: Some(&results::INLINE),
};

/// A response that is shown once more, and may have gone on since it was asked for.
const STORED: Route = Route {
    method: Some(Method::GET),
    pattern: "responses/{id}",
    operation: Operation::FetchResponse,
    reader: Some(&responses::Stored),
};

static ROUTES: &[Route] = &[
    post(CHAT, Operation::Chat, &chat::Chat),
    post(RESPONSES, Operation::Chat, &responses::Responses),
    // Nothing but a socket is asked for so.
    get(RESPONSES, Operation::Realtime),
    post("responses/input_tokens", Operation::CountTokens, &responses::InputTokens),
    // A conversation summed up, which costs what any other answer does.
    post("responses/compact", Operation::Chat, &responses::Responses),
    STORED,
    any("responses/{id}", Operation::Other),
    // It answers with the response, as showing it does.
    post("responses/{id}/cancel", Operation::FetchResponse, &responses::Stored),
    any("responses/{id}/input_items", Operation::Other),
    post("agents/completions", Operation::Chat, &chat::Chat),
    post(COMPLETIONS, Operation::TextCompletion, &completions::Completions),
    post("embeddings", Operation::Embeddings, &embeddings::Embeddings),
    post("rerank", Operation::Rerank, &rerank::Rerank),
    post("images/generations", Operation::ImageGeneration, &images::Images),
    post("images/edits", Operation::ImageGeneration, &images::Images),
    post("images/variations", Operation::ImageGeneration, &images::Images),
    post("audio/speech", Operation::Speech, &audio::Speech),
    post("audio/transcriptions", Operation::Transcription, &audio::Transcription),
    post("audio/translations", Operation::Transcription, &audio::Transcription),
    post("moderations", Operation::Moderation, &moderations::Moderations),
    any("videos", Operation::VideoGeneration),
    any(REALTIME, Operation::Realtime),
    any("batches", Operation::Batch),
    any("batches/{id}", Operation::Batch),
    any("batches/{id}/cancel", Operation::Batch),
    any("batch/jobs", Operation::Batch),
    JOB,
    any("batch/jobs/{id}", Operation::Batch),
    any("batch/jobs/{id}/cancel", Operation::Batch),
    any("files", Operation::Batch),
    any("files/{id}", Operation::Batch),
    FILE,
    any("files/{id}/content", Operation::Batch),
    get("models", Operation::Models),
    get("models/{*}", Operation::Models),
];
