//! Protocols that are forwarded, timed and counted, but whose bodies are not read yet.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Dialect, Filter, Head, Matched, Operation, Splice};

use super::{openai, routes};
use crate::provider::{Provider, Reader};
use crate::splice::PassAll;

/// A provider of which little more than the name is known.
#[derive(Debug)]
pub(crate) struct Named {
    kind: &'static str,
    provider: &'static str,
    upstream: Option<&'static str>,
    price_id: Option<&'static str>,
    claims: fn(Head<'_>) -> bool,
}

impl Dialect for Named {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn provider(&self) -> &'static str {
        self.provider
    }

    fn claims(&self, head: Head<'_>) -> bool {
        (self.claims)(head)
    }

    fn matched(&self, _head: Head<'_>) -> Matched {
        routes::unknown()
    }

    fn may_splice(&self, _operation: Operation, _head: Head<'_>) -> bool {
        false
    }

    fn splice(&self, _body: &[u8]) -> Option<Splice> {
        None
    }

    fn refuses_splice(&self, _status: StatusCode, _body: &[u8]) -> bool {
        false
    }

    fn filter(&self) -> Box<dyn Filter> {
        Box::new(PassAll)
    }

    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        openai::error_body(kind, message)
    }
}

impl Provider for Named {
    fn upstream(&self) -> Option<&'static str> {
        self.upstream
    }

    fn price_id(&self) -> Option<&'static str> {
        self.price_id
    }

    fn reader(&self, _head: Head<'_>) -> Option<&'static dyn Reader> {
        None
    }
}

/// Gemini.
pub(crate) static GEMINI: Named = Named {
    kind: "gemini",
    provider: "gcp.gemini",
    upstream: Some("https://generativelanguage.googleapis.com"),
    price_id: Some("google"),
    claims: |head| {
        head.path.starts_with("/v1beta/models/") || head.headers.contains_key("x-goog-api-key")
    },
};

/// Vertex AI, its global endpoint.
pub(crate) static VERTEX: Named = Named {
    kind: "vertex",
    provider: "gcp.vertex_ai",
    upstream: Some("https://aiplatform.googleapis.com"),
    price_id: Some("google"),
    claims: |_| false,
};

/// Bedrock. The region's host must be configured.
pub(crate) static BEDROCK: Named = Named {
    kind: "bedrock",
    provider: "aws.bedrock",
    upstream: None,
    price_id: Some("aws"),
    claims: |_| false,
};

/// Cohere.
pub(crate) static COHERE: Named = Named {
    kind: "cohere",
    provider: "cohere",
    upstream: Some("https://api.cohere.com"),
    price_id: Some("cohere"),
    claims: |_| false,
};
