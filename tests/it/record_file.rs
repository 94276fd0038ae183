//! The record file while others have their hands on it: who renames it, deletes it, sends the signals that
//! rotation sends, or reads it through a pipe.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::answers::{self, HELLO};
use crate::support::client::{call, post};
use crate::support::program::{Program, Start};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

async fn ask(program: &Program, calls: usize) {
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    for _ in 0..calls {
        assert_eq!(
            call(program.listen, &post("/openai/v1/chat/completions", &body)).await.status,
            200
        );
    }
}

/// Waits until so many whole lines are in a file.
async fn has(path: &Path, lines: usize) {
    until(&format!("{lines} lines in {}", path.display()), || {
        let text = std::fs::read_to_string(path).ok()?;
        (text.matches('\n').count() == lines).then(|| {
            for line in text.lines() {
                assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn it_may_be_renamed_and_deleted_at_any_time() {
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let (path, old) = (program.record_file(), program.folder().join("old"));
    ask(&program, 3).await;
    has(&path, 3).await;
    for signal in ["HUP", "USR1"] {
        std::fs::rename(&path, &old).expect("renamed");
        program.signal(signal).await;
        // Without a call: who renamed it may compress it now.
        has(&path, 0).await;
        ask(&program, 2).await;
        has(&path, 2).await;
        has(&old, if signal == "HUP" { 3 } else { 2 }).await;
    }
    // And without a signal.
    std::fs::rename(&path, &old).expect("renamed");
    ask(&program, 4).await;
    has(&path, 4).await;
    has(&old, 2).await;
    std::fs::remove_file(&path).expect("deleted");
    ask(&program, 1).await;
    has(&path, 1).await;
    assert_eq!(program.metrics().await.total("tidegauge_lines_dropped_total"), 0.0);
    assert!(program.stop().await.success());
}

#[tokio::test]
async fn a_dash_is_standard_output_with_nothing_else_on_it() {
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let start = Start::upstreams(&[("openai", &upstream.origin())]);
    let mut program = start.record_file("-").run().await;
    ask(&program, 3).await;
    until("three lines", || (program.output().lines().count() == 3).then_some(())).await;
    for line in program.output().lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        assert_eq!(record["response"]["status"], 200);
    }
    assert!(!program.folder().join("-").exists());
    // What has no file is not killed by who thinks that it has one.
    program.signal("USR1").await;
    ask(&program, 1).await;
    assert!(program.stop().await.success());
}

#[tokio::test]
async fn a_size_bounds_it() {
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("calls.jsonl");
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .and("capture: full\nrecord_file: { path: overridden, max_bytes: 1MiB, keep: 2 }\n")
        .record_file(&path)
        .run()
        .await;
    let large = "x".repeat(60 << 10);
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": large}]});
    let mut calls = 0;
    while !dir.path().join("calls.jsonl.2").exists() {
        let answer = call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
        assert_eq!(answer.status, 200);
        calls += 1;
        assert!(calls < 2000, "it is put aside some time");
    }
    assert!(program.stop().await.success());
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    for name in ["calls.jsonl", "calls.jsonl.1", "calls.jsonl.2"] {
        let size = size(&dir.path().join(name));
        assert!((1..=1 << 20).contains(&size), "{name}: {size}");
    }
    assert!(!dir.path().join("calls.jsonl.3").exists());
}
