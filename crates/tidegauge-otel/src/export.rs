//! Records into telemetry that leaves the process: the sink that owns the delivery.
//!
//! Everything that waits runs on one thread of its own with its own runtime, so that telemetry shares
//! nothing with the data plane but memory. [`Telemetry::record`] only computes and queues.

use std::fmt;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use prost::Message;
use tidegauge_core::{Dropped, Health, Record, Sink, Task};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cardinality::Cardinality;
use crate::config::{Config, Sums, Target};
use crate::deliver::{News, Sender};
use crate::envelope::Envelope;
use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, Meter, Sample};
use crate::queue::{Piece, Queue, Signal};
use crate::span::Scope;
use crate::transport::{TlsError, Transport};
use crate::{event, openmetrics, points, span};

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS to a collector.
    #[error("{signal}: {error}")]
    Tls {
        /// traces, metrics or logs.
        signal: &'static str,
        /// What is wrong.
        error: TlsError,
    },
    /// No thread or no runtime.
    #[error("the telemetry thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// Everything that turns records into OTLP and into the metrics page.
pub struct Telemetry {
    config: Config,
    health: Arc<Health>,
    bound: Arc<Cardinality>,
    page: Meter,
    pushed: Option<Meter>,
    traces: Option<Arc<Queue>>,
    metrics: Option<Arc<Queue>>,
    pub(crate) logs: Option<Arc<Queue>>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl Telemetry {
    /// Starts the thread if there is a collector. A collector that is down is no error: what is made
    /// waits for it.
    ///
    /// # Errors
    /// When the configured certificates cannot be used or no thread can be started.
    pub fn start(config: Config, health: Arc<Health>) -> Result<Arc<Self>, StartError> {
        Self::start_with(config, health, Sender::PAUSE)
    }

    /// Like [`Telemetry::start`], with another first pause after a failure.
    pub(crate) fn start_with(
        config: Config,
        health: Arc<Health>,
        pause: Duration,
    ) -> Result<Arc<Self>, StartError> {
        let bound = Arc::new(Cardinality::new(config.metric.values));
        let meter = |histograms, sums, exemplars| {
            Meter::new(histograms, temporality(sums), &config.metric, &health, &bound, exemplars)
        };
        let (stop, stopped) = watch::channel(false);
        let queue = |target: &Option<Target>, signal, options| {
            target.is_some().then(|| Arc::new(Queue::new(signal, options, Arc::clone(&health))))
        };
        let page = meter(Histograms::Explicit, Sums::Cumulative, ExemplarFilter::Off);
        let push = || meter(config.histograms, config.sums, config.exemplars);
        let pushed = config.metrics.is_some().then(push);
        let traces = queue(&config.traces, Signal::Traces, config.trace_queue);
        let metrics = queue(&config.metrics, Signal::Metrics, config.metric_queue);
        let logs = queue(&config.logs, Signal::Logs, config.log_queue);
        let thread = Mutex::new(None);
        let telemetry = Arc::new(Self {
            config,
            health,
            bound,
            page,
            pushed,
            traces,
            metrics,
            logs,
            stop,
            thread,
        });
        let senders = telemetry.senders(&stopped, pause)?;
        if !senders.is_empty() {
            let thread = telemetry.spawn(senders, stopped)?;
            *telemetry.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        Ok(telemetry)
    }

    /// All metrics as they are now, in the OpenMetrics text format ([`openmetrics::CONTENT_TYPE`]).
    pub fn openmetrics(&self) -> String {
        openmetrics::render(&self.page.collect(), &self.config.resource)
    }

    /// Delivers what waits, for at most `deadline`; what is left then is dropped and counted, as is
    /// everything that comes later. Blocks the calling thread. The second time it does nothing.
    pub fn shutdown(&self, deadline: Duration) {
        if *self.stop.borrow() {
            return;
        }
        self.push_metrics();
        self.stop.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((thread, done)) = thread {
            // Not joined past the deadline: a thread that hangs must not hang the process.
            if done.recv_timeout(deadline).is_ok() {
                let _ = thread.join();
            }
        }
        for queue in [&self.traces, &self.metrics, &self.logs].into_iter().flatten() {
            queue.close(Dropped::ShutdownDeadline);
        }
    }

    /// Reads the sums and queues them for delivery.
    fn push_metrics(&self) {
        let (Some(meter), Some(queue)) = (&self.pushed, &self.metrics) else { return };
        let now = Instant::now();
        let metrics = points::encode(&meter.collect(), meter.exemplars());
        let pieces = metrics.into_iter().map(|(scope, points, bytes)| Piece {
            scope,
            bytes: bytes.into(),
            units: points,
            born: now,
        });
        if self.config.sums == Sums::Cumulative {
            queue.replace(pieces);
        } else {
            queue.push(pieces);
        }
    }

    fn senders(
        &self,
        stop: &watch::Receiver<bool>,
        pause: Duration,
    ) -> Result<Vec<Sender>, StartError> {
        let envelope = Envelope::new(&self.config.resource.proto());
        let signals = [
            (Signal::Traces, &self.config.traces, &self.traces),
            (Signal::Metrics, &self.config.metrics, &self.metrics),
            (Signal::Logs, &self.config.logs, &self.logs),
        ];
        let mut senders = Vec::new();
        for (signal, target, queue) in signals {
            let (Some(target), Some(queue)) = (target, queue) else { continue };
            let transport = Transport::new(signal, target.clone())
                .map_err(|error| StartError::Tls { signal: signal.name(), error })?;
            senders.push(Sender {
                queue: Arc::clone(queue),
                transport,
                envelope: envelope.clone(),
                signal,
                stop: stop.clone(),
                pause,
                told: News::default(),
            });
        }
        Ok(senders)
    }

    fn spawn(
        self: &Arc<Self>,
        senders: Vec<Sender>,
        stop: watch::Receiver<bool>,
    ) -> Result<(JoinHandle<()>, Receiver<()>), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (finished, done) = sync_channel(1);
        // The thread must not keep the telemetry alive: whoever drops it ends the thread.
        let telemetry = Arc::downgrade(self);
        let (interval, health) = (self.config.metric_interval, Arc::clone(&self.health));
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for sender in senders {
                    tasks.spawn(sender.run());
                }
                tasks.spawn(tick(interval, stop, move || {
                    if let Some(telemetry) = telemetry.upgrade() {
                        telemetry.push_metrics();
                    }
                }));
                while let Some(ended) = tasks.join_next().await {
                    if ended.is_err_and(|error| error.is_panic()) {
                        health.panicked(Task::Sink, 1);
                    }
                }
            });
            // A name look-up that hangs must not hold the thread, and through it the shutdown.
            runtime.shutdown_background();
            let _ = finished.try_send(());
        })?;
        Ok((thread, done))
    }

    fn make_spans(&self, record: &Record) {
        let Some(queue) = self.traces.as_ref().filter(|_| record.exchange.trace.sampled) else {
            return;
        };
        let now = Instant::now();
        let spans = span::spans(record, &self.config.spans);
        self.health.spans_made(u64::try_from(spans.len()).unwrap_or(u64::MAX));
        queue.push(spans.into_iter().map(|(scope, span)| piece(scope, &span, now)));
    }

    fn make_events(&self, record: &Record) {
        let Some(queue) = &self.logs else { return };
        if let Some(event) = event::exception(record, &self.config.events) {
            queue.push([piece(Scope::GenAi, &event, Instant::now())]);
        }
    }

    /// Longest text in an event or log line, in bytes.
    pub(crate) fn longest_text(&self) -> usize {
        self.config.events.limits.value
    }

    /// Whether our own log lines are to be exported.
    pub(crate) fn wants_diagnostics(&self) -> bool {
        self.config.diagnostics && self.logs.is_some()
    }
}

impl Sink for Telemetry {
    fn record(&self, record: &Record) {
        let sample = Sample::new(record, &self.config.metric, &self.bound);
        self.page.record(&sample);
        if let Some(pushed) = &self.pushed {
            pushed.record(&sample);
        }
        self.make_spans(record);
        self.make_events(record);
    }
}

impl Drop for Telemetry {
    /// Tells the thread to end; it delivers nothing more.
    fn drop(&mut self) {
        for queue in [&self.traces, &self.metrics, &self.logs].into_iter().flatten() {
            queue.close(Dropped::ShutdownDeadline);
        }
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

/// One encoded span or log record.
pub(crate) fn piece(scope: Scope, message: &impl Message, now: Instant) -> Piece {
    Piece { scope, bytes: message.encode_to_vec().into(), units: 1, born: now }
}

fn temporality(sums: Sums) -> Temporality {
    match sums {
        Sums::Cumulative => Temporality::Cumulative,
        Sums::Delta => Temporality::Delta,
        Sums::LowMemory => Temporality::LowMemory,
    }
}

/// Calls `act` at every interval until shutdown.
async fn tick(interval: Duration, mut stop: watch::Receiver<bool>, act: impl Fn()) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => act(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests;
