//! What a provider's file must say about its protocol, and the list of all providers.
//!
//! Everything here is stateless; what was learned lives in the argument. This file must not know
//! what any provider does.

use http::HeaderMap;
use tidegauge_core::{
    Category, Dialect, Head, Operation, Peek, ProviderError, Request, Response, UsagePolicy,
};

use crate::answer::Answer;
use crate::field::{Doc, Json};
use crate::providers::{self, headers};
use crate::session::Session;
use crate::transcript::{Prompt, Wanted};

/// Everything known about one provider.
pub trait Provider: Dialect {
    /// Its public origin, such as `https://api.example.com`. `None`: it must be configured.
    fn upstream(&self) -> Option<&'static str>;

    /// Whether usage is asked for when the configuration does not say.
    fn usage(&self) -> UsagePolicy {
        UsagePolicy::Passthrough
    }

    /// Its id in the price catalogue. `None`: prices are found by the model's name.
    fn price_id(&self) -> Option<&'static str> {
        None
    }

    /// Whether its usual host is somebody else's: trace context has no business there.
    fn public(&self) -> bool {
        true
    }

    /// How its own clients are told another address: the environment variable they read, and what
    /// follows the upstream's name in its value. `None`: there is no such variable.
    fn client_variable(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Whether the surfaces of its API have names of their own (`openai.api.type`).
    fn names_surfaces(&self) -> bool {
        false
    }

    /// The reader of the API that a request head asks for. `None`: forwarded and timed, not read.
    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader>;

    /// The reader of the messages on a socket that a request head asks for. `None`: forwarded and
    /// timed, not read.
    fn socket(&self, _head: Head<'_>) -> Option<&'static dyn SocketReader> {
        None
    }

    /// Where the model runs, if the request's path says so and this provider bills by it.
    fn region(&self, _path: &str) -> Option<String> {
        None
    }

    /// Reads the response head.
    fn read_headers(&self, headers: &HeaderMap, into: &mut Answer) {
        headers::read(headers, &mut into.response);
    }

    /// Reads what an error body, or an event with an error, tells beside its error object, which has
    /// been read into `response.error`.
    fn read_error(&self, _body: Json<'_>, _into: &mut Response) {}

    /// What an error means where this provider differs from the others; `None` where it does not.
    fn classify(&self, _response: &Response, _error: &ProviderError) -> Option<Category> {
        None
    }
}

/// One API of a provider: a body format and its stream. Stateless.
pub trait Reader: Sync {
    /// The provider's own name of the surface (`openai.api.type`), where it has one.
    fn api(&self) -> Option<&'static str> {
        None
    }

    /// Whether its streams end with a mark of their own.
    fn has_terminator(&self) -> bool {
        true
    }

    /// How its streams are framed where their content type does not tell.
    fn streams(&self) -> Streams {
        Streams::Events
    }

    /// Reads the request: facts, declared tools, and by the same calls the transcript where it is wanted.
    /// The body is absent when there was none or it is not JSON or a form; form
    /// fields come as members with strings.
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt);

    /// The id under which a response is fetched that was asked for before, where this API makes none
    /// but shows them.
    fn fetches(&self, _head: &Asked) -> Option<String> {
        None
    }

    /// Reads one event of a stream, or the whole body of a unary answer: facts, and by the same calls the
    /// transcript where it is wanted.
    fn read_event(&self, event: Event<'_>, into: &mut Answer);
}

/// One protocol over a websocket whose messages are JSON. Stateless.
pub trait SocketReader: Sync {
    /// The provider's own name of the surface (`openai.api.type`), where it has one.
    fn api(&self) -> Option<&'static str> {
        None
    }

    /// What a turn of it is.
    fn operation(&self) -> Operation {
        Operation::Chat
    }

    /// Reads a message of the client.
    fn read_client(&self, message: Json<'_>, into: &mut Session);

    /// Reads a message of the server.
    fn read_server(&self, message: Json<'_>, into: &mut Session);
}

/// How a stream is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Streams {
    /// As server-sent events: their first bytes tell.
    Events,
    /// One JSON value a line.
    Lines,
    /// As the elements of one JSON list.
    Elements,
    /// Not a stream: a file of results, one JSON object a line, whatever its content type.
    Results,
    /// Not a stream: results that are the elements of the first list of that name in one JSON value.
    Listed(&'static str),
}

/// What a complete request body asks for, by the reader of its API: see [`Dialect::peek`].
pub(crate) fn peek<P: Provider + ?Sized>(
    provider: &P,
    head: Head<'_>,
    body: &[u8],
) -> Option<Peek> {
    let reader = provider.reader(head)?;
    let mut doc = Doc::default();
    if !doc.parse(body) {
        return None;
    }
    let mut prompt = Prompt::new(Wanted::default());
    let asked = Asked { path: head.path.to_owned() };
    reader.read_request(&asked, doc.root(body), &mut prompt);
    let Request { model, stream, max_tokens, .. } = prompt.request;
    Some(Peek { model, stream: Some(stream), max_tokens })
}

/// What of a request head a reader may need when the body is read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// Path as the provider sees it, without the query; at most 1 KiB of it.
    pub path: String,
}

/// One piece of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The event's name, where the framing has names.
    pub name: Option<&'a str>,
    /// The event's data, or the body.
    pub data: Json<'a>,
    /// This is one of several events, not a whole body.
    pub stream: bool,
}

