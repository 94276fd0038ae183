//! SDKs that nobody of us wrote, unmodified, make the same calls direct and through the program: they
//! must not be able to tell the difference, and the records must tell the truth. The calls are in
//! `tests/sdk/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::answers;
use crate::support::program::{Program, Start};
use crate::support::say;
use crate::support::tls::Authority;
use crate::support::upstream::{Seen, Upstream};

/// Every upstream that a call is made to.
const UPSTREAMS: &[&str] =
    &["openai", "anthropic", "gemini", "mistral", "cohere", "bedrock", "ollama"];

/// What a suite exits with when its SDK is not installed.
const ABSENT: i32 = 77;

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdk").join(path)
}

async fn output(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("joined");
    output.expect("the script runs")
}

/// A program with every upstream at one place.
fn towards(upstream: &Upstream) -> Start {
    let origin = upstream.origin();
    let origins: Vec<_> = UPSTREAMS.iter().map(|name| (*name, origin.as_str())).collect();
    Start::upstreams(&origins)
}

/// Runs a suite of calls and compares the records with what it says of them.
async fn compare(suite: &str, command: Command) -> Option<Upstream> {
    let upstream = Upstream::start(answers::provider).await;
    let program = towards(&upstream).run().await;
    let made = judge(suite, command, &upstream, &program, &program.origin()).await;
    made.then_some(upstream)
}

/// Runs a suite of calls against a program at `origin`; `false` if its SDK is not there.
async fn judge(
    suite: &str,
    mut command: Command,
    upstream: &Upstream,
    program: &Program,
    origin: &str,
) -> bool {
    command.arg(suite).arg(upstream.origin()).arg(origin);
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(ABSENT) {
        say(&format!("skipped: {suite}: {}", said.trim()));
        return false;
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{suite}\n{said}\n{errors}");
    records_are_true(suite, program, &said).await;
    true
}

/// Each line of a suite's output names a call and what its records hold, by JSON pointer.
async fn records_are_true(suite: &str, program: &Program, said: &str) {
    let mut wanted = Vec::new();
    for line in said.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let ["same", name, records] = parts[..] else { panic!("{suite} says {line:?}") };
        let records: Vec<Value> = serde_json::from_str(records).expect("records are JSON");
        wanted.extend(records.into_iter().map(|record| (name, record)));
    }
    assert!(!wanted.is_empty(), "{suite} makes calls");
    let mut records = program.first_records(wanted.len()).await;
    assert_eq!(records.len(), wanted.len(), "{suite}: a record for each call");
    // They are written as they end, and an end may be noticed after the next beginning.
    records.sort_by_key(|record| record["time"].as_str().map(str::to_owned));
    let mut wrong = Vec::new();
    for ((name, wanted), record) in wanted.iter().zip(&records) {
        for (pointer, value) in wanted.as_object().expect("an object") {
            let found = record.pointer(pointer).unwrap_or(&Value::Null);
            if found != value {
                wrong.push(format!("{suite} {name}: {pointer} is {found}, not {value}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The command for a suite in Python, if there is a Python with SDKs.
fn python_command(suite: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("TIDEGAUGE_SDK_PYTHON") else {
        say(&format!("skipped: {suite}: TIDEGAUGE_SDK_PYTHON names no Python with SDKs"));
        return None;
    };
    let mut command = Command::new(python);
    // Nothing is written beside the calls.
    command.arg("-B").arg(script("python/compare.py"));
    Some(command)
}

async fn python(suite: &str) -> Option<Upstream> {
    compare(suite, python_command(suite)?).await
}

async fn node(suite: &str) {
    let Some(folder) = std::env::var_os("TIDEGAUGE_SDK_NODE") else {
        say(&format!("skipped: {suite}: TIDEGAUGE_SDK_NODE names no folder with SDKs"));
        return;
    };
    let mut command = Command::new("node");
    command.arg(script("node/compare.mjs")).env("TIDEGAUGE_SDK_NODE", folder);
    compare(suite, command).await;
}

#[tokio::test]
async fn python_openai_notices_nothing() {
    python("openai").await;
}

#[tokio::test]
async fn python_anthropic_notices_nothing() {
    python("anthropic").await;
}

#[tokio::test]
async fn python_google_notices_nothing() {
    python("google").await;
}

#[tokio::test]
async fn python_mistral_notices_nothing() {
    python("mistral").await;
}

#[tokio::test]
async fn python_cohere_notices_nothing() {
    python("cohere").await;
}

#[tokio::test]
async fn python_ollama_notices_nothing() {
    python("ollama").await;
}

#[tokio::test]
async fn python_langchain_notices_nothing() {
    python("langchain").await;
}

#[tokio::test]
async fn node_openai_notices_nothing() {
    node("openai").await;
}

#[tokio::test]
async fn node_ai_notices_nothing() {
    node("ai").await;
}

#[tokio::test]
async fn node_google_notices_nothing() {
    node("google").await;
}

#[tokio::test]
async fn aws_signatures_hold_where_the_page_says_so() {
    let Some(upstream) = python("bedrock").await else { return };
    let seen = upstream.seen();
    let verdicts = verdicts(&seen).await;
    let (direct, proxied) = verdicts.split_at(verdicts.len() / 2);
    assert!(direct.iter().all(|verdict| verdict == "holds"), "{direct:?}");
    // The last call changes nothing but the endpoint, and signs that.
    let (last, others) = proxied.split_last().expect("calls");
    assert!(others.iter().all(|verdict| verdict == "holds"), "{proxied:?}");
    assert_eq!(last, "broken", "a signature over our own address");
}

#[tokio::test]
async fn aws_keys_that_sign_nothing_pass_over_tls() {
    let Some(mut command) = python_command("bedrock_key") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let upstream = Upstream::start(answers::provider).await;
    let listen = authority.vouch(&["localhost"], 2099).listen(folder.path());
    let program = towards(&upstream).and(&listen).run().await;
    command.env("AWS_CA_BUNDLE", authority.write(folder.path()));
    let origin = format!("https://localhost:{}", program.listen.port());
    if judge("bedrock_key", command, &upstream, &program, &origin).await {
        let key =
            upstream.seen().last().and_then(|seen| seen.header("authorization").map(str::to_owned));
        assert_eq!(key.as_deref(), Some("Bearer rig"), "the key arrives");
    }
}

/// Whether the signature of each request holds, in the eyes of the SDK's own signer.
async fn verdicts(seen: &[Seen]) -> Vec<String> {
    let told: Vec<Value> = seen
        .iter()
        .map(|seen| {
            json!({"method": seen.method, "target": seen.target, "headers": seen.headers,
                "body": String::from_utf8_lossy(&seen.body)})
        })
        .collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), json!(told).to_string()).expect("written");
    let mut command = Command::new(std::env::var_os("TIDEGAUGE_SDK_PYTHON").expect("a Python"));
    command.arg(script("python/signatures.py"));
    command.stdin(Stdio::from(std::fs::File::open(file.path()).expect("opened")));
    let output = output(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8_lossy(&output.stdout);
    words.lines().map(str::to_owned).collect()
}
