//! The official SDKs, unmodified, make the same calls direct and through the program and must not
//! be able to tell the difference. The calls are in `tests/sdk/`.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::answers;
use crate::support::program::{Program, Start};
use crate::support::say;
use crate::support::upstream::Upstream;

/// Where the calls are.
fn script(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdk").join(path)
}

async fn compare(mut command: Command) -> (Output, Program) {
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let program = Start::upstreams(&[("openai", &origin), ("anthropic", &origin)]).run().await;
    command.arg(&origin).arg(program.origin());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("joined");
    let output = output.expect("the script runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output, program)
}

/// How many calls the script says it made.
fn calls(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stdout).lines().filter(|l| l.starts_with("same  ")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_sdks_notice_nothing() {
    let Some(python) = std::env::var_os("TIDEGAUGE_SDK_PYTHON") else {
        say("skipped: TIDEGAUGE_SDK_PYTHON names no Python with openai and anthropic");
        return;
    };
    let mut command = Command::new(python);
    command.arg(script("python/compare.py"));
    let (output, program) = compare(command).await;
    let records = program.first_records(calls(&output)).await;
    assert_eq!(records.len(), calls(&output), "a record for each call");
    let of = |operation: &str| records.iter().filter(|r| r["operation"] == operation).count();
    assert_eq!((of("embeddings"), of("models"), of("count_tokens")), (1, 1, 1));
    assert_eq!(of("chat"), records.len() - 3);
    let failed = records.iter().filter(|r| !r["category"].is_null()).count();
    assert_eq!(failed, 13, "each failure has a category");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_sdk_notices_nothing() {
    let Some(folder) = std::env::var_os("TIDEGAUGE_SDK_NODE") else {
        say("skipped: TIDEGAUGE_SDK_NODE names no folder with node_modules/openai");
        return;
    };
    let mut command = Command::new("node");
    command.arg(script("node/compare.mjs")).env("TIDEGAUGE_SDK_NODE", folder);
    let (output, program) = compare(command).await;
    assert_eq!(program.first_records(calls(&output)).await.len(), calls(&output));
}
