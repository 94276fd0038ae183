//! The text parses strictly, and says what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegauge_core::{Dropped, Health, Money};

use super::{Text, render};
use crate::metric::Histograms;
use crate::resource::ResourceAttributes;
use crate::testing::{meter, records};

/// A sample: name, labels, value.
type Line = (String, BTreeMap<String, String>, f64);

fn page(text: Text) -> String {
    let health = Arc::new(Health::default());
    let meter = meter(Histograms::Explicit, &health);
    health.ledger("one").spans_made(7);
    health.ledger("one").span_dropped(Dropped::QueueFull, 3);
    health.active_changed(2);
    for (_, mut record) in records::all() {
        record.who.tags.insert("team".to_owned(), "a\"b\\c\nd".to_owned());
        meter.record(&record);
    }
    let mut resource = ResourceAttributes::default();
    resource.set("service.name", "test");
    render(&meter.collect(0), &resource, text)
}

/// Reads a page as OpenMetrics 1.0 wants it, and panics at the first thing that is not so.
fn parse(page: &str) -> Vec<Line> {
    let body = page.strip_suffix("# EOF\n").expect("ends with EOF");
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let mut lines = Vec::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').expect("a word");
            let (name, rest) = rest.split_once(' ').expect("a name");
            match word {
                "TYPE" => {
                    assert!(families.insert(name.to_owned()), "{name} twice");
                    assert!(["counter", "gauge", "histogram", "info"].contains(&rest), "{rest}");
                    (family, kind) = (name.to_owned(), rest.to_owned());
                }
                "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{name}"),
                "HELP" => assert!(name == family && !rest.is_empty(), "{name}"),
                other => panic!("{other}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{name} in {family}"));
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total", "_created"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{name} is no sample of a {kind}");
        assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
        assert!(series.insert((name.clone(), labels.clone())), "{line} twice");
        if kind == "counter" {
            assert!(value >= 0.0, "{line}");
        }
        lines.push((name, labels, value));
    }
    lines
}

fn sample(line: &str) -> Line {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, rest) = line.split_at(end);
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit()), "{name}");
    let (rest, exemplar) = rest.split_once(" # ").map_or((rest, None), |(l, r)| (l, Some(r)));
    if let Some(exemplar) = exemplar {
        assert!(name.ends_with("_bucket"), "{line}");
        assert_exemplar(exemplar);
    }
    let (labels, value) = match rest.strip_prefix('{') {
        None => (BTreeMap::new(), rest),
        Some(rest) => labels(rest),
    };
    let value = value.strip_prefix(' ').expect("one space");
    assert!(!value.contains(' '), "{line}");
    (name.to_owned(), labels, value.parse().expect("a number"))
}

/// `{labels} value seconds`, the labels in 128 characters.
fn assert_exemplar(exemplar: &str) {
    let (labels, rest) = labels(exemplar.strip_prefix('{').expect("labels"));
    let characters: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(characters <= 128, "{exemplar}");
    let (value, time) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')).expect("two");
    assert!(value.parse::<f64>().is_ok() && time.parse::<f64>().is_ok(), "{exemplar}");
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().expect("an escape").1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("no escape: {c}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice");
        let after = &after[end + 1..];
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return (labels, after.strip_prefix('}').expect("a closing brace")),
        }
    }
}

fn total(lines: &[Line], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |line: &&Line| {
        line.0 == name
            && labels.iter().all(|(key, value)| line.1.get(*key).map(String::as_str) == Some(value))
    };
    lines.iter().filter(fits).map(|line| line.2).sum()
}

#[test]
fn counters_equal_what_was_recorded() {
    let lines = parse(&page(Text::OpenMetrics));
    let records = records::all();
    let sum = |of: fn(&tidegauge_core::Record) -> u64| -> f64 {
        let sum = records.iter().map(|(_, record)| of(record)).sum::<u64>();
        f64::from(u32::try_from(sum).unwrap())
    };
    let money = sum(|record| record.measurement.cost.amount.map_or(0, |usd| usd.nanos())) / 1e9;
    assert!((total(&lines, "tidegauge_cost_total", &[]) - money).abs() < 1e-12);
    let input = sum(|record| record.observation.usage.input_tokens().unwrap_or(0));
    let output = sum(|record| record.observation.usage.output_tokens().unwrap_or(0));
    assert_eq!(total(&lines, "tidegauge_tokens_total", &[]), input + output);
    let kind = |kind| [("gen_ai_token_type", kind)];
    let name = "gen_ai_client_token_usage_sum";
    assert_eq!(total(&lines, name, &kind("input")), input);
    assert_eq!(total(&lines, name, &kind("output")), output);
    // Turns are calls, and no requests.
    assert_eq!(total(&lines, "tidegauge_requests_total", &[]), 17.0);
    assert_eq!(total(&lines, "http_server_request_duration_seconds_count", &[]), 17.0);
    assert_eq!(total(&lines, "gen_ai_client_operation_duration_seconds_count", &[]), 17.0);
    let full = [("tidegauge_reason", "queue_full")];
    assert_eq!(total(&lines, "tidegauge_spans_dropped_total", &full), 3.0);
    assert_eq!(total(&lines, "tidegauge_spans_created_total", &[]), 7.0);
    assert_eq!(total(&lines, "http_server_active_requests", &[]), 2.0);
    assert_eq!(total(&lines, "target_info", &[("service_name", "test")]), 1.0);
    let team = [("tidegauge_tag_team", "a\"b\\c\nd")];
    assert!(total(&lines, "tidegauge_requests_total", &team) > 0.0);
}

