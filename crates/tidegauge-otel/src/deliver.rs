//! The one sender of a queue: batches out, answers back into the books.
//!
//! Retries with growing, jittered pauses until the queue gives a piece up. At shutdown everything is
//! due and pauses are cut short once; the deadline is the caller's. Knows no span.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::envelope::Envelope;
use crate::queue::{Due, Queue, Settled, Signal};
use crate::transport::{Answer, Transport, Why};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause we choose ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Delivers one signal to one collector.
pub(crate) struct Sender {
    /// What to send.
    pub(crate) queue: Arc<Queue>,
    /// Where to.
    pub(crate) transport: Transport,
    /// In what.
    pub(crate) envelope: Envelope,
    /// Which signal it is, for our own log.
    pub(crate) signal: Signal,
    /// Turns true once, at shutdown.
    pub(crate) stop: watch::Receiver<bool>,
    /// First pause after a failure.
    pub(crate) pause: Duration,
}

impl Sender {
    /// The pause that is used but for tests.
    pub(crate) const PAUSE: Duration = FIRST_PAUSE;

    /// Sends until shutdown and the queue is empty.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let stopping = *self.stop.borrow_and_update();
            match self.queue.due(Instant::now(), stopping) {
                Due::Now => {}
                Due::Never if stopping => return,
                due => {
                    self.wait(due).await;
                    continue;
                }
            }
            let batch = self.queue.take();
            let answer = self.transport.send(self.envelope.request(&batch)).await;
            drop(batch);
            self.tell(&answer, failures);
            match answer {
                Answer::Delivered { rejected } => {
                    self.queue.settle(Settled::Delivered { rejected });
                    failures = 0;
                }
                Answer::Refused(_) => self.queue.settle(Settled::Refused),
                Answer::TooLarge => self.queue.settle(Settled::TooLarge),
                Answer::Retry { after, .. } => {
                    self.queue.settle(Settled::Retry { now: Instant::now() });
                    let pause = after.unwrap_or_else(|| backoff(self.pause, failures));
                    failures = failures.saturating_add(1);
                    self.rest(pause).await;
                }
            }
        }
    }

    async fn wait(&mut self, due: Due) {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            () = queue.came.notified() => {}
            _ = self.stop.changed() => {}
            () = async { match due {
                Due::At(time) => sleep_until(time).await,
                Due::Now | Due::Never => std::future::pending().await,
            } } => {}
        }
    }

    /// Pauses; the news of shutdown ends it.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = self.stop.changed() => {}
        }
    }

    /// One line when deliveries begin to fail, one when they work again.
    fn tell(&self, answer: &Answer, failures: u32) {
        let (signal, collector) = (self.signal.name(), self.transport.place());
        match answer {
            Answer::Delivered { rejected: 0 } if failures > 0 => {
                tracing::info!(signal, collector, "telemetry is delivered again");
            }
            Answer::Delivered { rejected: 0 } => {}
            Answer::Delivered { rejected } => {
                tracing::warn!(signal, collector, rejected, "the collector refused a part");
            }
            Answer::Retry { why, .. } if failures == 0 => tell_retry(signal, &collector, *why),
            Answer::Retry { .. } => {}
            Answer::Refused(why) => {
                tracing::warn!(signal, collector, %why, "the collector refused telemetry");
            }
            Answer::TooLarge => {
                tracing::warn!(signal, collector, "the collector wants smaller messages");
            }
        }
    }
}

fn tell_retry(signal: &str, collector: &str, why: Why) {
    tracing::warn!(signal, collector, %why, "telemetry cannot be delivered, trying again");
}

/// Doubles from `first` to half a minute; then up to a quarter is taken off, so that many senders do
/// not come back at once.
fn backoff(first: Duration, failures: u32) -> Duration {
    let pause = first.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(1));
    pause.min(LONGEST_PAUSE.max(first)).mul_f64(1.0 - fastrand::f64() / 4.0)
}
