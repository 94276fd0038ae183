//! Turns finished exchanges into records and shows them to the sinks, away from the data plane.
//!
//! One bounded channel, one thread. The data plane only ever tries to send: when the channel is full
//! the record is counted as lost and the stream goes on. A panic costs one record, or one sink's view
//! of it, and is counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{
    Begin, Category, CostStatus, Dropped, Exchange, Health, Observation, Observe, Observers,
    Record, Sink, Task, Texts,
};
use tidegauge_measure::{Prices, Schemas, can_estimate_at_once, estimate, measure};
use tidegauge_wire::{Observer, Provider, provider};

/// How long finished exchanges gather while more of them come.
const GATHER: Duration = Duration::from_millis(2);

/// The telemetry plane's entry: makes observers, takes back finished ones.
pub struct Pipeline {
    /// Gone once closed: exchanges that end later are counted as lost.
    entry: ArcSwapOption<SyncSender<Finished>>,
    late: Arc<AtomicBool>,
    done: std::sync::Mutex<Option<Receiver<()>>>,
    /// Whether tokens that nobody tells are counted here.
    estimates: bool,
    schemas: Arc<Schemas>,
    hurried: Arc<AtomicBool>,
    health: Arc<Health>,
}

/// An exchange that is over, and who watched it.
struct Finished {
    observer: Option<Observer>,
    provider: Option<&'static dyn Provider>,
    exchange: Exchange,
    schemas: Arc<Schemas>,
    /// The process is about to end.
    hurried: bool,
    health: Arc<Health>,
}

/// What the thread works with.
struct Worker {
    /// [`record`], but for a test.
    make: fn(Finished, &Prices) -> Record,
    prices: Arc<ArcSwap<Prices>>,
    sinks: Vec<Arc<dyn Sink>>,
    late: Arc<AtomicBool>,
    health: Arc<Health>,
}

impl Pipeline {
    /// Starts the thread. `capacity` finished exchanges may wait for it. With `estimates`, tokens that
    /// the provider does not tell are counted here.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        capacity: usize,
        estimates: bool,
        prices: Arc<ArcSwap<Prices>>,
        sinks: Vec<Arc<dyn Sink>>,
        health: Arc<Health>,
    ) -> std::io::Result<Arc<Self>> {
        Self::start_with(record, capacity, estimates, prices, sinks, health)
    }

    fn start_with(
        make: fn(Finished, &Prices) -> Record,
        capacity: usize,
        estimates: bool,
        prices: Arc<ArcSwap<Prices>>,
        sinks: Vec<Arc<dyn Sink>>,
        health: Arc<Health>,
    ) -> std::io::Result<Arc<Self>> {
        let (entry, exit) = sync_channel(capacity);
        let (finished, done) = sync_channel(1);
        let (late, counted) = (Arc::new(AtomicBool::new(false)), Arc::clone(&health));
        let worker = Worker { make, prices, sinks, late: Arc::clone(&late), health: counted };
        thread::Builder::new().name("records".to_owned()).spawn(move || {
            worker.run(&exit);
            // Nobody may be waiting any more.
            let _ = finished.send(());
        })?;
        Ok(Arc::new(Self {
            entry: ArcSwapOption::from_pointee(entry),
            late,
            done: std::sync::Mutex::new(Some(done)),
            estimates,
            schemas: Arc::default(),
            hurried: Arc::default(),
            health,
        }))
    }

    /// The process is about to end: from now on nothing is begun that takes long.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Takes no more and makes records of what waits. What is not made within `deadline` is counted
    /// as lost; exchanges still open keep the thread waiting for them that long.
    pub fn shutdown(&self, deadline: Duration) {
        self.entry.store(None);
        let done = self.done.lock().ok().and_then(|mut done| done.take());
        let Some(done) = done else { return };
        if done.recv_timeout(deadline).is_err() {
            self.late.store(true, Ordering::Relaxed);
            // A short while to count what is left.
            let _ = done.recv_timeout(Duration::from_millis(200));
        }
    }
}

impl Observers for Pipeline {
    fn begin(&self, begin: Begin<'_>) -> Box<dyn Observe> {
        let provider = provider(begin.upstream.dialect.kind());
        let mut observer = provider.map(|one| Observer::new(one, begin.operation, begin.head));
        if let Some(observer) = observer.as_mut().filter(|_| self.estimates) {
            observer.sample_texts();
        }
        let entry = self.entry.load_full();
        let (schemas, health) = (Arc::clone(&self.schemas), Arc::clone(&self.health));
        let hurried = Arc::clone(&self.hurried);
        Box::new(Watching { observer, provider, entry, schemas, hurried, health })
    }
}

