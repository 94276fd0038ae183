//! What a reload can change.

use super::*;
use crate::config::{Overrides, Resolved, Typed, resolve};

fn resolved(text: &str) -> Resolved {
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    let outside = Outside { env: &|_| None, ..Outside::real() };
    resolve(typed, &outside).unwrap()
}

#[test]
fn what_takes_effect_at_once_needs_no_restart() {
    let table: [(&str, &[&str]); 8] = [
        ("", &[]),
        ("upstreams: {mine: {provider: openai, base_url: 'http://h'}}", &[]),
        ("default_upstream: anthropic", &[]),
        ("limits: {hold: 1MiB}", &[]),
        ("telemetry: {trust: link, trace_header: false, sampling: {ratio: 0.5}}", &[]),
        ("pricing: {aliases: {a: b}}", &[]),
        ("listen: 127.0.0.1:1", &["listen"]),
        (
            "limits: {drain: 1s}\nconsole: off\ntelemetry: {service_name: x}",
            &["console", "telemetry", "limits"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(needs_restart(&resolved("").config, &resolved(text).config), expected, "{text}");
    }
}
