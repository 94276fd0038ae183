//! One exchange as data, and how to show it to an observer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tidegauge_core::{
    Dialect, End, Exchange, ExchangeId, Head, Labels, Observation, Origin, Overhead, Propagate,
    SpanId, Texts, Timeouts, Times, Trace, TraceId, Upstream, UsagePolicy,
};
use tidegauge_wire::{Observer, provider};

/// What was sent and answered.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) request_headers: HeaderMap,
    pub(crate) request: Vec<u8>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) response: Vec<u8>,
}

impl Case {
    /// An observation of the case with its bodies cut by `cut`: for how many bytes the next piece is.
    pub(crate) fn observe(&self, mut cut: impl FnMut(usize) -> usize) -> Observation {
        self.observe_as(&mut cut, |_| {})
    }

    /// The same for an exchange that went another way.
    pub(crate) fn observe_as(
        &self,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> Observation {
        self.observe_with_texts(cut, change).0
    }

    /// The same, with what counting and checking need.
    pub(crate) fn observe_with_texts(
        &self,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> (Observation, Texts) {
        let provider = provider(&self.kind).expect("a provider of that kind");
        let head = self.head();
        let operation = provider.matched(head).operation;
        let mut observer = Observer::new(provider, operation, head);
        observer.sample_texts();
        let mut clock = 0;
        let mut tick = || {
            clock += 1;
            Duration::from_millis(clock)
        };
        pieces(&self.request, cut, |piece| observer.request(tick(), piece));
        observer.response_head(tick(), self.status, &self.headers);
        pieces(&self.response, cut, |piece| observer.response(tick(), piece));
        let mut exchange = exchange(provider, self);
        exchange.operation = operation;
        change(&mut exchange);
        observer.finish_with_texts(&exchange)
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.request_headers,
        }
    }
}

/// Header fields from name and value pairs.
pub(crate) fn headers<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    map
}

fn pieces(body: &[u8], cut: &mut dyn FnMut(usize) -> usize, mut show: impl FnMut(&[u8])) {
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
        show(piece);
        rest = tail;
    }
}

fn exchange(dialect: &'static dyn tidegauge_wire::Provider, case: &Case) -> Exchange {
    let dialect: &'static dyn Dialect = dialect;
    Exchange {
        id: ExchangeId::new(0, 0),
        started: SystemTime::UNIX_EPOCH,
        trace: Trace {
            trace_id: TraceId([1; 16]),
            parent: None,
            link: None,
            sampled: true,
            state: String::new(),
            server: SpanId([2; 8]),
            inference: SpanId([3; 8]),
        },
        upstream: Arc::new(upstream(dialect)),
        operation: tidegauge_core::Operation::Other,
        route: Cow::Borrowed("/{path}"),
        method: case.method.clone(),
        path: case.path.clone(),
        query: case.query.clone(),
        secure: false,
        client: None,
        host: None,
        version: Version::HTTP_11,
        user_agent: None,
        labels: Labels::default(),
        attempts: Vec::new(),
        status: Some(case.status),
        request_bytes: case.request.len() as u64,
        upstream_bytes: case.response.len() as u64,
        response_bytes: case.response.len() as u64,
        times: Times::default(),
        overhead: Overhead::default(),
        end: End::Complete,
        failure: None,
        injected: false,
    }
}

fn upstream(dialect: &'static dyn Dialect) -> Upstream {
    Upstream {
        name: Arc::from(dialect.kind()),
        dialect,
        origin: Origin {
            secure: false,
            host: "127.0.0.1".to_owned(),
            port: 9,
            prefix: String::new(),
        },
        usage: UsagePolicy::Passthrough,
        timeouts: Timeouts { connect: Duration::from_secs(1), head: None, idle: None },
        headers: Vec::new(),
        propagate: Propagate::None,
        ca: None,
        client_identity: None,
    }
}