/// One exchange under way.
struct Watching {
    observer: Option<Observer>,
    provider: Option<&'static dyn Provider>,
    entry: Option<Arc<SyncSender<Finished>>>,
    schemas: Arc<Schemas>,
    hurried: Arc<AtomicBool>,
    health: Arc<Health>,
}

impl Observe for Watching {
    fn request(&mut self, at: Duration, bytes: &Bytes) {
        if let Some(observer) = &mut self.observer {
            observer.request(at, bytes);
        }
    }

    fn response_head(&mut self, at: Duration, status: StatusCode, headers: &HeaderMap) {
        if let Some(observer) = &mut self.observer {
            observer.response_head(at, status, headers);
        }
    }

    fn response(&mut self, at: Duration, bytes: &Bytes) {
        if let Some(observer) = &mut self.observer {
            observer.response(at, bytes);
        }
    }

    fn end(self: Box<Self>, exchange: Exchange) {
        let Self { observer, provider, entry, schemas, hurried, health } = *self;
        let Some(entry) = entry else {
            return health.record_lost(Dropped::ShutdownDeadline, 1);
        };
        let counted = Arc::clone(&health);
        let hurried = hurried.load(Ordering::Relaxed);
        let finished = Finished { observer, provider, exchange, schemas, hurried, health: counted };
        match entry.try_send(finished) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => health.record_lost(Dropped::QueueFull, 1),
            Err(TrySendError::Disconnected(_)) => health.record_lost(Dropped::ShutdownDeadline, 1),
        }
    }
}

impl Worker {
    /// Works in batches: a sender that finds this thread asleep on the channel has to wake it, which
    /// costs the data plane a system call and, where they share a core, the core.
    fn run(&self, exit: &Receiver<Finished>) {
        while let Ok(first) = exit.recv() {
            self.take(first);
            let mut more = true;
            while more {
                thread::sleep(GATHER);
                more = false;
                while let Ok(next) = exit.try_recv() {
                    self.take(next);
                    more = true;
                }
            }
        }
    }

    fn take(&self, finished: Finished) {
        if self.late.load(Ordering::Relaxed) {
            self.health.record_lost(Dropped::ShutdownDeadline, 1);
        } else {
            self.settle(finished);
        }
    }

    /// One exchange into one record, or into a counted loss.
    fn settle(&self, finished: Finished) {
        let prices = self.prices.load();
        let Ok(record) = catch_unwind(AssertUnwindSafe(|| (self.make)(finished, &prices))) else {
            self.health.panicked(Task::Pipeline, 1);
            return self.health.record_lost(Dropped::Panic, 1);
        };
        self.count(&record);
        for sink in &self.sinks {
            if catch_unwind(AssertUnwindSafe(|| sink.record(&record))).is_err() {
                self.health.panicked(Task::Sink, 1);
            }
        }
        self.health.record_made();
    }

    fn count(&self, record: &Record) {
        if record.observation.partial {
            self.health.observation_partial();
        }
        if record.observation.outcome.unclassified {
            self.health.error_unclassified();
        }
        if record.measurement.cost.status == CostStatus::Unpriced {
            self.health.exchange_unpriced();
        }
    }
}

/// Reads what was held back, counts and checks what the provider did not, adds what the bodies tell
/// about the caller to what the headers told, and measures.
fn record(finished: Finished, prices: &Prices) -> Record {
    let Finished { observer, provider, mut exchange, schemas, hurried, health } = finished;
    let (mut observation, texts) =
        observer.map(|observer| observer.finish_with_texts(&exchange)).unwrap_or_default();
    // Loading the tables of a tokenizer could cost a process that must end the record.
    if !hurried || can_estimate_at_once() {
        estimate(&mut observation, &texts);
    }
    check_calls(&mut observation, &texts, &schemas, &health);
    exchange.labels.or(observation.request.labels.clone());
    // What somebody runs themselves does not cost what a model of that name is sold for.
    let price_id = provider.and_then(|one| one.price_id().or((!one.public()).then_some("")));
    let measurement = measure(&exchange, &observation, prices, price_id);
    Record { exchange, observation, measurement }
}

/// Calls whose arguments do not match what their tool declares are bad calls too. They are what the
/// exchange comes to unless it comes to something else already.
fn check_calls(seen: &mut Observation, texts: &Texts, schemas: &Schemas, health: &Health) {
    let wrong = schemas.mismatches(texts, health);
    if wrong > 0 {
        seen.response.bad_tool_calls += wrong;
        seen.outcome.category.get_or_insert(Category::ToolFailure);
    }
}

#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod tests;
