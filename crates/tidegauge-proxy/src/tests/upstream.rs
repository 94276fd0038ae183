//! Upstreams that fail in all the ways there are (F-01 to F-25).

use std::sync::Arc;
use std::time::Duration;

use tidegauge_core::{End, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fixture::{
    LONG, Rig, body, config, policy, read_request, read_to_end, read_until, status, until, upstream,
};

const GET: &[u8] = b"GET /up/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// What an upstream sends in answer before it closes, what the client gets, and why.
struct Case {
    name: &'static str,
    sends: &'static [u8],
    reset: bool,
    /// The client's status, and whether its body ends as it should.
    status: u16,
    clean: bool,
    end: End,
    failure: Option<Failure>,
}

const OK_CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";

const CASES: &[Case] = &[
    Case {
        name: "F-08 no last chunk",
        sends: OK_CHUNKED,
        reset: false,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-08 in a chunk",
        sends: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc",
        reset: false,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-08 short of its length",
        sends: b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        reset: false,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-08 delimited by the end",
        sends: b"HTTP/1.1 200 OK\r\n\r\nabc",
        reset: false,
        status: 200,
        clean: true,
        end: End::Complete,
        failure: None,
    },
    Case {
        name: "F-09 reset",
        sends: OK_CHUNKED,
        reset: true,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-10 a size that is none",
        sends: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
        reset: false,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-10 a size too large to be one",
        sends: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nfffffffffffffffff\r\n",
        reset: false,
        status: 200,
        clean: false,
        end: End::Failed,
        failure: Some(Failure::StreamCut),
    },
    Case {
        name: "F-11 two lengths",
        sends: b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-11 a length that is none",
        sends: b"HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-11 a length beside a coding",
        sends: b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-11 a coding that would have to be decoded",
        sends: b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-11 the same, in chunks",
        sends: b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-12 not HTTP",
        sends: b"SSH-2.0-OpenSSH\r\n\r\n",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-12 HTTP/0.9",
        sends: b"<html>hello</html>",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "closed without a word",
        sends: b"",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::ClosedEarly),
    },
    Case {
        name: "closed in its head",
        sends: b"HTTP/1.1 200 OK\r\ncontent-le",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::ClosedEarly),
    },
    Case {
        name: "reset without a word",
        sends: b"",
        reset: true,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::ClosedEarly),
    },
    Case {
        name: "F-13 a switch nobody asked for",
        sends: b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nabc",
        reset: false,
        status: 502,
        clean: true,
        end: End::Failed,
        failure: Some(Failure::Protocol),
    },
    Case {
        name: "F-23 passed as it is",
        sends: b"HTTP/1.1 529 Overloaded\r\nretry-after: 7\r\ncontent-length: 3\r\n\r\nabc",
        reset: false,
        status: 529,
        clean: true,
        end: End::Complete,
        failure: None,
    },
];

