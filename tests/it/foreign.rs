//! A collector that nobody of us wrote: the rotel agent takes what the program exports, by gRPC and
//! by HTTP, and prints what it understood.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::process::{Child, Command};

use crate::support::answers;
use crate::support::client::{call, post};
use crate::support::program::Start;
use crate::support::say;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// Starts the agent so that it prints what it takes into a file in `folder`.
fn agent(program: &str, folder: &Path, grpc: &str, http: &str) -> Child {
    let output = std::fs::File::create(folder.join("said.txt")).expect("a file");
    let errors = output.try_clone().expect("the same file");
    let mut command = Command::new(program);
    command
        .args(["start", "--exporter", "blackhole", "--debug-log-verbosity", "detailed"])
        .args(["--debug-log", "traces", "--debug-log", "metrics", "--debug-log", "logs"])
        .args(["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http])
        .arg("--pid-file")
        .arg(folder.join("agent.pid"))
        .arg("--log-file")
        .arg(folder.join("agent.log"))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true);
    command.spawn().expect("the agent starts")
}

#[tokio::test]
async fn a_foreign_collector_understands_every_signal() {
    let Ok(program) = std::env::var("TIDEGAUGE_ROTEL") else {
        say("skipped: TIDEGAUGE_ROTEL names no rotel-agent");
        return;
    };
    for protocol in ["grpc", "http/protobuf"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (grpc, http) = (free_address(), free_address());
        let _agent = agent(&program, folder.path(), &grpc, &http);
        let said = || std::fs::read_to_string(folder.path().join("said.txt")).unwrap_or_default();
        let upstream = Upstream::start(answers::provider).await;
        let endpoint = if protocol == "grpc" { &grpc } else { &http };
        let tidegauge = Start::upstreams(&[("openai", &upstream.origin())])
            .export(&format!("http://{endpoint}"), protocol)
            .run()
            .await;
        let mut traces = Vec::new();
        for model in ["gpt-4o-mini", "fails-limited"] {
            let body = json!({"model": model, "messages": []});
            let answer = call(tidegauge.listen, &post("/openai/v1/chat/completions", &body)).await;
            traces.push(answer.header("x-tidegauge-trace-id").expect("a trace").to_owned());
        }
        for wanted in [
            "chat gpt-4o-mini",
            "gen_ai.usage.input_tokens",
            "gen_ai.client.operation.duration",
            "gen_ai.client.token.usage",
            "rate_limit_exceeded",
            "gen_ai.client.operation.exception",
            traces[0].as_str(),
            traces[1].as_str(),
        ] {
            let what = format!("{wanted} over {protocol} in what the foreign collector printed");
            until(&what, || Some(()).filter(|()| said().contains(wanted))).await;
        }
    }
}
