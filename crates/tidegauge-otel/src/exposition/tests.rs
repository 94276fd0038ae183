//! Who gets which form, and what names become.

use super::{Format, family_name};
use crate::semconv::{Kind, Metric};

#[test]
fn a_scraper_gets_what_it_wants_most() {
    use Format::{OpenMetrics, Protobuf, Text};
    const PROTO: &str = "application/vnd.google.protobuf;\
                         proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let with = |rest: &str| format!("{PROTO}{rest}");
    for (accept, expected) in [
        (String::new(), Text),
        ("*/*".into(), Text),
        ("text/html,application/xhtml+xml,*/*;q=0.8".into(), Text),
        ("text/plain;version=0.0.4".into(), Text),
        ("application/openmetrics-text".into(), OpenMetrics),
        ("application/openmetrics-text; version=\"1.0.0\"; charset=utf-8".into(), OpenMetrics),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1".into(), Text),
        ("application/openmetrics-text;q=0".into(), Text),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5".into(), Text),
        ("Application/OpenMetrics-Text;Q=0.5,text/plain;q=0.5".into(), OpenMetrics),
        ("application/openmetrics-text;q=x,text/plain".into(), Text),
        (with(""), Protobuf),
        (with(";q=0.5,application/openmetrics-text;q=0.6"), OpenMetrics),
        (with(";q=0,*/*"), Text),
        (PROTO.replace("delimited", "text"), Text),
        (PROTO.replace("io.prometheus.client.MetricFamily", "another"), Text),
        // Prometheus 2.42, without and with native histograms
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
                .into(),
            OpenMetrics,
        ),
        (
            with(
                ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;\
                 version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            Protobuf,
        ),
        // Prometheus 3
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
                .into(),
            OpenMetrics,
        ),
    ] {
        assert_eq!(Format::accepted(&accept), expected, "{accept}");
    }
}

#[test]
fn names_are_prometheus_own() {
    for (name, unit, kind, expected) in [
        (
            "gen_ai.client.operation.duration",
            "s",
            Kind::Histogram,
            "gen_ai_client_operation_duration_seconds",
        ),
        ("gen_ai.client.token.usage", "{token}", Kind::Histogram, "gen_ai_client_token_usage"),
        ("tidegauge.cost", "{USD}", Kind::Counter, "tidegauge_cost"),
        ("some.share", "1", Kind::Gauge, "some_share_ratio"),
        ("some.count", "1", Kind::Counter, "some_count"),
        ("9lives", "", Kind::Gauge, "key_9lives"),
    ] {
        let metric = Metric { name, unit, kind, bounds: &[], about: "" };
        assert_eq!(family_name(&metric), expected);
    }
}
