//! Money through the whole program: results of batch jobs, figures of providers beside ours, limits,
//! and price lists that change while it runs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::answers::{self, Said};
use crate::support::client::{call, get, post};
use crate::support::metrics::Page;
use crate::support::program::{Program, Start, command};
use crate::support::upstream::{Script, Seen, Upstream};
use crate::support::wait::until_async;

/// One line of a file of results.
fn result(model: &str, input: u64, output: u64) -> String {
    let body = json!({"object": "chat.completion", "model": model,
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}});
    json!({"custom_id": "a", "response": {"status_code": 200, "body": body}, "error": null})
        .to_string()
}

fn answer(seen: &Seen) -> Script {
    let said = Said { model: "gpt-4o-mini", words: &["one"], input: 1000, output: 10 };
    if seen.target.contains("/files/") {
        let late = json!({"custom_id": "b", "response": null, "error": {"code": "batch_expired"}});
        let lines = [
            result("gpt-4o-mini", 1001, 10),
            result("gpt-4o-mini", 2002, 20),
            result("gpt-5.4", 300_000, 7),
            late.to_string(),
        ];
        let kind = [("content-type", "application/octet-stream")];
        return answers::whole(200, &kind, lines.join("\n").as_bytes());
    }
    let mut body = said.chat();
    if seen.target.contains("/api/") {
        // Ours is 1000 x 0.15 + 10 x 0.60 for a million: 0.000156.
        body["usage"]["cost"] = json!(0.0002);
        body["model"] = json!("openai/gpt-4o-mini");
    }
    let limits = [
        ("content-type", "application/json"),
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "1m0s"),
        ("openai-processing-ms", "412"),
        ("x-request-id", "req_1"),
    ];
    answers::whole(200, &limits, body.to_string().as_bytes())
}

async fn program(upstream: &Upstream, more: &str) -> Program {
    let origin = upstream.origin();
    Start::with(format!(
        "upstreams:\n  openai: {{ base_url: \"{origin}\", usage: passthrough }}\n  \
         openrouter: {{ base_url: \"{origin}\" }}\n{more}"
    ))
    .run()
    .await
}