#[test]
fn a_bucket_leads_to_the_latest_trace_that_it_has() {
    let meter = meter(Histograms::Explicit, &Arc::new(Health::default()));
    for (id, ms, sampled) in [(1, 15, true), (2, 12, true), (3, 16, false), (4, 900, true)] {
        let mut record = records::unary();
        record.exchange.trace.trace_id = tidegauge_core::TraceId([id; 16]);
        record.exchange.trace.sampled = sampled;
        record.measurement.duration = std::time::Duration::from_millis(ms);
        meter.record(&record);
    }
    let resource = ResourceAttributes::default();
    let families = meter.collect(0);
    let page = render(&families, &resource, Text::OpenMetrics);
    let lines = page.lines();
    let duration = lines.filter(|line| line.starts_with("gen_ai_client_operation_duration"));
    let examples: Vec<_> = duration.filter_map(|line| line.split_once(" # ")).collect();
    let told: Vec<_> = examples.iter().map(|(_, example)| *example).collect();
    let [first, second] = told[..] else { panic!("{told:?}") };
    let example = |id: u8, value: &str| {
        let trace = format!("{id:02x}").repeat(16);
        format!(r#"{{trace_id="{trace}",span_id="0404040404040404"}} {value} "#)
    };
    assert!(first.starts_with(&example(2, "0.012")), "{first}");
    assert!(second.starts_with(&example(4, "0.9")), "{second}");
    assert!(examples[0].0.contains(r#"le="0.02"} 3"#) && examples[1].0.contains(r#"le="1.28"} 4"#));
    assert!(!render(&families, &resource, Text::Plain).contains(" # "));
}

/// 0.0.4 knows no end, no unit, no info; a family is called what its samples are.
#[test]
fn the_plain_page_has_the_same_samples() {
    let (page, plain) = (page(Text::OpenMetrics), page(Text::Plain));
    let samples = |page: &str| -> Vec<String> {
        let created =
            |line: &str| line.split(['{', ' ']).next().is_some_and(|n| n.ends_with("_created"));
        let lines = page.lines().filter(|line| !line.starts_with('#') && !created(line));
        lines.map(|line| line.split(" # ").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(samples(&page), samples(&plain));
    for line in plain.lines().filter(|line| line.starts_with('#')) {
        assert!(line.starts_with("# TYPE ") || line.starts_with("# HELP "), "{line}");
    }
    for line in ["# TYPE tidegauge_cost_total counter", "# TYPE target_info gauge"] {
        assert!(plain.lines().any(|known| known == line), "{line}");
    }
}

/// Each counter and each histogram says when it began: a reader that knows takes it to have been 0 then.
#[test]
fn sums_say_when_they_began() {
    let text = page(Text::OpenMetrics);
    let lines = parse(&text);
    let mut sums = 0;
    for (name, labels, _) in &lines {
        let Some(base) = name.strip_suffix("_total").or(name.strip_suffix("_count")) else {
            continue;
        };
        let created = format!("{base}_created");
        let began = lines.iter().find(|line| line.0 == created && line.1 == *labels);
        let (.., began) = began.unwrap_or_else(|| panic!("{name} {labels:?}"));
        assert!(*began > 1.7e9, "{name} {began}");
        sums += 1;
    }
    assert!(sums > 100);
    assert!(!page(Text::Plain).contains("_created "), "0.0.4 has no such line");
}

#[test]
fn buckets_are_the_advised_ones_cumulative_and_end_with_all() {
    let lines = parse(&page(Text::OpenMetrics));
    let name = "gen_ai_client_operation_duration_seconds";
    let bounds = |labels: &BTreeMap<String, String>| labels["le"].clone();
    let bucket = format!("{name}_bucket");
    let mut series = BTreeMap::<_, Vec<(String, f64)>>::new();
    for (_, labels, value) in lines.iter().filter(|line| line.0 == bucket) {
        let mut key = labels.clone();
        key.remove("le");
        series.entry(key).or_default().push((bounds(labels), *value));
    }
    assert!(!series.is_empty());
    for (labels, buckets) in series {
        let names: Vec<_> = buckets.iter().map(|(bound, _)| bound.as_str()).collect();
        let expected =
            "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92 +Inf";
        assert_eq!(names.join(" "), expected);
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let count = lines.iter().find(|line| line.0 == format!("{name}_count") && line.1 == labels);
        assert_eq!(buckets.last().unwrap().1, count.unwrap().2);
    }
}

/// A-40: no figure of an upstream makes a sum wrap.
#[test]
fn claimed_figures_cannot_turn_sums_back() {
    let health = Arc::new(Health::default());
    let meter = meter(Histograms::Explicit, &health);
    let mut record = records::unary();
    record.observation.usage.input = Some(u64::MAX);
    record.observation.usage.output = Some(u64::MAX);
    record.measurement.cost.amount = Some(Money::from_nanos(u64::MAX));
    for _ in 0..3 {
        meter.record(&record);
    }
    let lines =
        parse(&render(&meter.collect(0), &ResourceAttributes::default(), Text::OpenMetrics));
    let largest = |name: &str| {
        let values = lines.iter().filter(|(line, ..)| line == name).map(|(.., value)| *value);
        values.fold(0.0, f64::max)
    };
    let most = 3.0 * (1_u64 << 50) as f64;
    assert_eq!(largest("gen_ai_client_token_usage_sum"), most);
    assert_eq!(largest("tidegauge_tokens_total"), most);
    assert!((largest("tidegauge_cost_total") - most / 1e9).abs() < 1.0);
}
