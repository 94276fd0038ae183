//! A response body on its way down: frames as they come, each shown in passing. When it is over,
//! for whatever reason, so is the exchange.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tidegauge_core::{End, Failure, Filter, Task};
use tokio::time::{Instant, Sleep};

use crate::multiplex::StreamPermit;
use crate::open::Guard;
use crate::upstream::Http;

/// How long a cut waits: the HTTP server forgets what it has not written when a body breaks off, and
/// what came before the cut is the client's.
const FLUSH: Duration = Duration::from_millis(10);

/// Why a response breaks off. The client's connection is cut with it: a cut stays a cut.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response broke off")]
pub(crate) struct Cut(pub(crate) Failure);

/// Pieces that were read before, and, if the body broke off there, how.
pub(crate) type Front = VecDeque<Result<Bytes, Failure>>;

/// What the tap has to know besides the body.
pub(crate) struct Tapped {
    pub(crate) front: Front,
    /// Takes out what only we asked for.
    pub(crate) filter: Option<Box<dyn Filter>>,
    /// Longest wait between two pieces.
    pub(crate) idle: Option<Duration>,
    /// The client takes trailers.
    pub(crate) trailers: bool,
    pub(crate) status: StatusCode,
    /// Given back with the end of the body.
    pub(crate) _stream: Option<StreamPermit<Http>>,
}

pub(crate) struct Tap {
    inner: Incoming,
    with: Tapped,
    open: Guard,
    /// What the filter let through and the client has not got.
    filtered: VecDeque<Bytes>,
    /// Of the wait for the next piece, then of the cut.
    timer: Option<Pin<Box<Sleep>>>,
    over: bool,
    failure: Option<Failure>,
    first: Option<Duration>,
    last: Duration,
    relay: Duration,
    upstream_bytes: u64,
    response_bytes: u64,
}

impl Tap {
    pub(crate) fn new(inner: Incoming, with: Tapped, open: Guard) -> Self {
        open.base().health.streams_changed(1);
        let last = open.now();
        Self {
            inner,
            with,
            open,
            filtered: VecDeque::new(),
            timer: None,
            over: false,
            failure: None,
            first: None,
            last,
            relay: Duration::ZERO,
            upstream_bytes: 0,
            response_bytes: 0,
        }
    }

    /// The next piece from the upstream, without what lies before it in line.
    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Some(read) = self.with.front.pop_front() {
            return Poll::Ready(Some(read.map(Frame::data)));
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Failure::StreamCut))),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.waited_too_long(cx) => {
                Poll::Ready(Some(Err(Failure::IdleTimeout)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The timer is set once and looked at again when it fires: no piece has to move it.
    fn waited_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(idle) = self.with.idle else { return false };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        while timer.as_mut().poll(cx).is_ready() {
            let waited = self.open.now().saturating_sub(self.last);
            let waited = self.open.base().clock.real_time(waited);
            match idle.checked_sub(waited) {
                None | Some(Duration::ZERO) => return true,
                Some(left) => timer.as_mut().reset(Instant::now() + left),
            }
        }
        false
    }

    /// A piece with its bytes in hand. `None`: the filter keeps it for now.
    fn passed(&mut self, bytes: Bytes) -> Option<Bytes> {
        let at = self.open.now();
        self.first.get_or_insert(at);
        self.last = at;
        self.upstream_bytes += bytes.len() as u64;
        self.open.downloaded(at, &bytes);
        let passed = match &mut self.with.filter {
            None => Some(bytes),
            Some(filter) => {
                let mut out = Vec::new();
                let pushed = catch_unwind(AssertUnwindSafe(|| filter.push(&bytes, &mut out)));
                self.filtered.extend(out);
                self.guard_filter(pushed.is_err());
                self.filtered.pop_front()
            }
        };
        self.relay += self.open.now().saturating_sub(at);
        passed
    }

    fn out(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.response_bytes += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// From here on nothing more is read.
    fn cut(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.timer = Some(Box::pin(tokio::time::sleep(FLUSH)));
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>, failure: Failure) -> Poll<Cut> {
        if let Some(timer) = &mut self.timer {
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        Poll::Ready(Cut(failure))
    }

    /// The upstream has nothing more; the filter may.
    fn finish(&mut self) {
        if let Some(mut filter) = self.with.filter.take() {
            let mut out = Vec::new();
            let finished = catch_unwind(AssertUnwindSafe(|| filter.finish(&mut out)));
            self.filtered.extend(out);
            self.guard_filter(finished.is_err());
        }
    }

    /// A filter that broke may have lost bytes: what cannot be passed on whole is cut, not mended.
    fn guard_filter(&mut self, broke: bool) {
        if broke {
            self.with.filter = None;
            self.cut(Failure::Internal);
            self.open.base().health.panicked(Task::Observer, 1);
        }
    }

    /// Whether the client has been handed everything.
    fn complete(&self) -> bool {
        let upstream = self.over || (self.with.front.is_empty() && self.inner.is_end_stream());
        upstream && self.filtered.is_empty() && self.with.filter.is_none()
    }
}

impl Body for Tap {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        loop {
            if let Some(bytes) = this.filtered.pop_front() {
                return this.out(bytes);
            }
            if let Some(failure) = this.failure {
                return this.poll_cut(cx, failure).map(|cut| Some(Err(cut)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match std::task::ready!(this.poll_upstream(cx)) {
                None => {
                    this.over = true;
                    this.finish();
                }
                Some(Err(failure)) => {
                    // What the filter holds back is the upstream's and came before the cut.
                    this.finish();
                    this.cut(failure);
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => {
                        if let Some(bytes) = this.passed(bytes) {
                            return this.out(bytes);
                        }
                    }
                    Err(trailers) if this.with.trailers => return Poll::Ready(Some(Ok(trailers))),
                    Err(_unwanted) => {}
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.complete()
    }

    fn size_hint(&self) -> SizeHint {
        if self.with.filter.is_some() || !self.with.front.is_empty() {
            return SizeHint::default();
        }
        self.inner.size_hint()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.open.base().health.streams_changed(-1);
        self.open.note(|exchange| {
            exchange.upstream_bytes = self.upstream_bytes;
            exchange.response_bytes = self.response_bytes;
            exchange.times.first_byte = self.first;
            exchange.times.last_byte = self.first.map(|_| self.last);
            exchange.overhead.relay += self.relay;
        });
        match self.failure {
            Some(failure) => self.open.end(End::Failed, Some(failure)),
            None if self.complete() => {
                self.open.end(End::Complete, None);
                if self.with.status.as_u16() >= 400 {
                    // An early refusal: what the client still sends goes nowhere.
                    self.open.stop_upload();
                }
            }
            // The guard knows what it means to be dropped.
            None => {}
        }
    }
}
