//! One connection to an upstream, which can tell whether a request was ever taken.
//!
//! A kept connection may be closed by the upstream at the moment it is used again. Then, and only
//! then, the request may be sent once more: nothing of it was accepted. Two things prove it, both
//! only on a connection that has answered before and before any byte of this answer:
//!
//! - the end is there before we write: nothing is written;
//! - the peer's system rejects what we wrote with a reset, which it does when the program had
//!   closed the connection before, or closes it without having read the request.
//!
//! In the first of these cases the end of the connection comes before the reset, which is on its way as
//! long as what we wrote is on its way there: so after such an end a reset is waited for. A clean end
//! that stays one proves nothing, and the request is not sent again.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::multiplex::{Learning, StreamLimit};
use crate::signal::Signal;
use crate::stream::Stream;

/// How long a reset is waited for after a clean end: longer than a way there and back.
const DOUBT: Duration = Duration::from_millis(300);
/// How often it is looked for at first; then half as often each time.
const LOOK: Duration = Duration::from_millis(1);

/// The connection closed before it took any of the request.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection was closed before the request was taken")]
pub(crate) struct NotTaken;

/// What a request may know about the connection it is on.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The address it leads to.
    pub(crate) addr: Option<SocketAddr>,
    /// Given once the connection is gone.
    pub(crate) gone: Arc<Signal>,
}

/// Where the request and answer on an HTTP/1 connection are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// HTTP/2: streams are numbered, and refused by number.
    Numbered,
    /// Nothing was sent yet.
    Fresh,
    /// A request is on its way and nothing has come back. `again`: not the first one here.
    Asked { again: bool, writes: u32 },
    /// Something came back that is not an answer yet, such as `100 Continue`.
    Encouraged,
    /// An answer has begun.
    Answered,
}

pub(crate) struct Link {
    stream: Stream,
    turn: Turn,
    /// Tells how many streams there may be, where somebody wants to know.
    learning: Option<Box<Learning>>,
    /// The end came, and a reset may.
    doubt: Option<Box<Doubt>>,
    gone: Arc<Signal>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.gone.give();
    }
}

impl Link {
    pub(crate) fn new(stream: Stream, limit: Option<Arc<StreamLimit>>) -> Self {
        let h2 = stream.agreed_h2();
        let turn = if h2 { Turn::Numbered } else { Turn::Fresh };
        let learning = limit.map(|limit| Box::new(Learning::begin(limit, h2)));
        Self { stream, turn, learning, doubt: None, gone: Arc::default() }
    }

    /// Before a write that may begin a request.
    ///
    /// # Errors
    /// [`NotTaken`] when the connection is over already.
    fn before_write(&mut self, head: &[u8]) -> io::Result<()> {
        self.turn = match self.turn {
            Turn::Answered if begins_request(head) => {
                if self.is_over() {
                    return Err(not_taken());
                }
                Turn::Asked { again: true, writes: 0 }
            }
            Turn::Fresh => Turn::Asked { again: false, writes: 0 },
            other => other,
        };
        Ok(())
    }

    fn wrote(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        match (&mut self.turn, result) {
            (Turn::Asked { writes, .. }, Ok(count)) => {
                *writes = writes.saturating_add(1);
                Ok(count)
            }
            (Turn::Asked { again: true, writes: 0 }, Err(_)) => Err(not_taken()),
            // What rejects this write is the answer to the one before.
            (Turn::Asked { again: true, writes: 1 }, Err(error)) if is_rejection(&error) => {
                Err(not_taken())
            }
            (_, result) => result,
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        if let Turn::Asked { .. } | Turn::Encouraged = self.turn {
            let answer = !bytes.starts_with(b"HTTP/1.1 1");
            self.turn = if answer { Turn::Answered } else { Turn::Encouraged };
        }
    }

    /// The other side's end has come, whatever we know of it. Asks the system, which knows best.
    fn is_over(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        match SockRef::from(self.stream.tcp()).peek(&mut byte) {
            Ok(0) => true,
            // An idle upstream that speaks first says goodbye; under TLS it may be anything.
            Ok(_) => matches!(self.stream, Stream::Plain(_)),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// The end has come before any answer to a request that only just was written. Ready when it is
    /// known what it was.
    fn poll_doubt(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let in_doubt = matches!(self.turn, Turn::Asked { again: true, writes: 0..=1 });
        let doubt = self.doubt.get_or_insert_with(Box::default);
        loop {
            if !in_doubt || doubt.over {
                return Poll::Ready(Ok(()));
            }
            if is_reset(self.stream.tcp()) {
                doubt.over = true;
                return Poll::Ready(Err(not_taken()));
            }
            if doubt.waited >= DOUBT {
                doubt.over = true;
                return Poll::Ready(Ok(()));
            }
            let pause = doubt.pause;
            let look = doubt.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(look.as_mut().poll(cx));
            doubt.look = None;
            doubt.waited += pause;
            doubt.pause = (pause * 2).min(DOUBT - doubt.waited).max(LOOK);
        }
    }

    /// Whether this end of the connection proves that the request was not taken.
    fn rejected(&self, error: &io::Error) -> bool {
        matches!(self.turn, Turn::Asked { again: true, writes: 0..=1 })
            && (is_rejection(error) || is_reset(self.stream.tcp()))
    }
}

/// A clean end that may be followed by a reset.
struct Doubt {
    look: Option<Pin<Box<Sleep>>>,
    pause: Duration,
    waited: Duration,
    over: bool,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { look: None, pause: LOOK, waited: Duration::ZERO, over: false }
    }
}

fn is_rejection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// A reset has come.
fn is_reset(tcp: &TcpStream) -> bool {
    matches!(tcp.take_error(), Ok(Some(error)) if is_rejection(&error))
}

/// Our own request heads begin with a method and a path; no body of a request in progress does.
fn begins_request(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 7] =
        [b"GET /", b"POST /", b"PUT /", b"HEAD /", b"PATCH /", b"DELETE /", b"OPTIONS /"];
    METHODS.iter().any(|method| bytes.starts_with(method))
}

fn not_taken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, NotTaken)
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let came = buf.filled().get(before..).unwrap_or_default();
        if this.turn == Turn::Numbered {
            if let Some(learning) = &mut this.learning {
                learning.came(came);
            }
            return Poll::Ready(result);
        }
        Poll::Ready(match result {
            Ok(()) if !came.is_empty() => {
                this.came(came);
                Ok(())
            }
            Ok(()) => ready!(this.poll_doubt(cx)),
            Err(error) if this.rejected(&error) => Err(not_taken()),
            // TLS that ends without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                ready!(this.poll_doubt(cx)).and(Err(error))
            }
            result => result,
        })
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.before_write(buf)?;
        let result = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        Poll::Ready(this.wrote(result))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.before_write(bufs.first().map_or(&[], |first| first))?;
        let result = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(this.wrote(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        let addr = self.stream.tcp().peer_addr().ok();
        let gone = Arc::clone(&self.gone);
        let connected = Connected::new().extra(Peer { addr, gone });
        if self.stream.agreed_h2() { connected.negotiated_h2() } else { connected }
    }
}
