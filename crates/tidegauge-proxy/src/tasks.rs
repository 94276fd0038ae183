//! The only place where tasks are made: a set that shutdown can stop and wait for.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use hyper::rt::Executor;
use tidegauge_core::{Health, Task};
use tokio_util::task::TaskTracker;

use crate::signal::Signal;

/// A set of tasks. Clones are the same set.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: Arc<Signal>,
    health: Arc<Health>,
}

impl Tasks {
    pub(crate) fn new(health: Arc<Health>) -> Self {
        Self { tracker: TaskTracker::new(), stop: Arc::default(), health }
    }

    /// Runs `future` until it ends or the set is stopped. A panic ends only this task and is
    /// counted.
    pub(crate) fn run(&self, future: impl Future<Output: Send> + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        let health = Arc::clone(&self.health);
        // Boxed, so that the task does not hold it once as an argument and once where it is polled.
        let guarded = Box::pin(AssertUnwindSafe(future).catch_unwind());
        self.tracker.spawn(async move {
            if let Some(Err(_panic)) = stop.until(guarded).await {
                health.panicked(Task::Connection, 1);
            }
        });
    }

    /// Drops every task where it is.
    pub(crate) fn stop(&self) {
        self.stop.give();
    }

    /// Resolves once no task is left. No new one may be started by then.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.run(future);
    }
}
