//! An exchange to test with: the one of the record format's documentation.

mod golden;
mod reference;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tidegauge_core::{
    End, Exchange, ExchangeId, Labels, Measurement, Observation, Overhead, Prompt, Record,
    RecordKind, Source, Times, Upstream, UsagePolicy, testing,
};
use tidegauge_wire::provider;

pub(crate) fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

pub(crate) fn upstream() -> Arc<Upstream> {
    let usage = UsagePolicy::Inject;
    Arc::new(Upstream { usage, ..testing::upstream(provider("openai").unwrap()) })
}

pub(crate) fn exchange() -> Exchange {
    Exchange {
        id: ExchangeId::new(1_795_325_270_049, 7),
        started: UNIX_EPOCH + Duration::from_millis(1_795_325_270_049),
        path: "/openai/v1/chat/completions".to_owned(),
        upstream_bytes: 5200,
        times: Times { ended: us(1_843_340), ..Times::default() },
        overhead: Overhead { accept: us(40), admission: us(60), connect: us(900), relay: us(40) },
        injected: true,
        ..testing::exchange(&upstream())
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
    let mut record = testing::record(Exchange { labels, ..exchange() });
    record.observation.stream = true;
    record.observation.usage.source = Source::Injected;
    record.measurement = Measurement {
        duration: us(1_843_200),
        total: us(1_843_340),
        ttfb: Some(us(211_000)),
        time_to_first_chunk: Some(us(212_100)),
        ttft: Some(us(230_900)),
        tpot: Some(us(7_600)),
        ..record.measurement
    };
    record
}

/// A record of an exchange that came to nothing.
pub(crate) fn failed() -> Record {
    let exchange = Exchange { status: None, end: End::Failed, ..exchange() };
    let measurement = Measurement { duration: us(12_345), ..Measurement::default() };
    Record::new(RecordKind::Request, exchange, Observation::default(), measurement)
}
