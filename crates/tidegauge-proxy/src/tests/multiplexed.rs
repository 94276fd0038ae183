//! Upstreams that speak HTTP/2: no request waits unseen, and what was not taken is sent again.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tidegauge_core::{End, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::fixture::{LONG, Rig, config, scripted, status, until};
use super::tls::{Authority, acceptor, before, trusting};

type Body = UnsyncBoxBody<Bytes, Infallible>;

const POST: &[u8] =
    b"POST /up/chat HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";

fn adapt(authority: &Authority, http2: bool) -> impl FnOnce(&mut Upstream) + use<> {
    let trusting = trusting(authority);
    move |upstream| {
        trusting(upstream);
        upstream.http2 = http2;
    }
}

/// A proxy in front of an upstream that speaks HTTP/2 and takes so many streams on a connection; and
/// how many connections there were.
async fn rig<F>(
    streams: u32,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> (Rig, Arc<AtomicUsize>)
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue("localhost", false), &["h2"], None);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let script = move |tcp: TcpStream, _| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        counted.fetch_add(1, SeqCst);
        async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).max_concurrent_streams(streams);
            _ = server.serve_connection(TokioIo::new(tls), service).await;
        }
    };
    let (addr, tasks) = scripted(script).await;
    (before(addr, tasks, config(), adapt(&authority, true)).await, connections)
}

fn empty() -> Response<Body> {
    Response::new(UnsyncBoxBody::new(Full::default()))
}

/// Nobody is answered before all are there, far more than one connection takes: with one connection
/// they would wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_streams_are_answered_together() {
    let all = Arc::new(Barrier::new(30));
    let (rig, connections) = rig(4, move |request| {
        let all = Arc::clone(&all);
        async move {
            assert_eq!(request.version(), Version::HTTP_2);
            all.wait().await;
            empty()
        }
    })
    .await;
    let mut before = 0;
    for round in 1..=3 {
        let answers = join_all((0..30).map(|_| rig.raw(POST)));
        for answer in tokio::time::timeout(LONG, answers).await.expect("all are answered") {
            assert_eq!(status(&answer), 200);
        }
        for seen in rig.seen(30 * round).await {
            assert_eq!(seen.exchange().attempts[0].version, Some(Version::HTTP_2));
        }
        let now = connections.load(SeqCst);
        assert!((8..=30).contains(&now), "{now}");
        assert!(round == 1 || now == before, "connections are kept: {now}, {before} before");
        before = now;
    }
    assert_eq!(rig.health.streams_waited(), 0);
}

/// Where even the most connections are full, the wait is counted, as ours and as such.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_stream_is_overhead() {
    let gate = Arc::new(Semaphore::new(0));
    let (arrived, entrance) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let count = Arc::clone(&arrived);
    let (rig, connections) = rig(1, move |_| {
        let gate = Arc::clone(&entrance);
        count.fetch_add(1, SeqCst);
        async move {
            gate.acquire().await.unwrap().forget();
            empty()
        }
    })
    .await;
    let waited = Duration::from_millis(200);
    let release = async {
        until(|| (arrived.load(SeqCst) == 64 && rig.health.streams_waited() == 1).then_some(()))
            .await;
        tokio::time::sleep(waited).await;
        gate.add_permits(65);
    };
    let answers = join_all((0..65).map(|_| rig.raw(POST)));
    let (answers, ()) = futures_util::future::join(answers, release).await;
    assert!(answers.iter().all(|answer| status(answer) == 200));
    assert_eq!(connections.load(SeqCst), 64);
    let seen = rig.seen(65).await;
    let late = seen.iter().map(|seen| seen.exchange());
    let late = late.max_by_key(|exchange| exchange.overhead.connect).unwrap();
    assert!(late.overhead.connect >= waited, "{:?}", late.overhead);
    // The attempt itself, the provider's time, began after it.
    assert!(late.attempts[0].started >= late.times.sent.unwrap() + waited);
}

