//! One record into measurements of the OpenTelemetry SDK, and the SDK's sums back into data.
//!
//! The SDK aggregates; nothing here is sent. There is one [`Meter`] for each reader of the numbers,
//! because the text page needs fixed buckets and cumulative sums whatever is pushed. Money goes in as
//! whole billionths and becomes dollars only on the way out, so that sums stay exact.

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
use tidegauge_core::{
    Attempt, Bucket, Category, Cost, CostStatus, Domain, Dropped, ErrorType, Health, Record,
    Rejected, Task,
};

use crate::cardinality::Cardinality;
use crate::exemplar::{ExemplarFilter, Exemplars, Taken};
use crate::semconv::{self as name, Metric};
use crate::span::{attempt_error, has_inference, labels, method, protocol, scheme, server_error};

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
        observe_health(&own, health, bound);
        observe_active(&http, health, options.secure);
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
        for (kind, count) in [("input", usage.input_tokens()), ("output", usage.output_tokens())] {
            if let Some(count) = count {
                let set = with(&sample.call, [text(name::TOKEN_TYPE, kind)]);
                self.token_usage.record(count, &set);
            }
        }
        for bucket in Bucket::ALL {
            if let Some(count) = usage.get(bucket).filter(|count| *count > 0) {
                let source = text(name::USAGE_SOURCE, usage.source.name());
                let set = with(&sample.call, [text(name::BUCKET, bucket.name()), source]);
                self.tokens.add(count, &set);
            }
        }
    }

    fn record_cost(&self, sample: &Sample<'_>) {
        let Cost { status, amount, .. } = &sample.record.measurement.cost;
        if let (CostStatus::Priced | CostStatus::Reported, Some(amount)) = (status, amount) {
            let set = with(&sample.call, [text(name::COST_STATUS, status.name())]);
            self.cost.add(amount.nanos(), &set);
        }
    }
}

/// One record with its attribute sets, made once however many meters there are. Sets are sorted by
/// name: the SDK would otherwise keep every set twice.
pub(crate) struct Sample<'a> {
    record: &'a Record,
    requests: Vec<KeyValue>,
    server: Vec<KeyValue>,
    attempts: Vec<Vec<KeyValue>>,
    overhead: Vec<KeyValue>,
    call: Vec<KeyValue>,
    duration: Vec<KeyValue>,
}

impl<'a> Sample<'a> {
    /// Every value that a client or an upstream can choose goes through `bound`.
    pub(crate) fn new(record: &'a Record, options: &MetricOptions, bound: &Cardinality) -> Self {
        let tags = tags(record, options, bound);
        let call = call(record, &tags, bound);
        let mut duration = call.clone();
        let error = record.observation.outcome.error.as_ref().map(ErrorType::as_str);
        push(&mut duration, name::ERROR_TYPE, error.map(|error| limited(bound, error)));
        let streaming = record.observation.request.stream || record.observation.stream;
        if streaming {
            duration.push(KeyValue::new(name::REQUEST_STREAM, true));
        }
        Self {
            record,
            requests: sorted(requests(record, &tags)),
            server: sorted(server(record)),
            attempts: attempts(record),
            overhead: vec![text(name::UPSTREAM, &*record.exchange.upstream.name)],
            call: sorted(call),
            duration: sorted(duration),
        }
    }
}

