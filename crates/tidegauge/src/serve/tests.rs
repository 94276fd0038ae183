//! A whole process, on free ports.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::{Outside, Overrides, Typed, resolve};
use crate::reload::Reload;

fn resolved(text: &str) -> Resolved {
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    resolve(typed, &Outside { env: &|_| None, ..Outside::real() }).unwrap()
}

async fn started(text: &str) -> Result<Running, StartError> {
    let resolved = resolved(text);
    let plane = Plane::start(&resolved).unwrap();
    start(&resolved, plane, Clock::real()).await
}

/// One GET, the whole answer.
async fn ask(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_answers_on_both_addresses_and_ends_when_asked() {
    let running = started("listen: 127.0.0.1:0\nconsole: 127.0.0.1:0").await.unwrap();
    let console = running.console_addr().unwrap();
    assert!(ask(console, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(ask(running.proxy_addr(), "/healthz").await.starts_with("HTTP/1.1 200"));
    running.shutdown();
    assert_eq!(running.wait().await.unwrap(), Drained::default());
    assert!(TcpStream::connect(console).await.is_err());
}

/// From a client's bytes to a line in the record file, through every part.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_becomes_a_line_with_usage_and_cost() {
    let provider = crate::demo::Upstream::start(1, 100).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("records.jsonl");
    let text = format!(
        "listen: 127.0.0.1:0\nconsole: off\nrecord_file: {}\n\
         upstreams: {{openai: {{base_url: 'http://{}', usage: inject}}}}",
        file.display(),
        provider.address()
    );
    let running = started(&text).await.unwrap();
    let addr = running.proxy_addr();
    let body = r#"{"model":"gpt-4o-mini","stream":true,"user":"u1","messages":[{"role":"user","content":"hello"}]}"#;
    let request = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\
         content-type: application/json\r\nauthorization: Bearer canary-secret\r\n\
         x-demo-sequence: 1\r\nx-tidegauge-session: s1\r\nx-tidegauge-tag-team: search\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    running.shutdown();
    running.wait().await.unwrap();

    let line = std::fs::read_to_string(&file).unwrap();
    assert!(!line.contains("canary"), "{line}");
    let mut record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(record["timing"]["ttft_ms"].as_f64() > Some(0.0), "{line}");
    for key in ["id", "time", "trace_id", "span_id", "timing"] {
        record.as_object_mut().unwrap().remove(key).unwrap();
    }
    assert!(!answer.contains("total_tokens") && answer.contains("[DONE]"), "{answer}");
    insta::assert_json_snapshot!(record);
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_flag_and_nothing_stays_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let error =
        |text: String| async move { started(&text).await.map(|_| ()).unwrap_err().to_string() };
    assert_eq!(
        error(format!("listen: {addr}\nconsole: off")).await,
        format!(
            "{addr} is already in use: stop what listens there, or choose another with --listen"
        )
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        error(format!("listen: {free}\nconsole: {addr}")).await,
        format!(
            "{addr} is already in use: stop what listens there, or choose another with --console"
        )
    );
    TcpListener::bind(free).unwrap();
}

#[tokio::test]
async fn a_record_file_that_cannot_be_written_is_told() {
    let text = "listen: 127.0.0.1:0\nconsole: off\nrecord_file: /nowhere/at/all";
    let told = started(text).await.map(|_| ()).unwrap_err().to_string();
    assert_eq!(told, "cannot append to /nowhere/at/all (--record-file): entity not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_published_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegauge.yaml");
    let write = |text: &str| {
        // As editors do: a new file in the old one's place.
        let new = dir.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    let base = "listen: 127.0.0.1:0\nconsole: off\n";
    write(base);
    let source = crate::config::Source { file: Some(file.clone()), ..Default::default() };
    let loaded = crate::config::load(&source, &Outside::real()).unwrap();
    let plane = Plane::start(&loaded.resolved).unwrap();
    let running = start(&loaded.resolved, plane, Clock::real()).await.unwrap();
    let stop = CancellationToken::new();
    let reload = Reload::new(source, &loaded, running.reloader());
    running.spawn(reload.run(Arc::default(), stop.clone()));
    let has = |name: &str| running.policy.load().upstream(name).is_some();

    let until = async |done: &dyn Fn() -> bool, text: &str| {
        // The watch begins some time after the task does, so say it until it is heard.
        let mut time = 0;
        while !done() {
            if time % 40 == 0 {
                write(text);
            }
            time += 1;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let good = format!("{base}upstreams: {{mine: {{provider: openai, base_url: 'http://h'}}}}");
    until(&|| has("mine"), &good).await;
    assert!(running.health().reloads().1);
    until(&|| !running.health().reloads().1, "upstreams: 5").await;
    assert!(has("mine"));
    until(&|| !has("mine"), base).await;
    assert!(running.health().reloads().1);
    running.shutdown();
    running.wait_with(stop).await.unwrap();
}
