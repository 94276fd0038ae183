//! Prometheus scrapes the real page of the real program: it must take every sample, type and help
//! text as they stand there, and compute percentiles from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{escaped, free_address, get, installed, said, spawn};
use crate::support::answers;
use crate::support::client::{call, post};
use crate::support::metrics::{Page, Sample};
use crate::support::program::{Program, Start};
use crate::support::upstream::Upstream;
use crate::support::wait::until_async;

/// A series: its name and its labels.
type Series = (String, BTreeMap<String, String>);

/// A running Prometheus, asked through its API.
struct Prometheus {
    addr: SocketAddr,
    folder: tempfile::TempDir,
    _child: tokio::process::Child,
}

impl Prometheus {
    /// Scrapes `target` every few seconds: a machine may be busy, and a scrape that is late makes
    /// all series stale.
    fn start(program: &str, target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let addr = free_address();
        let config = format!(
            "global: {{ scrape_interval: 3s, scrape_timeout: 3s }}\n\
             scrape_configs:\n\
             - job_name: tidegauge\n  static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("written");
        let mut command = Command::new(program);
        command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--enable-feature=native-histograms,exemplar-storage")
            .arg(format!("--web.listen-address={addr}"));
        let child = spawn(&mut command, folder.path());
        Self { addr, folder, _child: child }
    }

    async fn api(&self, target: &str) -> Option<Value> {
        let answer = get(self.addr, &format!("/api/v1/{target}")).await?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The result of an instant query: series and value.
    async fn query(&self, query: &str) -> Vec<(Series, f64)> {
        let found = self.api(&format!("query?query={}", escaped(query))).await;
        let found = found.unwrap_or_default();
        let series = found["result"].as_array().into_iter().flatten().map(|series| {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(series["metric"].clone()).expect("labels");
            let name = labels.remove("__name__").unwrap_or_default();
            let value = series["value"][1].as_str().and_then(|value| value.parse().ok());
            ((name, labels), value.expect("a number"))
        });
        series.collect()
    }

    /// What it scraped last, without what it adds itself.
    async fn scraped(&self) -> BTreeMap<Series, f64> {
        let own = |name: &str| name == "up" || name.starts_with("scrape_");
        let all = self.query(r#"{job="tidegauge"}"#).await.into_iter();
        let series = all.filter(|((name, _), _)| !own(name)).map(|((name, mut labels), value)| {
            labels.remove("job");
            labels.remove("instance");
            ((name, labels), value)
        });
        series.collect()
    }
}

/// Calls of several kinds, so that every family has something to tell.
async fn traffic(program: &Program) -> Vec<String> {
    let mut traces = Vec::new();
    for (target, body) in [
        ("/openai/v1/chat/completions", json!({"model": "gpt-4o-mini", "messages": []})),
        (
            "/openai/v1/chat/completions",
            json!({"model": "gpt-4o-mini", "messages": [], "stream": true}),
        ),
        ("/openai/v1/chat/completions", json!({"model": "fails-limited", "messages": []})),
        ("/openai/v1/embeddings", json!({"model": "text-embedding-3-small", "input": "x"})),
    ] {
        let answer = call(program.listen, &post(target, &body)).await;
        traces.push(answer.header("x-tidegauge-trace-id").expect("a trace").to_owned());
    }
    program.first_records(traces.len()).await;
    traces
}

/// The types that a page declares, by family.
fn types(page: &str) -> BTreeMap<&str, &str> {
    let declared = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    declared.filter_map(|line| line.rsplit_once(' ')).collect()
}

fn series(sample: &Sample) -> Series {
    (sample.name.clone(), sample.labels.clone())
}

#[tokio::test]
async fn prometheus_takes_the_whole_page() {
    let Some(program) = installed("TIDEGAUGE_PROMETHEUS", "prometheus") else { return };
    let upstream = Upstream::start(answers::provider).await;
    let tidegauge = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let traces = traffic(&tidegauge).await;
    let prometheus = Prometheus::start(&program, tidegauge.console);
    let made = |records: &f64| (*records - 4.0).abs() < f64::EPSILON;
    let scraped = until_async("a scrape with every record", || async {
        let scraped = prometheus.scraped().await;
        let records = scraped.get(&("tidegauge_records_total".into(), BTreeMap::new()));
        records.is_some_and(made).then_some(scraped)
    })
    .await;

    let targets = prometheus.api("targets").await.unwrap_or_default();
    let target = &targets["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{targets}");

    let page = tidegauge.page("/metrics").await.text();
    every_sample_is_there(&page, &scraped);
    every_family_is_described(&page, &prometheus).await;
    percentiles_can_be_asked(&prometheus).await;
    exemplars_lead_to_traces(&page, &prometheus, &traces).await;
    assert!(!said(prometheus.folder.path()).contains("level=error"), "it complains of nothing");
}

fn every_sample_is_there(page: &str, scraped: &BTreeMap<Series, f64>) {
    let samples = Page::parse(page).0;
    let ours: BTreeSet<Series> = samples.iter().map(series).collect();
    let theirs: BTreeSet<Series> = scraped.keys().cloned().collect();
    let differ: Vec<&Series> = ours.symmetric_difference(&theirs).collect();
    assert!(differ.is_empty(), "on the page or in Prometheus, not in both: {differ:#?}");
    // What calls left behind stands still.
    let still = |sample: &&Sample| sample.name.starts_with("gen_ai_");
    let still: Vec<&Sample> = samples.iter().filter(still).collect();
    assert!(still.len() > 100, "there are samples to compare");
    for sample in still {
        let value = scraped[&series(sample)];
        assert!((value - sample.value).abs() < f64::EPSILON, "{sample:?} is {value}");
    }
}

async fn every_family_is_described(page: &str, prometheus: &Prometheus) {
    let found = prometheus.api("targets/metadata").await.expect("metadata");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let known: BTreeMap<String, &Value> =
        found.as_array().into_iter().flatten().map(|one| (text(&one["metric"]), one)).collect();
    let types = types(page);
    assert!(types.len() > 20, "there are families: {types:?}");
    for (family, kind) in types {
        // Its samples are named `target_info`, the family `target`.
        let told = known.get(family).unwrap_or_else(|| panic!("{family} is not known"));
        assert_eq!(text(&told["type"]), kind, "{family}");
        assert!(!text(&told["help"]).is_empty(), "{family} has a help text");
        let unit = if family.ends_with("_seconds") { "seconds" } else { "" };
        assert_eq!(text(&told["unit"]), unit, "{family}");
    }
}

async fn percentiles_can_be_asked(prometheus: &Prometheus) {
    for family in [
        "gen_ai_client_operation_duration_seconds",
        "http_server_request_duration_seconds",
        "tidegauge_overhead_total_seconds",
    ] {
        let query = format!("histogram_quantile(0.95, sum by (le) ({family}_bucket))");
        let found = prometheus.query(&query).await;
        assert!(matches!(found[..], [(_, value)] if value > 0.0), "{query}: {found:?}");
    }
}

/// As many as the page has, each with the trace of a call.
async fn exemplars_lead_to_traces(page: &str, prometheus: &Prometheus, traces: &[String]) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now");
    let range = format!("start={}&end={}", now.as_secs() - 600, now.as_secs() + 600);
    let query = escaped(r#"{job="tidegauge"}"#);
    let found = prometheus.api(&format!("query_exemplars?query={query}&{range}")).await;
    let found = found.expect("an answer");
    let stored: Vec<&Value> = found
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|series| series["exemplars"].as_array().into_iter().flatten())
        .collect();
    let given = page.lines().filter(|line| line.contains(" # {")).count();
    assert_eq!(stored.len(), given, "{found}");
    for exemplar in stored {
        let trace = exemplar["labels"]["trace_id"].as_str().unwrap_or_default();
        assert!(traces.iter().any(|known| known == trace), "{exemplar}");
    }
}
