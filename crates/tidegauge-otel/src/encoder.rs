//! Finished records into encoded spans, events and sums, for each exporter in the form it wants.
//!
//! In: records, through the [`Sink`]. Out: pieces, into the outboxes of the exporters, and the metrics
//! page. Spans and events are made once for each rendering and shared by the exporters that want it so.
//! Computes and hands over, never waits; knows no queue, no network and no interval.

use std::sync::{Arc, Mutex};

use prost::Message;
use tidegauge_core::{Health, Outbox, Piece, Record, Scope, Sink};

use crate::encoded::Encoded;
use crate::exemplar::ExemplarFilter;
use crate::exposition::Format;
use crate::metric::{Family, Histograms, Meter, MetricOptions, Sums, View};
use crate::names::Names;
use crate::openmetrics::Text;
use crate::rendering::Rendering;
use crate::resource::ResourceAttributes;
use crate::span::SpanOptions;
use crate::{event, openmetrics, points, process, prometheus, span};

/// What is the same for all exporters, and for the metrics page.
#[derive(Clone, Debug, Default)]
pub struct EncoderOptions {
    /// Who emits.
    pub resource: ResourceAttributes,
    /// What is said in metrics.
    pub metric: MetricOptions,
    /// Which names metrics of model calls have on the page.
    pub names: Names,
    /// Which exchanges become examples in pushed distributions.
    pub exemplars: ExemplarFilter,
    /// Whether our own log lines are exported.
    pub diagnostics: bool,
}

/// One exporter as the encoder sees it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// The form it wants.
    pub rendering: Rendering,
    /// Where its spans go; `None`: it takes none.
    pub traces: Option<Arc<dyn Outbox>>,
    /// Where its metrics go; `None`: it takes none.
    pub metrics: Option<Arc<dyn Outbox>>,
    /// Where its events and log lines go; `None`: it takes none.
    pub logs: Option<Arc<dyn Outbox>>,
}

/// Turns records into OTLP and into the metrics page.
#[derive(Debug)]
pub struct Encoder {
    options: EncoderOptions,
    meter: Meter,
    /// Nanoseconds since the Unix epoch.
    began: u64,
    /// The place of the page's exponential distributions among the views.
    native: usize,
    /// Where messages are written.
    scratch: Mutex<Encoded>,
    spans: Vec<Edition>,
    events: Vec<Edition>,
    metrics: Vec<MetricEdition>,
    /// Who is sent our own log lines.
    logs: Vec<Arc<dyn Outbox>>,
}

/// One form of spans or events, and the outboxes of all who want it so.
#[derive(Debug)]
struct Edition {
    options: SpanOptions,
    outboxes: Vec<Arc<dyn Outbox>>,
}

/// One form of the sums, and the outboxes of all who want it so.
#[derive(Debug)]
struct MetricEdition {
    names: Names,
    /// The place of the view that it is read by.
    view: usize,
    sums: Sums,
    outboxes: Vec<Arc<dyn Outbox>>,
}