/// Every provider, in the order in which they are asked whether a request at the root is theirs.
pub static PROVIDERS: &[&dyn Provider] = providers::ALL;

/// The provider of that kind, as a configuration names it.
pub fn provider(kind: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.kind() == kind)
}

/// The provider that a request at the root is meant for when no provider claims it.
pub fn default_provider() -> &'static dyn Provider {
    providers::DEFAULT
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use tidegauge_core::{Head, Peek};

    use super::provider;

    /// What has to be known before a request is forwarded is what its record will say.
    #[test]
    fn bodies_say_what_they_ask_for() {
        let peek = |model: &str, stream, max_tokens| {
            Some(Peek { model: Some(model.to_owned()), stream: Some(stream), max_tokens })
        };
        for (kind, path, body, expected) in [
            (
                "openai",
                "/v1/chat/completions",
                r#"{"model":"m","stream":true,"max_completion_tokens":5,"messages":[]}"#,
                peek("m", true, Some(5)),
            ),
            (
                "openai",
                "/v1/responses",
                r#"{"model":"m","max_output_tokens":7}"#,
                peek("m", false, Some(7)),
            ),
            (
                "anthropic",
                "/v1/messages",
                r#"{"model":"m","max_tokens":9}"#,
                peek("m", false, Some(9)),
            ),
            (
                "gemini",
                "/v1beta/models/m:generateContent",
                r#"{"generationConfig":{"maxOutputTokens":3}}"#,
                peek("m", false, Some(3)),
            ),
            ("cohere", "/v2/chat", r#"{"model":"m","stream":true}"#, peek("m", true, None)),
            (
                "ollama",
                "/api/chat",
                r#"{"model":"m","options":{"num_predict":4}}"#,
                peek("m", true, Some(4)),
            ),
            (
                "bedrock",
                "/model/m/converse",
                r#"{"inferenceConfig":{"maxTokens":2}}"#,
                peek("m", false, Some(2)),
            ),
            ("openai", "/v1/chat/completions", r#"{"model":"m""#, None),
            ("openai", "/v1/unknown", r#"{"model":"m"}"#, None),
        ] {
            let headers = HeaderMap::new();
            let head = Head { method: &Method::POST, path, query: None, headers: &headers };
            let told = provider(kind).unwrap().peek(head, body.as_bytes());
            assert_eq!(told, expected, "{kind} {path} {body}");
        }
    }
}
