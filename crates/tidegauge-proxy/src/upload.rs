//! A request body on its way up: frames as they come, each shown in passing.
//!
//! The first bytes are remembered until the upstream answers, so that a request which a dead
//! connection never took can be sent again (and only then). Trailers of requests are not forwarded.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tidegauge_core::Failure;
use tokio::sync::oneshot;

use crate::budget::Permit;
use crate::idle::Idle;
use crate::open::Open;

/// Bytes remembered for sending again. A larger body is sent once.
const REMEMBERED: usize = 256 * 1024;

/// What there is to send: frames at hand, then what the client still sends.
#[derive(Default)]
pub(crate) struct Payload {
    pub(crate) front: VecDeque<Bytes>,
    pub(crate) rest: Option<Incoming>,
}

impl Payload {
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    /// Bytes to come, if that is known.
    fn length(&self) -> Option<u64> {
        let front = self.front.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        match &self.rest {
            None => Some(front),
            Some(rest) => rest.size_hint().exact().map(|rest| front + rest),
        }
    }
}

/// Why a body could not be sent to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the client's body broke off")]
    Aborted,
    #[error("the client's body stopped coming")]
    Stalled,
    #[error("the answer was there first")]
    Stopped,
}

pub(crate) struct Upload {
    payload: Payload,
    length: Option<u64>,
    remembered: Option<Vec<Bytes>>,
    bytes: usize,
    /// The memory of what is remembered and was not held before.
    permit: Permit,
    idle: Idle,
    open: Arc<Open>,
    back: Option<oneshot::Sender<Payload>>,
}

impl Upload {
    /// The body, and where what was not taken comes back to once it is dropped. Nothing comes back
    /// of a body that cannot be sent again.
    pub(crate) fn new(
        payload: Payload,
        open: Arc<Open>,
    ) -> (Self, Option<oneshot::Receiver<Payload>>) {
        let (back, returned) = if payload.is_empty() {
            (None, None)
        } else {
            let (back, returned) = oneshot::channel();
            (Some(back), Some(returned))
        };
        let length = payload.length();
        let remembered = Some(Vec::new());
        let permit = Permit::empty(&open.base().held);
        let idle = Idle::new(open.base().limits.body_idle);
        (Self { payload, length, remembered, bytes: 0, permit, idle, open, back }, returned)
    }

    /// `held`: its memory is counted already.
    fn sent(&mut self, bytes: &Bytes, held: bool) {
        self.length = self.length.map(|length| length.saturating_sub(bytes.len() as u64));
        self.bytes = self.bytes.saturating_add(bytes.len());
        let wanted = self.back.as_ref().is_some_and(|back| !back.is_closed());
        if self.bytes > REMEMBERED || !wanted {
            self.remembered = None;
        } else if let Some(remembered) = &mut self.remembered {
            if held || self.permit.grow(bytes.len()) {
                remembered.push(bytes.clone());
            } else {
                self.remembered = None;
            }
        }
    }

    fn fail<T>(&mut self, error: UploadError) -> Poll<Option<Result<T, UploadError>>> {
        match error {
            UploadError::Aborted => self.open.upload_failed(Failure::RequestAborted),
            UploadError::Stalled => self.open.upload_failed(Failure::RequestStalled),
            UploadError::Stopped => {}
        }
        self.remembered = None;
        self.payload = Payload::default();
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        if let Some(bytes) = this.payload.front.pop_front() {
            this.sent(&bytes, true);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        loop {
            let Some(rest) = &mut this.payload.rest else { return Poll::Ready(None) };
            let polled = Pin::new(rest).poll_frame(cx);
            if polled.is_pending() {
                if !this.open.upload_waits(cx.waker()) {
                    return this.fail(UploadError::Stopped);
                }
                // Where an answer is on its way, both sides may take their time.
                if this.idle.poll(cx).is_ready() && !this.open.has_answer() {
                    return this.fail(UploadError::Stalled);
                }
            }
            match ready!(polled) {
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    if !this.open.uploaded(&bytes) {
                        return this.fail(UploadError::Stopped);
                    }
                    this.idle.moved();
                    this.sent(&bytes, false);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(_)) => return this.fail(UploadError::Aborted),
                None => {
                    this.payload.rest = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Upload {
    /// Gives back what can be sent again.
    fn drop(&mut self) {
        let Some(back) = self.back.take() else { return };
        self.open.upload_over();
        if let Some(remembered) = self.remembered.take() {
            let mut front = VecDeque::from(remembered);
            front.append(&mut self.payload.front);
            drop(back.send(Payload { front, rest: self.payload.rest.take() }));
        }
    }
}