fn requests(record: &Record, tags: &[KeyValue]) -> Vec<KeyValue> {
    let exchange = &record.exchange;
    let category = record.observation.outcome.category;
    let mut set = vec![
        text(name::UPSTREAM, &*exchange.upstream.name),
        text(name::OPERATION, exchange.operation.name()),
        text(name::END, exchange.end.name()),
    ];
    push(&mut set, name::CATEGORY, category.map(Category::name));
    push(&mut set, name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
    set.extend(exchange.status.map(status));
    set.extend_from_slice(tags);
    set
}

fn server(record: &Record) -> Vec<KeyValue> {
    let exchange = &record.exchange;
    let mut set = vec![
        text(name::HTTP_METHOD, method(&exchange.method).0),
        text(name::URL_SCHEME, scheme(exchange.secure)),
    ];
    push(&mut set, name::HTTP_ROUTE, Some(&*exchange.route).filter(|route| !route.is_empty()));
    set.extend(exchange.status.map(status));
    push(&mut set, name::ERROR_TYPE, server_error(record));
    push(&mut set, name::NETWORK_PROTOCOL_VERSION, protocol(exchange.version));
    set
}

fn attempts(record: &Record) -> Vec<Vec<KeyValue>> {
    let exchange = &record.exchange;
    let origin = &exchange.upstream.origin;
    let set = |attempt: &Attempt| {
        let mut set = vec![
            text(name::HTTP_METHOD, method(&exchange.method).0),
            text(name::SERVER_ADDRESS, &*origin.host),
            KeyValue::new(name::SERVER_PORT, i64::from(origin.port)),
        ];
        set.extend(attempt.status.map(status));
        push(&mut set, name::ERROR_TYPE, attempt_error(attempt));
        push(&mut set, name::NETWORK_PROTOCOL_VERSION, attempt.version.and_then(protocol));
        sorted(set)
    };
    exchange.attempts.iter().map(set).collect()
}

/// What all GenAI metrics share.
fn call(record: &Record, tags: &[KeyValue], bound: &Cardinality) -> Vec<KeyValue> {
    let (exchange, observation) = (&record.exchange, &record.observation);
    let origin = &exchange.upstream.origin;
    // A request that the provider refused can be sent by anyone, so it may not take the last room.
    let domain = observation.outcome.category.and_then(Category::domain);
    let refused = domain == Some(Domain::Client);
    let model = |key: &'static str, model: &Option<String>| {
        let model = model.as_deref().filter(|model| !model.is_empty())?;
        Some(KeyValue::new(key, bound.bound("model", model, refused)))
    };
    let mut set = vec![
        text(name::OPERATION_NAME, exchange.operation.name()),
        text(name::PROVIDER_NAME, exchange.upstream.dialect.provider()),
        text(name::SERVER_ADDRESS, &*origin.host),
        KeyValue::new(name::SERVER_PORT, i64::from(origin.port)),
        text(name::UPSTREAM, &*exchange.upstream.name),
    ];
    set.extend(model(name::REQUEST_MODEL, &observation.request.model));
    set.extend(model(name::RESPONSE_MODEL, &observation.response.model));
    set.extend_from_slice(tags);
    set
}

fn tags(record: &Record, options: &MetricOptions, bound: &Cardinality) -> Vec<KeyValue> {
    let labels = labels(record);
    let tag = |tag: &String| {
        let value = labels.tags.get(tag).filter(|value| !value.is_empty())?;
        let key = format!("{}{tag}", name::TAG_PREFIX);
        let value = bound.bound(&key, value, false);
        Some(KeyValue::new(key, value))
    };
    options.tags.iter().filter_map(tag).collect()
}

fn limited(bound: &Cardinality, error: &str) -> String {
    bound.bound(name::ERROR_TYPE, error, false)
}

fn status(status: http::StatusCode) -> KeyValue {
    KeyValue::new(name::HTTP_STATUS_CODE, i64::from(status.as_u16()))
}

fn text(key: &'static str, value: impl Into<String>) -> KeyValue {
    KeyValue::new(key, value.into())
}

fn push(set: &mut Vec<KeyValue>, key: &'static str, value: Option<impl Into<String>>) {
    set.extend(value.map(|value| text(key, value)));
}

fn with<const N: usize>(set: &[KeyValue], more: [KeyValue; N]) -> Vec<KeyValue> {
    sorted(set.iter().cloned().chain(more).collect())
}

