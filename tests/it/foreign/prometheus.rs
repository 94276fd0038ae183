//! Prometheus scrapes the real page of the real program, as text and as messages: it must take every
//! sample, type and help text as they stand there, lead from them to traces, and compute percentiles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::{escaped, free_address, get, installed, said, spawn};
use crate::support::answers;
use crate::support::client::{call, post};
use crate::support::metrics::{Page, Sample};
use crate::support::program::{Program, Start};
use crate::support::say;
use crate::support::upstream::{Script, Seen, Step, Upstream};
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
    fn start(program: &str, target: SocketAddr, features: &str) -> Self {
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
            .arg(format!("--enable-feature={features}"))
            .arg(format!("--web.listen-address={addr}"));
        let child = spawn(&mut command, folder.path());
        Self { addr, folder, _child: child }
    }

    async fn api(&self, target: &str) -> Option<Value> {
        let answer = get(self.addr, &format!("/api/v1/{target}")).await?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The result of an instant query: series and value. Native histograms have none.
    async fn query(&self, query: &str) -> Vec<(Series, f64)> {
        let found = self.api(&format!("query?query={}", escaped(query))).await;
        let found = found.unwrap_or_default();
        let series = found["result"].as_array().into_iter().flatten().filter_map(|series| {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(series["metric"].clone()).expect("labels");
            let name = labels.remove("__name__").unwrap_or_default();
            let value = series["value"][1].as_str()?.parse().expect("a number");
            Some(((name, labels), value))
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
    let prometheus = Prometheus::start(&program, tidegauge.console, "exemplar-storage");
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

    let page = tidegauge.page_as("/metrics", "application/openmetrics-text").await.text();
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
        let units = ["seconds", "bytes"];
        let unit = units.into_iter().find(|unit| family.ends_with(&format!("_{unit}")));
        let unit = unit.unwrap_or_default();
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
    let stored = exemplars(prometheus, r#"{job="tidegauge"}"#, traces).await;
    let given = page.lines().filter(|line| line.contains(" # {")).count();
    assert!(given > 0, "the page has exemplars: {page}");
    assert_eq!(stored, given);
}

/// How many exemplars Prometheus keeps for a query; each must be of a trace that is known.
async fn exemplars(prometheus: &Prometheus, query: &str, traces: &[String]) -> usize {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now");
    let range = format!("start={}&end={}", now.as_secs() - 600, now.as_secs() + 600);
    let found = prometheus.api(&format!("query_exemplars?query={}&{range}", escaped(query))).await;
    let found = found.expect("an answer");
    let series = found.as_array().into_iter().flatten();
    let stored = series.flat_map(|series| series["exemplars"].as_array().into_iter().flatten());
    let known = |exemplar: &Value| {
        let trace = exemplar["labels"]["trace_id"].as_str().unwrap_or_default();
        assert!(traces.iter().any(|known| known == trace), "{exemplar}");
    };
    stored.inspect(|exemplar| known(exemplar)).count()
}

/// Answers after as many milliseconds as the user is called.
fn slow(seen: &Seen) -> Script {
    let said = seen.json();
    let millis = said["user"].as_str().and_then(|millis| millis.parse().ok()).expect("a number");
    let mut script = vec![Step::Sleep(Duration::from_millis(millis))];
    script.extend(answers::provider(seen));
    script
}

/// Calls from 40 to 140 ms, a few at once; returns their traces.
async fn slow_calls(program: &Program, calls: u64) -> Vec<String> {
    const LANES: u64 = 20;
    let listen = program.listen;
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(async move {
            let mut traces = Vec::new();
            for number in (lane..calls).step_by(LANES as usize) {
                let millis = (40 + 100 * number / calls).to_string();
                let body = json!({"model": "gpt-4o-mini", "messages": [], "user": millis});
                let answer = call(listen, &post("/openai/v1/chat/completions", &body)).await;
                assert_eq!(answer.status, 200);
                traces.push(answer.header("x-tidegauge-trace-id").expect("a trace").to_owned());
            }
            traces
        });
    }
    let traces = lanes.join_all().await.concat();
    program.first_records(traces.len()).await;
    traces
}

#[tokio::test]
async fn prometheus_takes_native_histograms() {
    const CALLS: u64 = 400;
    let Some(program) = installed("TIDEGAUGE_PROMETHEUS", "prometheus") else { return };
    let upstream = Upstream::start(slow).await;
    let tidegauge = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let traces = slow_calls(&tidegauge, CALLS).await;
    let features = "native-histograms,exemplar-storage";
    let prometheus = Prometheus::start(&program, tidegauge.console, features);
    let family = "gen_ai_client_operation_duration_seconds";
    let count = format!("histogram_count(sum({family}))");
    until_async("a scrape with every call", || async {
        let found = prometheus.query(&count).await;
        matches!(found[..], [(_, count)] if count as u64 == CALLS).then_some(())
    })
    .await;

    // The classic buckets beside it are for who does not want native ones.
    assert_eq!(prometheus.query(&format!("{family}_bucket")).await, []);
    let found = prometheus.query(&format!("histogram_quantile(0.95, sum({family}))")).await;
    let [(_, p95)] = found[..] else { panic!("one value: {found:?}") };
    let exact = percentile(&tidegauge, 0.95);
    let error = p95 / exact - 1.0;
    say(&format!("P95 {p95:.6} s in Prometheus, {exact:.6} s in the records: {error:+.4}"));
    assert!(error.abs() < 0.02, "{p95} is not {exact}");
    assert!(exemplars(&prometheus, family, &traces).await > 0, "there is a way to a trace");

    let text = tidegauge.page("/metrics").await.text();
    counters_are_those_of_the_text(&text, &prometheus).await;
    assert!(!said(prometheus.folder.path()).contains("level=error"), "it complains of nothing");
}

/// The quantile of the durations in the record file, in seconds.
fn percentile(program: &Program, quantile: f64) -> f64 {
    let records = program.records();
    let millis = |record: &Value| record["timing"]["duration_ms"].as_f64().expect("a duration");
    let mut durations: Vec<f64> = records.iter().map(millis).collect();
    durations.sort_unstable_by(f64::total_cmp);
    durations[(quantile * durations.len() as f64).ceil() as usize - 1] / 1000.0
}

async fn counters_are_those_of_the_text(page: &str, prometheus: &Prometheus) {
    let scraped = prometheus.scraped().await;
    let samples = Page::parse(page).0;
    for name in ["tidegauge_tokens_total", "tidegauge_requests_total", "target_info"] {
        let ours: Vec<&Sample> = samples.iter().filter(|sample| sample.name == name).collect();
        assert!(!ours.is_empty(), "{name} is on the page");
        for sample in ours {
            let theirs = scraped.get(&series(sample));
            assert!(theirs.is_some_and(|value| (value - sample.value).abs() < 1e-9), "{sample:?}");
        }
    }
}
