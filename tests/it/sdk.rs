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

/// A foreign client, a foreign server, and compression as they agree on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_sdk_sessions_notice_nothing() {
    let Some(python) = std::env::var_os("TIDEGAUGE_SDK_PYTHON") else {
        say("skipped: TIDEGAUGE_SDK_PYTHON names no Python with openai and websockets");
        return;
    };
    let knows = Command::new(&python).args(["-c", "import websockets"]).output();
    if !knows.is_ok_and(|output| output.status.success()) {
        say("skipped: the Python of TIDEGAUGE_SDK_PYTHON has no websockets");
        return;
    }
    // The script listens where we say, so a free port is looked for.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = free.local_addr().expect("an address").to_string();
    drop(free);
    let program = Start::upstreams(&[("openai", &format!("http://{listen}"))]).run().await;
    let mut command = Command::new(python);
    command.arg(script("python/sockets.py")).arg(&listen).arg(program.origin());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("joined");
    let output = output.expect("the script runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(calls(&output), 4);
    let records = program.first_records(12).await;
    let (turns, sessions): (Vec<_>, Vec<_>) = records.iter().partition(|r| !r["within"].is_null());
    assert_eq!((turns.len(), sessions.len()), (8, 4));
    let mut tokens: Vec<_> =
        turns.iter().map(|turn| turn["usage"]["input_tokens"].as_u64()).collect();
    tokens.sort();
    let each = [None, Some(7), Some(20), Some(21)];
    assert_eq!(tokens, each.map(|count| [count; 2]).concat());
    for turn in turns {
        let missing = turn["usage"]["input_tokens"].is_null();
        let category = if missing { "model_not_found".into() } else { serde_json::Value::Null };
        assert_eq!(turn["category"], category, "{turn}");
        let audio = turn["usage"]["audio_input_tokens"].as_u64();
        assert_eq!(
            audio,
            turn["usage"]["input_tokens"]
                .as_u64()
                .filter(|count| *count > 7)
                .map(|count| count - 12)
        );
    }
    for session in sessions {
        assert_eq!(
            (&session["operation"], session["turns"].as_u64()),
            (&"realtime".into(), Some(2))
        );
        assert!(session["category"].is_null() && session["partial"].is_null(), "{session}");
    }
}
