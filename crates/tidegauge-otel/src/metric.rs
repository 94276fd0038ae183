//! One record into measurements of the OpenTelemetry SDK, and the SDK's sums back into data.
//!
//! The SDK aggregates; nothing here is sent. There is one [`Meter`] for each reader of the numbers,
//! because the text page needs fixed buckets and cumulative sums whatever is pushed. Money goes in as
//! whole billionths and becomes dollars only on the way out, so that sums stay exact.

mod health;
mod sample;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, Meter as Instruments, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
    Temporality,
};
use tidegauge_core::{Bucket, Cost, CostStatus, Health, Record};

use crate::cardinality::Cardinality;
use crate::exemplar::{ExemplarFilter, Exemplars, Taken};
use crate::semconv::{self as name, Metric};
use crate::span::has_inference;

pub(crate) use sample::Sample;
use sample::{text, with};

/// The most one record adds to a sum: a million dollars, or a quadrillion tokens. An upstream can
/// claim any figure, and the SDK's sums wrap around; this fits in thousands of times.
const MOST: u64 = 1 << 50;

/// How distributions are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Histograms {
    /// Base-2 exponential buckets: right percentiles over any range, and they merge.
    #[default]
    Exponential,
    /// The fixed buckets that the conventions advise.
    Explicit,
}

/// What may be chosen about metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricOptions {
    /// Names of the callers' tags that become metric attributes.
    pub tags: Vec<String>,
    /// How many distinct values of one attribute are taken from clients and upstreams.
    pub values: usize,
    /// How many attribute sets a metric may have before the SDK folds the rest into one.
    pub sets: usize,
    /// Whether our own listener speaks TLS.
    pub secure: bool,
}

impl Default for MetricOptions {
    /// `team`, 200 values, 7000 sets (what fits the SDK's table of 8192), no TLS.
    fn default() -> Self {
        Self { tags: vec!["team".to_owned()], values: 200, sets: 7000, secure: false }
    }
}

/// Instruments with one reader.
pub(crate) struct Meter {
    reader: Reader,
    /// Keeps the instruments' sums alive.
    _provider: SdkMeterProvider,
    client_duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    chunk_gap: Histogram<f64>,
    token_usage: Histogram<u64>,
    http_server: Histogram<f64>,
    http_client: Histogram<f64>,
    first_token: Histogram<f64>,
    per_token: Histogram<f64>,
    overhead: Histogram<f64>,
    overhead_total: Histogram<f64>,
    requests: Counter<u64>,
    tokens: Counter<u64>,
    cost: Counter<u64>,
    exemplars: Exemplars,
}

