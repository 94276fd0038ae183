//! A provider that is a handful of facts and a way to find its readers, and is never spliced.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{Dialect, Head, Matched, Peek};

use super::headers;
use super::routes::{self, Route};
use crate::answer::Answer;
use crate::provider::{Provider, Reader, peek};

/// What a request head asks for, and who reads it.
pub(crate) type Found = (Matched, Option<&'static dyn Reader>);

/// The facts of one provider.
#[derive(Debug)]
pub(crate) struct Plain {
    /// See [`Dialect::kind`].
    pub(crate) kind: &'static str,
    /// See [`Dialect::provider`].
    pub(crate) provider: &'static str,
    /// See [`Provider::upstream`].
    pub(crate) upstream: Option<&'static str>,
    /// See [`Provider::price_id`].
    pub(crate) price_id: Option<&'static str>,
    /// See [`Provider::client_variable`].
    pub(crate) client_variable: Option<(&'static str, &'static str)>,
    /// See [`Dialect::claims`].
    pub(crate) claims: fn(Head<'_>) -> bool,
    /// What a request head asks for, if it is known.
    pub(crate) find: fn(Head<'_>) -> Option<Found>,
    /// The body of an error answer, from its status, kind and message.
    pub(crate) error_body: fn(StatusCode, &str, &str) -> Bytes,
    /// What of the response head only this provider has.
    pub(crate) read_headers: fn(&HeaderMap, &mut Answer),
}

impl Dialect for Plain {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn provider(&self) -> &'static str {
        self.provider
    }

    fn claims(&self, head: Head<'_>) -> bool {
        (self.claims)(head)
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        (self.find)(head).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes {
        (self.error_body)(status, kind, message)
    }
}

impl Provider for Plain {
    fn upstream(&self) -> Option<&'static str> {
        self.upstream
    }

    fn price_id(&self) -> Option<&'static str> {
        self.price_id
    }

    fn client_variable(&self) -> Option<(&'static str, &'static str)> {
        self.client_variable
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        (self.find)(head).and_then(|(_, reader)| reader)
    }

    fn read_headers(&self, headers: &HeaderMap, into: &mut Answer) {
        headers::read(headers, &mut into.response);
        (self.read_headers)(headers, into);
    }
}

/// What a table of routes says.
pub(crate) fn by_table(table: &'static [Route], head: Head<'_>) -> Option<Found> {
    routes::find(table, head).map(|(row, matched)| (matched, row.reader))
}
