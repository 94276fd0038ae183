//! Serves one client connection from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::rt::Timer;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegauge_core::Rejected;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::Limits;
use crate::caller::Caller;
use crate::service::Answers;
use crate::shared::Shared;
use crate::signal::Signal;
use crate::socket::Socket;
use crate::stream::Stream;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a silent HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(60);
/// How long a connection that was taken right before the end began may take for its first byte.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Header fields that the HTTP/1 parser takes without being told a number.
const PARSED: usize = 100;
/// Bytes of a response that may wait for a slow client.
const SEND_BUFFER: usize = 64 * 1024;

/// Serves until the client leaves, or, once `draining`, until its exchanges have ended.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    tcp: TcpStream,
    addr: SocketAddr,
    tls: Option<TlsAcceptor>,
    draining: Arc<Signal>,
) {
    let limits = shared.base.limits;
    let caller = Arc::new(Caller::new(addr, tls.is_some(), shared.base.clock));
    // Boxed, like the connection below: else a connection keeps the room for it to its end.
    let greeted = Box::pin(async {
        let greeted = tokio::time::timeout(limits.head_timeout, greet(tcp, tls));
        let mut greeted = std::pin::pin!(greeted);
        match draining.until(greeted.as_mut()).await {
            Some(greeted) => Some(greeted),
            None => tokio::time::timeout(LAST_WORD, greeted).await.ok(),
        }
    })
    .await;
    // A connection that never said a thing is no request.
    let Some(Ok(Some((stream, first, h2)))) = greeted else { return };
    let preface = h2.then_some(PREFACE.len());
    let socket = TokioIo::new(Socket::new(stream, first, preface, Arc::clone(&caller)));
    let answers = Answers::new(Arc::clone(&shared), Arc::clone(&caller), h2);
    if h2 {
        return Box::pin(serve_h2(&shared, &caller, socket, answers, &draining)).await;
    }
    let connection = h1_builder(&shared, &caller).serve_connection(socket, answers);
    let mut connection = Box::pin(connection.with_upgrades());
    let ended = match draining.until(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            // One that was taken a moment ago gets to read first: hyper closes what has read nothing.
            match poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        count(&shared, &caller, &error);
    }
}

/// The HTTP/2 server knows no time for heads and none for waiting: they are watched beside it.
async fn serve_h2(
    shared: &Shared,
    caller: &Arc<Caller>,
    socket: TokioIo<Socket>,
    answers: Answers,
    draining: &Signal,
) {
    let limits = shared.base.limits;
    let served = answers.served();
    let connection = h2_builder(shared).serve_connection(socket, answers);
    let mut connection = Box::pin(connection);
    let mut asked_to_leave = false;
    let mut idle = limits.keep_alive;
    loop {
        let watched = until_late(connection.as_mut(), caller, limits.head_timeout, idle);
        let ended =
            if asked_to_leave { Some(watched.await) } else { draining.until(watched).await };
        match ended {
            Some(Ended::Itself) => break,
            Some(Ended::LateHead) => {
                shared.base.health.request_rejected(Rejected::HeadTimeout, 1);
                break;
            }
            Some(Ended::Idle) if asked_to_leave => break,
            // What is going on ends; nothing new begins. Who does not even hear that is left.
            Some(Ended::Idle) => idle = limits.head_timeout.min(idle),
            None => {}
        }
        connection.as_mut().graceful_shutdown();
        asked_to_leave = true;
    }
    drop(connection);
    if caller.has_flooded() {
        shared.base.health.connection_flooded();
    }
    let unserved = caller.streams().saturating_sub(served.load(Relaxed));
    shared.base.health.request_rejected(Rejected::Stream, unserved);
}

/// Why an HTTP/2 connection is over.
enum Ended {
    Itself,
    /// A head, or another frame, was begun and not ended in time.
    LateHead,
    /// No request for too long.
    Idle,
}

