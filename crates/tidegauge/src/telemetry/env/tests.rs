//! Every standard variable, one row each, and every mistake at once.

use std::collections::HashMap;
use std::time::Duration;

use tidegauge_export::{Compression, Protocol};
use tidegauge_otel::{CallDetail, ExemplarFilter, Histograms, SpanTree, Sums};

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<TelemetryConfig, TelemetryMistakes> {
    read_with(&Settings::default(), variables)
}

fn read_with(
    settings: &Settings,
    variables: &[(&str, &str)],
) -> Result<TelemetryConfig, TelemetryMistakes> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    TelemetryConfig::from_env(settings, &|name| {
        variables.get(name).map(|value| (*value).to_owned())
    })
}

fn good(variables: &[(&str, &str)]) -> TelemetryConfig {
    read(variables).unwrap()
}

const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");

fn endpoints(variables: &[(&str, &str)]) -> [String; 3] {
    let Some(exporter) = good(variables).exporters.pop() else { return ["-"; 3].map(Into::into) };
    let exporter = exporter.options;
    assert_eq!(exporter.name, "default");
    [exporter.traces, exporter.metrics, exporter.logs]
        .map(|target| target.map_or_else(|| "-".to_owned(), |target| target.endpoint.to_string()))
}

/// Where captured words go: on spans, on events, and whether there are such events at all.
#[test]
fn words_go_where_the_variables_say() {
    const WHERE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    const EMIT: &str = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT";
    type Row<'a> = (&'a [(&'a str, &'a str)], (bool, bool, bool));
    let table: &[Row<'_>] = &[
        (&[], (true, false, false)),
        (&[(WHERE, "")], (true, false, false)),
        (&[(WHERE, "NO_CONTENT")], (false, false, false)),
        (&[(WHERE, "SPAN_ONLY")], (true, false, false)),
        (&[(WHERE, "EVENT_ONLY")], (false, true, true)),
        (&[(WHERE, "span_and_event")], (true, true, true)),
        (&[(WHERE, "true")], (true, false, false)),
        (&[(WHERE, "false")], (false, false, false)),
        (&[(EMIT, "true")], (true, false, true)),
        (&[(WHERE, "EVENT_ONLY"), (EMIT, "false")], (false, true, false)),
        (&[(WHERE, "NO_CONTENT"), (EMIT, "true")], (false, false, true)),
    ];
    for (variables, want) in table {
        let variables: Vec<_> = [HERE].iter().chain(*variables).copied().collect();
        let rendering = good(&variables).exporters.remove(0).rendering;
        let told = (rendering.spans.content, rendering.events.content, rendering.events.details);
        assert_eq!(told, *want, "{variables:?}");
    }
    let wrong = good(&[(WHERE, "ALL"), (EMIT, "perhaps")]);
    assert_eq!(wrong.ignored.len(), 2);
}

#[test]
fn endpoints_follow_the_rules_of_the_protocol() {
    let nowhere = ["-"; 3];
    let http = ["http://c:4318/v1/traces", "http://c:4318/v1/metrics", "http://c:4318/v1/logs"];
    type Row<'a> = (&'a [(&'a str, &'a str)], [&'a str; 3]);
    let table: &[Row<'_>] = &[
        (&[], nowhere),
        (&[HERE], http),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], nowhere),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/")], http),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/")],
            ["https://c/otlp/v1/traces", "https://c/otlp/v1/metrics", "https://c/otlp/v1/logs"],
        ),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/own")], ["http://t:1/own", "-", "-"]),
        (
            &[HERE, ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l:1")],
            ["http://c:4318/v1/traces", "http://c:4318/v1/metrics", "http://l:1/"],
        ),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")], ["http://c:4317/"; 3]),
        (&[HERE, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], ["http://c:4318/"; 3]),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")],
            ["http://c:4317/"; 3],
        ),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317")], ["https://c:4317/"; 3]),
        (&[HERE, ("OTEL_SDK_DISABLED", "true")], nowhere),
        (&[HERE, ("OTEL_METRICS_EXPORTER", "none")], [http[0], "-", http[2]]),
        (&[HERE, ("OTEL_METRICS_EXPORTER", "prometheus")], [http[0], "-", http[2]]),
        (
            &[HERE, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")],
            ["-", http[1], "-"],
        ),
        (&[("OTEL_TRACES_EXPORTER", "otlp")], ["http://localhost:4318/v1/traces", "-", "-"]),
        (
            &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            ["http://localhost:4317/", "-", "-"],
        ),
    ];
    for (variables, expected) in table {
        assert_eq!(endpoints(variables), *expected, "{variables:?}");
    }
}