impl Encoder {
    /// Begins to count for these exporters.
    pub fn new(options: EncoderOptions, subscribers: &[Subscriber], health: &Arc<Health>) -> Self {
        let mut metrics: Vec<MetricEdition> = Vec::new();
        let mut views = vec![page(&options)];
        let (mut spans, mut events, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        for subscriber in subscribers {
            let Rendering { names, histograms, sums, .. } = subscriber.rendering;
            subscribe(&mut spans, subscriber.rendering.spans, subscriber.traces.as_ref());
            subscribe(&mut events, subscriber.rendering.events, subscriber.logs.as_ref());
            logs.extend(subscriber.logs.clone());
            let Some(outbox) = subscriber.metrics.clone() else { continue };
            let exemplars = options.exemplars;
            let wanted = View { histograms, sums, exemplars, lasting: false, fine: false };
            let view = views.iter().position(|view| *view == wanted).unwrap_or_else(|| {
                views.push(wanted);
                views.len() - 1
            });
            match metrics.iter_mut().find(|known| (known.names, known.view) == (names, view)) {
                Some(edition) => edition.outboxes.push(outbox),
                None => {
                    metrics.push(MetricEdition { names, view, sums, outboxes: vec![outbox] });
                }
            }
        }
        // The last, so that it reads what is kept for the others.
        let exemplars = ExemplarFilter::Off;
        let native = views.len();
        views.push(View { histograms: Histograms::Exponential, exemplars, ..page(&options) });
        let all = metrics.iter().map(|edition| edition.names).chain([options.names]);
        let next = all.into_iter().any(|names| names != Names::Current);
        let meter = Meter::new(views, &options.metric, health).with_next_names(next);
        let began = meter.began();
        Self {
            options,
            meter,
            began,
            native,
            scratch: Mutex::default(),
            spans,
            events,
            metrics,
            logs,
        }
    }

    /// All metrics as they are now, in that format.
    pub fn page(&self, format: Format) -> Vec<u8> {
        let resource = &self.options.resource;
        let named = |families| self.options.names.of(families);
        let with_process = |families| {
            let mut families = named(families);
            families.extend(process::read(self.began));
            families
        };
        let text = |text| {
            let families = with_process(self.meter.collect(PAGE));
            openmetrics::render(&families, resource, text).into_bytes()
        };
        match format {
            Format::Text => text(Text::Plain),
            Format::OpenMetrics => text(Text::OpenMetrics),
            Format::Protobuf => {
                let [fixed, native] = self.meter.collect_all([PAGE, self.native]);
                prometheus::render(&with_process(fixed), &named(native), resource)
            }
        }
    }

    /// Whether any exporter takes metrics.
    pub fn pushes_metrics(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// Reads the sums and hands them to the exporters that take metrics.
    pub fn push_metrics(&self) {
        // Reading a view begins its deltas anew, so all who want it so are told at once.
        let mut read: Vec<(usize, Vec<Family>)> = Vec::new();
        for MetricEdition { names, view, sums, outboxes } in &self.metrics {
            let known = read.iter().find(|(known, _)| known == view);
            let families = known.map(|(_, families)| families.clone()).unwrap_or_else(|| {
                let families = self.meter.collect(*view);
                read.push((*view, families.clone()));
                families
            });
            let metrics = points::encode(names.of(families));
            let pieces: Vec<_> = metrics
                .map(|(scope, points, bytes)| Piece { scope, bytes: bytes.into(), units: points })
                .collect();
            if *sums == Sums::Cumulative {
                outboxes.iter().for_each(|outbox| outbox.replace(pieces.clone()));
            } else {
                share(outboxes, pieces);
            }
        }
    }

    fn make_spans(&self, record: &Record, out: &mut Encoded) {
        if !record.exchange.trace.sampled {
            return;
        }
        for edition in &self.spans {
            span::encode(record, &edition.options, out);
            share(&edition.outboxes, out.take().collect());
        }
    }

    fn make_events(&self, record: &Record, out: &mut Encoded) {
        for edition in &self.events {
            event::encode(record, &edition.options, out);
            if out.len() > 0 {
                share(&edition.outboxes, out.take().collect());
            }
        }
    }

    /// Where our own log lines go, if they are to be exported, and their longest text in bytes.
    pub(crate) fn diagnostics(&self) -> Option<(Vec<Arc<dyn Outbox>>, usize)> {
        let longest = self.events.iter().map(|edition| edition.options.limits.value).max()?;
        self.options.diagnostics.then(|| (self.logs.clone(), longest))
    }
}

impl Sink for Encoder {
    fn record(&self, record: &Record) {
        self.meter.record(record);
        // After a panic there may be half a message in it.
        let mut scratch = self.scratch.lock().unwrap_or_else(|poisoned| {
            self.scratch.clear_poison();
            let mut scratch = poisoned.into_inner();
            *scratch = Encoded::default();
            scratch
        });
        self.make_spans(record, &mut scratch);
        self.make_events(record, &mut scratch);
    }
}

/// Adds an outbox to those that take this form.
fn subscribe(editions: &mut Vec<Edition>, options: SpanOptions, outbox: Option<&Arc<dyn Outbox>>) {
    let Some(outbox) = outbox.cloned() else { return };
    match editions.iter_mut().find(|edition| edition.options == options) {
        Some(edition) => edition.outboxes.push(outbox),
        None => editions.push(Edition { options, outboxes: vec![outbox] }),
    }
}

/// The same new pieces into several outboxes: the bytes are there once.
pub(crate) fn share(outboxes: &[Arc<dyn Outbox>], pieces: Vec<Piece>) {
    let Some((last, others)) = outboxes.split_last() else { return };
    for outbox in others {
        outbox.push(pieces.clone());
    }
    last.push(pieces);
}

/// One encoded span or log record.
pub(crate) fn piece(scope: Scope, message: &impl Message) -> Piece {
    Piece { scope, bytes: message.encode_to_vec().into(), units: 1 }
}

/// The place of the page among the views.
const PAGE: usize = 0;

/// How the page is read.
fn page(options: &EncoderOptions) -> View {
    let EncoderOptions { exemplars, .. } = *options;
    let (histograms, fine) = (Histograms::Explicit, options.metric.fine);
    View { histograms, sums: Sums::Cumulative, exemplars, lasting: true, fine }
}
