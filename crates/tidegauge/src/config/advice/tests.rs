//! What is warned about, and what is not.

use super::*;
use crate::config::{Overrides, Typed, resolve};

/// Every warning about `text`, one a line, in a world with these variables.
fn told(text: &str, variables: &[(&str, &str)]) -> String {
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let outside = Outside { env: &env, ..Outside::real() };
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    let warnings = resolve(typed, &outside).unwrap().warnings;
    warnings.into_iter().map(|warning| warning.0).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_probably_not_meant_is_told() {
    let key = [("KEY", "k")];
    let table: [(&str, &[&str]); 14] = [
        ("", &[]),
        (
            "upstreams: {vllm: {base_url: 'http://10.0.0.7:8000/v1'}}",
            &[
                "upstreams.vllm.base_url ends in `/v1`",
                "http://10.0.0.7:8000/v1/v1/...",
                "leave it out",
            ],
        ),
        ("upstreams: {vllm: {base_url: 'http://10.0.0.7:8000/v1/'}}", &["ends in `/v1`"]),
        ("upstreams: {vllm: {base_url: 'http://10.0.0.7:8000/serve'}}", &[]),
        (
            "telemetry: {otlp: {endpoint: 'http://c:4318/v1/traces'}}",
            &["exporter `default`", "ends in `/v1/traces`", "traces_endpoint"],
        ),
        (
            "telemetry: {exporters: [{name: one, endpoint: 'https://c/otel/v1/metrics'}]}",
            &["exporter `one`", "`/v1/metrics`"],
        ),
        (
            "telemetry: {exporters: [{name: one, endpoint: 'https://c', traces_endpoint: 'https://c/v1/traces'}]}",
            &[],
        ),
        (
            "upstreams: {vllm: {base_url: 'http://llm.example.com'}}",
            &["upstreams.vllm.base_url", "llm.example.com unencrypted", "https"],
        ),
        (
            "telemetry: {otlp: {endpoint: 'http://1.2.3.4:4317'}}",
            &["default", "1.2.3.4 unencrypted"],
        ),
        ("log: {level: infoo}", &["log.level: `infoo` is no level", "did you mean `info`?"]),
        ("log: {level: 'INFO,tidegauge_proxy=debug,hyper::client=warn,tidegauge'}", &[]),
        (
            "listen: 0.0.0.0:4310\nupstreams: {openai: {headers: {authorization: 'Bearer ${KEY}'}}}",
            &["0.0.0.0:4310", "openai", "not asked who they are"],
        ),
        ("listen: 0.0.0.0:4310\nupstreams: {openai: {headers: {x-team: a}}}", &[]),
        ("upstreams: {openai: {headers: {authorization: 'Bearer ${KEY}'}}}", &[]),
    ];
    for (text, expected) in table {
        let told = told(text, &key);
        assert_eq!(told.lines().count(), usize::from(!expected.is_empty()), "{text}: {told}");
        for word in expected {
            assert!(told.contains(word), "{text}: {word} is missing in {told}");
        }
    }
}

#[test]
fn variables_for_a_forward_proxy_are_named() {
    assert_eq!(told("", &[]), "");
    for name in PROXY_VARIABLES {
        let told = told("", &[(name, "http://user:secret@proxy:3128")]);
        assert!(told.contains(&format!("{name} is set and not honoured")), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let told = told("", &[("https_proxy", "http://p"), ("NO_PROXY", "localhost")]);
    assert!(told.contains("https_proxy, NO_PROXY are set and not honoured"), "{told}");
}

#[test]
fn hosts_of_private_networks_are_not_public() {
    for host in [
        "localhost",
        "vllm",
        "c.internal",
        "c.svc.cluster.local",
        "otel.monitoring",
        "a.lan",
        "a.test",
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.0.1",
        "100.64.0.1",
        "100.127.0.1",
        "[::1]",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
    ] {
        assert!(!is_public(host), "{host}");
    }
    for host in [
        "a.example.com",
        "A.EXAMPLE.COM.",
        "api.groq.ai",
        "8.8.8.8",
        "100.128.0.1",
        "[2606:4700::1]",
    ] {
        assert!(is_public(host), "{host}");
    }
}
