//! Records into telemetry that leaves the process: the sink that owns the delivery.
//!
//! Spans and events are made once for each rendering and shared by the exporters that want it so.
//! Everything that waits runs on threads of its own, so that telemetry shares nothing with the data
//! plane but memory. [`Telemetry::record`] only computes and queues.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use tidegauge_core::{Health, Record, Sink, Task};
use tokio::time::Instant;

use crate::config::{Config, Sums};
use crate::deliver::{Sender, Stop};
use crate::encoded::Encoded;
use crate::envelope::Envelope;
use crate::exemplar::ExemplarFilter;
use crate::exposition::Format;
use crate::metric::{Histograms, Meter, View};
use crate::names::Names;
use crate::openmetrics::Text;
use crate::outlet::{Common, Outlet, StartError};
use crate::queue::{Piece, Queue, share};
use crate::span::{Scope, SpanOptions};
use crate::{event, openmetrics, points, prometheus, span};

/// How long a dropped exporter may take to write to its disk queue.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Everything that turns records into OTLP and into the metrics page.
pub struct Telemetry {
    config: Config,
    health: Arc<Health>,
    meter: Meter,
    /// The place of the page's exponential distributions among the views.
    native: usize,
    /// Where messages are written.
    scratch: Mutex<Encoded>,
    outlets: Vec<Outlet>,
    spans: Vec<Edition>,
    events: Vec<Edition>,
    /// Who is sent the sums, by the names they want.
    metrics: Vec<(Names, Vec<Arc<Queue>>)>,
    /// Held as long as sums are pushed at every interval.
    ticking: Mutex<Option<mpsc::SyncSender<()>>>,
    /// Shutdown began.
    ended: AtomicBool,
    /// No collector is to be waited for in it.
    hurried: AtomicBool,
}

/// One form of spans or events, and the queues of all who want it so.
#[derive(Debug)]
struct Edition {
    options: SpanOptions,
    queues: Vec<Arc<Queue>>,
}

impl Telemetry {
    /// Starts a thread for each collector. One that is down is no error: what is made waits for it.
    ///
    /// # Errors
    /// When configured certificates cannot be used, another process uses a disk queue, or no thread
    /// can be started. A disk queue that fails is no error: it is tried again.
    pub fn start(config: Config, health: Arc<Health>) -> Result<Arc<Self>, StartError> {
        Self::start_with(config, health, Sender::PAUSE, None)
    }

    /// Like [`Telemetry::start`], with another first pause after a failure, and another pause after
    /// one of the disk.
    pub(crate) fn start_with(
        config: Config,
        health: Arc<Health>,
        pause: Duration,
        rest: Option<Duration>,
    ) -> Result<Arc<Self>, StartError> {
        let common = Common {
            envelope: Envelope::new(&config.resource.proto()),
            sums: config.sums,
            health: Arc::clone(&health),
            pause,
            rest,
        };
        let outlets: Vec<Outlet> = config
            .exporters
            .iter()
            .map(|exporter| Outlet::start(exporter, &common))
            .collect::<Result<_, _>>()?;
        let mut metrics: Vec<(Names, Vec<Arc<Queue>>)> = Vec::new();
        for (exporter, outlet) in config.exporters.iter().zip(&outlets) {
            let Some(queue) = outlet.metrics.clone() else { continue };
            let names = exporter.rendering.names;
            match metrics.iter_mut().find(|(known, _)| *known == names) {
                Some((_, queues)) => queues.push(queue),
                None => metrics.push((names, vec![queue])),
            }
        }
        let views = views(&config, !metrics.is_empty());
        let native = views.len() - 1;
        let meter = Meter::new(views, &config.metric, &health);
        let (mut spans, mut events) = (Vec::new(), Vec::new());
        for (exporter, outlet) in config.exporters.iter().zip(&outlets) {
            subscribe(&mut spans, exporter.rendering.spans, outlet.traces.as_ref());
            subscribe(&mut events, exporter.rendering.events, outlet.logs.as_ref());
        }
        let telemetry = Arc::new(Self {
            config,
            health,
            meter,
            native,
            scratch: Mutex::default(),
            outlets,
            spans,
            events,
            metrics,
            ticking: Mutex::new(None),
            ended: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        });
        telemetry.tick()?;
        Ok(telemetry)
    }

    /// Says in the log what was found on disk at the start. To be called once there is a log; the
    /// second time it says nothing.
    pub fn tell_opening(&self) {
        self.outlets.iter().for_each(Outlet::tell_opening);
    }

    /// All metrics as they are now, in that format.
    pub fn page(&self, format: Format) -> Vec<u8> {
        let resource = &self.config.resource;
        let named = |families| self.config.names.of(families);
        let text = |text| {
            openmetrics::render(&named(self.meter.collect(PAGE)), resource, text).into_bytes()
        };
        match format {
            Format::Text => text(Text::Plain),
            Format::OpenMetrics => text(Text::OpenMetrics),
            Format::Protobuf => {
                let [fixed, native] = self.meter.collect_all([PAGE, self.native]);
                prometheus::render(&named(fixed), &named(native), resource)
            }
        }
    }

