//! What an exchange says about itself, and what its trace becomes.

use std::sync::Arc;
use std::time::Duration;

use tidegauge_core::{Operation, Propagate, Trust};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::fixture::{self, Rig, config, read_request, scripted};
use crate::Clock;

const PARENT: &str = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_knows_who_what_and_where() {
    let (tell, mut told) = mpsc::channel(1);
    let (addr, tasks) = scripted(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            let (head, _) = read_request(&mut tcp).await.unwrap();
            tell.send(head).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let mut upstream = fixture::upstream(addr);
    upstream.propagate = Propagate::Inject;
    Arc::make_mut(&mut upstream.origin).prefix = "/base".to_owned();
    let mut policy = fixture::policy(vec![upstream]);
    policy.trust = Trust::Continue;
    policy.trace_header = true;
    let rig = Rig::of(config(), policy, tasks).await;
    let response = rig
        .raw(
            format!(
                "POST /up/deep/chat?key=canary&alt=sse HTTP/1.1\r\nHost: proxy.test:4310\r\nUser-Agent: SDK/1\r\n\
                traceparent: {PARENT}\r\ntracestate: a=1\r\nx-tidegauge-session: s1\r\nsession-id: weaker\r\n\
                Authorization: Bearer canary\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
            )
            .as_bytes(),
        )
        .await;
    let response = String::from_utf8(response).unwrap();
    let seen = rig.one().await;
    let exchange = seen.exchange();
    let trace = &exchange.trace;
    assert_eq!(trace.trace_id.to_string(), &PARENT[3..35]);
    assert_eq!(trace.parent.unwrap().to_string(), &PARENT[36..52]);
    assert!(
        response.contains(&format!("x-tidegauge-trace-id: {}\r\n", trace.trace_id)),
        "{response}"
    );
    let head = told.recv().await.unwrap();
    let attempt = &exchange.attempts[0];
    assert!(head.starts_with("POST /base/deep/chat?key=canary&alt=sse HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("traceparent: 00-{}-{}-01\r\n", trace.trace_id, attempt.span)),
        "{head}"
    );
    assert!(
        head.contains("tracestate: a=1\r\n") && head.contains("session-id: weaker\r\n"),
        "{head}"
    );
    assert!(!head.contains("x-tidegauge"), "{head}");

    assert_eq!((exchange.operation, &*exchange.route), (Operation::Chat, "/chat"));
    assert_eq!(exchange.path, "/up/deep/chat");
    assert_eq!(exchange.query.as_deref(), Some("key=REDACTED&alt=sse"));
    assert_eq!(exchange.host.as_deref(), Some("proxy.test:4310"));
    assert_eq!(exchange.user_agent.as_deref(), Some("SDK/1"));
    assert_eq!(exchange.labels.session.as_deref(), Some("s1"));
    assert_eq!(attempt.peer, Some(addr));
    assert!(exchange.client.is_some() && !exchange.secure && !exchange.injected);
    assert_eq!((exchange.request_bytes, exchange.response_bytes), (5, 2));
    assert!(!format!("{exchange:?}").contains("canary"), "no secret is kept");

    let (times, overhead) = (exchange.times, exchange.overhead);
    let sent = times.sent.unwrap();
    assert!(overhead.accept + overhead.admission <= sent);
    assert!(overhead.connect > Duration::ZERO && attempt.started >= sent + overhead.connect);
    assert!(attempt.ended <= times.head.unwrap() && times.head <= times.first_byte);
    assert!(overhead.relay > Duration::ZERO && overhead.relay < times.ended);
}

/// Waiting for a client's body is not our overhead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_is_not_overhead() {
    let rig = Rig::with(
        config(),
        |upstream| upstream.usage = tidegauge_core::UsagePolicy::Inject,
        |mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        },
    )
    .await;
    let mut client = rig.connect().await;
    client
        .write_all(b"POST /up/chat HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
        .await
        .unwrap();
    for byte in *b"body" {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write_all(&[byte]).await.unwrap();
    }
    let seen = rig.one().await;
    let exchange = seen.exchange();
    assert!(exchange.times.sent.unwrap() >= Duration::from_millis(300));
    assert!(exchange.overhead.admission < Duration::from_millis(200), "{:?}", exchange.overhead);
}

/// A compressed clock records more time than passes; timers stay real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_can_be_compressed() {
    let config = crate::Config { clock: Clock::compressed(100), ..config() };
    let idle = Duration::from_millis(500);
    let rig = Rig::with(
        config,
        |upstream| upstream.timeouts.idle = Some(idle),
        |mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            tcp.write_all(b"k").await.unwrap();
        },
    )
    .await;
    rig.raw(b"GET /up/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let seen = rig.one().await;
    let exchange = seen.exchange();
    assert_eq!((exchange.failure, exchange.response_bytes), (None, 2));
    let (first, last) = (exchange.times.first_byte.unwrap(), exchange.times.last_byte.unwrap());
    assert!(last - first >= Duration::from_secs(9), "{:?}", last - first);
}
