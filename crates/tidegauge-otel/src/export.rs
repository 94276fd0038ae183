//! Records into telemetry that leaves the process: the sink that owns the delivery.
//!
//! Everything that waits runs on one thread of its own with its own runtime, so that telemetry shares
//! nothing with the data plane but memory. [`Telemetry::record`] only computes and queues.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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

use crate::backlog::Backlog;
use crate::cardinality::Cardinality;
use crate::config::{Config, QueueOptions, Sums, Target};
use crate::deliver::{Course, Sender, Stop};
use crate::envelope::Envelope;
use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, Meter, Sample, parts};
use crate::queue::{Piece, Queue, Signal};
use crate::span::Scope;
use crate::spool::{Most, SpoolError};
use crate::transport::{TlsError, Transport};
use crate::{event, openmetrics, points, span};

/// How long a dropped exporter may take to write to its disk queue.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
    /// The directory of the disk queue.
    #[error("disk queue {}: {error}", .dir.display())]
    Disk {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        error: SpoolError,
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
    stop: watch::Sender<Stop>,
    /// Shutdown began.
    ended: AtomicBool,
    /// No collector is to be waited for in it.
    hurried: AtomicBool,
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl Telemetry {
    /// Starts the thread if there is a collector. A collector that is down is no error: what is made
    /// waits for it.
    ///
    /// # Errors
    /// When the configured certificates cannot be used, another process uses the disk queue, or no
    /// thread can be started. A disk queue that fails is no error: it is tried again.
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
        let bound = Arc::new(Cardinality::new(config.metric.values));
        let meter = |histograms, sums, exemplars| {
            Meter::new(histograms, temporality(sums), &config.metric, &health, &bound, exemplars)
        };
        let (stop, stopped) = watch::channel(Stop::Running);
        let queue = |target: &Option<Target>, signal, options: QueueOptions| {
            let mut options = options;
            if spills(&config, signal) {
                // Nothing is given up that can be kept.
                options.max_age = Duration::MAX;
            }
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
            ended: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            thread,
        });
        let envelope = Envelope::new(&telemetry.config.resource.proto());
        let sends = [&telemetry.traces, &telemetry.metrics, &telemetry.logs];
        if sends.into_iter().any(Option::is_some) {
            let backlog = telemetry.backlog(&envelope, rest)?;
            let senders = telemetry.senders(&envelope, backlog.as_ref(), &stopped, pause)?;
            let thread = telemetry.spawn(senders, backlog, stopped)?;
            *telemetry.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        Ok(telemetry)
    }

    /// All metrics as they are now, in the OpenMetrics text format ([`openmetrics::CONTENT_TYPE`]).
    pub fn openmetrics(&self) -> String {
        openmetrics::render(&self.page.collect(), &self.config.resource)
    }

    /// Delivers what waits, for at most `deadline`. What is left then is written to the disk queue,
    /// which has the last quarter of the time, or dropped and counted, as is everything that comes
    /// later. Blocks the calling thread. The second time it does nothing.
    pub fn shutdown(&self, deadline: Duration) {
        if self.ended.swap(true, SeqCst) {
            return;
        }
        self.push_metrics();
        let hurried = self.hurried.load(SeqCst);
        self.advance(if hurried { Stop::Now } else { Stop::Flush });
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((thread, done)) = thread {
            // Dropped last by the thread itself: it does the rest once it is out of here.
            if thread.thread().id() == std::thread::current().id() {
                return;
            }
            // Not joined past the deadline: a thread that hangs must not hang the process.
            if self.await_end(&done, deadline) {
                let _ = thread.join();
            }
        }
        for queue in [&self.traces, &self.metrics, &self.logs].into_iter().flatten() {
            queue.close(Dropped::ShutdownDeadline);
        }
    }

    /// From now on a shutdown, begun or to come, waits for no collector.
    pub fn hurry(&self) {
        self.hurried.store(true, SeqCst);
        if self.ended.load(SeqCst) {
            self.advance(Stop::Now);
        }
    }

    fn await_end(&self, done: &Receiver<()>, deadline: Duration) -> bool {
        if self.config.disk_queue.is_none() {
            return done.recv_timeout(deadline).is_ok();
        }
        let writing = deadline / 4;
        if done.recv_timeout(deadline - writing).is_ok() {
            return true;
        }
        self.advance(Stop::Now);
        done.recv_timeout(writing).is_ok()
    }

    fn advance(&self, to: Stop) {
        self.stop.send_modify(|stop| *stop = to.max(*stop));
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

    fn backlog(
        &self,
        envelope: &Envelope,
        rest: Option<Duration>,
    ) -> Result<Option<Arc<Backlog>>, StartError> {
        let Some(options) = self.config.disk_queue.clone() else { return Ok(None) };
        let (dir, resource) = (options.dir.clone(), envelope.resource().to_owned());
        let backlog = Backlog::open(options, resource, Arc::clone(&self.health), rest);
        backlog
            .map(|backlog| Some(Arc::new(backlog)))
            .map_err(|error| StartError::Disk { dir, error })
    }

    fn senders(
        &self,
        envelope: &Envelope,
        backlog: Option<&Arc<Backlog>>,
        stop: &watch::Receiver<Stop>,
        pause: Duration,
    ) -> Result<Vec<Sender>, StartError> {
        let config = &self.config;
        let signals = [
            (Signal::Traces, &config.traces, &self.traces, &config.trace_queue),
            (Signal::Metrics, &config.metrics, &self.metrics, &config.metric_queue),
            (Signal::Logs, &config.logs, &self.logs, &config.log_queue),
        ];
        let mut senders = Vec::new();
        for (signal, target, queue, options) in signals {
            let (Some(target), Some(queue)) = (target, queue) else { continue };
            let transport = Transport::new(signal, target.clone())
                .map_err(|error| StartError::Tls { signal: signal.name(), error })?;
            senders.push(Sender {
                queue: Arc::clone(queue),
                backlog: backlog.cloned(),
                spills: spills(config, signal),
                most: Most { records: options.batch_pieces, bytes: options.batch_bytes },
                transport,
                envelope: envelope.clone(),
                signal,
                stop: stop.clone(),
                pause,
                course: Course::default(),
            });
        }
        Ok(senders)
    }

    fn spawn(
        self: &Arc<Self>,
        senders: Vec<Sender>,
        backlog: Option<Arc<Backlog>>,
        stop: watch::Receiver<Stop>,
    ) -> Result<(JoinHandle<()>, Receiver<()>), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (finished, done) = sync_channel(1);
        // The thread must not keep the telemetry alive: whoever drops it ends the thread.
        let telemetry = Arc::downgrade(self);
        let (interval, health) = (self.config.metric_interval, Arc::clone(&self.health));
        let sync_interval = backlog.as_ref().map(|disk| disk.sync_interval()).unwrap_or_default();
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for sender in senders {
                    tasks.spawn(sender.run());
                }
                if let Some(backlog) = backlog.clone() {
                    let sync = move || backlog.sync(Instant::now());
                    tasks.spawn(tick(sync_interval, stop.clone(), sync));
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
            if let Some(backlog) = &backlog {
                backlog.flush();
            }
            // Whoever is told of the end may open the directory.
            drop(backlog);
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
        for part in parts(record) {
            let sample = Sample::new(&part, &self.config.metric, &self.bound);
            self.page.record_part(&sample);
            if let Some(pushed) = &self.pushed {
                pushed.record_part(&sample);
            }
        }
        self.make_spans(record);
        self.make_events(record);
    }
}

impl Drop for Telemetry {
    /// Tells the thread to end; it delivers nothing more. With a disk queue what waits is written
    /// there, as far as five seconds allow.
    fn drop(&mut self) {
        if self.config.disk_queue.is_some() {
            self.hurry();
            return self.shutdown(LAST_WORDS);
        }
        for queue in [&self.traces, &self.metrics, &self.logs].into_iter().flatten() {
            queue.close(Dropped::ShutdownDeadline);
        }
        self.advance(Stop::Flush);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

/// Whether what nobody takes goes to the disk while we run. Cumulative sums do not: the next ones
/// replace them, and only the last ones of a process are worth keeping.
fn spills(config: &Config, signal: Signal) -> bool {
    let replaced = signal == Signal::Metrics && config.sums == Sums::Cumulative;
    config.disk_queue.is_some() && !replaced
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
async fn tick(interval: Duration, mut stop: watch::Receiver<Stop>, act: impl Fn()) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => act(),
            _ = stop.wait_for(|stop| *stop != Stop::Running) => return,
        }
    }
}

#[cfg(test)]
mod tests;
