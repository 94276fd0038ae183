//! The rotel agent, a collector, takes what the program exports, by gRPC and by HTTP, and prints what
//! it understood.

use std::path::Path;

use serde_json::json;
use tokio::process::{Child, Command};

use super::{free_address, installed, said, spawn};
use crate::support::answers;
use crate::support::client::{call, post};
use crate::support::program::Start;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// Starts the agent so that it prints what it takes.
fn agent(program: &str, folder: &Path, grpc: &str, http: &str) -> Child {
    let mut command = Command::new(program);
    command
        .args(["start", "--exporter", "blackhole", "--debug-log-verbosity", "detailed"])
        .args(["--debug-log", "traces", "--debug-log", "metrics", "--debug-log", "logs"])
        .args(["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http])
        .arg("--pid-file")
        .arg(folder.join("agent.pid"))
        .arg("--log-file")
        .arg(folder.join("agent.log"));
    spawn(&mut command, folder)
}

#[tokio::test]
async fn a_foreign_collector_understands_every_signal() {
    let Some(program) = installed("TIDEGAUGE_ROTEL", "rotel-agent") else { return };
    for protocol in ["grpc", "http/protobuf"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (grpc, http) = (free_address().to_string(), free_address().to_string());
        let _agent = agent(&program, folder.path(), &grpc, &http);
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
            until(&what, || Some(()).filter(|()| said(folder.path()).contains(wanted))).await;
        }
    }
}
