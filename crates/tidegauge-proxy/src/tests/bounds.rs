//! What clients may take of us: memory for bodies, time for their pieces; and rules that say no.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegauge_core::{Admit, Category, End, Exchange, Failure, Peek, Refused, UsagePolicy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fixture::{
    Rig, body, config, policy, read_request, read_to_end, read_until, scripted, status, until,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn answers(mut tcp: TcpStream, _: usize) {
    while read_request(&mut tcp).await.is_some() {
        tcp.write_all(OK).await.unwrap();
    }
}

/// Bodies that never end take no more memory together than they may. What does not fit goes on as it
/// comes, and is not asked for usage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_bodies_have_one_bound_together() {
    let mut config = config();
    config.limits.held_bytes = 2500;
    let (tell, mut told) = mpsc::channel(8);
    let rig = Rig::with(
        config,
        |upstream| upstream.usage = UsagePolicy::Inject,
        move |mut tcp, _| {
            let tell = tell.clone();
            async move {
                while let Some((_, body)) = read_request(&mut tcp).await {
                    tell.send(String::from_utf8(body).unwrap()).await.unwrap();
                    tcp.write_all(OK).await.unwrap();
                }
            }
        },
    )
    .await;
    let begin = format!(
        "POST /up/chat HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{:<1000}\r\n",
        r#"{"stream":true,"#
    );
    // Each alone is within `hold`, which is 1024 here.
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = rig.connect().await;
        client.write_all(begin.as_bytes()).await.unwrap();
        clients.push(client);
    }
    until(|| (rig.health.holds_exceeded() == 2).then_some(())).await;
    for client in &mut clients {
        client.write_all(b"1\r\n}\r\n0\r\n\r\n").await.unwrap();
    }
    let mut spliced = 0;
    for mut client in clients {
        assert_eq!(status(&read_to_end(&mut client).await), 200);
        let sent = told.recv().await.unwrap();
        assert!(sent.starts_with('{') && sent.ends_with('}'));
        spliced += usize::from(sent.contains("usage"));
    }
    assert_eq!((spliced, rig.health.holds_exceeded()), (2, 2));

    // What was taken is given back.
    let mut client = rig.connect().await;
    client.write_all(format!("{begin}1\r\n}}\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&read_to_end(&mut client).await), 200);
    assert!(told.recv().await.unwrap().contains("usage"));
}

/// A body that stops coming is given up, whether it was held back or is on its way, before its first
/// byte or after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_coming_is_given_up() {
    for usage in [UsagePolicy::Inject, UsagePolicy::Passthrough] {
        for begun in ["", "{"] {
            let mut config = config();
            config.limits.body_idle = Some(Duration::from_millis(50));
            let rig = Rig::with(config, |upstream| upstream.usage = usage, answers).await;
            let head = "POST /up/chat HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
            let response = rig.raw(format!("{head}{begun}").as_bytes()).await;
            assert_eq!(status(&response), 408, "{usage:?} {begun:?}");
            let error = r#"{"fake":{"kind":"request_timeout","message":"The request body stopped coming."}}"#;
            assert_eq!(body(&response), error.as_bytes());
            let seen = rig.one().await;
            let exchange = seen.exchange();
            assert_eq!(
                (exchange.end, exchange.failure),
                (End::Cancelled, Some(Failure::RequestStalled))
            );
            assert_eq!(exchange.request_bytes, begun.len() as u64);
            assert_eq!(rig.health.uploads_stalled(), 1);
        }
    }
}

