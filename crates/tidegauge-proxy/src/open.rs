//! One exchange in flight: what is noted about it while it lasts, shown to its observer, and handed
//! over exactly once, however it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{Attempt, Dropped, End, Exchange, Failure, Observe, Task};

use crate::base::Base;
use crate::caller::Busy;

/// Shared between the task that reads the client and the one that reads the upstream.
pub(crate) struct Open {
    base: Arc<Base>,
    began: Duration,
    state: Mutex<State>,
    /// While it lasts its connection is not idle.
    _busy: Option<Busy>,
}

struct State {
    exchange: Option<Exchange>,
    observer: Option<Box<dyn Observe>>,
    upload: Uploading,
}

/// Where the request body is.
#[derive(Default)]
struct Uploading {
    /// Nobody wants more of it.
    stopped: bool,
    /// It did not come to its end, and why.
    failure: Option<Failure>,
    /// When it last moved, and whether it is over.
    moved: Duration,
    over: bool,
    waker: Option<Waker>,
}

impl Open {
    /// Begins an exchange that was routed. `began` is when its head was read.
    pub(crate) fn begin(
        base: &Arc<Base>,
        began: Duration,
        exchange: Exchange,
        busy: Option<Busy>,
        begin: impl FnOnce(&Exchange) -> Box<dyn Observe>,
    ) -> Guard {
        base.health.request_accepted();
        base.health.active_changed(1);
        base.open.fetch_add(1, Relaxed);
        let observer = catch_unwind(AssertUnwindSafe(|| begin(&exchange))).ok();
        let lost = observer.is_none();
        let state = State { exchange: Some(exchange), observer, upload: Uploading::default() };
        let open = Self { base: Arc::clone(base), began, state: Mutex::new(state), _busy: busy };
        if lost {
            open.lost();
        }
        Guard(Arc::new(open))
    }

    /// Time since the exchange began.
    pub(crate) fn now(&self) -> Duration {
        self.base.clock.now().saturating_sub(self.began)
    }

    /// Bytes of the request body came from the client. Whether more is wanted.
    pub(crate) fn uploaded(&self, bytes: &Bytes) -> bool {
        let at = self.now();
        let mut state = self.state();
        state.upload.moved = at;
        if let Some(exchange) = &mut state.exchange {
            exchange.request_bytes += bytes.len() as u64;
        }
        self.show(&mut state, |observer| observer.request(at, bytes));
        !state.upload.stopped
    }

