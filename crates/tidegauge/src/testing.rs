//! An exchange to test with: the one of the record format's documentation.

mod reference;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, StatusCode, Version};
use tidegauge_core::{
    Cost, CostStatus, End, Exchange, ExchangeId, Labels, Measurement, Money, Observation,
    Operation, Origin, Overhead, Prompt, Propagate, Record, Request, Response, Source, SpanId,
    Timeouts, Times, Trace, TraceId, Upstream, Usage, UsagePolicy,
};
use tidegauge_wire::PROVIDERS;

pub(crate) fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

pub(crate) fn upstream() -> Arc<Upstream> {
    Arc::new(Upstream {
        name: "openai".into(),
        dialect: *PROVIDERS.iter().find(|provider| provider.kind() == "openai").unwrap(),
        origin: Origin { secure: true, host: "h".to_owned(), port: 443, prefix: String::new() },
        usage: UsagePolicy::Inject,
        timeouts: Timeouts { connect: us(1), head: None, idle: None },
        headers: Vec::new(),
        propagate: Propagate::None,
        ca: None,
        client_identity: None,
        capture: tidegauge_core::Capture::Off,
    })
}

pub(crate) fn exchange() -> Exchange {
    Exchange {
        id: ExchangeId::new(1_795_325_270_049, 7),
        started: UNIX_EPOCH + Duration::from_millis(1_795_325_270_049),
        trace: Trace {
            trace_id: TraceId([1; 16]),
            parent: None,
            link: None,
            sampled: true,
            state: String::new(),
            server: SpanId([2; 8]),
            inference: SpanId([3; 8]),
        },
        upstream: upstream(),
        operation: Operation::Chat,
        route: "/v1/chat/completions".into(),
        method: Method::POST,
        path: "/openai/v1/chat/completions".to_owned(),
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
        upstream_bytes: 5200,
        response_bytes: 5120,
        times: Times { ended: us(1_843_340), ..Times::default() },
        overhead: Overhead { accept: us(40), admission: us(60), connect: us(900), relay: us(40) },
        end: End::Complete,
        failure: None,
        injected: true,
    }
}

pub(crate) fn record() -> Record {
    let labels = Labels {
        session: Some("s".to_owned()),
        user: Some("u".to_owned()),
        prompt: Some(Prompt { name: "greet".to_owned(), version: Some("3".to_owned()) }),
        tags: [("team".to_owned(), "search".to_owned())].into(),
        ..Labels::default()
    };
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
        source: Source::Injected,
        input: Some(176),
        cache_read: Some(1024),
        cache_write_5m: Some(0),
        output: Some(146),
        reasoning: Some(64),
        ..Usage::default()
    };
    let exchange = exchange();
    Record {
        measurement: Measurement {
            duration: us(1_843_200),
            total: us(1_843_340),
            ttfb: Some(us(211_000)),
            time_to_first_chunk: Some(us(212_100)),
            ttft: Some(us(230_900)),
            tpot: Some(us(7_600)),
            overhead: exchange.overhead,
            cost: Cost {
                status: CostStatus::Priced,
                amount: Some(Money::from_nanos(229_000)),
                model: Some("gpt-4o-mini".to_owned()),
                catalogue: Some("2026-10-30".into()),
                ..Cost::default()
            },
            batch: Vec::new(),
        },
        observation: Observation {
            request,
            response,
            stream: true,
            usage,
            ..Observation::default()
        },
        exchange: Exchange { labels, ..exchange },
    }
}

/// A record of an exchange that came to nothing.
pub(crate) fn failed() -> Record {
    let exchange = Exchange { status: None, end: End::Failed, ..exchange() };
    Record {
        exchange,
        observation: Observation::default(),
        measurement: Measurement { duration: us(12_345), ..Measurement::default() },
    }
}
