//! File descriptors under the real program: as many as the system grants, and what happens without.

use crate::support::answers::{self, HELLO};
use crate::support::client::{Client, call, get, post};
use crate::support::program::Start;
use crate::support::say;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// The soft limit is raised, and where even the hard one is too low, fewer connections are taken and the
/// others hear it at once; health checks are answered all the same.
#[tokio::test]
async fn limits_of_open_files_are_used_and_kept() {
    let upstream = Upstream::start(|_| answers::value(200, &HELLO.chat())).await;
    let limited = ["sh", "-c", "ulimit -Sn 64 && ulimit -Hn 132 && exec \"$0\" \"$@\""];
    let start = Start::upstreams(&[("openai", &upstream.origin())]).through(&limited);
    let program = start.run().await;
    until("a warning", || program.said().contains("is lowered").then_some(())).await;

    // Two for each and a reserve of 32: fifty.
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(program.listen).await;
        client.write(&post("/openai/v1/chat/completions", &HELLO.chat())).await;
        assert_eq!(client.answer().await.status, 200);
        clients.push(client);
    }
    let one_more = call(program.listen, &post("/openai/v1/chat/completions", &HELLO.chat())).await;
    assert_eq!(one_more.status, 503);
    assert_eq!(one_more.header("proxy-status"), Some("tidegauge; error=connection_limit_reached"));
    assert_eq!(get(program.listen, "/healthz").await.status, 200);
    assert_eq!(program.metrics().await.total("tidegauge_descriptors_exhausted_total"), 0.0);
}

/// Without a descriptor nobody else is blamed: the fault is the proxy's, counted, and told once.
#[tokio::test]
async fn no_descriptor_is_the_proxys_own_fault() {
    let prlimit = |pid: u32, limit: &str| {
        let limit = format!("--nofile={limit}:");
        std::process::Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status()
    };
    if std::process::Command::new("prlimit").arg("--version").output().is_err() {
        return say("skipped: there is no prlimit here");
    }
    let upstream = Upstream::start(|_| answers::value(200, &HELLO.chat())).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::connect(program.listen).await);
    }
    for client in &mut clients {
        client.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200, "it is accepted");
    }
    prlimit(program.pid(), "3").expect("it is ours");
    for client in &mut clients {
        client.write(&post("/openai/v1/chat/completions", &HELLO.chat())).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.json()["error"]["type"], "proxy_descriptors_exhausted");
    }
    // Somebody who is not even accepted is served once there is one again.
    let mut waiting = Client::connect(program.listen).await;
    waiting.write(&post("/openai/v1/chat/completions", &HELLO.chat())).await;
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    prlimit(program.pid(), "1024").expect("it is ours");
    assert_eq!(waiting.answer().await.status, 200);

    let records = program.first_records(4).await;
    let failed = records.iter().filter(|record| record["response"]["status"] == 503);
    for record in failed {
        assert_eq!(record["error"], "proxy_descriptors_exhausted", "{record}");
        assert_eq!((&record["category"], &record["domain"]), (&"proxy".into(), &"proxy".into()));
    }
    assert_eq!(records.iter().filter(|record| record["category"] == "proxy").count(), 3);
    let counted = program.metrics().await.total("tidegauge_descriptors_exhausted_total");
    assert!(counted >= 4.0, "three to the upstream, and a client's: {counted}");
    assert_eq!(program.said().matches("no file descriptor is left").count(), 1);
}
