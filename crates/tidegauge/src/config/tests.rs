//! Tables of configurations: what each resolves to, or every mistake in it.

use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::telemetry::Sampler;
use tidegauge_core::Bucket;
use tidegauge_measure::GpuPrice;

const SAMPLER: Sampler = Sampler { ratio: 1.0, parent_based: true };

/// A world with two variables and three files.
fn outside() -> Outside<'static> {
    Outside {
        env: &|name| match name {
            "KEY" => Some("canary-secret".to_owned()),
            "ECHOED" => Some("canary-secret\r\n".to_owned()),
            "PORT" => Some("5000".to_owned()),
            _ => None,
        },
        read: &read,
        exposed: &|path| path == Path::new("open.pem"),
        public: &|path| path == Path::new("public.pem"),
        blind: false,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str() {
        Some("open.pem" | "own.pem" | "public.pem") => {
            Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec())
        }
        Some("token") => Ok(b"canary-secret\n".to_vec()),
        Some("empty") => Ok(Vec::new()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn resolved(text: &str, flags: &Overrides) -> Result<Resolved, Mistakes> {
    resolve(Typed { file: Some(("t.yaml", text)), flags }, &outside())
}

fn config(text: &str) -> Config {
    resolved(text, &Overrides::default()).unwrap().config
}

/// Every mistake in `text`, one a line.
fn mistakes(text: &str) -> String {
    match resolved(text, &Overrides::default()) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let table = [
        (
            "record_file: ''",
            "t.yaml:1:14: record_file.path: expected a path, or `-` for standard output",
        ),
        (
            "record_file: {path: f, max_bytes: 1KiB}",
            "t.yaml:1:35: record_file.max_bytes: expected 1MiB or more",
        ),
        (
            "record_file: {path: f, max_bytes: 1MiB, keep: 0}",
            "t.yaml:1:47: record_file.keep: expected 1 or more, found `0`",
        ),
        (
            "record_file: {path: '-', max_bytes: 1MiB}",
            "t.yaml:1:37: record_file.max_bytes: standard output has no size",
        ),
        ("record_file: {max_bytes: 1MiB}", "t.yaml:1:14: record_file: `path` is missing"),
        ("upstrems: {}", "t.yaml:1:1: unknown key `upstrems`; did you mean `upstreams`?"),
        (
            "listen: 4310",
            "t.yaml:1:9: listen: expected an address such as 127.0.0.1:4310, found `4310`",
        ),
        ("listen: [a]", "t.yaml:1:9: listen: expected a text, found a list"),
        ("limits: 5", "t.yaml:1:9: limits: expected a map, found `5`"),
        ("budgets: {}", "t.yaml:1:1: `budgets` is not yet available in this version"),
        (
            "upstreams: {openai: {capture: some}}",
            "t.yaml:1:31: upstreams.openai.capture: expected one of `off`, `redacted`, `full`, found `some`",
        ),
        (
            "upstreams: {openai: {headers: {X-A: b, x-a: c}}}",
            "t.yaml:1:45: upstreams.openai.headers.x-a: this header is already there",
        ),
        (
            "console: 127.0.0.1:4310",
            "t.yaml:1:10: console: the proxy listens on 127.0.0.1:4310 already",
        ),
        (
            "limits: {connections: -1}",
            "t.yaml:1:23: limits.connections: expected a whole number, found `-1`",
        ),
        (
            "limits: {connections: 0}",
            "t.yaml:1:23: limits.connections: expected 1 or more, found `0`",
        ),
        (
            "limits: {drain: 5 parsecs}",
            "t.yaml:1:17: limits.drain: expected a duration such as 500ms, 5s, 15m or 1h, found `5 parsecs`",
        ),
        (
            "limits: {hold: 64MB}",
            "t.yaml:1:16: limits.hold: expected a size such as 4096, 64KiB, 64MiB or 1GiB, found `64MB`",
        ),
        ("limits: {head_bytes: 1KiB}", "t.yaml:1:22: limits.head_bytes: expected 8KiB or more"),
        (
            "log: {format: jsn}",
            "t.yaml:1:15: log.format: expected one of `text`, `json`, found `jsn`; did you mean `json`?",
        ),
        (
            "log: {level: '!!'}",
            "t.yaml:1:14: log.level: expected `error`, `warn`, `info`, `debug`, `trace` or directives such as `info,tidegauge_proxy=debug`, found `!!`",
        ),
        (
            "upstreams:\n  openai:\n    usage: injct",
            "t.yaml:3:12: upstreams.openai.usage: expected one of `inject`, `passthrough`, found `injct`; did you mean `inject`?",
        ),
        (
            "upstreams:\n  mine: {provider: opnai}",
            "t.yaml:2:20: upstreams.mine.provider: unknown provider `opnai`; did you mean `openai`?",
        ),
        (
            "upstreams:\n  opena1: {base_url: 'http://x'}",
            "t.yaml:2:11: upstreams.opena1: `provider` is missing; did you mean `openai`?",
        ),
        (
            "upstreams:\n  openai: {base_url: api.example.com}",
            "t.yaml:2:22: upstreams.openai.base_url: expected an origin such as https://api.example.com, found `api.example.com`",
        ),
        (
            "upstreams:\n  openai: {base_url: 'ftp://h'}",
            "t.yaml:2:22: upstreams.openai.base_url: expected an origin such as https://api.example.com, found `ftp://h`",
        ),
        (
            "upstreams:\n  openai: {base_url: 'http://u:pw@h'}",
            "t.yaml:2:22: upstreams.openai.base_url: expected an origin such as https://api.example.com, found credentials in it; set them as a header",
        ),
        (
            "upstreams:\n  openai: {base_url: 'http://h?a=b'}",
            "t.yaml:2:22: upstreams.openai.base_url: expected an origin such as https://api.example.com, found a query or fragment in it",
        ),
        (
            "upstreams:\n  healthz: {provider: openai}",
            "t.yaml:2:12: upstreams.healthz: `healthz` has another meaning at the root",
        ),
        (
            "upstreams:\n  a/b: {provider: openai}",
            "t.yaml:2:8: upstreams.a/b: a name is the first part of a path: at most 64 letters, digits, `-`, `_` and `.`, the first a letter or digit",
        ),
        (
            "upstreams:\n  openai: {}\n  openai: {}",
            "t.yaml:3:3: openai: this key is already there; each may stand once",
        ),
        (
            "upstreams:\n  openai: {timeouts: {idle: never}}",
            "t.yaml:2:29: upstreams.openai.timeouts.idle: expected `off` or a duration such as 500ms, 5s, 15m or 1h, found `never`",
        ),
        (
            "upstreams:\n  openai: {tls: {cert: own.pem}}",
            "t.yaml:2:17: upstreams.openai.tls: `cert` and `key` belong together",
        ),
        (
            "upstreams:\n  openai: {tls: {ca: nowhere}}",
            "t.yaml:2:22: upstreams.openai.tls.ca: cannot read nowhere: entity not found",
        ),
        (
            "upstreams:\n  openai: {tls: {ca: empty}}",
            "t.yaml:2:22: upstreams.openai.tls.ca: empty holds nothing in PEM form",
        ),
        (
            "upstreams:\n  openai: {headers: {authorization: Bearer sk-1}}",
            "t.yaml:2:37: upstreams.openai.headers.authorization: a secret does not stand in the file: write `${NAME}` or `{ file: PATH }`",
        ),
        (
            "upstreams:\n  openai: {headers: {host: x}}",
            "t.yaml:2:28: upstreams.openai.headers.host: this header is not set by configuration",
        ),
        (
            "upstreams:\n  openai: {headers: {a b: x}}",
            "t.yaml:2:27: upstreams.openai.headers.a b: expected the name of a header",
        ),
        (
            "upstreams:\n  openai: {headers: {x-key: '${NOPE}'}}",
            "t.yaml:2:29: upstreams.openai.headers.x-key: environment variable `NOPE` is not set",
        ),
        (
            "default_upstream: opnai",
            "t.yaml:1:19: default_upstream: no upstream is called `opnai`; did you mean `openai`?",
        ),
        ("listen: 127.0.0.1:${NOPE}", "t.yaml:1:9: listen: environment variable `NOPE` is not set"),
        (
            "listen: 127.0.0.1:${",
            "t.yaml:1:9: listen: `${` begins no ${NAME}; write `$${` for a plain `${`",
        ),
        (
            "console: 0.0.0.0:4311",
            "t.yaml:1:10: console: 0.0.0.0:4311 can be reached from other machines: set `console: { listen, token }` with a token, or use a loopback address",
        ),
        (
            "console: {listen: '0.0.0.0:1', token: abc}",
            "t.yaml:1:39: console.token: a secret does not stand in the file: write `${NAME}` or `{ file: PATH }`",
        ),
        (
            "telemetry: {sampling: {ratio: 1.5}}",
            "t.yaml:1:31: telemetry.sampling.ratio: expected a number from 0 to 1, found `1.5`",
        ),
        (
            "telemetry: {trace_header: maybe}",
            "t.yaml:1:27: telemetry.trace_header: expected true or false, found `maybe`",
        ),
        (
            "telemetry: {disk_queue: {}}",
            "t.yaml:1:25: telemetry.disk_queue: it has no directory: set its `path`, or `data_dir`",
        ),
        (
            "telemetry: {disk_queue: {path: q, max_bytes: 1MiB}}",
            "t.yaml:1:46: telemetry.disk_queue.max_bytes: expected 8MiB or more",
        ),
        (
            "telemetry: {disk_queue: {path: q, max_bytes: 16MiB, segment_bytes: 9MiB}}",
            "t.yaml:1:68: telemetry.disk_queue.segment_bytes: expected 4MiB to 8MiB, half of `max_bytes`",
        ),
        (
            "telemetry: {disk_queue: {path: q, fsync: 0s}}",
            "t.yaml:1:42: telemetry.disk_queue.fsync: expected more than nothing, found `0ms`",
        ),
        (
            "telemetry: {otlp: {endpoint: localhost}}",
            "t.yaml:1:30: telemetry.otlp.endpoint: expected a URL with http:// or https:// and a host",
        ),
        (
            "pricing: {models: [{per_million: {input: 1}}]}",
            "t.yaml:1:20: pricing.models.0: `model` is missing",
        ),
        (
            "pricing: {models: [{model: m}]}",
            "t.yaml:1:20: pricing.models.0: expected `per_million`, `per_request` or `gpu_hour`",
        ),
        (
            "pricing: {models: [{model: m, per_million: {input: -1}}]}",
            "t.yaml:1:52: pricing.models.0.per_million.input: expected US dollars such as 0.15, 0 or more, with at most 12 decimals, found `-1`",
        ),
        (
            "pricing: {models: [{model: m, gpu_hour: 1, upstream: vlm}]}",
            "t.yaml:1:54: pricing.models.0.upstream: no upstream is called `vlm`; did you mean `vllm`?",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}

#[test]
fn text_that_is_no_yaml_is_one_mistake_with_its_place() {
    let told = mistakes("listen: [");
    assert!(told.starts_with("t.yaml:") && told.contains("not valid YAML: "), "{told}");
    assert!(!told.contains('\n'), "{told}");
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
lisen: 127.0.0.1:1
console: nowhere
upstreams:
  openai:
    usage: sometimes
    timeouts: { connect: 0ms }
  mine:
    base_url: x
limits:
  records: 0
";
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn nothing_typed_means_the_built_in_upstreams_on_loopback() {
    let config =
        resolve(Typed { file: None, flags: &Overrides::default() }, &outside()).unwrap().config;
    assert_eq!(config, self::config(""));
    assert_eq!(config, self::config("upstreams:\nlimits:\n"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:4310");
    assert_eq!(config.console.as_ref().unwrap().listen.to_string(), "127.0.0.1:4311");
    assert_eq!(config.default_upstream, "openai");
    assert!(config.upstreams.iter().any(|upstream| upstream.name == "anthropic"));
    assert_eq!(config.policy(SAMPLER).upstreams.len(), config.upstreams.len());
    assert_eq!(&*config.policy(SAMPLER).default_upstream.unwrap().name, "openai");
}

#[test]
fn the_upstream_with_its_providers_name_claims_first() {
    let text = "upstreams: {a-mirror: {provider: anthropic, base_url: 'http://h'}}";
    let policy = config(text).policy(SAMPLER);
    let names: Vec<_> = policy.upstreams.iter().map(|upstream| &*upstream.name).collect();
    let place = |name: &str| names.iter().position(|other| *other == name).unwrap();
    assert!(place("anthropic") < place("a-mirror"), "{names:?}");
}

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let text =
        "listen: 127.0.0.1:1\nconsole: {listen: '127.0.0.1:1', token: '${KEY}'}\nrecord_file: f";
    let flags = Overrides {
        listen: Some("127.0.0.1:3".to_owned()),
        upstreams: vec!["openai=http://flag".to_owned()],
        ..Overrides::default()
    };
    let world = Outside {
        env: &|name| match name {
            "TIDEGAUGE_LISTEN" | "TIDEGAUGE_CONSOLE" => Some("127.0.0.1:2".to_owned()),
            "TIDEGAUGE_UPSTREAM" => Some("openai=http://env,anthropic=http://env".to_owned()),
            "TIDEGAUGE_RECORD_FILE" => Some("g".to_owned()),
            "KEY" => Some("k".to_owned()),
            _ => None,
        },
        ..outside()
    };
    let config =
        resolve(Typed { file: Some(("t.yaml", text)), flags: &flags }, &world).unwrap().config;
    let origin = |name: &str| {
        config.upstreams.iter().find(|upstream| upstream.name == name).unwrap().origin.to_string()
    };
    assert_eq!(config.listen.port(), 3);
    let console = config.console.as_ref().unwrap();
    assert_eq!((console.listen.port(), console.token.is_some()), (2, true));
    assert_eq!(config.record_file.unwrap().path, Path::new("g"));
    assert_eq!(
        (origin("openai"), origin("anthropic")),
        ("http://flag".into(), "http://env".into())
    );
}

#[test]
fn a_mistake_in_a_variable_or_flag_names_it() {
    let world = Outside {
        env: &|name| (name == "TIDEGAUGE_LISTEN").then(|| "nowhere".to_owned()),
        ..outside()
    };
    let flags = Overrides {
        console: Some("0.0.0.0:1".to_owned()),
        upstreams: vec!["openai".to_owned(), "openai=x".to_owned()],
        ..Overrides::default()
    };
    let mistakes = resolve(Typed { file: None, flags: &flags }, &world).unwrap_err();
    insta::assert_snapshot!(mistakes.to_string());
}

#[test]
fn a_standard_variable_that_means_nothing_is_a_warning() {
    let world = Outside {
        env: &|name| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "carrier-pigeon".to_owned()),
        ..outside()
    };
    let text = "telemetry: {otlp: {endpoint: 'http://c:4317'}}";
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    let warnings = resolve(typed, &world).unwrap().warnings;
    let warning = warnings.iter().find(|warning| warning.0.starts_with("OTEL_")).unwrap();
    let expected = "OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf; it is ignored";
    assert_eq!(warning.0, expected);
}

#[test]
fn values_are_expanded_and_keep_their_spelling() {
    let config = config(
        "listen: 127.0.0.1:${PORT}\nlimits: {records: '${PORT}'}\n\
         telemetry: {resource: {version: 1.10, odd: yes, plain: '$${PORT}'}, service_name: 007}",
    );
    assert_eq!(config.listen.port(), 5000);
    assert_eq!(config.limits.records, 5000);
    let resource: Vec<_> = config.telemetry.resource.values().map(String::as_str).collect();
    assert_eq!(resource, ["yes", "${PORT}", "1.10"]);
    assert_eq!(config.telemetry.service_name.as_deref(), Some("007"));
}

#[test]
fn secrets_are_found_and_never_shown() {
    let text = "console: {token: {file: token}}\n\
                upstreams: {openai: {headers: {Authorization: 'Bearer ${KEY}'}}}\n\
                telemetry: {otlp: {headers: {x-token: '${KEY}'}}}";
    let config = config(text);
    let policy = config.policy(SAMPLER);
    let (name, value) = &policy.upstream("openai").unwrap().headers[0];
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer canary-secret"));
    assert!(value.is_sensitive());
    assert_eq!(config.console.as_ref().unwrap().token.as_ref().unwrap().expose(), "canary-secret");
    let shown = format!("{config:?}{policy:?}{}", config.print().unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("Bearer ${KEY}"), "{shown}");
}

#[test]
fn files_that_others_may_read_are_warned_about() {
    let text = "listen_tls: {cert: own.pem, key: open.pem}";
    let warnings = resolved(text, &Overrides::default()).unwrap().warnings;
    let told = "open.pem can be read by others than its owner: chmod 600 open.pem";
    assert_eq!(warnings, [Warning(told.to_owned())]);
}

#[test]
fn origins_keep_host_port_and_prefix() {
    let table = [
        ("https://api.example.com", "https://api.example.com"),
        ("https://API.example.com/", "https://api.example.com"),
        ("http://h:80/a/b/", "http://h/a/b"),
        ("https://h:8443", "https://h:8443"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://[::1]", "http://[::1]"),
    ];
    for (url, expected) in table {
        assert_eq!(upstream::origin(url).unwrap().to_string(), expected);
    }
    for url in ["", "/", "h", "https://", "http://h:0", "http://h:99999", "http://:80"] {
        assert!(upstream::origin(url).is_err(), "{url}");
    }
}

#[test]
fn a_configuration_file_has_a_largest_size() {
    let source = Source { file: Some("big".into()), ..Source::default() };
    let world = Outside { read: &|_| Err(io::ErrorKind::FileTooLarge.into()), ..outside() };
    let mistakes = load(&source, &world).unwrap_err();
    assert_eq!(mistakes.to_string(), "big: larger than 4 MiB");
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(LARGEST + 1).unwrap();
    let source = Source { file: Some(file.path().into()), ..Source::default() };
    let mistakes = load(&source, &Outside::real()).unwrap_err();
    assert!(mistakes.to_string().ends_with(": larger than 4 MiB"), "{mistakes}");
}

#[test]
fn a_named_file_must_be_there_and_an_unnamed_one_need_not() {
    let none = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let world = Outside { read: &none, ..outside() };
    assert_eq!(load(&Source::default(), &world).unwrap().file, None);
    let source = Source { file: Some("gone.yaml".into()), ..Source::default() };
    let told = load(&source, &world).unwrap_err().to_string();
    assert_eq!(told, "gone.yaml: cannot be read: entity not found");
}

/// `UPDATE=1 cargo test -p tidegauge schema` writes the file anew.
#[test]
fn the_schema_in_the_repository_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tidegauge.schema.json");
    let fresh = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == fresh, "run: UPDATE=1 cargo test -p tidegauge schema");
}

#[test]
fn the_example_is_a_good_configuration() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tidegauge.example.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema="));
    let world = Outside { env: &|_| None, ..outside() };
    let typed = Typed { file: Some(("example", &text)), flags: &Overrides::default() };
    let told = resolve(typed, &world).map_err(|mistakes| mistakes.to_string());
    assert!(told.is_ok(), "{}", told.unwrap_err());
}

fn word() -> impl Strategy<Value = String> {
    // Whatever YAML or our expansion might read as something else.
    prop_oneof![
        "[ -~]{1,12}",
        Just("no".to_owned()),
        Just("1.10".to_owned()),
        Just("null".to_owned()),
        Just("~".to_owned()),
        Just("${X}".to_owned()),
        Just("a: b # c".to_owned()),
    ]
}

/// It is off unless it is asked for, and then it needs no more than a directory.
#[test]
fn the_disk_queue_is_where_it_is_said_to_be() {
    let queue = |text: &str| config(text).telemetry.disk_queue;
    assert_eq!(queue("data_dir: /d"), None);
    let usual = DiskQueue {
        path: "/d/queue".into(),
        max_bytes: 1 << 30,
        segment_bytes: 16 << 20,
        fsync: Duration::from_millis(500),
    };
    assert_eq!(queue("{data_dir: /d, telemetry: {disk_queue: {}}}"), Some(usual.clone()));
    let small = DiskQueue { max_bytes: 20 << 20, segment_bytes: 10 << 20, ..usual };
    let text = "{data_dir: /d, telemetry: {disk_queue: {max_bytes: 20MiB}}}";
    assert_eq!(queue(text), Some(small.clone()));
    let text = "telemetry: {disk_queue: {path: /q, max_bytes: 20MiB}}";
    assert_eq!(queue(text), Some(DiskQueue { path: "/q".into(), ..small }));
    let exporter = resolved(text, &Overrides::default()).unwrap().exporter;
    assert_eq!(exporter.exporters.len(), 0, "there is no receiver to keep anything for");
    let text =
        "telemetry: {otlp: {endpoint: 'http://c'}, disk_queue: {path: /q, max_bytes: 20MiB}}";
    let exporter = resolved(text, &Overrides::default()).unwrap().exporter;
    assert_eq!(
        exporter.exporters[0].options.disk_queue.as_ref().unwrap().bounds.cap_bytes,
        20 << 20
    );
}

#[test]
fn further_exporters_are_themselves() {
    let text = "
data_dir: /d
telemetry:
  disk_queue: {}
  otlp: { endpoint: 'http://c:4317' }
  exporters:
    - name: traces-1
      endpoint: https://l.example/otel
      preset: langfuse
      headers: { authorization: 'Basic ${KEY}' }
      disk_queue: {}
    - name: two
      endpoint: http://t:4317
      signals: [traces, logs]
      timeout: 2s
      compression: zstd
      disk_queue: { path: /q }
";
    let told = resolved(text, &Overrides::default()).unwrap().exporter.exporters;
    let names: Vec<_> = told.iter().map(|exporter| exporter.options.name.as_str()).collect();
    assert_eq!(names, ["default", "traces-1", "two"]);
    let dirs = told.iter().map(|of| of.options.disk_queue.as_ref().unwrap().dir.to_str().unwrap());
    assert_eq!(dirs.collect::<Vec<_>>(), ["/d/queue", "/d/queue-traces-1", "/q"]);
    let traces = told[1].options.traces.as_ref().unwrap();
    assert_eq!(traces.endpoint, "https://l.example/otel/v1/traces");
    assert_eq!(traces.headers["authorization"], "Basic canary-secret");
    assert!(
        told[1].options.metrics.is_none()
            && told[2].options.metrics.is_none()
            && told[2].options.logs.is_some()
    );
    assert_eq!(told[2].options.traces.as_ref().unwrap().timeout, Duration::from_secs(2));
    let again = config(text).print().unwrap();
    assert_eq!(config(&again), config(text), "{again}");
}

#[test]
fn mistakes_in_further_exporters_are_found_where_they_are() {
    let text = "
data_dir: /d
telemetry:
  disk_queue: {}
  exporters:
    - { name: default, endpoint: 'http://a' }
    - { name: a b, endpoint: 'http://a' }
    - { name: one, endpoint: 'ftp://a', preset: lang-fuse }
    - { name: one, endpoint: 'http://a', signals: [] }
    - { name: two, endpoint: 'http://a', disk_queue: { path: /d/queue } }
    - { name: three, endpoint: 'http://a', disk_queue: { max_bytes: 1KiB } }
    - { name: four }
";
    insta::assert_snapshot!(mistakes(text));
}

prop_compose! {
    fn any_config()(
        port in 1..u16::MAX,
        console in prop::option::of(1..u16::MAX),
        usage in any::<bool>(),
        secure in any::<bool>(),
        connect in 1..10_000_000_u64,
        head in prop::option::of(1..10_000_000_u64),
        idle in prop::option::of(1..10_000_000_u64),
        ratio in prop::option::of(0.0..=1.0_f64),
        parent_based in prop::option::of(any::<bool>()),
        hold in any::<u64>(),
        records in 1..u32::MAX,
        prefix in "(/[a-z]{1,5}){0,2}",
        texts in prop::collection::vec(word(), 8),
        disk in "[a-z/$ {}]{1,8}",
        price in "[0-9]{1,5}(\\.[0-9]{1,12})?",
        json in prop::option::of(any::<bool>()),
        explicit in any::<bool>(),
    ) -> Config {
        use tidegauge_core::{Capture, Origin, Propagate, Timeouts, UsagePolicy};
        let mut config = config("");
        let [a, b, c, d, e, f, g, h] = texts.try_into().unwrap();
        let ms = Duration::from_millis;
        config.listen.set_port(port);
        config.console = console.map(|port| Console { listen: ([127, 0, 0, 1], port).into(), token: None });
        config.upstreams.push(Upstream {
            name: "zz".to_owned(),
            provider: "openai",
            origin: Origin { secure, host: "h.example".to_owned(), port, prefix },
            usage: if usage { UsagePolicy::Inject } else { UsagePolicy::Passthrough },
            timeouts: Timeouts { connect: ms(connect), head: head.map(ms), idle: idle.map(ms) },
            tls: UpstreamTls::default(),
            headers: [("x-a".to_owned(), Secret::find(
                &file::SecretWord::Text("pre ${KEY}".to_owned()), &outside()).unwrap())].into(),
            propagate: if usage { Propagate::Inject } else { Propagate::None },
            capture: if usage { Capture::Full } else { Capture::Redacted },
            http2: secure,
        });
        config.capture.level = if secure { Capture::Redacted } else { Capture::Off };
        config.capture.tool_schemas = explicit;
        config.capture.patterns = if usage { vec!["[${b}]$".to_owned()] } else { Vec::new() };
        config.default_upstream = "zz".to_owned();
        config.telemetry.service_name = Some(a);
        config.telemetry.resource = [(b, c)].into();
        config.telemetry.sample_ratio = ratio;
        config.telemetry.parent_based = parent_based;
        config.telemetry.metric_tags = vec![d];
        config.telemetry.trust = if usage { Trust::Link } else { Trust::Ignore };
        config.telemetry.histograms = if explicit { Histograms::Explicit } else { Histograms::Exponential };
        config.telemetry.otlp.timeout = head.map(ms);
        config.telemetry.otlp.endpoint = Some("http://localhost:4317".to_owned());
        config.telemetry.disk_queue = parent_based.map(|_| DiskQueue {
            path: PathBuf::from(disk),
            max_bytes: 1 << 40,
            segment_bytes: u64::from(records) + (4 << 20),
            fsync: ms(connect),
        });
        config.prices = vec![OwnPrice {
            upstream: explicit.then(|| "zz".to_owned()),
            model: format!("m{e}"),
            usd_per_million: vec![(Bucket::Input, price.clone())],
            usd_per_request: Some(price.clone()),
            gpu: usage.then_some(GpuPrice { usd_per_hour: price, gpus: records }),
        }];
        config.aliases = [(f, g)].into();
        config.record_file = Some(RecordFile {
            path: PathBuf::from(format!("{h}f")),
            max_bytes: usage.then_some(hold + (1 << 20)),
            keep: if usage { records.max(1) } else { 5 },
        });
        config.limits.hold = hold;
        config.limits.held_bytes = hold;
        config.limits.body_idle = idle.map(ms);
        config.limits.records = records;
        config.log.json = json;
        config
    }
}

/// What is set, and nothing else, whatever form it has.
#[test]
fn what_is_set_can_be_printed_alone() {
    let table = [
        ("", ""),
        ("upstreams:", "upstreams: {}\n"),
        ("listen: 127.0.0.1:4310", "listen: 127.0.0.1:4310\n"),
        ("listen: 127.0.0.1:${PORT}", "listen: 127.0.0.1:5000\n"),
        ("console: {listen: 'localhost:1'}", "console: 127.0.0.1:1\n"),
        ("capture: {level: full}", "capture: full\n"),
        (
            "upstreams: {openai: {headers: {X-Key: '${KEY}'}}}",
            "upstreams:\n  openai:\n    headers:\n      x-key: ${KEY}\n",
        ),
        (
            "telemetry: {exporters: [{endpoint: 'http://h', name: a}]}",
            "telemetry:\n  exporters:\n  - name: a\n    endpoint: http://h\n",
        ),
    ];
    for (text, expected) in table {
        let resolved = resolved(text, &Overrides::default()).unwrap();
        let printed = resolved.config.print_set(&resolved.set).unwrap();
        assert_eq!(printed.unwrap_or_default(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_to_the_same(config in any_config()) {
        let text = config.print().unwrap();
        let again = resolved(&text, &Overrides::default());
        prop_assert!(again.is_ok(), "{}\n{text}", again.unwrap_err());
        prop_assert_eq!(again.unwrap().config, config, "{}", text);
    }
}

/// Somebody who asks for words with the standard variable alone hears why there are none.
#[test]
fn words_that_are_wanted_and_not_captured_are_told() {
    let told = |text: &str, value: &str| {
        let env = |name: &str| name.ends_with("CAPTURE_MESSAGE_CONTENT").then(|| value.to_owned());
        let outside = Outside { env: &env, ..Outside::real() };
        let typed = Typed { file: Some(("t.yaml", text)), flags: &Overrides::default() };
        resolve(typed, &outside).unwrap().warnings.len()
    };
    for (text, value, warnings) in [
        ("", "SPAN_AND_EVENT", 1),
        ("", "no_content", 0),
        ("", "", 0),
        ("capture: full", "SPAN_ONLY", 0),
        ("upstreams: {groq: {capture: redacted}}", "EVENT_ONLY", 0),
    ] {
        assert_eq!(told(text, value), warnings, "{text} {value}");
    }
}

/// Every example on the page of back ends is a whole configuration, and presets choose what they say.
#[test]
fn examples_of_back_ends_resolve() {
    let page = include_str!("../../../../docs/backends.md");
    // Only the file is looked at: a standard variable would win.
    let standard = |name: &str| name.starts_with("OTEL_") || name.starts_with("TIDEGAUGE_");
    let env = |name: &str| (!standard(name)).then(|| "x".to_owned());
    let outside =
        Outside { env: &env, read: &read, exposed: &|_| false, public: &|_| false, blind: false };
    let examples: Vec<_> = page.split("```yaml\n").skip(1).collect();
    for example in &examples {
        let (text, _) = example.split_once("```").unwrap();
        let typed = Typed { file: Some(("t.yaml", text)), flags: &Overrides::default() };
        let resolved = resolve(typed, &outside).unwrap();
        assert!(
            resolved.exporter.exporters.iter().any(|one| one.options.name != "default"),
            "{text}"
        );
    }
    assert_eq!(examples.len(), Preset::all().count(), "one for each");
}

#[test]
fn names_are_chosen_for_all_exporters_and_by_presets() {
    let text = "
telemetry:
  semconv: { genai: next, cache_write: both }
  spans: { genai: link_only }
  compat: { openinference: true, usage_cost: false }
  exporters:
    - { name: plain, endpoint: 'http://localhost:4318' }
    - { name: grafana, preset: grafana-cloud, endpoint: 'http://localhost:4318' }
    - { name: langfuse, preset: langfuse, endpoint: 'http://localhost:4318' }
";
    let exporters = resolved(text, &Overrides::default()).unwrap().exporter.exporters;
    let shown: Vec<_> = exporters
        .iter()
        .map(|one| {
            let spans = &one.rendering.spans;
            let compat = (
                spans.compat.has(tidegauge_otel::Extra::OpenInference),
                spans.compat.has(tidegauge_otel::Extra::Langfuse),
                spans.usage_cost,
            );
            format!(
                "{} {:?} {:?} {compat:?}",
                one.options.name, one.rendering.names, spans.cache_write
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "plain Next Both (true, false, false)",
            "grafana Current Both (true, false, false)",
            "langfuse Next Old (true, true, true)",
        ]
    );
}

/// A secret from a variable is what one from a file is.
#[test]
fn the_end_of_a_line_is_no_part_of_a_secret() {
    for word in ["'${ECHOED}'", "{file: token}"] {
        let text = format!("upstreams: {{openai: {{headers: {{x-key: {word}}}}}}}");
        let config = config(&text);
        let openai = config.upstreams.iter().find(|upstream| upstream.name == "openai").unwrap();
        assert_eq!(openai.headers["x-key"].expose(), "canary-secret", "{word}");
    }
}
