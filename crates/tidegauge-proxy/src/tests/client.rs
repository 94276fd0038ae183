//! Clients that leave, linger, or ask oddly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegauge_core::{End, Rejected};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

use super::fixture::{
    LONG, Rig, body, config, read_request, read_to_end, read_until, status, until,
};

const GET: &[u8] = b"GET /up/x HTTP/1.1\r\nHost: h\r\n\r\n";

/// Repeats a measurement on a machine that does other things too: one good run shows that the
/// promise can be kept, a broken build never has one.
async fn within<F: Future<Output = Duration>>(limit: Duration, mut measure: impl FnMut() -> F) {
    let mut took = Duration::MAX;
    for _ in 0..10 {
        took = measure().await;
        if took < limit {
            return;
        }
    }
    panic!("took {took:?}, not {limit:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test of the time something takes")]
fn now() -> Instant {
    Instant::now()
}

/// F-27, before the first byte and in the middle of a stream: the upstream is let go within 100 ms,
/// and the exchange ends once, cancelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_the_upstream_call_with_it() {
    for in_stream in [false, true] {
        within(Duration::from_millis(100), || async {
            let (tell, mut told) = mpsc::channel(1);
            let rig = Rig::new(move |mut tcp, _| {
                let tell = tell.clone();
                async move {
                    read_request(&mut tcp).await.unwrap();
                    if in_stream {
                        let start =
                            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
                        tcp.write_all(start).await.unwrap();
                    }
                    tell.send(None).await.unwrap();
                    _ = tcp.read(&mut [0; 16]).await;
                    tell.send(Some(now())).await.unwrap();
                }
            })
            .await;
            let mut client = rig.connect().await;
            client.write_all(GET).await.unwrap();
            told.recv().await.unwrap();
            if in_stream {
                read_until(&mut client, "hi\r\n").await;
            }
            let left = now();
            drop(client);
            let gone = tokio::time::timeout(LONG, told.recv()).await.unwrap().unwrap().unwrap();
            let seen = rig.one().await;
            let exchange = seen.exchange();
            assert_eq!((exchange.end, exchange.failure), (End::Cancelled, None));
            assert_eq!(exchange.status.is_some(), in_stream);
            assert_eq!(exchange.response_bytes, if in_stream { 2 } else { 0 });
            assert_eq!(exchange.attempts.len(), 1);
            assert_eq!(rig.health.disconnects(), 1);
            assert_eq!((rig.health.active(), rig.health.streams()), (0, 0));
            gone - left
        })
        .await;
    }
}

/// F-27: gone after the last byte is a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_after_the_last_byte_had_it_all() {
    let rig = Rig::new(|mut tcp, _| async move {
        while read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
        }
    })
    .await;
    for _ in 0..50 {
        let mut client = rig.connect().await;
        client.write_all(GET).await.unwrap();
        read_until(&mut client, "done").await;
    }
    for seen in rig.seen(50).await {
        assert_eq!(seen.exchange().end, End::Complete);
    }
    assert_eq!(rig.health.disconnects(), 0);
}

/// F-26: nothing of the body came, so nobody was called.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_its_body_calls_nobody() {
    let (tell, mut told) = mpsc::channel(1);
    let rig = Rig::new(move |_, number| {
        let tell = tell.clone();
        async move { tell.send(number).await.unwrap() }
    })
    .await;
    let mut client = rig.connect().await;
    client
        .write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
        .await
        .unwrap();
    until(|| (rig.health.active() == 1).then_some(())).await;
    drop(client);
    let seen = rig.one().await;
    assert_eq!(seen.exchange().end, End::Cancelled);
    assert!(seen.exchange().attempts.is_empty() && seen.exchange().times.sent.is_none());
    assert!(told.try_recv().is_err());
}

