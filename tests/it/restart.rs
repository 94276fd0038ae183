//! One process ends and the next one begins: nobody is refused, whoever supervises is told, and what can
//! change without a restart needs none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::net::UnixDatagram;
use tokio::task::JoinSet;

use crate::support::answers::{self, HELLO};
use crate::support::client::{Client, Ended, call, get, request};
use crate::support::program::{Start, run, stdout};
use crate::support::say;
use crate::support::tls::{self, Authority};
use crate::support::upstream::Upstream;
use crate::support::wait::{until, until_async, within};

/// Calls on a connection each until told to stop: how many were answered. One that is not is a panic.
async fn ask(addr: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let body = json!({"model": "gpt-4o-mini", "messages": []}).to_string();
    let headers = [("content-type", "application/json"), ("connection", "close")];
    let raw = request("POST", "/openai/v1/chat/completions", &headers, body.as_bytes());
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = call(addr, &raw).await;
        assert_eq!((answer.status, answer.ended), (200, Ended::Clean), "{}", answer.text());
        answered += 1;
    }
    answered
}

/// A listener that a service manager keeps is served by one process after another: whoever connects
/// while none is there waits a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_behind_a_kept_listener_refuses_nobody() {
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let start = || Start::upstreams(&[("openai", &upstream.origin())]).listener(&listener).run();
    let mut program = start().await;
    assert_eq!(program.listen, addr, "it serves what it was handed");
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        asking.spawn(ask(addr, Arc::clone(&stop)));
    }
    let (begun, mut records) = (Instant::now(), 0);
    for overlap in [true, false, true, false] {
        program.first_records(50).await;
        let next = match overlap {
            true => {
                let next = start().await;
                assert!(program.stop().await.success());
                next
            }
            false => {
                assert!(program.stop().await.success());
                start().await
            }
        };
        records += program.records().len();
        program = next;
    }
    program.first_records(50).await;
    stop.store(true, Ordering::Relaxed);
    let answered: usize = asking.join_all().await.into_iter().sum();
    let rate = answered as f64 / begun.elapsed().as_secs_f64();
    assert!(program.stop().await.success());
    records += program.records().len();
    assert_eq!(records, answered, "each is recorded by one of them");
    say(&format!("{answered} calls through four restarts, {rate:.0} a second"));
}

/// With a delay the others hear first that this one is leaving, and send nobody here any more.
#[tokio::test]
async fn a_delay_lets_others_hear_first() {
    let upstream = Upstream::start(answers::provider).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .and("limits: { drain_delay: 1500ms }\n")
        .run()
        .await;
    assert_eq!(program.page("/readyz").await.status, 200);
    program.signal("TERM").await;
    until_async("it to say that it leaves", async || {
        (program.page("/readyz").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(get(program.listen, "/openai/v1/models").await.status, 200, "and it serves");
    assert_eq!(program.page("/metrics").await.status, 200);
    assert!(program.ended().await.success());
    assert_eq!(program.records().len(), 1);
}

/// The next process has both addresses while the one before still drains.
#[tokio::test]
async fn addresses_are_free_while_what_runs_may_end() {
    let upstream = Upstream::start(|_: &_| vec![crate::support::upstream::Step::Hang]).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let mut client = Client::connect(program.listen).await;
    client.write(&request("GET", "/openai/v1/models", &[], b"")).await;
    until("the call to be there", || (!upstream.seen().is_empty()).then_some(())).await;
    program.signal("TERM").await;
    for addr in [program.listen, program.console] {
        until(&format!("{addr} to be free"), || std::net::TcpListener::bind(addr).ok()).await;
    }
    program.signal("TERM").await;
    assert!(program.ended().await.success());
}

/// What a service manager is told, in its own protocol.
#[tokio::test]
async fn a_service_manager_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let told = async || {
        let mut message = [0; 256];
        let read = within("a message", socket.recv(&mut message)).await.expect("a message");
        String::from_utf8_lossy(&message[..read]).into_owned()
    };
    let path = path.to_string_lossy().into_owned();
    let mut program =
        Start::with("limits: { hold: 1MiB }\n").env("NOTIFY_SOCKET", path).run().await;
    assert_eq!(told().await, "READY=1\n");
    program.signal("HUP").await;
    let reloading = told().await;
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(time.trim_end().parse::<u64>().is_ok_and(|time| time > 0), "{reloading}");
    assert_eq!(told().await, "READY=1\n");
    program.signal("TERM").await;
    assert_eq!(told().await, "STOPPING=1\n");
    assert!(program.ended().await.success());
}

/// A certificate that was renewed is shown without a restart, and half of a pair changes nothing.
#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().expect("a folder");
    let listen = old.vouch(&["localhost"], 2099).listen(folder.path());
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).and(&listen).run().await;
    let raw = b"GET /openai/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (said, _) = tls::call(program.listen, &old, &["http/1.1"], raw).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");

    let renewed = new.vouch(&["localhost"], 2098);
    std::fs::write(folder.path().join("cert.pem"), &renewed.cert).expect("written");
    until("half of a pair to be refused", || {
        program.said().contains("stays as it was: listen_tls").then_some(())
    })
    .await;
    let (said, _) = tls::call(program.listen, &old, &["http/1.1"], raw).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");

    std::fs::write(folder.path().join("key.pem"), &renewed.key).expect("written");
    until("the pair to be taken", || {
        program.said().contains("configuration reloaded").then_some(())
    })
    .await;
    let (said, _) = tls::call(program.listen, &new, &["http/1.1"], raw).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(!program.said().contains("takes effect at the next start"), "{}", program.said());
}

/// Nothing that is in memory gets into a core file.
#[tokio::test]
async fn no_core_file_is_written() {
    let program = Start::with("").run().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid()));
    let limits = limits.expect("limits of ours");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    let words: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(words, ["0", "0"], "{line}");
}

/// Connections to the console that ask nothing keep nobody out.
#[tokio::test]
async fn idle_connections_do_not_close_the_console() {
    let program = Start::with("").run().await;
    let mut idle = Vec::new();
    for _ in 0..80 {
        idle.push(tokio::net::TcpStream::connect(program.console).await.expect("connected"));
    }
    let begun = Instant::now();
    for page in ["/readyz", "/metrics", "/healthz"] {
        assert_eq!(program.page(page).await.status, 200, "{page}");
    }
    assert!(begun.elapsed().as_secs() < 8, "no connection had to time out for it");
    let url = format!("http://{}/readyz", program.console);
    let healthy = run("", &["healthcheck", &url], &[]).await;
    assert!(healthy.status.success(), "{}", stdout(&healthy));
}
