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

/// One of these replaces a good file for as long as it takes to write it, or for good by accident.
#[test]
fn a_file_without_a_value_in_it_sets_nothing() {
    for text in [
        "",
        "\n\n",
        "# nothing",
        "---",
        "---\n...\n",
        "null",
        "~",
        "{}",
        "upstreams:",
        "upstreams: {}",
        "limits:",
        "limits: {}\ntelemetry:\n",
        "telemetry: {otlp: {headers: {}}, exporters: []}",
        "upstreams: {openai: }",
        "upstreams: {openai: {timeouts: {}}}",
    ] {
        assert!(resolved(text).empty, "{text:?}");
    }
    for text in [
        "limits: {drain: 30s}",
        "listen: 127.0.0.1:4310",
        "upstreams: {openai: {usage: inject}}",
        "telemetry: {metric_tags: []}",
    ] {
        assert!(!resolved(text).empty, "{text:?}");
    }
    let flags = Overrides { data_dir: Some("/d".into()), ..Overrides::default() };
    let outside = Outside { env: &|_| None, ..Outside::real() };
    for (text, empty) in [("", true), ("telemetry: {journal: {}}", false)] {
        let resolved = resolve(Typed { file: Some(("t", text)), flags: &flags }, &outside);
        assert_eq!(resolved.unwrap().empty, empty, "{text:?}");
    }
}

#[test]
fn a_file_that_shrinks_is_waited_for() {
    let of = |len| Stamp { len, modified: None, inode: 1 };
    for (used, now, expected) in [
        (100, Some(of(100)), STILL),
        (100, Some(of(101)), STILL),
        (100, Some(of(99)), STILL_SHORTER),
        (100, Some(of(0)), STILL_SHORTER),
        (0, Some(of(0)), STILL),
        (100, None, STILL),
    ] {
        assert_eq!(stillness(used, now.as_ref()), expected, "{used}");
    }
}

#[test]
fn upstreams_that_lead_elsewhere_are_known() {
    let both =
        "upstreams: {openai: {base_url: 'http://a'}, mine: {provider: vllm, base_url: 'http://b'}}";
    let one = "upstreams: {openai: {base_url: 'http://a'}}";
    let other = "upstreams: {openai: {base_url: 'http://c'}, mine: {provider: openai, base_url: 'http://b/'}}";
    let table: [(&str, &str, &[&str]); 6] = [
        (both, both, &[]),
        (one, both, &[]),
        (both, one, &["mine http://b: gone"]),
        (one, "listen: 127.0.0.1:1", &["openai http://a: public https://api.openai.com"]),
        (both, other, &["openai http://a: http://c"]),
        ("", one, &["openai https://api.openai.com: http://a"]),
    ];
    for (was, now, expected) in table {
        let (was_config, now_config) = (resolved(was).config, resolved(now).config);
        let moved = moved(&was_config, &now_config);
        let told = moved.iter().map(|Moved { name, was, to }| match to {
            To::Nowhere => format!("{name} {was}: gone"),
            To::Public(now) => format!("{name} {was}: public {now}"),
            To::Elsewhere(now) => format!("{name} {was}: {now}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{was} -> {now}");
    }
}