/// F-26: a body that breaks off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_breaks_off_ends_its_exchange() {
    let rig = Rig::new(|mut tcp, _| async move {
        read_request(&mut tcp).await;
    })
    .await;
    let mut client = rig.connect().await;
    client
        .write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nonly this")
        .await
        .unwrap();
    until(|| (rig.health.active() == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(client);
    let seen = rig.one().await;
    assert_eq!(seen.exchange().end, End::Cancelled);
    assert_eq!(seen.exchange().request_bytes, 9);
    assert_eq!(seen.request, b"only this");
}

/// F-30: whoever closes the sending side is gone, unless the listener is told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_closed_is_gone_by_default() {
    for half_close in [false, true] {
        let config = crate::Config { half_close, ..config() };
        let gate = Arc::new(Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let rig = Rig::with(
            config,
            |_| {},
            move |mut tcp, _| {
                let gate = Arc::clone(&gate);
                async move {
                    read_request(&mut tcp).await.unwrap();
                    gate.acquire().await.unwrap().forget();
                    _ = tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    _ = tcp.read(&mut [0; 1]).await;
                }
            },
        )
        .await;
        let mut client = rig.connect().await;
        client.write_all(GET).await.unwrap();
        until(|| (rig.health.active() == 1).then_some(())).await;
        client.shutdown().await.unwrap();
        if !half_close {
            assert_eq!(rig.one().await.exchange().end, End::Cancelled);
        }
        opened.add_permits(1);
        let answer = read_to_end(&mut client).await;
        assert_eq!(status(&answer), if half_close { 200 } else { 0 });
        if half_close {
            assert_eq!(rig.one().await.exchange().end, End::Complete);
        }
    }
}

/// F-24: an early refusal reaches a client that is still sending, and the sending stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_stops_the_upload() {
    let rig = Rig::new(|mut tcp, _| async move {
        let mut some = [0; 1000];
        tcp.read_exact(&mut some).await.unwrap();
        tcp.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
            .await
            .unwrap();
        // Reads nothing more, and keeps the connection.
        tokio::time::sleep(LONG).await;
    })
    .await;
    for chunked in [false, true] {
        let mut client = rig.connect().await;
        let (mut read, mut write) = client.split();
        let sending = async {
            let framing =
                if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 20971520" };
            let head = format!("POST /up/chat HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
            write.write_all(head.as_bytes()).await?;
            let mebibyte = vec![b'x'; 1 << 20];
            for _ in 0..20 {
                if chunked {
                    write.write_all(b"100000\r\n").await?;
                }
                write.write_all(&mebibyte).await?;
                if chunked {
                    write.write_all(b"\r\n").await?;
                }
            }
            std::io::Result::Ok(())
        };
        let reading = async {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"big") {
                assert_ne!(read.read_buf(&mut bytes).await.expect("no reset"), 0, "an answer");
            }
            bytes
        };
        let sending = async {
            // It may break off: nobody reads any more.
            drop(sending.await);
            std::future::pending::<()>().await;
        };
        let both = async {
            tokio::select! {
                answer = reading => answer,
                () = sending => Vec::new(),
            }
        };
        let answer = tokio::time::timeout(LONG, both).await.expect("an answer");
        assert_eq!(status(&answer), 413);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(text.contains("connection: close"), "{text}");
    }
    for seen in rig.seen(2).await {
        let exchange = seen.exchange();
        assert_eq!((exchange.end, exchange.status.unwrap().as_u16()), (End::Complete, 413));
        assert!(exchange.request_bytes < 20 << 20, "{}", exchange.request_bytes);
    }
    until(|| (rig.health.connections() == 0).then_some(())).await;
}

/// an answer of ours reaches a client that sends first and reads later, although nobody reads
/// what it sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_lost_in_a_reset() {
    let rig = Rig::new(|_, _| async {}).await;
    for _ in 0..20 {
        let mut client = rig.connect().await;
        let head = b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n";
        client.write_all(head).await.unwrap();
        for _ in 0..16 {
            client.write_all(&[b'x'; 1 << 16]).await.expect("no reset");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("no reset");
        assert_eq!(status(&answer), 404);
    }
}

/// F-31: 100 Continue is sent once, and only when the body is wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continue_is_said_once() {
    let rig = Rig::new(|mut tcp, _| async move {
        let (head, body) = read_request(&mut tcp).await.unwrap();
        assert!(!head.to_lowercase().contains("expect"), "{head}");
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        tcp.write_all(answer.as_bytes()).await.unwrap();
        tcp.write_all(&body).await.unwrap();
    })
    .await;
    let mut client = rig.connect().await;
    client
        .write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "HTTP/1.1 100 Continue\r\n\r\n").await;
    client.write_all(b"ok").await.unwrap();
    let rest = read_to_end(&mut client).await;
    assert_eq!((status(&rest), body(&rest)), (200, b"ok".as_slice()));
}