impl Meter {
    /// Fresh instruments. `health` is read whenever the sums are. `exemplars` are kept only for
    /// readers that take them.
    pub(crate) fn new(
        histograms: Histograms,
        temporality: Temporality,
        options: &MetricOptions,
        health: &Arc<Health>,
        bound: &Arc<Cardinality>,
        exemplars: ExemplarFilter,
    ) -> Self {
        let reader =
            Reader(Arc::new(ManualReader::builder().with_temporality(temporality).build()));
        let sets = options.sets;
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.clone())
            .with_view(move |instrument: &Instrument| stream(instrument, histograms, sets))
            .build();
        let http = provider.meter_with_scope(scope(name::SCOPE_HTTP));
        let genai = provider.meter_with_scope(scope(name::SCOPE_GENAI));
        let own = provider.meter_with_scope(scope(name::SCOPE_SELF));
        health::observe(&own, health, bound);
        health::observe_active(&http, health, options.secure);
        Self {
            reader,
            client_duration: seconds(&genai, &name::CLIENT_OPERATION_DURATION),
            first_chunk: seconds(&genai, &name::CLIENT_TIME_TO_FIRST_CHUNK),
            chunk_gap: seconds(&genai, &name::CLIENT_TIME_PER_OUTPUT_CHUNK),
            token_usage: amounts(&genai, &name::CLIENT_TOKEN_USAGE),
            http_server: seconds(&http, &name::HTTP_SERVER_DURATION),
            http_client: seconds(&http, &name::HTTP_CLIENT_DURATION),
            first_token: seconds(&genai, &name::TIME_TO_FIRST_TOKEN),
            per_token: seconds(&genai, &name::TIME_PER_OUTPUT_TOKEN),
            overhead: seconds(&own, &name::OVERHEAD_DURATION),
            overhead_total: seconds(&own, &name::OVERHEAD_SUM),
            requests: counter(&own, &name::REQUESTS),
            tokens: counter(&genai, &name::TOKENS_USED),
            cost: counter(&genai, &name::COST),
            exemplars: Exemplars::new(exemplars, options.sets),
            _provider: provider,
        }
    }

    /// The sums as they are now.
    pub(crate) fn collect(&self) -> ResourceMetrics {
        let mut sums = ResourceMetrics::default();
        // It fails only before it is registered and after shutdown: then there is nothing to tell.
        let _ = self.reader.0.collect(&mut sums);
        sums
    }

    /// The examples since this was last asked.
    pub(crate) fn exemplars(&self) -> Taken {
        self.exemplars.take()
    }

    /// Adds one record.
    pub(crate) fn record(&self, sample: &Sample<'_>) {
        self.record_http(sample);
        self.record_overhead(sample);
        if has_inference(sample.record) {
            self.record_call(sample);
            self.record_tokens(sample);
            self.record_cost(sample);
        }
    }

    fn record_http(&self, sample: &Sample<'_>) {
        let exchange = &sample.record.exchange;
        self.requests.add(1, &sample.requests);
        let server = (&self.http_server, &name::HTTP_SERVER_DURATION);
        self.exemplify(server, exchange.times.ended, &sample.server, sample.record);
        for (attempt, set) in exchange.attempts.iter().zip(&sample.attempts) {
            let duration = attempt.ended.saturating_sub(attempt.started);
            self.http_client.record(duration.as_secs_f64(), set);
        }
    }

    fn record_overhead(&self, sample: &Sample<'_>) {
        let overhead = &sample.record.measurement.overhead;
        let phases = [
            ("accept", overhead.accept),
            ("admission", overhead.admission),
            ("connect", overhead.connect),
            ("relay", overhead.relay),
        ];
        for (phase, time) in phases {
            let set = with(&sample.overhead, [text(name::PHASE, phase)]);
            self.overhead.record(time.as_secs_f64(), &set);
        }
        let total = (&self.overhead_total, &name::OVERHEAD_SUM);
        self.exemplify(total, overhead.total(), &sample.overhead, sample.record);
    }

    fn record_call(&self, sample: &Sample<'_>) {
        let Record { observation, measurement, .. } = sample.record;
        let duration = (&self.client_duration, &name::CLIENT_OPERATION_DURATION);
        self.exemplify(duration, measurement.duration, &sample.duration, sample.record);
        if !(observation.stream || observation.request.stream) {
            return;
        }
        let first_chunk = (&self.first_chunk, &name::CLIENT_TIME_TO_FIRST_CHUNK);
        let first_token = (&self.first_token, &name::TIME_TO_FIRST_TOKEN);
        let per_token = (&self.per_token, &name::TIME_PER_OUTPUT_TOKEN);
        for (histogram, time) in [
            (first_chunk, measurement.time_to_first_chunk),
            (first_token, measurement.ttft),
            (per_token, measurement.tpot),
        ] {
            if let Some(time) = time {
                self.exemplify(histogram, time, &sample.call, sample.record);
            }
        }
        for gap in &observation.times.gaps {
            self.chunk_gap.record(gap.as_secs_f64(), &sample.call);
        }
    }

    /// Adds a time that leads back to its trace.
    fn exemplify(
        &self,
        (histogram, metric): (&Histogram<f64>, &Metric),
        time: Duration,
        set: &[KeyValue],
        record: &Record,
    ) {
        let seconds = time.as_secs_f64();
        histogram.record(seconds, set);
        self.exemplars.offer(metric.name, set, seconds, record);
    }

    fn record_tokens(&self, sample: &Sample<'_>) {
        let usage = &sample.record.observation.usage;
        // The convention's metric cannot say that a figure is an estimate, so it has none.
        for (kind, count) in [("input", usage.told_input()), ("output", usage.told_output())] {
            if let Some(count) = count {
                let set = with(&sample.call, [text(name::TOKEN_TYPE, kind)]);
                self.token_usage.record(count.min(MOST), &set);
            }
        }
        for bucket in Bucket::ALL {
            if let Some(count) = usage.get(bucket).filter(|count| *count > 0) {
                let source = text(name::USAGE_SOURCE, usage.source.name());
                let set = with(&sample.call, [text(name::BUCKET, bucket.name()), source]);
                self.tokens.add(count.min(MOST), &set);
            }
        }
    }

    fn record_cost(&self, sample: &Sample<'_>) {
        let Cost { status, amount, .. } = &sample.record.measurement.cost;
        if let (CostStatus::Priced | CostStatus::Reported, Some(amount)) = (status, amount) {
            let set = with(&sample.call, [text(name::COST_STATUS, status.name())]);
            self.cost.add(amount.nanos().min(MOST), &set);
        }
    }
}

fn scope(name: &'static str) -> InstrumentationScope {
    InstrumentationScope::builder(name).with_version(name::SCOPE_VERSION).build()
}

fn stream(instrument: &Instrument, histograms: Histograms, sets: usize) -> Option<Stream> {
    let builder = match (instrument.kind(), histograms) {
        (InstrumentKind::Histogram, Histograms::Exponential) => {
            Stream::builder().with_aggregation(Aggregation::Base2ExponentialHistogram {
                max_size: 160,
                max_scale: 20,
                record_min_max: true,
            })
        }
        (InstrumentKind::Histogram | InstrumentKind::Counter, _) => Stream::builder(),
        _ => return None,
    };
    builder.with_cardinality_limit(sets).build().ok()
}

fn seconds(meter: &Instruments, metric: &Metric) -> Histogram<f64> {
    let builder = meter.f64_histogram(metric.name).with_unit(metric.unit);
    builder.with_description(metric.about).with_boundaries(metric.bounds.to_vec()).build()
}

fn amounts(meter: &Instruments, metric: &Metric) -> Histogram<u64> {
    let builder = meter.u64_histogram(metric.name).with_unit(metric.unit);
    builder.with_description(metric.about).with_boundaries(metric.bounds.to_vec()).build()
}

fn counter(meter: &Instruments, metric: &Metric) -> Counter<u64> {
    meter.u64_counter(metric.name).with_unit(metric.unit).with_description(metric.about).build()
}

/// A handle on the SDK's own manual reader, which a provider wants to own.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, sums: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(sums)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}
