//! What somebody at a terminal or a service manager meets: mistakes explained, exit codes, signals,
//! and configuration changed while streams run.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::support::answers::{self, HELLO, LAST_CHUNK, chunk, joined, stream_head};
use crate::support::client::{Client, call, get, post};
use crate::support::collector::{Collector, Mood};
use crate::support::program::{self, Program, Start, run, stderr, stdout};
use crate::support::upstream::{Gate, Step, Upstream};
use crate::support::wait::{until, until_async, within};

/// A mistake, and what must be said about it.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    ("a typo", "lisen: 127.0.0.1:1\n", &["tidegauge.yaml:1:1", "lisen", "listen"]),
    (
        "a typo further down",
        "upstreams:\n  openai:\n    base_ulr: http://x\n",
        &["tidegauge.yaml:3:5", "base_ulr", "base_url"],
    ),
    ("an unknown key", "nonsense: 1\n", &["tidegauge.yaml:1:1", "nonsense", "unknown"]),
    (
        "a wrong type",
        "limits:\n  connections: many\n",
        &["tidegauge.yaml:2", "connections", "many"],
    ),
    (
        "a wrong word",
        "upstreams:\n  openai: { usage: maybe }\n",
        &["tidegauge.yaml:2", "inject", "passthrough", "maybe"],
    ),
    ("a wrong time", "limits: { drain: 5 parsecs }\n", &["tidegauge.yaml:1", "drain", "5 parsecs"]),
    (
        "a missing variable",
        "upstreams:\n  openai:\n    headers: { authorization: \"Bearer ${NO_SUCH_VARIABLE}\" }\n",
        &["tidegauge.yaml:3", "NO_SUCH_VARIABLE"],
    ),
    (
        "an upstream twice",
        "upstreams:\n  mine: { provider: openai, base_url: \"http://a\" }\n  mine: { provider: openai, base_url: \"http://b\" }\n",
        &["tidegauge.yaml:3:3", "mine"],
    ),
    ("a bad address", "listen: nowhere\n", &["tidegauge.yaml:1", "listen", "nowhere", "127.0.0.1"]),
    (
        "a bad origin",
        "upstreams:\n  openai: { base_url: \"ftp://x\" }\n",
        &["tidegauge.yaml:2", "base_url", "http"],
    ),
    (
        "an unknown provider",
        "upstreams:\n  mine: { provider: opnai, base_url: \"http://x\" }\n",
        &["tidegauge.yaml:2", "opnai", "openai"],
    ),
    ("an unknown default", "default_upstream: opnai\n", &["tidegauge.yaml:1", "opnai", "openai"]),
    (
        "no provider",
        "upstreams:\n  mine: { base_url: \"http://x\" }\n",
        &["tidegauge.yaml:2", "mine", "provider"],
    ),
    ("no YAML", "upstreams: [\n", &["tidegauge.yaml:"]),
    ("a console for everybody", "console: 0.0.0.0:4311\n", &["console", "token"]),
];

