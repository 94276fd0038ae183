//! What the data plane may ask about a provider's protocol: pure functions over bytes and heads.
//!
//! The readers of the protocol implement this; the proxy is handed them as `&dyn Dialect` and knows
//! no provider by name.

use std::borrow::Cow;
use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::Operation;

/// The part of a request head that tells what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path as the provider will see it, without the query.
    pub path: &'a str,
    /// Query without the `?`.
    pub query: Option<&'a str>,
    /// Headers as the client sent them.
    pub headers: &'a HeaderMap,
}

/// What a request head asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matched {
    /// The operation.
    pub operation: Operation,
    /// Low-cardinality pattern of the path (`http.route`): parameters in braces, `/{path}` for what
    /// is not known.
    pub route: Cow<'static, str>,
}

/// What a request body asks for, as far as somebody may have to know before it is forwarded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Peek {
    /// The model.
    pub model: Option<String>,
    /// Whether a stream is wanted.
    pub stream: Option<bool>,
    /// The most tokens of output.
    pub max_tokens: Option<u64>,
}

/// Bytes to insert into a request body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Offset into the client's body, at most its length.
    pub at: usize,
    /// What is inserted there.
    pub insert: Bytes,
}

/// Removes from a response stream what only we asked for. Sees the decoded body as it comes, in any
/// pieces; what it gives back, in order, is what the client gets.
pub trait Filter: Send {
    /// The next piece. Pushes what may be passed on now to `out`; may hold back an unfinished event.
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>);
    /// The end, clean or not. Pushes whatever was held back and is not ours to remove.
    fn finish(&mut self, out: &mut Vec<Bytes>);
}

/// One provider's protocol, as far as forwarding needs it.
pub trait Dialect: Send + Sync + Debug {
    /// The word a configuration uses for it (`provider: openai`). Unique.
    fn kind(&self) -> &'static str;

    /// The provider's name in telemetry (`gen_ai.provider.name`).
    fn provider(&self) -> &'static str;

    /// Whether a request at the root, with no upstream in its path, is this provider's. Must be
    /// exact: the first provider that claims a request gets it.
    fn claims(&self, head: Head<'_>) -> bool;

    /// What a request asks for. Total: the unknown is [`Operation::Other`].
    fn matched(&self, head: Head<'_>) -> Matched;

    /// What a complete request body asks for; `None` where it is not understood.
    fn peek(&self, _head: Head<'_>, _body: &[u8]) -> Option<Peek> {
        None
    }

    /// Whether asking for usage may need the body before it is forwarded. A protocol that never needs
    /// to be asked says nothing here nor in the next three.
    fn may_splice(&self, _operation: Operation, _head: Head<'_>) -> bool {
        false
    }

    /// Where to ask for usage in a complete request body; `None` when the body is to stay as it is
    /// (no stream, already asked, explicitly declined, not understood).
    fn splice(&self, _body: &[u8]) -> Option<Splice> {
        None
    }

    /// Whether an error answer says that it does not know the field we added.
    fn refuses_splice(&self, _status: StatusCode, _body: &[u8]) -> bool {
        false
    }

    /// A filter for the response of a spliced request.
    fn filter(&self) -> Box<dyn Filter> {
        Box::new(Everything)
    }

    /// The body of an error answer of ours, in the shape this provider's clients can read (JSON).
    /// `kind` is a low-cardinality identifier, `message` is for people.
    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes;
}

/// A filter that removes nothing.
struct Everything;

impl Filter for Everything {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) {
        out.push(bytes.clone());
    }

    fn finish(&mut self, _out: &mut Vec<Bytes>) {}
}