/// Whether a raw response ends as its own framing says.
fn is_clean(response: &[u8]) -> bool {
    let head = String::from_utf8_lossy(response).to_lowercase();
    let body = body(response);
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    match head.split("content-length: ").nth(1) {
        Some(length) => length.split("\r\n").next().unwrap() == body.len().to_string(),
        None => true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_answers() {
    for case in CASES {
        let rig = Rig::new(move |mut tcp, number| async move {
            while read_request(&mut tcp).await.is_some() {
                if number > 0 {
                    tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext")
                        .await
                        .unwrap();
                    continue;
                }
                tcp.write_all(case.sends).await.unwrap();
                if case.reset {
                    // A reset overtakes what was sent just before it.
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
                }
                return;
            }
        })
        .await;
        let name = case.name;
        let response = rig.raw(GET).await;
        let text = String::from_utf8_lossy(&response);
        assert_eq!(status(&response), case.status, "{name}: {text}");
        assert_eq!(is_clean(&response), case.clean, "{name}: {text}");
        if case.status == 502 {
            assert!(text.contains("proxy-status: tidegauge; error="), "{name}: {text}");
            assert!(text.contains(r#"{"fake":{"kind":""#), "{name}: {text}");
        } else {
            assert!(text.contains("abc"), "{name}: {text}");
            assert!(!text.contains("content-length: 9"), "{name}: {text}");
        }
        let seen = rig.one().await;
        let exchange = seen.exchange();
        assert_eq!((exchange.end, exchange.failure), (case.end, case.failure), "{name}");
        assert_eq!(exchange.status.unwrap().as_u16(), case.status, "{name}");
        assert_eq!(seen.head.is_some(), case.status != 502, "{name}");
        // The pool is not poisoned.
        assert_eq!(body(&rig.raw(GET).await), b"next", "{name}");
    }
}

/// F-13: any number of interim answers, then the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_are_dropped() {
    let rig = Rig::new(|mut tcp, _| async move {
        read_request(&mut tcp).await.unwrap();
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1000);
        tcp.write_all(hints.as_bytes()).await.unwrap();
        tcp.write_all(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        )
        .await
        .unwrap();
    })
    .await;
    let response = rig.raw(GET).await;
    assert_eq!((status(&response), body(&response)), (200, b"ok".as_slice()));
}

/// F-01, F-03: no connection, and the client knows at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_upstreams_are_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = upstream(free);
    let mut unknown = upstream(free);
    unknown.name = "unknown".into();
    Arc::make_mut(&mut unknown.origin).host = "does-not-exist.invalid".into();
    let rig = Rig::of(config(), policy(vec![refused, unknown]), JoinSet::new()).await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let started = tokio::time::Instant::now();
        let response = rig.raw(GET).await;
        fastest = fastest.min(started.elapsed());
        let text = String::from_utf8(response).unwrap();
        assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
        assert!(text.contains("proxy-status: tidegauge; error=connection_refused\r\n"), "{text}");
        assert!(text.contains(r#""kind":"connection_refused""#), "{text}");
        assert!(!text.contains("127.0.0.1"), "no addresses: {text}");
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    let response =
        rig.raw(b"GET /unknown/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let text = String::from_utf8(response).unwrap();
    assert!(text.contains("error=dns_error\r\n") && !text.contains("does-not-exist"), "{text}");
    let seen = rig.seen(11).await;
    assert_eq!(seen[0].exchange().failure, Some(Failure::ConnectRefused));
    assert_eq!(seen[0].exchange().attempts[0].failure, Some(Failure::ConnectRefused));
    assert_eq!(seen[10].exchange().failure, Some(Failure::Dns));
}

/// F-02: a full backlog never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_has_its_time() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    for _ in 0..16 {
        let connecting = TcpStream::connect(addr);
        match tokio::time::timeout(Duration::from_millis(100), connecting).await {
            Ok(tcp) => filling.push(tcp.unwrap()),
            Err(_) => break,
        }
    }
    let mut late = upstream(addr);
    late.timeouts.connect = Duration::from_millis(400);
    let rig = Rig::of(config(), policy(vec![late]), JoinSet::new()).await;
    let started = tokio::time::Instant::now();
    let response = rig.raw(GET).await;
    assert!(started.elapsed() >= Duration::from_millis(390), "{:?}", started.elapsed());
    let text = String::from_utf8(response).unwrap();
    assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
    assert!(text.contains("error=connection_timeout\r\n"), "{text}");
    assert_eq!(rig.one().await.exchange().failure, Some(Failure::ConnectTimeout));
}

/// F-05, F-07: heads and gaps have their times, if there are any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_their_time() {
    let limit = Duration::from_millis(300);
    let rig = Rig::with(
        config(),
        |upstream| {
            upstream.timeouts.head = Some(limit);
            upstream.timeouts.idle = Some(limit);
        },
        |mut tcp, _| async move {
            let (head, _) = read_request(&mut tcp).await.unwrap();
            if head.starts_with("GET /slow") {
                let start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                tcp.write_all(start).await.unwrap();
                // Pieces that come in time keep it going, for longer than one wait.
                for _ in 0..8 {
                    tcp.write_all(b"1\r\n:\r\n").await.unwrap();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            tokio::time::sleep(LONG).await;
        },
    )
    .await;
    let response = rig.raw(GET).await;
    let text = String::from_utf8(response).unwrap();
    assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
    assert!(text.contains("error=http_response_timeout\r\n"), "{text}");
    let response = rig.raw(b"GET /up/slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!((status(&response), is_clean(&response)), (200, false));
    let seen = rig.seen(2).await;
    assert_eq!(seen[0].exchange().failure, Some(Failure::HeadTimeout));
    assert_eq!(seen[1].exchange().failure, Some(Failure::IdleTimeout));
    assert_eq!(seen[1].response, b"::::::::");
}

/// The time for a head does not run while the client still sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upload_is_not_a_slow_answer() {
    let rig = Rig::with(
        config(),
        |upstream| upstream.timeouts.head = Some(Duration::from_millis(200)),
        |mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        },
    )
    .await;
    let mut client = rig.connect().await;
    client.write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n").await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        client.write_all(b"x").await.unwrap();
    }
    read_until(&mut client, "ok").await;
}

/// F-22: an upstream that closes after each answer, at any moment, costs no client anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_connections_are_not_noticed() {
    let rig = Rig::new(|mut tcp, _| async move {
        let Some((_, sent)) = read_request(&mut tcp).await else { return };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", sent.len());
        tcp.write_all(&[head.as_bytes(), &sent].concat()).await.unwrap();
        let rest = fastrand::u64(0..3000);
        tokio::time::sleep(Duration::from_micros(rest)).await;
    })
    .await;
    let mut client = rig.connect().await;
    for number in 0..2000 {
        let request =
            format!("POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n{number:06}");
        client.write_all(request.as_bytes()).await.unwrap();
        let text = read_until(&mut client, "\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 200 "), "{number}: {text}");
        if !text.ends_with(&format!("\r\n\r\n{number:06}")) {
            read_until(&mut client, &format!("{number:06}")).await;
        }
        if number % 3 == 0 {
            tokio::time::sleep(Duration::from_micros(fastrand::u64(0..3000))).await;
        }
    }
    for seen in rig.seen(2000).await {
        assert_eq!((seen.exchange().end, seen.request.len()), (End::Complete, 6));
    }
}

