//! The data plane's only exit: what passes is shown to an observer, which must not make it wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{Exchange, Head, Operation, Upstream};

/// What is known when an exchange begins.
#[derive(Clone, Copy, Debug)]
pub struct Begin<'a> {
    /// What is known of it so far: ids, time, way; everything that comes later is still empty.
    pub exchange: &'a Exchange,
    /// Where it goes.
    pub upstream: &'a Arc<Upstream>,
    /// What is asked.
    pub operation: Operation,
    /// The request head as the upstream will see it (path without our prefix). Holds credentials:
    /// keep none of it that is not understood.
    pub head: Head<'a>,
}

/// Told everything that passes in one exchange, in order per direction. Every call returns at once
/// and none can fail; a panic in here costs the observation, never the stream.
pub trait Observe: Send {
    /// A piece of the request body, as the client sent it.
    fn request(&mut self, at: Duration, bytes: &Bytes);

    /// The response head. Called at most once, for the response that is passed on.
    fn response_head(&mut self, at: Duration, status: StatusCode, headers: &HeaderMap);

    /// A piece of the response body, as the upstream sent it.
    fn response(&mut self, at: Duration, bytes: &Bytes);

    /// The connection left HTTP after a `101` that was passed on; this is the exchange so far. Whether
    /// what follows is to be shown. If so, every piece of either direction is, as `request` and
    /// `response`, and an empty piece is the end of that direction.
    fn switched(&mut self, exchange: &Exchange) -> bool {
        let _ = exchange;
        false
    }

    /// The end of the exchange. Hands over; the work is done elsewhere.
    fn end(self: Box<Self>, exchange: Exchange);
}

/// Makes an observer for each exchange.
pub trait Observers: Send + Sync {
    /// One exchange begins.
    fn begin(&self, begin: Begin<'_>) -> Box<dyn Observe>;
}