#[tokio::test]
async fn every_mistake_is_explained() {
    let check = |config: &'static str| tokio::spawn(run(config, &["check"], &[]));
    let runs: Vec<_> = MISTAKES.iter().map(|(_, config, _)| check(config)).collect();
    for ((name, _, told), output) in MISTAKES.iter().zip(runs) {
        let output = output.await.expect("joined");
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for word in *told {
            assert!(said.contains(word), "{name}: {word:?} is missing in: {said}");
        }
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let config = "lisen: x\nlimits: { connections: many }\nnonsense: 1\n";
    let output = run(config, &["check"], &[]).await;
    let said = stdout(&output);
    for line in ["tidegauge.yaml:1", "tidegauge.yaml:2", "tidegauge.yaml:3"] {
        assert!(said.contains(line), "{said}");
    }
    let served = run(config, &["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(served.status.code(), Some(1), "a bad configuration does not start");
    assert!(stderr(&served).contains("tidegauge.yaml:2"), "{}", stderr(&served));
}

#[tokio::test]
async fn a_good_configuration_is_shown_as_it_runs() {
    let config = "upstreams:\n  mine: { provider: openai, base_url: \"http://127.0.0.1:8000\" }\n";
    let variables = [("TIDEGAUGE_LISTEN", "127.0.0.1:4444")];
    let output = run(config, &["check"], &variables).await;
    let said = stdout(&output);
    assert!(output.status.success(), "{said}");
    let set: Vec<_> = said.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "listen: 127.0.0.1:4444",
        "upstreams:",
        "  mine:",
        "    provider: openai",
        "    base_url: http://127.0.0.1:8000",
    ];
    assert_eq!(set, expected, "what is set and nothing else");
    let output = run("", &["check"], &[]).await;
    assert!(stdout(&output).lines().all(|line| line.starts_with('#')), "{}", stdout(&output));
    let output = run(config, &["check", "--all"], &variables).await;
    let said = stdout(&output);
    for word in
        ["mine", "http://127.0.0.1:8000", "127.0.0.1:4444", "127.0.0.1:4311", "api.openai.com"]
    {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
    let flag = ["check", "--listen", "127.0.0.1:5555"];
    let output = run(config, &flag, &[("TIDEGAUGE_LISTEN", "127.0.0.1:4444")]).await;
    assert!(stdout(&output).contains("127.0.0.1:5555"), "a flag wins: {}", stdout(&output));
}

#[tokio::test]
async fn what_check_shows_can_be_checked_again() {
    let config = "upstreams:\n  mine: { provider: openai, base_url: \"http://127.0.0.1:8000\", \
                  timeouts: { connect: 2s } }\nlimits: { drain: 90s }\n";
    for args in [&["check"][..], &["check", "--all"]] {
        let first = stdout(&run(config, args, &[]).await);
        let again = run(&first, args, &[]).await;
        assert!(again.status.success(), "{}", stdout(&again));
        assert_eq!(stdout(&again), first);
    }
}

/// In CI no key is there, and what is there is not meant for the file.
#[tokio::test]
async fn a_file_can_be_checked_without_variables() {
    let config = "listen: 127.0.0.1:${PORT}\nconsole: { token: \"${TOKEN}\" }\n\
        limits: { drain: \"${DRAIN}\", connections: \"${MANY}\" }\ndefault_upstream: mine\n\
        upstreams:\n  mine: { provider: vllm, base_url: \"${URL}\", headers: { authorization: \"Bearer ${KEY}\" } }\n  \
        other: { provider: openai, base_url: \"https://${HOST}:8443/x\", tls: { ca: \"${CA}\" } }\n\
        telemetry: { otlp: { endpoint: \"${COLLECTOR}\" }, exporters: [{ name: \"${NAME}\", endpoint: \"http://${HOST}:4317\" }] }\n";
    let around = [("TIDEGAUGE_LISTEN", "nowhere"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "nonsense")];
    let output = run(config, &["check", "--no-env"], &around).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("nonsense"), "{said}");
    let output = run(config, &["check"], &around).await;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    // What stands in the file is judged all the same.
    let wrong = format!("{config}capture: some\n").replace("provider: openai", "provider: opnai");
    let output = run(&wrong, &["check", "--no-env"], &around).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("capture") && said.contains("opnai"), "{said}");
}

#[tokio::test]
async fn the_example_is_well_as_it_is_shipped() {
    let text = include_str!("../../tidegauge.example.yaml");
    for args in [&["check"][..], &["check", "--no-env"]] {
        let output = run(text, args, &[]).await;
        let said = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("is well") && !said.contains("warning"), "{said}");
    }
}

#[tokio::test]
async fn check_warns_of_what_is_probably_not_meant() {
    let config = "upstreams: { vllm: { base_url: \"http://127.0.0.1:8000/v1\" } }\n\
        telemetry: { otlp: { endpoint: \"http://127.0.0.1:4318/v1/traces\" } }\nlog: { level: infoo }\n";
    let output = run(config, &["check"], &[("https_proxy", "http://127.0.0.1:9")]).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("# warning")).collect();
    assert_eq!(warnings.len(), 4, "{said}");
    for word in ["upstreams.vllm.base_url", "`/v1/traces`", "`infoo`", "https_proxy"] {
        assert!(warnings.iter().any(|line| line.contains(word)), "{word} is missing in {said}");
    }
}