/// F-29: a head that never ends is closed in its time; an idle connection has longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_are_closed() {
    let mut config = config();
    config.limits.head_timeout = Duration::from_millis(300);
    let rig = Rig::with(
        config,
        |_| {},
        |mut tcp, _| async move {
            while read_request(&mut tcp).await.is_some() {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        },
    )
    .await;
    // Nothing at all; a trickle; and a trickle after a good request and a rest.
    for (before, rest) in [("", ""), ("", "GET /up/x HTTP/1.1\r\nHo"), ("ok", "GET /up/x HT")] {
        let mut client = rig.connect().await;
        if !before.is_empty() {
            client.write_all(GET).await.unwrap();
            read_until(&mut client, "ok").await;
            // Longer than a head may take: an idle connection is not a slow one.
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        let trickle = rest.bytes().chain(std::iter::repeat_n(b'x', 100));
        for byte in trickle.take(if rest.is_empty() { 0 } else { 200 }) {
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(read_to_end(&mut client).await.is_empty());
    }
    assert_eq!(rig.health.rejected(Rejected::HeadTimeout), 2);
    assert_eq!(rig.seen(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_to_come_back() {
    let mut config = config();
    config.limits.connections = 2;
    let rig = Rig::with(
        config,
        |_| {},
        |mut tcp, _| async move {
            while read_request(&mut tcp).await.is_some() {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        },
    )
    .await;
    let first = rig.connect().await;
    let mut second = rig.connect().await;
    until(|| (rig.health.connections() == 2).then_some(())).await;
    let answer = read_to_end(&mut rig.connect().await).await;
    assert_eq!(status(&answer), 503);
    assert_eq!(rig.health.rejected(Rejected::Connections), 1);
    for method in ["GET", "HEAD"] {
        let probe = format!("{method} /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(status(&rig.raw(probe.as_bytes()).await), 200, "a health check has a place");
    }
    assert_eq!(status(&rig.raw(GET).await), 503);
    assert_eq!(rig.health.rejected(Rejected::Connections), 2);
    second.write_all(GET).await.unwrap();
    read_until(&mut second, "ok").await;
    drop(first);
    until(|| (rig.health.connections() == 1).then_some(())).await;
    let mut third = rig.connect().await;
    third.write_all(GET).await.unwrap();
    read_until(&mut third, "ok").await;
}

/// A panic in an observer costs its record, never the stream, wherever it happens (F-47).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_a_broken_observer_is_not_noticed() {
    let rig = Rig::new(|mut tcp, _| async move {
        read_request(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        for _ in 0..100 {
            tcp.write_all(b"4\r\nline\r\n").await.unwrap();
        }
        tcp.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    use super::fixture::Place;
    let places =
        [Place::Begin, Place::Request, Place::Head, Place::Response, Place::End, Place::Drop];
    for (broken, place) in (1..).zip(places) {
        *rig.recorder.panics.lock().unwrap() = Some(place);
        let mut client = rig.connect().await;
        let head = "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close";
        client.write_all(format!("{head}\r\n\r\nhi").as_bytes()).await.unwrap();
        let answer = read_to_end(&mut client).await;
        assert!(answer.ends_with(b"0\r\n\r\n"), "{place:?}");
        assert_eq!(super::fixture::dechunk(body(&answer)), b"line".repeat(100), "{place:?}");
        until(|| (rig.health.active() == 0).then_some(())).await;
        let lost = until(|| {
            let lost = rig.health.records_lost(tidegauge_core::Dropped::Panic);
            (lost == broken).then_some(lost)
        })
        .await;
        assert_eq!((rig.health.accepted(), lost), (broken, broken), "{place:?}");
        assert_eq!(rig.health.panics(tidegauge_core::Task::Observer), broken, "{place:?}");
    }
    assert_eq!(rig.health.panics(tidegauge_core::Task::Connection), 0);
    until(|| (rig.health.connections() == 0 && rig.health.streams() == 0).then_some(())).await;
    // What comes after is recorded.
    *rig.recorder.panics.lock().unwrap() = None;
    let answer = rig.raw(b"GET /up/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(super::fixture::dechunk(body(&answer)), b"line".repeat(100));
    rig.seen(1).await;
}

/// A request that no upstream is waiting for is told what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_path_is_told_the_known_ones() {
    let rig = Rig::new(|_, _| async {}).await;
    let answer = rig.raw(b"POST /opnai/v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 404);
    let text = String::from_utf8(answer).unwrap();
    assert!(text.contains("proxy-status: tidegauge; error=destination_not_found\r\n"), "{text}");
    let example = format!("http://{}/up/... ", rig.addr);
    assert!(text.contains(&example) && text.contains("Known upstreams: up."), "{text}");
    assert_eq!(rig.health.rejected(Rejected::Route), 1);
    let answer = rig.raw(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!((status(&answer), body(&answer)), (200, b"ok\n".as_slice()));
    assert_eq!(rig.health.accepted(), 0);
}

/// A web page may read why it has no answer, but not what upstreams there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_may_read_our_own_answers() {
    let rig = Rig::new(|mut tcp, _| async move {
        let Some((head, _)) = read_request(&mut tcp).await else { return };
        if head.starts_with("GET /well") {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    for (path, expected, ours) in [
        ("/up/well", 200, false),
        ("/up/broken", 502, true),
        ("/opnai/v1", 404, true),
        ("/..", 400, true),
    ] {
        for origin in ["", "Origin: https://page.example\r\n"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: h\r\n{origin}Connection: close\r\n\r\n");
            let answer = rig.raw(request.as_bytes()).await;
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(status(&answer), expected, "{text}");
            let allowed = text.contains("access-control-allow-origin: *\r\n");
            assert_eq!(allowed, ours && !origin.is_empty(), "{path} {origin:?}: {text}");
            let names = text.contains("Known upstreams: up.");
            assert_eq!(names, expected == 404 && origin.is_empty(), "{text}");
        }
    }
}