/// One that comes in pieces has as long as it takes, and so has one whose answer has begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_not_a_stalled_one() {
    let mut config = config();
    config.limits.body_idle = Some(Duration::from_millis(200));
    let rig = Rig::with(
        config,
        |_| {},
        |mut tcp, _| async move {
            read_until(&mut tcp, "12345").await;
            tcp.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
                .await
                .unwrap();
            read_until(&mut tcp, "6").await;
            tcp.write_all(b"3\r\nend\r\n0\r\n\r\n").await.unwrap();
        },
    )
    .await;
    let mut client = rig.connect().await;
    client.write_all(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n").await.unwrap();
    for byte in *b"12345" {
        tokio::time::sleep(Duration::from_millis(80)).await;
        client.write_all(&[byte]).await.unwrap();
    }
    read_until(&mut client, "hi\r\n").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    client.write_all(b"6").await.unwrap();
    read_until(&mut client, "3\r\nend\r\n0\r\n\r\n").await;
    assert_eq!((rig.one().await.exchange().end, rig.health.uploads_stalled()), (End::Complete, 0));
}

/// The same over HTTP/2, where the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_stream_ends_alone() {
    let mut config = config();
    config.limits.body_idle = Some(Duration::from_millis(50));
    let rig = Rig::with(config, |_| {}, answers).await;
    let io = TokioIo::new(rig.connect().await);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(io).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    for stalls in [true, false] {
        let pieces = futures_util::stream::unfold(0, move |count| async move {
            if stalls && count > 0 {
                std::future::pending::<()>().await;
            }
            let piece = Ok::<_, std::io::Error>(Frame::data(Bytes::from("x")));
            (count < 3).then_some((piece, count + 1))
        });
        let body = BodyExt::boxed_unsync(StreamBody::new(pieces));
        let request = Request::post(format!("http://{}/up/x", rig.addr)).body(body).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), if stalls { 408 } else { 200 });
        answer.collect().await.unwrap();
    }
    assert_eq!(rig.health.uploads_stalled(), 1);
}

/// Admits what does not ask for too much, and says why not.
#[derive(Debug)]
struct Rule;

impl Admit for Rule {
    fn wants_body(&self, exchange: &Exchange) -> bool {
        exchange.path.ends_with("/chat")
    }

    fn admit(&self, exchange: &Exchange, peek: Option<&Peek>) -> Result<(), Refused> {
        let asked = peek.and_then(|peek| peek.max_tokens);
        assert_eq!(asked.is_some(), exchange.path.ends_with("/chat"));
        if asked.unwrap_or(0) <= 10 {
            return Ok(());
        }
        Err(Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            failure: Failure::Budget,
            message: "Nothing is left.".into(),
            retry_after: Some(Duration::from_millis(1500)),
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_stops_a_request_before_its_upstream_and_it_has_a_record() {
    let (addr, tasks) = scripted(answers).await;
    let mut policy = policy(vec![super::fixture::upstream(addr)]);
    policy.admit = Some(Arc::new(Rule));
    let rig = Rig::of(config(), policy, tasks).await;
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /up{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    assert_eq!(
        status(&rig.raw(post("/x", "100").as_bytes()).await),
        200,
        "its body is not looked at"
    );
    assert_eq!(status(&rig.raw(post("/chat", "10").as_bytes()).await), 200);
    let refused = rig.raw(post("/chat", "11").as_bytes()).await;
    assert_eq!(status(&refused), 429);
    assert_eq!(
        body(&refused),
        br#"{"fake":{"kind":"budget_exceeded","message":"Nothing is left."}}"#
    );
    let head = String::from_utf8_lossy(&refused).to_lowercase();
    assert!(head.contains("retry-after: 2\r\n"), "{head}");
    assert!(head.contains("proxy-status: tidegauge; error=http_request_denied\r\n"), "{head}");
    let seen = rig.seen(3).await.pop().unwrap();
    let exchange = seen.exchange();
    assert_eq!((exchange.end, exchange.failure), (End::Failed, Some(Failure::Budget)));
    assert_eq!(exchange.failure.unwrap().category(), Category::Budget);
    assert_eq!((exchange.status.unwrap().as_u16(), exchange.attempts.len()), (429, 0));
    assert_eq!(seen.request, b"11", "what was asked is seen");
}