#[tokio::test]
async fn check_sends_a_sample_to_every_exporter_and_says_what_came_back() {
    let (good, closed) = (Collector::start().await, Collector::start().await);
    closed.set(Mood::Refuse(401));
    let config = format!(
        "telemetry:\n  otlp: {{ endpoint: \"{}\", protocol: grpc }}\n  exporters:\n    \
         - {{ name: closed, endpoint: \"{}\", protocol: http/protobuf, signals: [traces] }}\n    \
         - {{ name: away, endpoint: \"http://127.0.0.1:9\", protocol: grpc, signals: [traces] }}\n",
        good.origin(),
        closed.origin()
    );
    let output = run(&config, &["check", "--send"], &[]).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "not all were taken: {said}");
    let line = |exporter: &str, signal: &str| {
        let found = said.lines().find(|line| line.starts_with(exporter) && line.contains(signal));
        found.unwrap_or_else(|| panic!("{exporter} {signal} in {said}")).to_owned()
    };
    for signal in ["traces", "metrics", "logs"] {
        assert!(line("default", signal).contains("delivered"), "{said}");
    }
    assert!(line("closed", "traces").contains("FAILED: HTTP status"), "{said}");
    assert!(line("away", "traces").contains("FAILED: no connection"), "{said}");
    assert_eq!(good.spans().len(), 1, "one span");

    let one = format!("telemetry: {{ otlp: {{ endpoint: \"{}\" }} }}\n", good.origin());
    let output = run(&one, &["check", "--send"], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let output = run("", &["check", "--send"], &[]).await;
    assert_eq!(output.status.code(), Some(1), "there is nothing to try");
    assert!(stdout(&output).contains("nothing to try"), "{}", stdout(&output));
}

