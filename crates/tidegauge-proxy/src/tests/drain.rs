//! Stopping: what is under way ends, nothing new begins, and a second word cuts (F-44).

use std::sync::Arc;
use std::time::Duration;

use tidegauge_core::{End, Failure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::fixture::{Rig, config, read_request, read_to_end, read_until, until};
use crate::Drained;

const GET: &[u8] = b"GET /up/x HTTP/1.1\r\nHost: h\r\n\r\n";

/// Streams a piece for each permit, then ends.
async fn stream(mut tcp: TcpStream, gate: Arc<Semaphore>) {
    while read_request(&mut tcp).await.is_some() {
        let start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
        tcp.write_all(start).await.unwrap();
        gate.acquire().await.unwrap().forget();
        _ = tcp.write_all(b"3\r\nbye\r\n0\r\n\r\n").await;
    }
}

async fn streaming(gate: &Arc<Semaphore>, drain: Duration) -> Rig {
    let gate = Arc::clone(gate);
    let config = crate::Config { drain, ..config() };
    Rig::with(config, |_| {}, move |tcp, _| stream(tcp, Arc::clone(&gate))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_and_nothing_new_begins() {
    let gate = Arc::new(Semaphore::new(0));
    let mut rig = streaming(&gate, Duration::from_secs(30)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = rig.connect().await;
        client.write_all(GET).await.unwrap();
        read_until(&mut client, "hi\r\n").await;
        clients.push(client);
    }
    let mut idle = rig.connect().await;
    rig.shutdown.graceful();
    // An idle connection closes, a new one is refused.
    assert!(read_to_end(&mut idle).await.is_empty());
    until(|| std::net::TcpStream::connect(rig.addr).is_err().then_some(())).await;
    gate.add_permits(20);
    for mut client in clients {
        let rest = read_to_end(&mut client).await;
        assert!(rest.ends_with(b"bye\r\n0\r\n\r\n"));
    }
    assert_eq!((&mut rig.running).await.unwrap(), Drained { cut: 0 });
    let seen = rig.seen(20).await;
    assert!(seen.iter().all(|seen| seen.exchange().end == End::Complete));
    assert_eq!(rig.health.connections(), 0);
}

/// Nothing of the proxy runs between the clients' connecting and the stop.
#[tokio::test(flavor = "current_thread")]
async fn who_had_connected_is_answered() {
    use std::io::Write as _;
    let gate = Arc::new(Semaphore::new(100));
    let mut rig = streaming(&gate, Duration::from_secs(30)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = std::net::TcpStream::connect(rig.addr).unwrap();
        client.write_all(GET).unwrap();
        client.set_nonblocking(true).unwrap();
        clients.push(client);
    }
    rig.shutdown.graceful();
    for client in clients {
        let answer = read_to_end(&mut TcpStream::from_std(client).unwrap()).await;
        assert!(answer.ends_with(b"bye\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!((&mut rig.running).await.unwrap(), Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_is_cut_and_counted() {
    for second_word in [false, true] {
        let gate = Arc::new(Semaphore::new(0));
        let drain = Duration::from_millis(if second_word { 60_000 } else { 200 });
        let mut rig = streaming(&gate, drain).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = rig.connect().await;
            client.write_all(GET).await.unwrap();
            read_until(&mut client, "hi\r\n").await;
            clients.push(client);
        }
        rig.shutdown.graceful();
        if second_word {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!rig.running.is_finished());
            rig.shutdown.abort();
        }
        assert_eq!((&mut rig.running).await.unwrap(), Drained { cut: 3 });
        // Every exchange has been handed over by now, and said why.
        for seen in rig.seen(3).await {
            let exchange = seen.exchange();
            assert_eq!((exchange.end, exchange.failure), (End::Failed, Some(Failure::Internal)));
        }
        for mut client in clients {
            assert!(!read_to_end(&mut client).await.ends_with(b"0\r\n\r\n"), "a cut stays a cut");
        }
        assert_eq!((rig.health.active(), rig.health.streams()), (0, 0));
    }
}
