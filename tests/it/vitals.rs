//! What the program knows about itself: each level is on the page and is pushed.

use serde_json::json;

use crate::support::answers::{self, HELLO};
use crate::support::client::{call, post};
use crate::support::collector::Collector;
use crate::support::program::Start;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// Names as they are pushed and as they are scraped, and a label that must be there.
const LEVELS: [(&str, &str, &str); 25] = [
    ("tidegauge.build.info", "tidegauge_build_info", "service_version"),
    ("tidegauge.config.reload_ok", "tidegauge_config_reload_ok", ""),
    ("tidegauge.config.reloads", "tidegauge_config_reloads_total", ""),
    ("tidegauge.prices.age", "tidegauge_prices_age_seconds", ""),
    ("tidegauge.prices.read_ok", "tidegauge_prices_read_ok", ""),
    ("tidegauge.rate_limit.limit", "tidegauge_rate_limit_limit", "tidegauge_upstream"),
    ("tidegauge.rate_limit.remaining", "tidegauge_rate_limit_remaining", "tidegauge_upstream"),
    (
        "tidegauge.rate_limit.reset_timestamp",
        "tidegauge_rate_limit_reset_timestamp_seconds",
        "tidegauge_upstream",
    ),
    ("tidegauge.streams.active", "tidegauge_streams_active", ""),
    ("tidegauge.connections.active", "tidegauge_connections_active", ""),
    ("http.server.active_requests", "http_server_active_requests", ""),
    ("tidegauge.records.queued", "tidegauge_records_queued", ""),
    ("tidegauge.spans.queued", "tidegauge_spans_queued", "tidegauge_exporter"),
    ("tidegauge.spans.queued_disk", "tidegauge_spans_queued_disk", "tidegauge_exporter"),
    ("tidegauge.points.queued", "tidegauge_points_queued", "tidegauge_exporter"),
    ("tidegauge.logs.queued", "tidegauge_logs_queued", "tidegauge_exporter"),
    ("tidegauge.spans.dropped", "tidegauge_spans_dropped_total", "tidegauge_reason"),
    ("tidegauge.points.dropped", "tidegauge_points_dropped_total", "tidegauge_reason"),
    ("tidegauge.logs.dropped", "tidegauge_logs_dropped_total", "tidegauge_reason"),
    ("tidegauge.records.lost", "tidegauge_records_lost_total", "tidegauge_reason"),
    ("tidegauge.lines.dropped", "tidegauge_lines_dropped_total", "tidegauge_reason"),
    ("tidegauge.log.access_dropped", "tidegauge_log_access_dropped_total", "tidegauge_reason"),
    ("tidegauge.requests.rejected", "tidegauge_requests_rejected_total", "tidegauge_reason"),
    (
        "tidegauge.overhead.duration",
        "tidegauge_overhead_duration_seconds_count",
        "tidegauge_overhead_phase",
    ),
    ("tidegauge.overhead.total", "tidegauge_overhead_total_seconds_count", "tidegauge_upstream"),
];

#[tokio::test]
async fn every_level_is_on_the_page_and_is_pushed() {
    let collector = Collector::start().await;
    let headers = [
        ("content-type", "application/json"),
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "99"),
        ("x-ratelimit-reset-requests", "6s"),
    ];
    let answer = answers::whole(200, &headers, HELLO.chat().to_string().as_bytes());
    let upstream = Upstream::always(answer).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "grpc")
        .run()
        .await;
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
    program.first_records(1).await;
    let page = program.metrics().await;
    for (_, name, label) in LEVELS {
        let mut samples = page.0.iter().filter(|sample| sample.name == name).peekable();
        assert!(samples.peek().is_some(), "{name} is on the page");
        assert!(
            samples.all(|sample| label.is_empty() || !sample.label(label).is_empty()),
            "{name}"
        );
    }
    let one = |name: &str| page.total(name);
    assert!((one("tidegauge_build_info") - 1.0).abs() < f64::EPSILON);
    assert!((one("tidegauge_rate_limit_remaining") - 99.0).abs() < f64::EPSILON);
    assert!(one("tidegauge_prices_age_seconds") > 0.0);
    until("every level to be pushed", || {
        let pushed = collector.metric_names();
        LEVELS.iter().all(|(name, ..)| pushed.iter().any(|known| known == name)).then_some(())
    })
    .await;
    program.stop().await;
}
