//! A record to begin tests with: one plain chat call that took a second.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use tidegauge_core::{
    Dialect, End, Exchange, ExchangeId, Filter, Head, Labels, Matched, Measurement, Observation,
    Operation, Origin, Overhead, Propagate, Record, SpanId, Splice, Timeouts, Times, Trace,
    TraceId, Upstream, UsagePolicy,
};

/// Milliseconds.
pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A record of `model` at `upstream` that took `duration`.
pub(crate) fn record(upstream: &str, model: &str, duration: Duration) -> Record {
    let mut observation = Observation::default();
    observation.request.model = Some(model.to_owned());
    Record {
        exchange: exchange(upstream),
        observation,
        measurement: Measurement { duration, ..Measurement::default() },
    }
}

/// A chat call at `upstream` that began at the epoch, was sent after 2 ms and ended after 1002.
pub(crate) fn exchange(upstream: &str) -> Exchange {
    Exchange {
        id: ExchangeId::new(0, 0),
        started: UNIX_EPOCH + Duration::from_secs(1_795_176_000),
        trace: Trace {
            trace_id: TraceId([1; 16]),
            parent: None,
            link: None,
            sampled: true,
            state: String::new(),
            server: SpanId([1; 8]),
            inference: SpanId([2; 8]),
        },
        upstream: Arc::new(Upstream {
            name: upstream.into(),
            dialect: &Plain,
            origin: Origin { secure: false, host: "h".into(), port: 80, prefix: String::new() },
            usage: UsagePolicy::Passthrough,
            timeouts: Timeouts { connect: ms(1), head: None, idle: None },
            headers: Vec::new(),
            propagate: Propagate::None,
            ca: None,
            client_identity: None,
            capture: tidegauge_core::Capture::Off,
        }),
        operation: Operation::Chat,
        route: Cow::Borrowed("/v1/chat/completions"),
        method: Method::POST,
        path: "/v1/chat/completions".into(),
        query: None,
        secure: false,
        client: None,
        host: None,
        version: Version::HTTP_11,
        user_agent: None,
        labels: Labels::default(),
        attempts: Vec::new(),
        status: Some(StatusCode::OK),
        request_bytes: 0,
        upstream_bytes: 0,
        response_bytes: 0,
        times: Times {
            sent: Some(ms(2)),
            head: Some(ms(202)),
            first_byte: Some(ms(212)),
            last_byte: Some(ms(1001)),
            ended: ms(1002),
        },
        overhead: Overhead::default(),
        end: End::Complete,
        failure: None,
        injected: false,
    }
}

#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn kind(&self) -> &'static str {
        "plain"
    }
    fn provider(&self) -> &'static str {
        "plain"
    }
    fn claims(&self, _: Head<'_>) -> bool {
        false
    }
    fn matched(&self, _: Head<'_>) -> Matched {
        Matched { operation: Operation::Chat, route: Cow::Borrowed("/") }
    }
    fn may_splice(&self, _: Operation, _: Head<'_>) -> bool {
        false
    }
    fn splice(&self, _: &[u8]) -> Option<Splice> {
        None
    }
    fn refuses_splice(&self, _: StatusCode, _: &[u8]) -> bool {
        false
    }
    fn filter(&self) -> Box<dyn Filter> {
        Box::new(Untouched)
    }
    fn error_body(&self, _: StatusCode, _: &str, _: &str) -> Bytes {
        Bytes::new()
    }
}

struct Untouched;

impl Filter for Untouched {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) {
        out.push(bytes.clone());
    }
    fn finish(&mut self, _: &mut Vec<Bytes>) {}
}
