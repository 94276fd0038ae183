//! A client's connection as the HTTP server sees it: bytes read while the protocol was guessed come
//! first, heads are read along, and a connection that ends with unread bytes ends so that the
//! client still gets its answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::caller::Caller;
use crate::frames::Inflow;
use crate::framing::Framing;
use crate::stream::Stream;

/// How long a closing connection is listened to. Closing at once with bytes unread would make the
/// system reset the connection, and the client could lose the answer on its way (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Frames beside requests and bodies that an HTTP/2 client may send at once, and how many more each
/// second. Each has to be answered or at least looked at.
const FRAMES: u32 = 1000;
const FRAMES_A_SECOND: u32 = 50;
/// It may send another one for so many bytes that it is sent.
const BYTES_A_FRAME: usize = 64;

/// Reads along with the protocol.
enum Reading {
    H1(Framing),
    H2(Box<Inflow>),
}

pub(crate) struct Socket {
    stream: Stream,
    first: Bytes,
    reading: Reading,
    /// Frames that an HTTP/2 client may send, as of then.
    frames: u32,
    counted: Duration,
    caller: Arc<Caller>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// `first`: bytes that were read before. `h2`: of the protocol's preface, so many are to come.
    pub(crate) fn new(
        stream: Stream,
        first: Bytes,
        h2: Option<usize>,
        caller: Arc<Caller>,
    ) -> Self {
        let reading = match h2 {
            None => Reading::H1(Framing::new()),
            Some(preface) => Reading::H2(Box::new(Inflow::after(preface))),
        };
        // The preface is awaited like a head.
        caller.note_head(h2.is_some());
        let counted = caller.clock().now();
        Self { stream, first, reading, frames: FRAMES, counted, caller, closing: None }
    }

    /// # Errors
    /// When there is too much of it.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.reading {
            Reading::H1(_) => self.came_h1(bytes),
            Reading::H2(inflow) => {
                let before = inflow.complete();
                inflow.push(bytes);
                if inflow.complete() != before {
                    self.caller.note_head(false);
                    self.caller.note_streams(inflow.streams());
                }
                self.caller.note_head(inflow.in_head());
                let frames = inflow.idle_frames();
                if frames > 0 {
                    self.take(frames)?;
                }
            }
        }
        Ok(())
    }

    /// Takes frames off what is left of them.
    fn take(&mut self, frames: u32) -> io::Result<()> {
        if self.frames < frames {
            let clock = self.caller.clock();
            let now = clock.now();
            let passed = clock.real_time(now.saturating_sub(self.counted)).as_secs();
            let more = u32::try_from(passed).unwrap_or(u32::MAX).saturating_mul(FRAMES_A_SECOND);
            if more > 0 {
                self.counted = now;
                self.frames = self.frames.saturating_add(more).min(FRAMES);
            }
        }
        match self.frames.checked_sub(frames) {
            Some(left) => {
                self.frames = left;
                Ok(())
            }
            None => {
                self.caller.note_flood();
                Err(io::Error::other("too many frames"))
            }
        }
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Reading::H2(_), Poll::Ready(Ok(count))) = (&self.reading, &result) {
            let more = u32::try_from(count / BYTES_A_FRAME).unwrap_or(FRAMES);
            self.frames = self.frames.saturating_add(more).min(FRAMES);
        }
        result
    }

    fn came_h1(&mut self, bytes: &[u8]) {
        let Reading::H1(framing) = &mut self.reading else { return };
        if self.caller.has_left_http() {
            framing.lose();
            return;
        }
        framing.push(bytes);
        self.caller.note_head(framing.in_head());
        if let Some((number, bad)) = framing.bad() {
            self.caller.note_bad(number, bad);
        }
    }

    /// Reads and forgets until the client is done or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at_rest = match &self.reading {
            Reading::H1(framing) => framing.at_rest(),
            Reading::H2(_) => self.caller.has_flooded(),
        };
        if at_rest || self.caller.has_left_http() {
            return Poll::Ready(());
        }
        let timer = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut forgotten = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut forgotten);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.first.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        } else {
            let count = this.first.len().min(buf.remaining());
            buf.put_slice(this.first.get(..count).unwrap_or_default());
            this.first.advance(count);
        }
        Poll::Ready(this.came(buf.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        this.poll_linger(cx).map(Ok)
    }
}