/// F-22: nor with many clients, whose requests meet many connections that are about to close.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_connections_are_not_noticed_by_many() {
    for concurrency in [1, 4, 16] {
        let rig = Arc::new(
            Rig::new(|mut tcp, _| async move {
                if read_request(&mut tcp).await.is_none() {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                tcp.write_all(answer).await.unwrap();
                let rest = Duration::from_micros(fastrand::u64(0..5000));
                // It closes without having looked whether there is another request.
                tokio::time::sleep(rest).await;
            })
            .await,
        );
        let mut clients = JoinSet::new();
        for _ in 0..concurrency {
            let rig = Arc::clone(&rig);
            clients.spawn(async move {
                let mut client = rig.connect().await;
                let mut failed = 0;
                for _ in 0..2000 / concurrency {
                    let post = b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nsix ok";
                    client.write_all(post).await.unwrap();
                    let head = read_until(&mut client, "\r\n\r\n").await;
                    if !head.starts_with("HTTP/1.1 200 ") {
                        failed += 1;
                        client = rig.connect().await;
                    } else if !head.ends_with("ok") {
                        read_until(&mut client, "ok").await;
                    }
                }
                failed
            });
        }
        let failed: usize = clients.join_all().await.into_iter().sum();
        println!("{concurrency} at a time: {failed} of 2000 failed");
        assert_eq!(failed, 0, "{concurrency} at a time");
    }
}

