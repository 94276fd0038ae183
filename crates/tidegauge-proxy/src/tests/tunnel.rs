//! Leaving HTTP: only after a 101 that was asked for (F-32).

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tidegauge_core::{End, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Rig, read_request, read_to_end, read_until, status};

const UPGRADE: &[u8] =
    b"GET /up/realtime HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_a_tunnel_after_its_101() {
    let rig = Rig::new(|mut tcp, _| async move {
        let (head, early) = read_request(&mut tcp).await.unwrap();
        let lower = head.to_lowercase();
        assert!(lower.contains("connection: upgrade\r\n"), "{head}");
        assert!(lower.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{head}");
        assert!(early.is_empty());
        // Whatever the client sends before the switch stays with us.
        let mut byte = [0];
        let early = tokio::time::timeout(Duration::from_millis(100), tcp.read(&mut byte)).await;
        assert!(early.is_err(), "nothing before the switch");
        tcp.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .await
        .unwrap();
        let mut bytes = [0; 4];
        for _ in 0..51 {
            tcp.read_exact(&mut bytes).await.unwrap();
            tcp.write_all(&bytes).await.unwrap();
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.write_all(UPGRADE).await.unwrap();
    client.write_all(b"soon").await.unwrap();
    let head = read_until(&mut client, "soon").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    for _ in 0..50 {
        client.write_all(b"GET ").await.unwrap();
        let mut echo = [0; 4];
        client.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"GET ");
    }
    drop(read_to_end(&mut client).await);
    drop(client);
    let seen = rig.one().await;
    let exchange = seen.exchange();
    assert_eq!((exchange.end, exchange.status.unwrap().as_u16()), (End::Complete, 101));
    assert_eq!((exchange.request_bytes, exchange.response_bytes), (204, 204));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_101_it_stays_http() {
    let rig = Rig::new(|mut tcp, _| async move {
        read_request(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    })
    .await;
    let mut client = rig.connect().await;
    client.write_all(UPGRADE).await.unwrap();
    let text = read_until(&mut client, "\r\n\r\nno").await;
    assert_eq!(status(text.as_bytes()), 401);
    assert!(!text.to_lowercase().contains("upgrade"), "{text}");
    assert_eq!(rig.one().await.exchange().end, End::Complete);
}

/// A 101 that does not switch to what was asked for is none (F-32).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_to_something_else_is_refused() {
    for fields in ["", "Upgrade: h2c\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\n"] {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nbytes of it");
        let rig = Rig::new(move |mut tcp, _| {
            let answer = answer.clone();
            async move {
                read_request(&mut tcp).await.unwrap();
                tcp.write_all(answer.as_bytes()).await.unwrap();
                // The connection goes away by itself.
                drop(tcp.read(&mut [0; 8]).await);
            }
        })
        .await;
        let mut client = rig.connect().await;
        client.write_all(UPGRADE).await.unwrap();
        let text = read_until(&mut client, "\r\n\r\n").await;
        assert_eq!(status(text.as_bytes()), 502, "{fields:?}");
        assert!(!text.contains("bytes of it"), "{text}");
        drop(client);
        let seen = rig.one().await;
        assert_eq!(seen.exchange().failure, Some(Failure::Protocol), "{fields:?}");
    }
}

/// An observer that wants them is shown the bytes of both directions and the end of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_shown_to_who_wants_it() {
    for wanted in [true, false] {
        let rig = Rig::new(|mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly",
            )
            .await
            .unwrap();
            let mut bytes = [0; 4];
            tcp.read_exact(&mut bytes).await.unwrap();
            tcp.write_all(b" late").await.unwrap();
        })
        .await;
        rig.recorder.wants_tunnels.store(wanted, SeqCst);
        let mut client = rig.connect().await;
        client.write_all(UPGRADE).await.unwrap();
        read_until(&mut client, "early").await;
        client.write_all(b"ping").await.unwrap();
        assert!(read_to_end(&mut client).await.ends_with(b" late"));
        drop(client);
        let seen = rig.one().await;
        let (up, down) =
            if wanted { (&b"ping"[..], &b"early late"[..]) } else { (&b""[..], &b""[..]) };
        assert_eq!((&seen.request[..], &seen.response[..]), (up, down));
        assert_eq!(seen.closed, if wanted { 2 } else { 0 }, "the end of each direction");
        let exchange = seen.exchange();
        assert_eq!((exchange.request_bytes, exchange.upstream_bytes), (4, 10));
        assert!(exchange.times.first_byte <= exchange.times.last_byte);
    }
}

/// Other protocols are not switched to: the request passes without the wish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_upgrades_are_not_forwarded() {
    let rig = Rig::new(|mut tcp, _| async move {
        let (head, _) = read_request(&mut tcp).await.unwrap();
        assert!(!head.to_lowercase().contains("upgrade"), "{head}");
        assert!(!head.to_lowercase().contains("http2-settings"), "{head}");
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let response = rig
        .raw(
            b"GET /up/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
            Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
        )
        .await;
    assert_eq!(status(&response), 200);
}