    /// Delivers what waits, for at most `deadline`. What is left then is written to the disk queue,
    /// which has the last quarter of the time, or dropped and counted, as is everything that comes
    /// later. Blocks the calling thread. The second time it does nothing.
    pub fn shutdown(&self, deadline: Duration) {
        if self.ended.swap(true, SeqCst) {
            return;
        }
        let begin = Instant::now();
        drop(self.ticking.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.push_metrics();
        let hurried = self.hurried.load(SeqCst);
        self.advance(if hurried { Stop::Now } else { Stop::Flush });
        for outlet in self.outlets.iter().filter(|outlet| outlet.has_disk()) {
            if !outlet.ended_by(begin + (deadline - deadline / 4)) {
                outlet.advance(Stop::Now);
            }
        }
        for outlet in &self.outlets {
            outlet.ended_by(begin + deadline);
        }
        self.close();
    }

    /// From now on a shutdown, begun or to come, waits for no collector.
    pub fn hurry(&self) {
        self.hurried.store(true, SeqCst);
        if self.ended.load(SeqCst) {
            self.advance(Stop::Now);
        }
    }

    fn advance(&self, to: Stop) {
        self.outlets.iter().for_each(|outlet| outlet.advance(to));
    }

    fn close(&self) {
        self.outlets.iter().for_each(Outlet::close);
    }

    /// Pushes sums at every interval, on a thread of its own: a large set of them takes a while.
    fn tick(self: &Arc<Self>) -> Result<(), StartError> {
        if self.metrics.is_empty() {
            return Ok(());
        }
        let (ticking, stopped) = mpsc::sync_channel::<()>(1);
        let interval = self.config.metric_interval;
        // The thread must not keep the telemetry alive: whoever drops it ends the thread.
        let telemetry = Arc::downgrade(self);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(telemetry) = telemetry.upgrade() else { return };
                if catch_unwind(AssertUnwindSafe(|| telemetry.push_metrics())).is_err() {
                    telemetry.health.panicked(Task::Sink, 1);
                }
            }
        })?;
        *self.ticking.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticking);
        Ok(())
    }

    /// Reads the sums and queues them for delivery.
    fn push_metrics(&self) {
        if self.metrics.is_empty() {
            return;
        }
        let (now, families) = (Instant::now(), self.meter.collect(PUSHED));
        for (names, queues) in &self.metrics {
            let metrics = points::encode(names.of(families.clone()));
            let pieces: Vec<_> = metrics
                .map(|(scope, points, bytes)| Piece {
                    scope,
                    bytes: bytes.into(),
                    units: points,
                    born: now,
                })
                .collect();
            if self.config.sums == Sums::Cumulative {
                queues.iter().for_each(|queue| queue.replace(pieces.iter().cloned()));
            } else {
                share(queues, pieces);
            }
        }
    }

    fn make_spans(&self, record: &Record, out: &mut Encoded) {
        if !record.exchange.trace.sampled {
            return;
        }
        let now = Instant::now();
        for edition in &self.spans {
            span::encode(record, &edition.options, out);
            share(&edition.queues, out.take(now).collect());
        }
    }

    fn make_events(&self, record: &Record, out: &mut Encoded) {
        for edition in &self.events {
            event::encode(record, &edition.options, out);
            if out.len() > 0 {
                share(&edition.queues, out.take(Instant::now()).collect());
            }
        }
    }

    /// Where our own log lines go, if they are to be exported, and their longest text in bytes.
    pub(crate) fn diagnostics(&self) -> Option<(Vec<Arc<Queue>>, usize)> {
        let queues: Vec<_> = self.outlets.iter().filter_map(|outlet| outlet.logs.clone()).collect();
        let longest = self.events.iter().map(|edition| edition.options.limits.value).max()?;
        self.config.diagnostics.then_some((queues, longest))
    }
}

impl Sink for Telemetry {
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

impl Drop for Telemetry {
    /// Tells the thread to end; it delivers nothing more. With a disk queue what waits is written
    /// there, as far as five seconds allow.
    fn drop(&mut self) {
        if self.outlets.iter().any(Outlet::has_disk) {
            self.hurry();
            return self.shutdown(LAST_WORDS);
        }
        self.close();
        self.advance(Stop::Flush);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

/// Adds a queue to those that are told in this form.
fn subscribe(editions: &mut Vec<Edition>, options: SpanOptions, queue: Option<&Arc<Queue>>) {
    let Some(queue) = queue.cloned() else { return };
    match editions.iter_mut().find(|edition| edition.options == options) {
        Some(edition) => edition.queues.push(queue),
        None => editions.push(Edition { options, queues: vec![queue] }),
    }
}

/// One encoded span or log record.
pub(crate) fn piece(scope: Scope, message: &impl Message, now: Instant) -> Piece {
    Piece { scope, bytes: message.encode_to_vec().into(), units: 1, born: now }
}

/// The place of the page among the views.
const PAGE: usize = 0;
/// The place of what is pushed.
const PUSHED: usize = 1;

/// Who reads the metrics.
fn views(config: &Config, pushes: bool) -> Vec<View> {
    let Config { histograms, sums, exemplars, .. } = *config;
    let page =
        View { histograms: Histograms::Explicit, sums: Sums::Cumulative, exemplars, lasting: true };
    let pushed = pushes.then_some(View { histograms, sums, exemplars, lasting: false });
    // The last, so that it reads what is kept for the others.
    let exemplars = ExemplarFilter::Off;
    let native = View { histograms: Histograms::Exponential, exemplars, ..page };
    [page].into_iter().chain(pushed).chain([native]).collect()
}

#[cfg(test)]
mod tests;