#[tokio::test]
async fn exit_codes_say_how_it_ended() {
    let runs = [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["--nonsense"], 2),
        (&["nonsense"], 2),
        (&["serve", "--listen", "nowhere"], 2),
        (&["check", "no-such-file.yaml"], 1),
        (&["serve", "--config", "no-such-file.yaml"], 1),
        (&["prices", "gpt-4o-mini"], 0),
        (&["prices", "no-such-model-anywhere"], 1),
        (&["completions", "bash"], 0),
        (&["completions", "zsh"], 0),
        (&["completions", "fish"], 0),
        (&["completions", "nonsense"], 2),
        (&["healthcheck", "http://127.0.0.1:9/healthz"], 1),
    ];
    let run = |args: &'static [&str]| tokio::spawn(run("", args, &[]));
    let running: Vec<_> = runs.iter().map(|(args, code)| (args, code, run(args))).collect();
    for (args, code, output) in running {
        let output = output.await.expect("joined");
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {said}");
        assert!(!said.is_empty(), "{args:?} says something");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn prices_are_explained() {
    let output = run("", &["prices", "gpt-4o-mini"], &[]).await;
    let said = stdout(&output);
    for word in ["gpt-4o-mini", "0.15", "0.6", "million"] {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
    let own = "pricing:\n  models:\n    - { model: rig-model, per_million: { input: 1.25, output: 9.5 } }\n";
    let output = run(own, &["prices", "rig-model"], &[]).await;
    let said = stdout(&output);
    assert!(said.contains("1.25") && said.contains("9.5") && said.contains("own"), "{said}");
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = stdout(&run("", &["completions", shell], &[]).await);
        for word in ["serve", "check", "demo", "prices", "healthcheck", "record-file"] {
            assert!(said.contains(word), "{shell}: {word}");
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_said_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address").to_string();
    for args in [
        ["serve", "--listen", &addr, "--console", "off"],
        ["serve", "--listen", "127.0.0.1:0", "--console", &addr],
    ] {
        let output = run("", &args, &[]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("tidegauge")).collect();
        assert_eq!(lines.len(), 1, "one line says why: {said}");
        assert!(lines[0].contains(&addr) && lines[0].contains("in use"), "{said}");
        assert!(stdout(&output).is_empty(), "nothing is said to run: {}", stdout(&output));
    }
}

#[tokio::test]
async fn a_healthcheck_asks_the_running_program() {
    let program = Start::with("").run().await;
    for url in [
        format!("http://{}/readyz", program.console),
        format!("http://{}/healthz", program.console),
        format!("http://{}/healthz", program.listen),
    ] {
        let output = run("", &["healthcheck", &url], &[]).await;
        assert_eq!(output.status.code(), Some(0), "{url}: {}{}", stdout(&output), stderr(&output));
    }
    let config = format!("listen: {}\nconsole: {}\n", program.listen, program.console);
    let output = run(&config, &["healthcheck"], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let url = format!("http://{}/no-such-page", program.console);
    assert_eq!(run("", &["healthcheck", &url], &[]).await.status.code(), Some(1));
}

#[tokio::test]
async fn the_demo_shows_figures_without_a_network() {
    let args = ["demo", "--once", "50", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    let output = run("", &args, &[]).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    for word in ["50", "p95", "$", "chat"] {
        assert!(said.to_lowercase().contains(word), "{word} is missing in: {said}");
    }
    let again = run("", &args, &[]).await;
    assert_eq!(again.status.code(), Some(0), "it can be run again");
}

#[tokio::test]
async fn the_console_is_for_this_machine_or_for_who_has_the_token() {
    let ask = async |program: &Program, headers: &[(&str, &str)]| {
        let mut raw = "GET /metrics HTTP/1.1\r\n".to_owned();
        for (name, value) in headers {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        call(program.console, format!("{raw}\r\n").as_bytes()).await.status
    };
    let open = Start::with("").run().await;
    let here = open.console.to_string();
    assert_eq!(ask(&open, &[("host", &here)]).await, 200);
    assert_eq!(ask(&open, &[("host", "evil.test")]).await, 403, "a name that was bent to us");
    assert_eq!(ask(&open, &[("host", &here), ("origin", "http://evil.test")]).await, 403);
    let closed = Start::with("console: { token: \"${CONSOLE_TOKEN}\" }\n")
        .env("CONSOLE_TOKEN", "a-token-of-some-length")
        .run()
        .await;
    let here = closed.console.to_string();
    assert_eq!(ask(&closed, &[("host", &here)]).await, 401);
    for wrong in ["Bearer wrong", "Bearer a-token-of-some", "a-token-of-some-length", "Bearer "] {
        assert_eq!(
            ask(&closed, &[("host", &here), ("authorization", wrong)]).await,
            401,
            "{wrong}"
        );
    }
    let right = "Bearer a-token-of-some-length";
    assert_eq!(ask(&closed, &[("host", &here), ("authorization", right)]).await, 200);
    assert!(!closed.said().contains("a-token-of-some-length"));
}

/// A stream that stops in the middle until the gate opens.
fn gated(gate: &Gate) -> Vec<Step> {
    let events = HELLO.message_events();
    let (begin, end) = events.split_at(4);
    let mut script = vec![Step::Send(stream_head()), Step::Send(chunk(&joined(begin)))];
    script.extend([Step::Wait(gate.clone()), Step::Send(chunk(&joined(end)))]);
    script.push(Step::Send(LAST_CHUNK));
    script
}

/// A client in the middle of such a stream.
async fn halfway(program: &Program) -> Client {
    let mut client = Client::connect(program.listen).await;
    let body = json!({"model": "claude-sonnet-4-5", "stream": true, "max_tokens": 5});
    client.write(&post("/anthropic/v1/messages", &body)).await;
    client.read_to("Hello").await;
    client
}

#[tokio::test]
async fn a_stop_lets_streams_end_and_telemetry_arrive() {
    for signal in ["TERM", "INT"] {
        let gate = Gate::new();
        let upstream = Upstream::always(gated(&gate)).await;
        let collector = Collector::start().await;
        let mut program = Start::upstreams(&[("anthropic", &upstream.origin())])
            .export(&collector.origin(), "grpc")
            .run()
            .await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(halfway(&program).await);
        }
        let mut idle = Client::connect(program.listen).await;
        program.signal(signal).await;
        assert!(idle.closed().await, "idle connections are closed");
        let refused = async || tokio::net::TcpStream::connect(program.listen).await.is_err();
        until_async("new connections to be refused", async || refused().await.then_some(())).await;
        for _ in &clients {
            gate.open();
        }
        for client in &mut clients {
            client.read_to("0\r\n\r\n").await;
        }
        assert_eq!(program.ended().await.code(), Some(0), "{signal}: {}", program.said());
        let records = program.records();
        assert_eq!(records.len(), 5);
        assert!(records.iter().all(|record| record["end"] == "complete"), "{records:?}");
        assert_eq!(
            collector.spans().len(),
            15,
            "{signal}: everything was delivered before the end"
        );
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let upstream = Upstream::always(gated(&Gate::new())).await;
    let mut program = Start::upstreams(&[("anthropic", &upstream.origin())]).run().await;
    let mut client = halfway(&program).await;
    program.signal("TERM").await;
    let stopping = || program.said().contains("stopping");
    until("the first signal to be taken", || stopping().then_some(())).await;
    let begun = Instant::now();
    program.signal("TERM").await;
    program.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for the stream");
    assert!(client.closed().await);
    let records = program.records();
    assert_eq!(records.len(), 1, "what was cut is on record: {records:?}");
}

#[tokio::test]
async fn a_signal_right_after_the_start_is_heard() {
    for signal in ["HUP", "TERM", "HUP", "TERM", "HUP", "TERM"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = program::command(folder.path());
        command.args(["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
        let mut child = command.spawn().expect("the program starts");
        // A shell that only waits for a line: no time passes between the last word and the signal.
        let kill = format!("read go; kill -{signal} {}", child.id().expect("it runs"));
        let mut shell = tokio::process::Command::new("sh")
            .args(["-c", &kill])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.starts_with("look at") {
                break;
            }
        }
        shell.stdin.take().expect("piped").write_all(b"go\n").await.expect("written");
        assert!(shell.wait().await.expect("a shell").success());
        if signal == "HUP" {
            // Asked to stop afterwards, it stops in order: it has not died of the first.
            let kill = format!("kill -TERM {}", child.id().expect("it runs"));
            tokio::process::Command::new("sh").args(["-c", &kill]).status().await.expect("a shell");
        }
        let ended = within("the program to end", child.wait()).await.expect("waited for");
        assert_eq!(ended.code(), Some(0), "{signal}: {ended}");
    }
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let upstream = Upstream::always(gated(&Gate::new())).await;
    let mut program = Start::upstreams(&[("anthropic", &upstream.origin())])
        .and("limits: { drain: 300ms }\n")
        .run()
        .await;
    let mut client = halfway(&program).await;
    assert_eq!(program.stop().await.code(), Some(0));
    assert!(client.closed().await);
    assert_eq!(program.records().len(), 1, "what was cut is on record");
}

/// Replaces the configuration file in one step, as editors and mounted configurations do.
fn replace(program: &Program, config: &str) {
    let new = program.folder().join("new.yaml");
    std::fs::write(&new, config).expect("written");
    std::fs::rename(&new, &program.config).expect("replaced");
}

/// Waits until `/name/...` is forwarded.
async fn leads_somewhere(program: &Program, name: &str) {
    let target = format!("/{name}/v1/models");
    until_async(&format!("{name} to be known"), async || {
        Some(get(program.listen, &target).await).filter(|answer| answer.status == 200)
    })
    .await;
}

/// The default upstream is nobody, so that no request can leave this machine.
fn upstreams(anthropic: &Upstream, more: &[(&str, &Upstream)]) -> String {
    let origin = anthropic.origin();
    let mut config = format!(
        "upstreams:\n  anthropic: {{ base_url: \"{origin}\" }}\n  \
         openai: {{ base_url: \"http://127.0.0.1:9\" }}\n"
    );
    for (name, upstream) in more {
        let origin = upstream.origin();
        config.push_str(&format!("  {name}: {{ provider: openai, base_url: \"{origin}\" }}\n"));
    }
    config
}

#[tokio::test]
async fn a_changed_file_is_read_while_a_stream_runs() {
    let gate = Gate::new();
    let slow = Upstream::always(gated(&gate)).await;
    let fast = Upstream::start(answers::provider).await;
    let program = Start::with(upstreams(&slow, &[])).run().await;
    let mut client = halfway(&program).await;
    replace(&program, &upstreams(&slow, &[("first", &fast)]));
    leads_somewhere(&program, "first").await;
    program.signal("HUP").await;
    std::fs::write(&program.config, upstreams(&slow, &[("first", &fast), ("second", &fast)]))
        .unwrap();
    leads_somewhere(&program, "second").await;
    gate.open();
    client.read_to("0\r\n\r\n").await;
    let streamed = program.records().into_iter().find(|record| record["stream"] == true);
    let streamed = match streamed {
        Some(record) => record,
        None => {
            let found = || program.records().into_iter().find(|record| record["stream"] == true);
            until("the record of the stream", found).await
        }
    };
    assert_eq!(streamed["end"], "complete", "the stream was not dropped: {streamed}");
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_said() {
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::with(upstreams(&upstream, &[("first", &upstream)])).run().await;
    leads_somewhere(&program, "first").await;
    replace(&program, "upstreams: { first: { provider: nonsense } }\n");
    program.signal("HUP").await;
    until_async("the bad file to be refused", async || {
        let page = program.metrics().await;
        let refused = page.has("tidegauge_config_reload_ok")
            && page.total("tidegauge_config_reload_ok") as u64 == 0;
        Some(()).filter(|()| refused)
    })
    .await;
    until("the mistake to be said", || program.said().contains("nonsense").then_some(())).await;
    assert_eq!(get(program.listen, "/first/v1/models").await.status, 200, "the old one still runs");
    replace(&program, &upstreams(&upstream, &[("second", &upstream)]));
    leads_somewhere(&program, "second").await;
    until_async("the good file to be in use", async || {
        let page = program.metrics().await;
        Some(()).filter(|()| page.total("tidegauge_config_reload_ok") as u64 == 1)
    })
    .await;
}

#[tokio::test]
async fn a_storm_of_changes_fails_no_request() {
    // F-46
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::with(upstreams(&upstream, &[("first", &upstream)])).run().await;
    leads_somewhere(&program, "first").await;
    let addr = program.listen;
    let asking = tokio::spawn(async move {
        let mut client = Client::connect(addr).await;
        for _ in 0..200 {
            client
                .write(&crate::support::client::request("GET", "/first/v1/models", &[], b""))
                .await;
            assert_eq!(client.answer().await.status, 200);
        }
    });
    let good = upstreams(&upstream, &[("first", &upstream)]);
    let mut turn = 0;
    while !asking.is_finished() {
        turn += 1;
        let config =
            if turn % 3 == 0 { "nonsense: true\n".to_owned() } else { format!("{good}# {turn}\n") };
        replace(&program, &config);
        program.signal("HUP").await;
    }
    asking.await.expect("every request is answered");
    assert!(turn > 2, "there were changes to survive");
}

#[tokio::test]
async fn a_hangup_rereads_what_the_file_refers_to() {
    let upstream = Upstream::start(answers::provider).await;
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("key");
    std::fs::write(&secret, "first-key\n").unwrap();
    set_private(&secret);
    let program = Start::with(format!(
        "upstreams:\n  openai:\n    base_url: \"{}\"\n    headers: {{ authorization: {{ file: \"{}\" }} }}\n",
        upstream.origin(),
        secret.display()
    ))
    .run()
    .await;
    get(program.listen, "/openai/v1/models").await;
    assert_eq!(upstream.seen()[0].header("authorization"), Some("first-key"));
    std::fs::write(&secret, "second-key\n").unwrap();
    program.signal("HUP").await;
    until_async("the new key to be used", async || {
        get(program.listen, "/openai/v1/models").await;
        let seen = upstream.seen();
        let last = seen.last().and_then(|seen| seen.header("authorization").map(str::to_owned));
        (last.as_deref() == Some("second-key")).then_some(())
    })
    .await;
}

#[cfg(unix)]
fn set_private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn it_runs_without_any_configuration() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = Upstream::start(answers::provider).await;
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records.jsonl");
    let mut command = program::command(folder.path());
    command
        .args(["--listen", "127.0.0.1:0", "--console", "off", "--record-file"])
        .arg(&records)
        .arg("--upstream")
        .arg(format!("openai={}", upstream.origin()));
    let mut child = command.spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let line = lines.next_line().await.expect("a line").expect("a line");
    let (_, rest) = line.split_once("OPENAI_BASE_URL=http://").expect("what to set");
    let addr = rest.split('/').next().and_then(|addr| addr.parse().ok()).expect("an address");
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    let answer = call(addr, &post("/openai/v1/chat/completions", &body)).await;
    assert_eq!(answer.status, 200);
    let written = || std::fs::read_to_string(&records).ok().filter(|text| text.ends_with('\n'));
    let text = until("the record", written).await;
    assert_eq!(text.lines().count(), 1);
    let mode = std::fs::metadata(&records).expect("the file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "only its owner may read it: {mode:o}");
}

/// What the log says about calls: nothing by default where it is JSON, a line each where it is asked for.
#[tokio::test]
async fn a_call_has_a_line_in_the_log_if_that_is_wanted() {
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let collector = Collector::start().await;
    for (more, lines) in [("", 0), ("log: { access: 1 }\n", 1), ("log: { format: text }\n", 1)] {
        let mut program = Start::upstreams(&[("openai", &upstream.origin())])
            .and(more)
            .export(&collector.origin(), "grpc")
            .run()
            .await;
        let body = json!({"model": "gpt-4o-mini", "messages": []});
        let answer = call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
        assert_eq!(answer.status, 200);
        let record = program.record().await;
        assert_eq!(program.stop().await.code(), Some(0));
        let said = program.said();
        let about = said.lines().filter(|line| line.contains("upstream") && line.contains("usd"));
        let about: Vec<_> = about.collect();
        assert_eq!(about.len(), lines, "{more} {said}");
        let model = record["response"]["model"].as_str().expect("a model");
        for word in
            [model, "openai", "chat", "200", record["cost"]["usd"].as_str().expect("a cost")]
        {
            assert!(about.iter().all(|line| line.contains(word)), "{word} is missing in {about:?}");
        }
        let exported =
            collector.logs().into_iter().filter(|log| format!("{log:?}").contains("usd"));
        assert_eq!(exported.count(), 0, "a call is an event already");
    }
}

/// Nobody made a mistake who names a directory that is not there yet, or cannot be read into.
#[tokio::test]
async fn a_fresh_data_directory_is_nothing_to_warn_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = folder.path().join("not").join("there");
    let config = format!("data_dir: {}\nlimits: {{ connections: 100 }}\n", fresh.display());
    let mut program = Start::with(config.as_str()).run().await;
    // A list that comes later is noticed.
    let list = r#"[{"id":"openai","name":"OpenAI","api_pattern":"x","models":[]}]"#;
    std::fs::write(fresh.join("prices.json"), list).expect("the directory is there");
    until("the list to be read", || program.said().contains("price list").then_some(())).await;
    assert_eq!(program.stop().await.code(), Some(0));
    let said = program.said();
    let began = said.split("price list").next().unwrap_or_default();
    assert!(!began.contains("WARN") && !began.contains("ERROR"), "{said}");

    // It cannot be read, whoever runs this: it is a directory.
    std::fs::remove_file(fresh.join("prices.json")).expect("removed");
    std::fs::create_dir(fresh.join("prices.json")).expect("made");
    let mut program = Start::with(config).run().await;
    assert_eq!(program.stop().await.code(), Some(0));
    let said = program.said();
    assert!(said.contains("cannot be read") && !said.contains("ERROR"), "{said}");
}

/// What the first page says can be typed, and is for users.
#[tokio::test]
async fn the_commands_of_the_readme_exist() {
    let readme = include_str!("../../README.md");
    assert!(!readme.contains(".ci"), "that is for contributors");
    let typed = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let typed: Vec<_> = typed.filter(|line| line.starts_with("cargo ")).collect();
    let expected = [
        "cargo run --release -- demo",
        "cargo install --locked --path crates/tidegauge",
        "cargo test --workspace",
    ];
    assert_eq!(typed, expected);
    for args in [
        &["demo", "--help"][..],
        &["check", "--send", "--help"],
        &["--record-file", "calls.jsonl", "--help"],
    ] {
        assert!(run("", args, &[]).await.status.success(), "{args:?}");
    }
    // One program, so that `cargo run` needs no name.
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let programs = std::fs::read_dir(crates)
        .expect("the crates")
        .filter(|one| one.as_ref().is_ok_and(|one| one.path().join("src/main.rs").exists()));
    assert_eq!(programs.count(), 1);
}