/// Runs a connection until it ends or is late. One timer, which is looked at again when it fires: no
/// request has to move it.
async fn until_late(
    mut connection: Pin<&mut impl Future>,
    caller: &Caller,
    head_timeout: Duration,
    keep_alive: Duration,
) -> Ended {
    let clock = caller.clock();
    let left = |since: Duration, limit: Duration| {
        limit.saturating_sub(clock.real_time(clock.now().saturating_sub(since)))
    };
    let mut timer = Box::pin(tokio::time::sleep(head_timeout.min(keep_alive)));
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::Itself);
        }
        while timer.as_mut().poll(cx).is_ready() {
            let head = caller.head_began().map_or(head_timeout, |since| left(since, head_timeout));
            let idle = caller.idle_since().map_or(keep_alive, |since| left(since, keep_alive));
            if head.is_zero() {
                return Poll::Ready(Ended::LateHead);
            }
            if idle.is_zero() {
                return Poll::Ready(Ended::Idle);
            }
            timer.as_mut().reset(tokio::time::Instant::now() + head.min(idle));
        }
        Poll::Pending
    })
    .await
}

/// Requests that never reached us as such.
fn count(shared: &Shared, caller: &Caller, error: &hyper::Error) {
    if error.is_parse() {
        shared.base.health.request_rejected(Rejected::Parse, 1);
    } else if error.is_timeout() && caller.head_began().is_some() {
        shared.base.health.request_rejected(Rejected::HeadTimeout, 1);
    }
}

/// TLS if there is any, then enough bytes to know the protocol. `None`: the client left.
async fn greet(tcp: TcpStream, tls: Option<TlsAcceptor>) -> Option<(Stream, Bytes, bool)> {
    let mut stream = match tls {
        None => Stream::Plain(tcp),
        Some(tls) => {
            let stream = Stream::Tls(Box::new(tls.accept(tcp).await.ok()?.into()));
            let h2 = stream.agreed_h2();
            return Some((stream, Bytes::new(), h2));
        }
    };
    let mut first = [0; PREFACE.len()];
    let mut filled = 0;
    loop {
        let room = first.get_mut(filled..).unwrap_or_default();
        let count = stream.read(room).await.ok().filter(|count| *count > 0)?;
        filled += count;
        let come = first.get(..filled).unwrap_or_default();
        if !PREFACE.starts_with(come) || filled == PREFACE.len() {
            let first = Bytes::copy_from_slice(come);
            return Some((stream, first, come == PREFACE));
        }
    }
}

fn h1_builder(shared: &Shared, caller: &Arc<Caller>) -> http1::Builder {
    let limits = shared.base.limits;
    let mut builder = http1::Builder::new();
    builder
        .half_close(shared.config.half_close)
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(limits.head_bytes.max(8 * 1024))
        .timer(HeadTimer { caller: Arc::clone(caller), limits })
        // The timer below knows the real limits.
        .header_read_timeout(limits.head_timeout);
    // Told a number, the parser takes memory for it; the one it has anyway is in place.
    if limits.headers > PARSED {
        builder.max_headers(limits.headers);
    }
    builder
}

fn h2_builder(shared: &Shared) -> http2::Builder<crate::tasks::Tasks> {
    let limits = shared.base.limits;
    let mut builder = http2::Builder::new(shared.base.tasks.clone());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING);
    builder
}

/// Waits for request heads. The HTTP server knows one timeout for both waiting for a head and
/// reading it; these are two, and a head that trickles in must not have the longer one.
struct HeadTimer {
    caller: Arc<Caller>,
    limits: Limits,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let limit = self.limits.keep_alive;
        Box::pin(HeadWait {
            waiting_since: self.caller.clock().now(),
            limits: self.limits,
            caller: Arc::clone(&self.caller),
            in_head: false,
            sleep: Box::pin(tokio::time::sleep(limit)),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        *sleep = self.sleep_until(deadline);
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

struct HeadWait {
    waiting_since: Duration,
    limits: Limits,
    caller: Arc<Caller>,
    in_head: bool,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl hyper::rt::Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let head = this.caller.head_began();
        if head.is_some() != this.in_head {
            this.in_head = head.is_some();
            let (since, limit) = match head {
                Some(began) => (began, this.limits.head_timeout),
                None => (this.waiting_since, this.limits.keep_alive),
            };
            let clock = this.caller.clock();
            let waited = clock.real_time(clock.now().saturating_sub(since));
            let left = limit.saturating_sub(waited);
            this.sleep.as_mut().reset(tokio::time::Instant::now() + left);
        }
        this.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::tests::fixture::Rig;

    /// What a connection's task takes for as long as it lives.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_takes_little_memory() {
        let rig = Rig::new(|_, _| async {}).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tcp = TcpStream::connect(addr).await.unwrap();
        let serving = serve(Arc::clone(&rig.shared), tcp, addr, None, Arc::default());
        let size = size_of_val(&serving);
        assert!(size < 1024, "{size} bytes");
    }
}
