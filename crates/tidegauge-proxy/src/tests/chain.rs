//! Instances in a chain, and in a circle.

use std::sync::Arc;

use tidegauge_core::Rejected;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fixture::{self, Rig, config, read_request, status};

const GET: &[u8] = b"GET /up/up/up/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Another instance in front of this one.
async fn before(rig: &Rig) -> Rig {
    Rig::of(config(), fixture::policy(vec![fixture::upstream(rig.addr)]), JoinSet::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_stand_in_a_chain() {
    let (tell, mut told) = mpsc::channel(1);
    let last = Rig::new(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            let (head, _) = read_request(&mut tcp).await.unwrap();
            tell.send(head).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let middle = before(&last).await;
    let first = before(&middle).await;
    assert_eq!(status(&first.raw(GET).await), 200);
    let head = told.recv().await.unwrap();
    let hops: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("via: ")).collect();
    assert_eq!(hops.len(), 3, "{head}");
    assert!(hops.iter().all(|hop| hop.starts_with("1.1 tidegauge-")), "{head}");
    assert!(hops[0] != hops[1] && hops[1] != hops[2] && hops[0] != hops[2], "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_ends_where_it_began() {
    let second = Rig::new(|_, _| async {}).await;
    let first = before(&second).await;
    second.policy.store(Arc::new(fixture::policy(vec![fixture::upstream(first.addr)])));
    assert_eq!(status(&first.raw(GET).await), 508);
    assert_eq!((first.health.accepted(), first.health.rejected(Rejected::Loop)), (1, 1));
    assert_eq!((second.health.accepted(), second.health.rejected(Rejected::Loop)), (1, 0));
}
