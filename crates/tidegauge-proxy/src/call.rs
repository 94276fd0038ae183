//! A routed request: what the steps from admission to the answer know of it.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tidegauge_core::{Head, Operation, Policy, Trace, Upstream};

use crate::caller::Caller;
use crate::shared::Shared;

/// A routed request.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) policy: &'a Policy,
    pub(crate) upstream: &'a Arc<Upstream>,
    pub(crate) operation: Operation,
    /// The path for the upstream.
    pub(crate) path: &'a str,
    pub(crate) parts: &'a Parts,
    pub(crate) trace: &'a Trace,
    /// When the route was known, since the exchange began.
    pub(crate) routed: Duration,
    pub(crate) caller: &'a Arc<Caller>,
}

impl<'a> Call<'a> {
    /// The head as the upstream will see it.
    pub(crate) fn head(&self) -> Head<'a> {
        Head {
            method: &self.parts.method,
            path: self.path,
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
        }
    }
}