fn nanos(
    page: &Page,
    name: &str,
    wanted: impl Fn(&crate::support::metrics::Sample) -> bool,
) -> u64 {
    (page.sum(name, wanted) * 1e9).round() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_a_batch_job_are_counted_to_the_token_and_the_nanodollar() {
    let upstream = Upstream::start(answer).await;
    let program = program(&upstream, "").await;
    let fetched = get(program.listen, "/openai/v1/files/file-1/content").await;
    assert_eq!(fetched.status, 200);
    let record = program.record().await;
    assert_eq!((&record["operation"], &record["stream"]), (&json!("batch"), &json!(false)));
    assert_eq!(
        (&record["usage"]["input_tokens"], &record["usage"]["output_tokens"]),
        (&json!(303_003), &json!(37))
    );
    assert_eq!((&record["batch"]["results"], &record["batch"]["failed"]), (&json!(4), &json!(1)));
    // Half of 0.15 and 0.60; half of 5 and 22.50, the prices of long prompts.
    let (mini, long) = (3003 * 75 + 30 * 300, 300_000 * 2500 + 7 * 11_250);
    let models: Vec<&Value> = record["batch"]["models"].as_array().unwrap().iter().collect();
    assert_eq!((&models[0]["model"], &models[0]["calls"]), (&json!("gpt-4o-mini"), &json!(2)));
    assert_eq!(
        (&models[0]["usd"], &models[1]["usd"]),
        (&json!("0.000234225"), &json!("0.75007875"))
    );
    assert_eq!(record["cost"]["usd"], json!("0.750312975"));

    let page = program.metrics().await;
    let of = |model: &'static str| {
        move |s: &crate::support::metrics::Sample| s.label("gen_ai_response_model") == model
    };
    assert_eq!(nanos(&page, "tidegauge_cost_total", of("gpt-4o-mini")), mini);
    assert_eq!(nanos(&page, "tidegauge_cost_total", of("gpt-5.4")), long);
    assert_eq!(page.sum("tidegauge_tokens_total", of("gpt-4o-mini")) as u64, 3033);
    assert_eq!(page.total("tidegauge_tokens_total") as u64, 303_040);
    assert!(!page.has("gen_ai_client_token_usage_tokens_count"), "no call was made");

    let file = program.record_file();
    let explained =
        command(program.folder()).args(["prices", "explain"]).arg(&file).output().await.unwrap();
    let told = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(
        told.contains("2 calls to gpt-4o-mini") && told.contains("0.750312975: the same"),
        "{told}"
    );
    assert_eq!(explained.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_figures_of_providers_are_shown() {
    let upstream = Upstream::start(answer).await;
    let program = program(&upstream, "").await;
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
    call(program.listen, &post("/openrouter/api/v1/chat/completions", &body)).await;
    let records = program.first_records(2).await;
    let theirs = records.iter().find(|record| record["upstream"] == "openrouter").unwrap();
    assert_eq!(theirs["cost"]["status"], json!("reported"), "{theirs}");
    assert_eq!(theirs["cost"]["usd"], json!("0.0002"), "{theirs}");
    let page = program.metrics().await;
    let at = |s: &crate::support::metrics::Sample| {
        s.label("tidegauge_upstream") == "openai"
            && s.label("tidegauge_rate_limit_resource") == "requests"
    };
    assert!((page.sum("tidegauge_rate_limit_limit", at) - 500.0).abs() < 0.1);
    let left: Vec<f64> = page
        .0
        .iter()
        .filter(|s| s.name == "tidegauge_rate_limit_remaining" && at(s))
        .map(|s| s.value)
        .collect();
    assert_eq!(left, [0.0], "nothing left is shown");
    assert!(page.sum("tidegauge_rate_limit_reset_timestamp_seconds", at) > 1.7e9);
    assert_eq!(theirs["cost"]["list_usd"], json!("0.000156"), "{theirs}");
    assert!((page.total("tidegauge_cost_disagreements_total") - 1.0).abs() < 0.1);
    assert!(page.has("tidegauge_prices_age_seconds"));
}

/// LiteLLM's form: 1 dollar a million in, 2 out.
const LIST: &str = r#"{"gpt-4o-mini":{"litellm_provider":"openai","input_cost_per_token":1e-06,"output_cost_per_token":2e-06}}"#;

const BROKEN: &str = r#"{"gpt-4o-mini":{"litellm_provider":"openai","input_cost_per_token":-1,"output_cost_per_token":[]}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_list_is_swapped_while_it_runs() {
    let upstream = Upstream::start(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("prices.json");
    let program =
        program(&upstream, &format!("pricing: {{ file: \"{}\" }}\n", list.display())).await;
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    let ask = async || {
        let before = program.records().len();
        call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
        program.first_records(before + 1).await.pop().unwrap()["cost"].clone()
    };
    let state = async || program.page("/readyz?verbose").await.json()["prices"].clone();
    // The file is named and not there: the built-in list is in use, and it is said.
    assert_eq!(state().await["reads"], json!({"count": 1, "last_was_good": false}));
    assert!(program.said().contains("prices.json cannot be read"), "{}", program.said());
    assert_eq!(ask().await["usd"], json!("0.000156"));

    let source = folder.path().join("list.json");
    let take = async |text: &str| {
        std::fs::write(&source, text).unwrap();
        let mut update = command(folder.path());
        update.args(["prices", "update", "--from"]).arg(&source).arg("--to").arg(&list);
        update.output().await.unwrap().status.code()
    };
    let becomes = async |what: &str, text: &'static str, wanted: &dyn Fn(&Value) -> bool| {
        until_async(what, || async {
            // The watch begins some time after the task does, so say it until it is heard.
            if take(text).await == Some(1) {
                std::fs::write(&list, text).unwrap();
            }
            // A file that became shorter may be half written, and is left to lie a while.
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(400)).await;
                if let Some(state) = Some(state().await).filter(|state| wanted(state)) {
                    return Some(state);
                }
            }
            None
        })
        .await
    };
    let good = |state: &Value| state["reads"]["last_was_good"] == json!(true);
    let state_now = becomes("the new list", LIST, &good).await;
    assert!(state_now["catalogue"].as_str().unwrap().starts_with("litellm, "), "{state_now}");
    let cost = ask().await;
    assert_eq!((&cost["usd"], &cost["catalogue"]), (&json!("0.00102"), &state_now["catalogue"]));

    let broken = becomes("the broken list", BROKEN, &|state: &Value| !good(state)).await;
    assert_eq!(broken["catalogue"], state_now["catalogue"]);
    assert_eq!(ask().await["usd"], json!("0.00102"));
    let said = program.said();
    assert!(said.contains("gpt-4o-mini.input_cost_per_token: expected a number"), "{said}");
    assert!(program.metrics().await.total("tidegauge_prices_read_ok") < 0.5);
    becomes("a good list again", LIST, &good).await;
}
