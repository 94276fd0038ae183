//! Records into lines of the program's own log, one a call.
//!
//! A bounded queue and a thread of its own: a terminal that stands still drops lines and counts them.
//! Says who was called, how it ended, how long it took and what it cost; nothing of what was said.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tidegauge_core::{Dropped, Health, Money, Record, Sink};

/// Lines that may wait for the log.
const QUEUE: usize = 1024;

/// Says a line about calls, or about a share of them.
pub struct AccessLog {
    /// The share of calls, 0 to 1.
    share: f64,
    entry: Mutex<Option<SyncSender<Line>>>,
    done: Mutex<Option<Receiver<()>>>,
    health: Arc<Health>,
}

/// What a line says.
#[derive(Clone, Debug)]
struct Line {
    upstream: Arc<str>,
    operation: &'static str,
    model: Option<String>,
    status: Option<u16>,
    category: Option<&'static str>,
    ms: u64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    usd: Option<Money>,
}

impl AccessLog {
    /// Starts the thread. `share` of the calls, 0 to 1, have a line.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(share: f64, health: Arc<Health>) -> io::Result<Self> {
        Self::start_with(share, health, Line::say)
    }

    fn start_with(
        share: f64,
        health: Arc<Health>,
        say: impl Fn(&Line) + Send + 'static,
    ) -> io::Result<Self> {
        let (entry, exit) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            exit.iter().for_each(|line| say(&line));
            // Nobody may be waiting any more.
            let _ = finished.send(());
        })?;
        Ok(Self { share, entry: Mutex::new(Some(entry)), done: Mutex::new(Some(done)), health })
    }
}

impl Sink for AccessLog {
    fn record(&self, record: &Record) {
        if self.share < 1.0 && fastrand::f64() >= self.share {
            return;
        }
        let entry = self.entry.lock().ok();
        let Some(entry) = entry.as_ref().and_then(|entry| entry.as_ref()) else {
            return self.health.access_line_dropped(Dropped::ShutdownDeadline, 1);
        };
        match entry.try_send(Line::of(record)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.health.access_line_dropped(Dropped::QueueFull, 1),
            Err(TrySendError::Disconnected(_)) => {
                self.health.access_line_dropped(Dropped::ShutdownDeadline, 1);
            }
        }
    }

    fn shutdown(&self, deadline: Duration) {
        drop(self.entry.lock().ok().and_then(|mut entry| entry.take()));
        if let Some(done) = self.done.lock().ok().and_then(|mut done| done.take()) {
            // Late or not, the process goes on to its end.
            let _ = done.recv_timeout(deadline);
        }
    }
}

impl Line {
    fn of(record: &Record) -> Self {
        let Record { exchange, observation: seen, measurement, .. } = record;
        Self {
            upstream: Arc::clone(&exchange.to.name),
            operation: exchange.operation.name(),
            model: seen.response.model.clone().or_else(|| seen.request.model.clone()),
            status: exchange.status.map(|status| status.as_u16()),
            category: seen.outcome.category.map(|category| category.name()),
            ms: u64::try_from(measurement.duration.as_millis()).unwrap_or(u64::MAX),
            input_tokens: seen.usage.told_input(),
            output_tokens: seen.usage.told_output(),
            usd: measurement.cost.amount,
        }
    }

    /// What is not known has no field.
    fn say(&self) {
        tracing::info!(
            target: "tidegauge::access",
            upstream = %self.upstream,
            operation = self.operation,
            model = self.model.as_deref().map(display),
            status = self.status,
            category = self.category.map(display),
            ms = self.ms,
            input_tokens = self.input_tokens,
            output_tokens = self.output_tokens,
            usd = self.usd.map(display),
            "call"
        );
    }
}

#[cfg(test)]
mod tests;
