//! What a table shows.

use tidegauge_core::{Category, Money, Operation};
use tidegauge_measure::{Key, Span};

use super::*;

fn rows() -> Vec<Row> {
    let ms = Duration::from_millis;
    let percentiles = |scale: u64| Percentiles {
        count: 10,
        p50: ms(40) * scale as u32,
        p90: ms(100) * scale as u32,
        p95: ms(150) * scale as u32,
        p99: ms(400) * scale as u32,
    };
    let key = Key {
        upstream: "openai".into(),
        provider: "openai",
        model: "gpt-4o-mini".into(),
        operation: Operation::Chat,
        stream: true,
    };
    let row = Row {
        span: Span::Hour,
        covers: ms(90_000),
        key: Some(key),
        requests: 200,
        errors: 5,
        categories: vec![
            (Category::ContextOverflow, 1),
            (Category::RateLimit, 3),
            (Category::Overloaded, 1),
            (Category::Refusal, 2),
            (Category::Truncated, 1),
        ],
        input_tokens: 1000,
        output_tokens: 300,
        cached_tokens: 250,
        cost: Money::from_nanos(12_345_678),
        unpriced: 0,
        duration: Some(percentiles(20)),
        ttft: Some(percentiles(5)),
        tpot: None,
        overhead: Some(percentiles(1)),
    };
    vec![row.clone(), Row { key: None, unpriced: 2, ..row }]
}

#[test]
fn a_table_shows_each_row_the_total_and_its_captions() {
    let captions = Captions {
        above: vec!["proxy http://127.0.0.1:4310".into()],
        below: vec!["press ctrl-c to stop".into()],
        ..Captions::default()
    };
    let text = render(&rows(), &captions);
    let squeezed: Vec<String> = text
        .lines()
        .map(|line| line.trim_matches(['│', ' ']).split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(squeezed[0], "proxy http://127.0.0.1:4310");
    assert!(squeezed.contains(
        &"gpt-4o-mini chat stream 200 5 800 ms 3.00 s 8.00 s 200 ms 750 ms - $0.0123 rate_limit 3, refusal 2, context_overflow 1, other 2"
            .to_owned()
    ), "{text}");
    assert!(squeezed.iter().any(|line| line.starts_with("all 200 5 ")), "{text}");
    assert_eq!(
        squeezed[squeezed.len() - 2],
        "200 requests, 5 failed (2.5 %); 1000 tokens in (25.0 % cached), 300 out; $0.0123 + 2 unpriced"
    );
    assert_eq!(squeezed.last().unwrap(), "press ctrl-c to stop");
}

#[test]
fn overhead_is_shown_where_it_means_something() {
    let text = render(&rows(), &Captions { overhead: true, ..Captions::default() });
    assert!(text.trim_end().ends_with("; overhead P50 40.0 ms, P99 400 ms"), "{text}");
}

#[test]
fn a_terminal_is_drawn_in_place_and_a_log_is_not() {
    let drawn = |terminal| {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, terminal);
        screen.draw("one\ntwo\n").unwrap();
        screen.draw("one\n").unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(drawn(true), "\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[Hone\x1b[K\n\x1b[J");
    assert!(!drawn(false).contains('\x1b'));
}

#[test]
fn times_have_three_digits_or_so() {
    let cases = [
        (12, "12 us"),
        (1_234, "1.2 ms"),
        (99_900, "99.9 ms"),
        (380_400, "380 ms"),
        (1_843_210, "1.84 s"),
        (123_400_000, "123 s"),
    ];
    for (micros, text) in cases {
        assert_eq!(shown(Duration::from_micros(micros)), text);
    }
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let text = render(&rows(), &Captions { width: Some(100), ..Captions::default() });
    let table = text.lines().filter(|line| line.starts_with(['│', '┌', '└', '╞']));
    let widths: Vec<usize> = table.map(|line| line.chars().count()).collect();
    assert!(widths.len() > 4 && widths.iter().all(|width| *width <= 100), "{text}");
}
