//! What a provider's file must say about its protocol, and the list of all providers.
//!
//! Everything here is stateless; what was learned lives in the argument. This file must not know
//! what any provider does.

use http::HeaderMap;
use tidegauge_core::{Category, Dialect, Head, Operation, ProviderError, Response, UsagePolicy};

use crate::answer::Answer;
use crate::field::Json;
use crate::providers::{self, headers};
use crate::session::Session;
use crate::transcript::Prompt;

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