    /// The request body has nothing for now; `waker` is woken when no more is wanted. Whether more
    /// is wanted.
    pub(crate) fn upload_waits(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        if state.upload.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            state.upload.waker = Some(waker.clone());
        }
        !state.upload.stopped
    }

    /// The request body is over, or was given up.
    pub(crate) fn upload_over(&self) {
        let at = self.now();
        let upload = &mut self.state().upload;
        upload.over = true;
        upload.moved = at;
        upload.waker = None;
    }

    /// The request body will not come to its end.
    pub(crate) fn upload_failed(&self, failure: Failure) {
        self.state().upload.failure = Some(failure);
    }

    /// Why the request body did not come to its end.
    pub(crate) fn upload_failure(&self) -> Option<Failure> {
        self.state().upload.failure
    }

    /// Whether an answer is being passed on.
    pub(crate) fn has_answer(&self) -> bool {
        self.ask(|exchange| exchange.times.head.is_some()).unwrap_or(true)
    }

    /// When the request body last moved, and whether it is over.
    pub(crate) fn upload(&self) -> (Duration, bool) {
        let upload = &self.state().upload;
        (upload.moved, upload.over)
    }

    /// The answer is there: no more of the request body is wanted.
    pub(crate) fn stop_upload(&self) {
        let waker = {
            let upload = &mut self.state().upload;
            upload.stopped = true;
            upload.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The head of the response that is passed on.
    pub(crate) fn head(&self, at: Duration, status: StatusCode, headers: &HeaderMap) {
        let mut state = self.state();
        if let Some(exchange) = &mut state.exchange {
            exchange.times.head = Some(at);
            exchange.status = Some(status);
        }
        self.show(&mut state, |observer| observer.response_head(at, status, headers));
    }

    /// Bytes of the response body came from the upstream.
    pub(crate) fn downloaded(&self, at: Duration, bytes: &Bytes) {
        let mut state = self.state();
        self.show(&mut state, |observer| observer.response(at, bytes));
    }

    /// The connection leaves HTTP. Whether its bytes are to be shown from here on.
    pub(crate) fn switched(&self) -> bool {
        let state = &mut *self.state();
        let State { exchange: Some(exchange), .. } = &state else { return false };
        let exchange = exchange.clone();
        let mut wanted = false;
        self.show(state, |observer| wanted = observer.switched(&exchange));
        wanted
    }

    /// Bytes of a direction that has left HTTP: from the client, else from the upstream. None at all
    /// are its end.
    pub(crate) fn passed(&self, from_client: bool, bytes: &Bytes) {
        let at = self.now();
        let mut state = self.state();
        self.show(&mut state, |observer| match from_client {
            true => observer.request(at, bytes),
            false => observer.response(at, bytes),
        });
    }

    /// Notes something. Does nothing once the exchange has ended.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.state().exchange {
            note(exchange);
        }
    }

    /// Asks what is known of the exchange. `None` once it has ended.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&Exchange) -> T) -> Option<T> {
        self.state().exchange.as_ref().map(ask)
    }

    /// Notes something about the latest attempt.
    pub(crate) fn note_attempt(&self, note: impl FnOnce(&mut Attempt)) {
        self.note(|exchange| {
            if let Some(attempt) = exchange.attempts.last_mut() {
                note(attempt);
            }
        });
    }

    /// Whether what breaks off now is cut by us.
    pub(crate) fn aborting(&self) -> bool {
        self.base.aborting.load(Relaxed)
    }

    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// Ends the exchange; later calls do nothing.
    pub(crate) fn end(&self, end: End, failure: Option<Failure>) {
        let now = self.now();
        let (exchange, observer, waker) = {
            let mut state = self.state();
            let Some(exchange) = state.exchange.take() else { return };
            (exchange, state.observer.take(), state.upload.waker.take())
        };
        drop(waker);
        self.base.open.fetch_sub(1, Relaxed);
        self.base.health.active_changed(-1);
        if end == End::Cancelled {
            self.base.health.client_disconnected();
        }
        let exchange = ended(exchange, now, end, failure);
        let Some(observer) = observer else { return };
        if catch_unwind(AssertUnwindSafe(|| observer.end(exchange))).is_err() {
            self.lost();
        }
    }

    /// Shows something to the observer. One that panics is never asked again.
    fn show(&self, state: &mut State, show: impl FnOnce(&mut dyn Observe)) {
        let Some(observer) = state.observer.as_deref_mut() else { return };
        if catch_unwind(AssertUnwindSafe(|| show(observer))).is_err() {
            let broken = state.observer.take();
            drop(catch_unwind(AssertUnwindSafe(|| drop(broken))));
            self.lost();
        }
    }

    fn lost(&self) {
        self.base.health.panicked(Task::Observer, 1);
        self.base.health.record_lost(Dropped::Panic, 1);
    }

    /// Nothing in here is left half-done by a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended(mut exchange: Exchange, now: Duration, end: End, failure: Option<Failure>) -> Exchange {
    exchange.times.ended = now;
    exchange.end = end;
    exchange.failure = exchange.failure.or(failure);
    for attempt in exchange.attempts.iter_mut().filter(|attempt| attempt.status.is_none()) {
        if attempt.failure.is_none() {
            attempt.ended = now;
        }
    }
    exchange
}

/// Holds an exchange open. Dropped without another word, the client has gone.
pub(crate) struct Guard(Arc<Open>);

impl Guard {
    /// The exchange, for somebody who does not hold it open.
    pub(crate) fn share(&self) -> Arc<Open> {
        Arc::clone(&self.0)
    }
}

impl std::ops::Deref for Guard {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.aborting() {
            self.0.end(End::Failed, Some(Failure::Internal));
        } else {
            self.0.end(End::Cancelled, None);
        }
    }
}