/// P10: a request that was read is never sent again, however the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_is_not_sent_again() {
    for reset in [false, true] {
        let (tell, mut told) = tokio::sync::mpsc::channel(64);
        let rig = Rig::new(move |mut tcp, _| {
            let tell = tell.clone();
            async move {
                read_request(&mut tcp).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                // The second request on this connection is read, and its connection closed.
                if read_request(&mut tcp).await.is_some() {
                    tell.send(()).await.unwrap();
                    if reset {
                        // An answer that has begun.
                        tcp.write_all(b"HTTP/1.1 20").await.unwrap();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
                    }
                }
            }
        })
        .await;
        let mut client = rig.connect().await;
        let post = b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
        client.write_all(post).await.unwrap();
        read_until(&mut client, "ok").await;
        client.write_all(post).await.unwrap();
        read_until(&mut client, "HTTP/1.1 502 ").await;
        let seen = rig.seen(2).await;
        assert_eq!(seen[1].exchange().failure, Some(Failure::ClosedEarly));
        assert_eq!(seen[1].exchange().attempts.len(), 1);
        told.recv().await.unwrap();
        assert!(told.try_recv().is_err(), "it was sent once");
    }
}

/// F-25: an upstream that reads nothing stops the client, not the proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_reads_nothing_holds_the_client_back() {
    let rig = Rig::new(|tcp, _| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(tcp);
    })
    .await;
    let mut client = rig.connect().await;
    client
        .write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 67108864\r\n\r\n")
        .await
        .unwrap();
    let mebibyte = vec![0; 1 << 20];
    let mut sent = 0;
    while let Ok(result) =
        tokio::time::timeout(Duration::from_secs(2), client.write_all(&mebibyte)).await
    {
        result.unwrap();
        sent += 1;
    }
    // What fits into the system's buffers on the way, no more.
    assert!(sent < 32, "{sent} MiB were taken");
    drop(client);
    assert_eq!(rig.one().await.exchange().attempts.len(), 1);
}

/// F-28: a client that reads nothing stops its upstream, not the proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_holds_its_upstream_back() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let rig = Rig::new(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n").await.unwrap();
            let mebibyte = vec![0; 1 << 20];
            let mut sent = 0;
            let stalled = Duration::from_secs(2);
            while let Ok(Ok(())) = tokio::time::timeout(stalled, tcp.write_all(&mebibyte)).await {
                sent += 1;
            }
            tell.send(sent).await.unwrap();
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.write_all(GET).await.unwrap();
    let sent = told.recv().await.unwrap();
    // What fits into the system's buffers on the way, no more.
    assert!(sent < 32, "{sent} MiB were taken");
}

/// A new policy keeps the connections of upstreams that stay the same, and takes effect at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_policy_keeps_connections() {
    let rig = Rig::new(|mut tcp, number| async move {
        while read_request(&mut tcp).await.is_some() {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            tcp.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    assert_eq!(body(&rig.raw(GET).await), b"0");
    let same = tidegauge_core::Upstream::clone(&rig.policy.load().upstreams[0]);
    let mut other = same.clone();
    other.name = "other".into();
    rig.policy.store(policy(vec![other.clone(), same]).into());
    until_idle(&rig).await;
    assert_eq!(body(&rig.raw(GET).await), b"0");
    rig.policy.store(policy(vec![other]).into());
    assert_eq!(status(&rig.raw(GET).await), 404);
    assert_eq!(
        body(&rig.raw(b"GET /other/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await),
        b"1"
    );
}

/// A connection goes back to the pool a moment after its answer was read.
async fn until_idle(rig: &Rig) {
    until(|| (rig.health.active() == 0).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut tcp = rig.connect().await;
    tcp.shutdown().await.unwrap();
    read_to_end(&mut tcp).await;
    _ = tcp.read(&mut []).await;
}
