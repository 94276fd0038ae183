//! One exchange and its record for tests to begin with: a chat call that went well.
//!
//! Only built for tests, behind the feature `testing`; a test changes what it is about and leaves the
//! rest. Every time in it is a whole number, so that what is derived from it is too.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, StatusCode, Version};

use crate::{
    Capture, Cost, CostStatus, Dialect, End, Exchange, ExchangeId, Head, Labels, Matched,
    Measurement, Money, Observation, Operation, Origin, Overhead, Propagate, Record, RecordKind,
    Request, Response, Source, SpanId, Timeouts, Times, Trace, TraceId, Upstream, Usage,
    UsagePolicy,
};

/// A protocol of that name which knows nothing: every path is [`Operation::Other`].
#[derive(Debug)]
pub struct Mute(pub &'static str);

impl Dialect for Mute {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn provider(&self) -> &'static str {
        self.0
    }

    fn claims(&self, _head: Head<'_>) -> bool {
        false
    }

    fn matched(&self, _head: Head<'_>) -> Matched {
        Matched { operation: Operation::Other, route: Cow::Borrowed("/{path}") }
    }

    fn error_body(&self, _status: StatusCode, _kind: &str, _message: &str) -> Bytes {
        Bytes::new()
    }
}

/// An upstream named after its protocol, on plain HTTP at `h:80`, which is not asked for usage.
pub fn upstream(dialect: &'static dyn Dialect) -> Upstream {
    let origin = Origin { secure: false, host: "h".to_owned(), port: 80, prefix: String::new() };
    Upstream {
        name: dialect.kind().into(),
        dialect,
        origin: origin.into(),
        usage: UsagePolicy::Passthrough,
        timeouts: Timeouts { connect: Duration::from_secs(1), head: None, idle: None },
        headers: Vec::new(),
        propagate: Propagate::None,
        ca: None,
        client_identity: None,
        capture: Capture::Off,
        http2: false,
    }
}

/// A trace of our own: sampled, without parent, link or state.
pub fn trace() -> Trace {
    Trace {
        trace_id: TraceId([1; 16]),
        parent: None,
        link: None,
        sampled: true,
        random: false,
        caller_counts: None,
        state: String::new(),
        server: SpanId([2; 8]),
        inference: SpanId([3; 8]),
    }
}

/// A chat call there, of 812 bytes, answered with 5,120. Sent after 2 ms, answered after 202, the
/// first byte after 212, the last after 1,001, over after 1,002.
pub fn exchange(upstream: &Upstream) -> Exchange {
    let ms = |millis| Some(Duration::from_millis(millis));
    Exchange {
        id: ExchangeId::new(1_795_000_000_000, 7),
        started: UNIX_EPOCH + Duration::from_secs(1_795_000_000),
        trace: trace(),
        to: upstream.destination(),
        operation: Operation::Chat,
        route: Cow::Borrowed("/v1/chat/completions"),
        method: Method::POST,
        path: "/v1/chat/completions".to_owned(),
        query: None,
        secure: false,
        client: None,
        host: None,
        version: Version::HTTP_11,
        user_agent: None,
        labels: Labels::default(),
        attempts: Vec::new(),
        status: Some(StatusCode::OK),
        request_bytes: 812,
        upstream_bytes: 5120,
        response_bytes: 5120,
        times: Times {
            sent: ms(2),
            head: ms(202),
            first_byte: ms(212),
            last_byte: ms(1001),
            ended: Duration::from_millis(1002),
        },
        overhead: Overhead::default(),
        end: End::Complete,
        failure: None,
        injected: false,
    }
}

/// The record of that exchange: 1,200 tokens in, of which 1,024 from a cache; 210 out, of which 64
/// reasoning; for 229,000 billionths of a dollar.
pub fn record(exchange: Exchange) -> Record {
    let request = Request {
        model: Some("gpt-4o-mini".to_owned()),
        max_tokens: Some(256),
        tools: Some(2),
        messages: Some(5),
        ..Request::default()
    };
    let response = Response {
        status: Some(StatusCode::OK),
        id: Some("chatcmpl-1".to_owned()),
        model: Some("gpt-4o-mini-2024-07-18".to_owned()),
        finish_reasons: vec!["stop".to_owned()],
        ..Response::default()
    };
    let usage = Usage {
        source: Source::Provider,
        input: Some(176),
        cache_read: Some(1024),
        cache_write_5m: Some(0),
        output: Some(146),
        reasoning: Some(64),
        ..Usage::default()
    };
    let cost = Cost {
        status: CostStatus::Priced,
        amount: Some(Money::from_nanos(229_000)),
        model: Some("gpt-4o-mini".to_owned()),
        catalogue: Some("2026-10-30".into()),
        ..Cost::default()
    };
    let measurement = Measurement {
        duration: Duration::from_millis(1000),
        total: Duration::from_millis(1002),
        overhead: exchange.overhead,
        cost,
        ..Measurement::default()
    };
    let observation = Observation { request, response, usage, ..Observation::default() };
    Record::new(RecordKind::Request, exchange, observation, measurement)
}

/// A small reproducible generator (SplitMix64), so that no dependency decides the sample.
pub struct Random(pub u64);

impl Random {
    /// At least 0 and less than 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal with this median and spread (Box-Muller).
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (a, b) = (self.unit().max(1e-12), self.unit());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        median * (sigma * normal).exp()
    }
}