fn sorted(mut set: Vec<KeyValue>) -> Vec<KeyValue> {
    set.sort_by(|a, b| a.key.cmp(&b.key));
    set
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

/// Counts of [`Health`] that have no attribute.
type Total = fn(&Health) -> u64;
/// Amounts of [`Health`] that have no attribute.
type Amount = fn(&Health) -> i64;

const TOTALS: &[(Metric, Total)] = &[
    (name::REQUESTS_ACCEPTED, Health::accepted),
    (name::RECORDS, Health::records),
    (name::SPANS_CREATED, Health::spans),
    (name::SPANS_ACKED, Health::spans_acked),
    (name::CLIENT_DISCONNECTS, Health::disconnects),
    (name::OBSERVATIONS_PARTIAL, Health::partial),
    (name::UNPRICED, Health::unpriced),
    (name::UNCLASSIFIED, Health::unclassified),
    (name::SPLICES_REFUSED, Health::splices_refused),
    (name::HOLDS_EXCEEDED, Health::holds_exceeded),
    (name::RELOADS, |health| health.reloads().0),
];

const AMOUNTS: &[(Metric, Amount)] = &[
    (name::SPANS_QUEUED, Health::spans_queued),
    (name::STREAMS_ACTIVE, Health::streams),
    (name::CONNECTIONS_ACTIVE, Health::connections),
];

/// Counts of [`Health`] by the reason of a loss.
type Loss = fn(&Health, Dropped) -> u64;

const DROPS: &[(Metric, Loss)] = &[
    (name::SPANS_DROPPED, Health::spans_dropped),
    (name::POINTS_DROPPED, Health::points_dropped),
    (name::LOGS_DROPPED, Health::logs_dropped),
    (name::RECORDS_LOST, Health::records_lost),
];

/// Everything this process knows about itself, read when the sums are.
fn observe_health(meter: &Instruments, health: &Arc<Health>, bound: &Arc<Cardinality>) {
    for (metric, read) in TOTALS {
        let health = Arc::clone(health);
        observe_total(meter, metric, move |tell| tell(read(&health), &[]));
    }
    for (metric, read) in DROPS {
        let health = Arc::clone(health);
        observe_total(meter, metric, move |tell| {
            for reason in Dropped::ALL {
                tell(read(&health, *reason), &[text(name::REASON, reason.name())]);
            }
        });
    }
    let rejected = Arc::clone(health);
    observe_total(meter, &name::REQUESTS_REJECTED, move |tell| {
        for reason in Rejected::ALL {
            tell(rejected.rejected(*reason), &[text(name::REASON, reason.name())]);
        }
    });
    let panics = Arc::clone(health);
    observe_total(meter, &name::PANICS, move |tell| {
        for task in Task::ALL {
            tell(panics.panics(*task), &[text(name::TASK, task.name())]);
        }
    });
    let bound = Arc::clone(bound);
    observe_total(meter, &name::LABELS_FOLDED, move |tell| tell(bound.folded(), &[]));
    for (metric, read) in AMOUNTS {
        let health = Arc::clone(health);
        meter
            .i64_observable_up_down_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.about)
            .with_callback(move |observer| observer.observe(read(&health), &[]))
            .build();
    }
    let reload = Arc::clone(health);
    meter
        .u64_observable_gauge(name::RELOAD_OK.name)
        .with_description(name::RELOAD_OK.about)
        .with_callback(move |observer| observer.observe(u64::from(reload.reloads().1), &[]))
        .build();
}

fn observe_total(
    meter: &Instruments,
    metric: &Metric,
    read: impl Fn(&dyn Fn(u64, &[KeyValue])) + Send + Sync + 'static,
) {
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.about)
        .with_callback(move |observer| read(&|value, set| observer.observe(value, set)))
        .build();
}

/// The data plane counts its open requests without their methods, which the convention wants: the
/// method is stated as not known.
fn observe_active(meter: &Instruments, health: &Arc<Health>, secure: bool) {
    let health = Arc::clone(health);
    let set = [text(name::HTTP_METHOD, name::OTHER), text(name::URL_SCHEME, scheme(secure))];
    meter
        .i64_observable_up_down_counter(name::HTTP_SERVER_ACTIVE.name)
        .with_unit(name::HTTP_SERVER_ACTIVE.unit)
        .with_description(name::HTTP_SERVER_ACTIVE.about)
        .with_callback(move |observer| observer.observe(health.active(), &set))
        .build();
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