#[test]
fn every_variable_is_honoured() {
    type Check = fn(&TelemetryConfig) -> bool;
    let table: &[(&str, &str, Check)] = &[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", |c| {
            c.exporters[0].options.traces.as_ref().unwrap().protocol == Some(Protocol::Grpc)
        }),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", |c| {
            c.exporters[0].options.metrics.as_ref().unwrap().protocol == Some(Protocol::Grpc)
                && c.exporters[0].options.traces.as_ref().unwrap().protocol
                    == Some(Protocol::HttpProtobuf)
        }),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1, b=x%20y%2Cz", |c| {
            let headers = &c.exporters[0].options.logs.as_ref().unwrap().headers;
            headers["a"] == "1" && headers["b"] == "x y,z" && headers["b"].is_sensitive()
        }),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1", |c| {
            c.exporters[0].options.traces.as_ref().unwrap().headers.len() == 1
                && c.exporters[0].options.logs.as_ref().unwrap().headers.is_empty()
        }),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", |c| {
            c.exporters[0].options.traces.as_ref().unwrap().compression == Some(Compression::Gzip)
        }),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd", |c| {
            c.exporters[0].options.logs.as_ref().unwrap().compression == Some(Compression::Zstd)
                && c.exporters[0].options.traces.as_ref().unwrap().compression.is_none()
        }),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500", |c| timeouts(c) == [2500; 3]),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1", |c| timeouts(c) == [1, 10_000, 10_000]),
        ("OTEL_BSP_EXPORT_TIMEOUT", "3000", |c| timeouts(c) == [3000, 10_000, 10_000]),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "3000", |c| timeouts(c) == [10_000, 10_000, 3000]),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "3000", |c| timeouts(c) == [10_000, 3000, 10_000]),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000", |c| c.metric_interval == Duration::from_secs(5)),
        ("OTEL_BSP_SCHEDULE_DELAY", "50", |c| {
            c.exporters[0].options.trace_queue.delay == Duration::from_millis(50)
        }),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500", |c| {
            c.exporters[0].options.metric_queue.delay.is_zero()
        }),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "77", |c| c.exporters[0].options.trace_queue.pieces == 77),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9", |c| {
            c.exporters[0].options.trace_queue.batch_pieces == 9
        }),
        ("OTEL_BLRP_SCHEDULE_DELAY", "50", |c| {
            c.exporters[0].options.log_queue.delay == Duration::from_millis(50)
        }),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "77", |c| c.exporters[0].options.log_queue.pieces == 77),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "9", |c| {
            c.exporters[0].options.log_queue.batch_pieces == 9
        }),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20", |c| {
            c.exporters[0].rendering.spans.limits.value == 20
                && c.exporters[0].rendering.events.limits.value == 20
        }),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20", |c| {
            c.exporters[0].rendering.spans.limits.value == 20
                && c.exporters[0].rendering.events.limits.value == 4096
        }),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20", |c| {
            c.exporters[0].rendering.events.limits.value == 20
        }),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "20", |c| c.exporters[0].rendering.spans.limits.count == 20),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "20", |c| {
            c.exporters[0].rendering.spans.limits.count == 20
                && c.exporters[0].rendering.events.limits.count == 128
        }),
        ("OTEL_SERVICE_NAME", "gate", |c| c.encoder.resource.get("service.name") == Some("gate")),
        ("OTEL_RESOURCE_ATTRIBUTES", "a.b=1%202,service.name=other", |c| {
            c.encoder.resource.get("a.b") == Some("1 2")
                && c.encoder.resource.get("service.name") == Some("other")
        }),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "explicit_bucket_histogram",
            |c| c.exporters[0].rendering.histograms == Histograms::Explicit,
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
            |c| c.exporters[0].rendering.histograms == Histograms::Exponential,
        ),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta", |c| {
            c.exporters[0].rendering.sums == Sums::Delta
        }),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory", |c| {
            c.exporters[0].rendering.sums == Sums::LowMemory
        }),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off", |c| {
            c.encoder.exemplars == ExemplarFilter::Off
        }),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on", |c| {
            c.encoder.exemplars == ExemplarFilter::All
        }),
        ("OTEL_TRACES_SAMPLER", "always_off", |c| c.sampler == sampler(0.0, false)),
        ("OTEL_TRACES_SAMPLER", "always_on", |c| c.sampler == sampler(1.0, false)),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off", |c| c.sampler == sampler(0.0, true)),
        ("OTEL_TRACES_SAMPLER", "traceidratio", |c| c.sampler == sampler(1.0, false)),
        ("HTTP_NOT_OURS", "x", |c| c.sampler == sampler(1.0, true)),
    ];
    for (name, value, check) in table {
        assert!(check(&good(&[HERE, (name, value)])), "{name}={value}");
    }
    let ratio = good(&[
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    assert_eq!(ratio.sampler, sampler(0.25, true));
    let both =
        good(&[("OTEL_SERVICE_NAME", "gate"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other")]);
    assert_eq!(both.encoder.resource.get("service.name"), Some("gate"));
}

fn sampler(ratio: f64, parent_based: bool) -> Sampler {
    Sampler { ratio, parent_based }
}

fn timeouts(config: &TelemetryConfig) -> [u128; 3] {
    let exporter = &config.exporters[0].options;
    [&exporter.traces, &exporter.metrics, &exporter.logs]
        .map(|target| target.as_ref().unwrap().timeout.as_millis())
}

#[test]
fn variables_win_over_the_file() {
    let settings = Settings {
        otlp: Receiver {
            endpoint: Some("http://file:4317".to_owned()),
            compression: Some(Compression::Zstd),
            headers: vec![("x-key".to_owned(), "hunter2".to_owned())],
            ..Receiver::default()
        },
        service_name: Some("file".to_owned()),
        sample_ratio: Some(0.5),
        metric_tags: Some(vec!["plan".to_owned()]),
        queue_bytes: Some(8 << 20),
        ..Settings::default()
    };
    let config = read_with(&settings, &[("OTEL_EXPORTER_OTLP_COMPRESSION", "none")]).unwrap();
    assert!(!format!("{settings:?} {config:?}").contains("hunter2"));
    let traces = config.exporters[0].options.traces.clone().unwrap();
    assert_eq!((traces.protocol, traces.compression), (Some(Protocol::Grpc), None));
    assert_eq!(traces.headers["x-key"], "hunter2");
    assert_eq!(config.encoder.resource.get("service.name"), Some("file"));
    assert_eq!(config.sampler, sampler(0.5, true));
    assert_eq!(config.encoder.metric.tags, ["plan"]);
    assert_eq!(config.exporters[0].options.trace_queue.bytes, 6 << 20);
}

#[test]
fn certificates_are_read_and_checked() {
    let folder = std::env::temp_dir().join(format!("tidegauge-otel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) =
        (file("cert.pem", &made.cert.pem()), file("key.pem", &made.signing_key.serialize_pem()));
    let junk = file("junk.pem", "no certificate");
    let block = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let broken = file("broken.pem", &block("CERTIFICATE"));
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    let other = file("other.pem", &other.signing_key.serialize_pem());
    let chain = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    let good = good(&[
        HERE,
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &pem),
        (chain, &pem),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
    ]);
    let target = good.exporters[0].options.metrics.as_ref().unwrap();
    assert!(target.ca.is_some() && target.identity.is_some());
    for (variables, expected) in [
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", junk.as_str())], "a file with PEM certificates"),
        (
            vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/at/all")],
            "a readable file (entity not found)",
        ),
        (
            vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", broken.as_str())],
            "certificates that can be trusted",
        ),
        (
            vec![(chain, pem.as_str()), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", other.as_str())],
            "a client certificate and the key that belongs to it",
        ),
        (vec![(chain, pem.as_str())], "a client key beside it"),
        (vec![("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str())], "a client certificate beside it"),
        (
            vec![(chain, pem.as_str()), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", junk.as_str())],
            "a file with a PEM private key",
        ),
    ] {
        let config = read(&[&[HERE], variables.as_slice()].concat()).unwrap();
        assert_eq!(config.ignored.len(), 1, "{:?}", config.ignored);
        assert_eq!(config.ignored[0].expected, expected);
        let target = config.exporters[0].options.traces.as_ref().unwrap();
        assert!(target.ca.is_none() && target.identity.is_none());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn variables_that_mean_nothing_are_ignored_and_named_without_their_values() {
    let config = good(&[
        ("OTEL_SDK_DISABLED", "maybe"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://user:secret@c"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "native"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_PROPAGATORS", "tracecontext,b3"),
    ]);
    let ignored: Vec<_> = config.ignored.iter().map(ToString::to_string).collect();
    assert_eq!(ignored.len(), 18, "each once: {ignored:?}");
    let text = ignored.join("\n");
    for name in [
        "OTEL_SDK_DISABLED: expected true or false",
        "OTEL_TRACES_EXPORTER: expected otlp or none",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: expected a URL with http:// or https:// and a host",
        "OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS: expected name=value pairs separated by commas",
        "OTEL_EXPORTER_OTLP_COMPRESSION: expected gzip, zstd or none",
        "OTEL_EXPORTER_OTLP_TIMEOUT: expected milliseconds, a whole number above 0",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: expected cumulative, delta or lowmemory",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: expected explicit_bucket_histogram",
        "OTEL_TRACES_SAMPLER: expected always_on",
        "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1",
        "OTEL_METRICS_EXEMPLAR_FILTER: expected trace_based, always_on or always_off",
        "OTEL_BSP_MAX_QUEUE_SIZE: expected a whole number above 0",
        "OTEL_BSP_SCHEDULE_DELAY: expected milliseconds",
        "OTEL_ATTRIBUTE_COUNT_LIMIT: expected a whole number",
        "OTEL_RESOURCE_ATTRIBUTES: expected name=value pairs",
        "OTEL_METRIC_EXPORT_INTERVAL: expected milliseconds",
        "OTEL_PROPAGATORS: expected tracecontext, baggage or both",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

/// The header with the key of several receivers.
fn with_key() -> Receiver {
    let headers = vec![("authorization".to_owned(), "x".to_owned())];
    Receiver { headers, ..Receiver::default() }
}

/// One exporter with this said about it; at the usual place unless that is said.
fn reached(name: &str, preset: Preset, otlp: Receiver) -> ExporterSettings {
    let usual = || "https://c:4317".to_owned();
    let otlp = Receiver { endpoint: Some(otlp.endpoint.clone().unwrap_or_else(usual)), ..otlp };
    ExporterSettings { name: name.to_owned(), preset, otlp, ..ExporterSettings::default() }
}

#[test]
fn further_exporters_stand_beside_the_default_one_and_hear_no_variable() {
    let settings = Settings {
        exporters: vec![
            reached(
                "two",
                Preset::default(),
                Receiver { timeout: Some(Duration::from_secs(3)), ..Receiver::default() },
            ),
            reached("three", Preset::of_name("langfuse").unwrap(), with_key()),
        ],
        queue_bytes: Some(8 << 20),
        ..Settings::default()
    };
    let variables = [HERE, ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"), ("OTEL_TRACES_EXPORTER", "none")];
    let config = read_with(&settings, &variables).unwrap();
    let names: Vec<_> = config.exporters.iter().map(|of| of.options.name.as_str()).collect();
    assert_eq!(names, ["default", "two", "three"]);
    let two = config.exporters[1].options.traces.as_ref().unwrap();
    assert_eq!((two.protocol, two.endpoint.port_u16()), (Some(Protocol::Grpc), Some(4317)));
    assert_eq!(two.timeout, Duration::from_secs(3));
    assert!(two.headers.is_empty());
    assert_eq!(config.exporters[1].options.trace_queue.bytes, 6 << 20, "each has the whole bound");
    let three = &config.exporters[2].options;
    assert!(three.metrics.is_none() && three.logs.is_none());
    let three = three.traces.as_ref().unwrap();
    assert_eq!(three.endpoint, "https://c:4317/v1/traces");

    assert_eq!(read_with(&settings, &[]).unwrap().exporters.len(), 2);
    assert_eq!(read_with(&settings, &[("OTEL_SDK_DISABLED", "true")]).unwrap().exporters.len(), 0);
}

#[test]
fn a_preset_is_a_default_that_can_be_overruled() {
    // preset, traces alone, over HTTP whatever the port
    let table = [
        ("none", false, false),
        ("langfuse", true, true),
        ("phoenix", true, false),
        ("datadog", true, true),
        ("honeycomb", false, false),
        ("grafana-cloud", false, true),
        ("openlit", false, false),
        ("jaeger", true, false),
    ];
    for (name, alone, over_http) in table {
        let preset = Preset::of_name(name).unwrap();
        let otlp = Receiver {
            endpoint: Some("http://c:4317".to_owned()),
            protocol: Some(Protocol::Grpc),
            headers: vec![("dd-otlp-source".to_owned(), "mine".to_owned())],
            ..Receiver::default()
        };
        let plain = Receiver { protocol: None, headers: Vec::new(), ..otlp.clone() };
        let typed = ExporterSettings { signals: Some(Signals::ALL), ..reached("b", preset, otlp) };
        let exporters = vec![reached("a", preset, plain), typed];
        let config = read_with(&Settings { exporters, ..Settings::default() }, &[]).unwrap();
        let plans: Vec<_> = config.exporters.into_iter().map(|plan| plan.options).collect();
        let [plain, typed] = plans.try_into().unwrap();
        assert_eq!((plain.metrics.is_none(), plain.logs.is_none()), (alone, alone), "{preset:?}");
        let traces = plain.traces.unwrap();
        assert_eq!(traces.protocol == Some(Protocol::HttpProtobuf), over_http, "{preset:?}");
        assert_eq!(traces.headers.contains_key("dd-otlp-source"), name == "datadog");
        assert!(typed.metrics.is_some());
        let traces = typed.traces.unwrap();
        assert_eq!(traces.protocol, Some(Protocol::Grpc));
        assert_eq!(traces.headers["dd-otlp-source"], "mine");
    }
}

/// One exporter with this said about where it is.
fn placed(preset: &str, endpoint: Option<&str>, own: [Option<&str>; 3]) -> ExporterSettings {
    let owned = |text: &str| text.to_owned();
    let headers = ["authorization", "galileo-api-key", "project", "logstream"];
    ExporterSettings {
        name: "a".to_owned(),
        preset: Preset::of_name(preset).unwrap(),
        otlp: Receiver {
            endpoint: endpoint.map(owned),
            signal_endpoints: own.map(|own| own.map(owned)),
            headers: headers.map(|name| (name.to_owned(), "x".to_owned())).into(),
            ..Receiver::default()
        },
        ..ExporterSettings::default()
    }
}

#[test]
fn an_endpoint_of_a_signal_is_used_as_it_is() {
    let galileo = "https://api.galileo.ai/otel/traces";
    for (exporter, expected) in [
        (
            placed("none", None, [Some("http://c/otel/traces"), None, None]),
            ["http://c/otel/traces", "-", "-"],
        ),
        (
            placed("none", Some("http://c/x"), [None, Some("http://m/own?a=b"), None]),
            ["http://c/x/v1/traces", "http://m/own?a=b", "http://c/x/v1/logs"],
        ),
        (placed("galileo", None, [None; 3]), [galileo, "-", "-"]),
        (
            placed("galileo", None, [Some("https://g.mine/t"), None, None]),
            ["https://g.mine/t", "-", "-"],
        ),
        (placed("laminar", None, [None; 3]), ["https://api.lmnr.ai/v1/traces", "-", "-"]),
        (
            placed("laminar", Some("http://mine:8000"), [None; 3]),
            ["http://mine:8000/v1/traces", "-", "-"],
        ),
    ] {
        let preset = exporter.preset;
        let settings = Settings { exporters: vec![exporter], ..Settings::default() };
        let options = read_with(&settings, &[]).unwrap().exporters.remove(0).options;
        let urls = [options.traces, options.metrics, options.logs]
            .map(|target| target.map_or("-".to_owned(), |target| target.endpoint.to_string()));
        assert_eq!(urls, expected, "{preset:?}");
    }
    for (exporter, place) in [
        (placed("none", None, [None; 3]), "endpoint"),
        (placed("langfuse", None, [None; 3]), "endpoint"),
        (placed("none", None, [Some("ftp://c"), None, None]), "traces_endpoint"),
        (
            ExporterSettings {
                signals: Some(Signals::ALL),
                ..placed("none", None, [Some("http://c"), None, Some("http://c")])
            },
            "metrics_endpoint",
        ),
    ] {
        let settings = Settings { exporters: vec![exporter], ..Settings::default() };
        let error = read_with(&settings, &[]).unwrap_err();
        let found: Vec<_> = error.mistakes.iter().map(|mistake| mistake.what.as_str()).collect();
        assert_eq!(found, [format!("telemetry.exporters.0.{place}")]);
    }
}

/// What a receiver wants stands beside what all others get.
#[test]
fn each_exporter_has_its_own_form() {
    let exporters = vec![
        placed("dynatrace", Some("https://d"), [None; 3]),
        ExporterSettings {
            sums: Some(Sums::Cumulative),
            histograms: Some(Histograms::Explicit),
            tree: Some(SpanTree::All),
            detail: Some(CallDetail::LinkOnly),
            resource: vec![("service.name".to_owned(), "other".to_owned())],
            ..placed("langfuse", Some("https://l"), [None; 3])
        },
        placed("langfuse", Some("https://l"), [None; 3]),
    ];
    let settings = Settings { exporters, ..Settings::default() };
    let config = read_with(&settings, &[HERE]).unwrap();
    let form: Vec<_> = config
        .exporters
        .iter()
        .map(|plan| {
            let Rendering { spans, sums, histograms, .. } = plan.rendering;
            assert_eq!(plan.options.sums_replace, sums == Sums::Cumulative);
            (sums, histograms, spans.tree, spans.detail)
        })
        .collect();
    let (whole, exponential) = (Sums::Cumulative, Histograms::Exponential);
    assert_eq!(
        form,
        [
            (whole, exponential, SpanTree::All, CallDetail::Full),
            (Sums::Delta, exponential, SpanTree::All, CallDetail::Full),
            (whole, Histograms::Explicit, SpanTree::All, CallDetail::LinkOnly),
            (whole, exponential, SpanTree::Calls, CallDetail::Full),
        ]
    );
    let emitters: Vec<_> = config.deliveries().into_iter().map(|(_, emitter)| emitter).collect();
    assert_eq!(emitters[0], emitters[1]);
    let says_other = |emitter: &tidegauge_core::Emitter| {
        emitter.resource.windows(5).any(|word| word == b"other")
    };
    assert!(says_other(&emitters[2]) && !says_other(&emitters[3]));
}

#[test]
fn mistakes_in_further_exporters_say_where_they_are() {
    let exporters = vec![
        reached(
            "nowhere",
            Preset::default(),
            Receiver { endpoint: Some(String::new()), ..Receiver::default() },
        ),
        reached(
            "bad",
            Preset::default(),
            Receiver {
                headers: vec![("not a name".to_owned(), "secret".to_owned())],
                ..Receiver::default()
            },
        ),
    ];
    let error = read_with(&Settings { exporters, ..Settings::default() }, &[]).unwrap_err();
    let found: Vec<_> = error.mistakes.iter().map(|mistake| mistake.what.as_str()).collect();
    let places = ["0.endpoint", "1.headers"];
    assert_eq!(found, places.map(|place| format!("telemetry.exporters.{place}")));
    assert!(!error.to_string().contains("secret"));
}

/// Each of these stops no start, and what it would have set stays as it is without it.
#[test]
fn a_variable_that_another_sdk_understands_counts_as_unset() {
    let usual = good(&[HERE]);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "kafka"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_LOGS_EXPORTER", "logging"),
        ("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", "abc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "snappy"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/at/all"),
        ("OTEL_SDK_DISABLED", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "lots"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "reservoir"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage,jaeger"),
    ] {
        let config = good(&[HERE, (name, value)]);
        assert_eq!(config.ignored.len(), 1, "{name}={value}: {:?}", config.ignored);
        assert_eq!(config.ignored[0].what, name);
        let mut config = config;
        config.ignored.clear();
        // Of a process, and different at each look.
        config.encoder.resource = usual.encoder.resource.clone();
        assert_eq!(format!("{config:?}"), format!("{usual:?}"), "{name}={value}");
    }
    assert_eq!(good(&[HERE, ("OTEL_PROPAGATORS", "tracecontext, baggage")]).ignored, []);
}

#[test]
fn a_value_that_means_nothing_gives_way_to_the_next_one() {
    let all = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let config = good(&[HERE, all, ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "snappy")]);
    let traces = config.exporters[0].options.traces.as_ref().unwrap();
    assert_eq!(traces.compression, Some(Compression::Gzip));
    let otlp = Receiver { compression: Some(Compression::Zstd), ..Receiver::default() };
    let settings = Settings { otlp, ..Settings::default() };
    let variables = [HERE, ("OTEL_EXPORTER_OTLP_COMPRESSION", "snappy")];
    let config = read_with(&settings, &variables).unwrap();
    let traces = config.exporters[0].options.traces.as_ref().unwrap();
    assert_eq!(traces.compression, Some(Compression::Zstd));
}

#[test]
fn the_port_tells_the_protocol_or_nothing_does() {
    for (endpoint, protocol, url) in [
        ("http://c:4317", Some(Protocol::Grpc), "http://c:4317/"),
        ("http://c:4317/", Some(Protocol::Grpc), "http://c:4317/"),
        ("http://c:4318", Some(Protocol::HttpProtobuf), "http://c:4318/v1/traces"),
        ("http://c:9999", None, "http://c:9999/v1/traces"),
        ("https://c", None, "https://c/v1/traces"),
        ("https://c/otlp", Some(Protocol::HttpProtobuf), "https://c/otlp/v1/traces"),
    ] {
        let config = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
        let traces = config.exporters[0].options.traces.as_ref().unwrap();
        assert_eq!((traces.protocol, traces.endpoint.to_string()), (protocol, url.to_owned()));
    }
}

#[test]
fn a_path_that_grpc_cannot_have_is_ignored_aloud() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317/otlp");
    let config = good(&[endpoint]);
    let traces = config.exporters[0].options.traces.as_ref().unwrap();
    assert_eq!(traces.endpoint, "http://c:4317/");
    assert_eq!(config.ignored.len(), 1, "{:?}", config.ignored);
    assert!(config.ignored[0].to_string().contains("gRPC has none"), "{:?}", config.ignored);
}

/// The file's own URL with a path is a mistake where the file or the port says gRPC; a variable that says
/// gRPC for a whole machine must not make one of it.
#[test]
fn a_path_that_grpc_cannot_have_is_a_mistake_in_the_file_alone() {
    let receiver = |endpoint: &str, protocol| Receiver {
        endpoint: Some(endpoint.to_owned()),
        protocol,
        ..Receiver::default()
    };
    let grpc = Some(Protocol::Grpc);
    for (endpoint, protocol, good) in [
        ("http://c:4317", None, true),
        ("http://c:4317/", grpc, true),
        ("http://c:4317/otlp", None, false),
        ("http://c:9999/otlp", grpc, false),
        ("http://c:9999/?a=b", grpc, false),
        ("http://c:4317/otlp", Some(Protocol::HttpProtobuf), true),
    ] {
        let otlp = receiver(endpoint, protocol);
        let exporters = vec![reached("a", Preset::default(), otlp.clone())];
        for (what, settings) in [
            ("telemetry.endpoint", Settings { otlp, ..Settings::default() }),
            ("telemetry.exporters.0.endpoint", Settings { exporters, ..Settings::default() }),
        ] {
            let mistakes = read_with(&settings, &[]).err().map(|error| error.mistakes);
            let expected = "a URL without a path for gRPC, which has none".to_owned();
            let mistake = Misread { what: what.to_owned(), expected };
            assert_eq!(mistakes, (!good).then(|| vec![mistake]), "{endpoint} {protocol:?}");
        }
    }
    let otlp = receiver("http://c:9999/otlp", None);
    let settings = Settings { otlp, ..Settings::default() };
    let config = read_with(&settings, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap();
    assert_eq!(config.ignored.len(), 1, "{:?}", config.ignored);
    assert_eq!(config.exporters[0].options.logs.as_ref().unwrap().endpoint, "http://c:9999/");
}

/// Every variable that is read has its place on the page.
#[test]
fn every_variable_stands_on_the_page() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/telemetry.md");
    let page = std::fs::read_to_string(page).expect("docs/telemetry.md");
    let source = [include_str!("../env.rs"), include_str!("../target.rs")].concat();
    for piece in source.split('"').filter(|piece| piece.starts_with("OTEL_")) {
        let variable = piece.split('{').next().unwrap_or(piece).trim_end_matches('_');
        assert!(page.contains(variable), "{variable}");
    }
}