/// Both sides talk at once, as gRPC does: each message is there before the next is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_stream_at_once() {
    let (rig, _) = rig(100, |request: Request<Incoming>| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let pieces = request.into_body().into_data_stream();
        let pieces = pieces.map(|piece| Ok(Frame::data(piece.unwrap_or_default())));
        let last = futures_util::stream::iter([Ok(Frame::trailers(trailers))]);
        Response::new(UnsyncBoxBody::new(StreamBody::new(pieces.chain(last))))
    })
    .await;
    let io = TokioIo::new(rig.connect().await);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(io).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let (say, said) = mpsc::channel(1);
    let said = futures_util::stream::unfold(said, |mut said: mpsc::Receiver<Bytes>| async move {
        let piece = said.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), said))
    });
    let request = Request::post("http://here/up/service/Method")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(UnsyncBoxBody::new(StreamBody::new(said)))
        .unwrap();
    say.send(Bytes::from("first")).await.unwrap();
    let mut answer =
        tokio::time::timeout(LONG, sender.send_request(request)).await.unwrap().unwrap();
    let next = answer.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(next.into_data().unwrap(), "first");
    for number in 0..20 {
        let message = Bytes::from(number.to_string());
        say.send(message.clone()).await.unwrap();
        let next = tokio::time::timeout(LONG, answer.body_mut().frame()).await.unwrap();
        assert_eq!(next.unwrap().unwrap().into_data().unwrap(), message);
    }
    drop(say);
    let rest = answer.collect().await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(rig.one().await.exchange().end, End::Complete);
}

/// What comes after `GOAWAY` on streams above the last one that was taken was not processed, and is
/// sent again on another connection (RFC 9113 6.8).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_goaway_leaves_out_is_sent_again() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue("localhost", false), &["h2"], None);
    let script = move |tcp: TcpStream, number: usize| {
        let acceptor = acceptor.clone();
        async move {
            let mut tls = acceptor.accept(tcp).await.unwrap();
            tls.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            tls.read_exact(&mut [0; 24]).await.unwrap();
            loop {
                let mut head = [0; 9];
                if tls.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                tls.read_exact(&mut vec![0; length]).await.unwrap();
                match head[3] {
                    // The end of the request.
                    0 | 1 if head[4] & 1 == 1 && number < 2 => {
                        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                        tls.write_all(&goaway).await.unwrap();
                        _ = tls.shutdown().await;
                        return;
                    }
                    0 | 1 if head[4] & 1 == 1 => {
                        let stream = &head[5..];
                        let answer = [&[0, 0, 1, 1, 5], stream, &[0x88]].concat();
                        tls.write_all(&answer).await.unwrap();
                    }
                    _ => {}
                }
            }
        }
    };
    let (addr, tasks) = scripted(script).await;
    let rig = before(addr, tasks, config(), adapt(&authority, true)).await;
    assert_eq!(status(&rig.raw(POST).await), 200);
    let seen = rig.one().await;
    assert_eq!((seen.exchange().attempts.len(), seen.exchange().end), (1, End::Complete));
    assert_eq!(seen.request, b"hello");
}

/// Without being asked for, HTTP/2 is not even offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_is_the_default() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue("localhost", false), &["h2", "http/1.1"], None);
    let script = move |tcp, _| {
        let acceptor = acceptor.clone();
        async move {
            let tls = acceptor.accept(tcp).await.unwrap();
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let service = service_fn(|_| async { Ok::<_, Infallible>(empty()) });
            let server = hyper::server::conn::http1::Builder::new();
            _ = server.serve_connection(TokioIo::new(tls), service).await;
        }
    };
    let (addr, tasks) = scripted(script).await;
    let rig = before(addr, tasks, config(), adapt(&authority, false)).await;
    assert_eq!(status(&rig.raw(POST).await), 200);
    assert_eq!(rig.one().await.exchange().attempts[0].version, Some(Version::HTTP_11));
}
