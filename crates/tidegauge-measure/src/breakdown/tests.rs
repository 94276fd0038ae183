//! Reasons of prices, for each way that a price comes about.

use std::time::{Duration, UNIX_EPOCH};

use tidegauge_core::{Billed, Usage};

use super::*;
use crate::{By, OwnPrice};

fn asked<'a>(model: &'a str, usage: &'a Usage) -> Asked<'a> {
    Asked {
        upstream: "up",
        provider: "kind",
        price_id: Some("openai"),
        request_model: Some("asked-for"),
        response_model: Some(model),
        usage,
        prompt: None,
        calls: 1,
        service_tier: None,
        tier_stated: true,
        batch: false,
        at: UNIX_EPOCH + Duration::from_secs(1_795_176_000),
        duration: Duration::ZERO,
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Some(input), output: Some(output), ..Usage::default() }
}

#[test]
fn the_entry_and_the_name_that_led_to_it() {
    let aliases = [("asked-for".to_owned(), "openai/gpt-4o".to_owned())];
    let own = OwnPrice {
        model: "mine*".into(),
        usd_per_request: Some("0.01".into()),
        ..OwnPrice::default()
    };
    let prices = Prices::bundled().with_aliases(aliases.into()).with_overlay(vec![own]).unwrap();
    let usage = usage(10, 10);
    let found = |model| prices.break_down(&asked(model, &usage)).found.unwrap();
    let is = |found: Found| (found.provider, found.model, found.own, found.by, found.name);
    let openai = Some("openai".to_owned());
    assert_eq!(
        is(found("gpt-4o-mini-2024-07-18")),
        (
            openai.clone(),
            "gpt-4o-mini".into(),
            false,
            By::Answered,
            "gpt-4o-mini-2024-07-18".into()
        )
    );
    assert_eq!(
        is(found("unheard-of")),
        (openai, "gpt-4o".into(), false, By::Alias, "asked-for".into())
    );
    assert_eq!(is(found("mine-1")), (None, "mine*".into(), true, By::Answered, "mine-1".into()));
    let requested = Asked { request_model: Some("gpt-4o"), ..asked("unheard-of", &usage) };
    assert_eq!(prices.break_down(&requested).found.unwrap().by, By::Requested);
}

#[test]
fn the_tier_and_the_way_to_be_served() {
    let prices = Prices::bundled();
    let long = usage(272_001, 1);
    let why = prices.break_down(&asked("gpt-5.4", &long)).why;
    assert_eq!((why[0].above, why[0].short_usd.as_deref()), (Some(272_000), Some("2.5")));
    let short = usage(272_000, 1);
    let why = prices.break_down(&asked("gpt-5.4", &short)).why;
    assert_eq!(why[0], Why::default());
    let batch = Asked { batch: true, ..asked("gpt-4o-mini", &short) };
    let breakdown = prices.break_down(&batch);
    assert_eq!(breakdown.cost.lines[0].usd, "0.075");
    let why = &breakdown.why[0];
    assert_eq!((why.standard_usd.as_deref(), why.factor.as_deref()), (Some("0.15"), Some("0.5")));
    let priority = Asked { service_tier: Some("priority"), ..asked("gpt-4o-mini", &short) };
    let why = &prices.break_down(&priority).why[0];
    assert_eq!(why.factor.as_deref(), Some("1.6667"));
}

#[test]
fn the_kind_whose_price_was_taken() {
    let thought = Usage { reasoning: Some(5), ..usage(1, 1) };
    let breakdown = Prices::bundled().break_down(&asked("gpt-5-mini", &thought));
    let like: Vec<_> = breakdown.why.iter().map(|why| why.like).collect();
    assert_eq!(like, [None, None, Some(Bucket::Output)]);
}

#[test]
fn the_reason_for_no_price() {
    let prices = Prices::bundled();
    let usage = usage(1, 1);
    let nothing = prices.break_down(&asked("unheard-of", &usage));
    assert_eq!(nothing.tried, ["unheard-of", "asked-for"]);
    assert_eq!((nothing.found, nothing.lacks), (None, Vec::new()));
    let by_time = prices.break_down(&asked("whisper-1", &usage));
    assert_eq!(by_time.lacks, [Charge::Tokens(Bucket::Input), Charge::Tokens(Bucket::Output)]);
    let left_out = prices.break_down(&Asked { price_id: Some(""), ..asked("gpt-4o", &usage) });
    assert_eq!((left_out.tried, left_out.lacks), (Vec::<String>::new(), Vec::new()));
}

#[test]
fn a_region_and_a_tier_that_is_paid_for_beforehand() {
    let prices = Prices::bundled();
    let there = Usage { region: Some("us".into()), ..usage(10, 10) };
    let why = &prices.break_down(&asked("gpt-5.4", &there)).why[0];
    assert_eq!((why.standard_usd.as_deref(), why.factor.as_deref()), (Some("2.5"), Some("1.1")));
    let usage = usage(10, 10);
    let prepaid = Asked { service_tier: Some("provisioned_throughput"), ..asked("gpt-4o", &usage) };
    let breakdown = prices.break_down(&prepaid);
    assert_eq!((breakdown.unpriced, breakdown.found), (Some(Unpriced::Tier), None));
    assert_eq!(prices.break_down(&asked("gpt-4o", &usage)).unpriced, None);
}

#[test]
fn parts_of_a_bill_are_lines_of_one() {
    let part = |model: Option<&str>, bucket, count| Billed {
        model: model.map(str::to_owned),
        tokens: [(bucket, count)].into(),
    };
    let billed = vec![
        part(None, Bucket::Reasoning, 2),
        part(Some("gpt-5-nano"), Bucket::Output, 3),
        part(None, Bucket::Reasoning, 4),
    ];
    let usage = Usage { billed, ..usage(1, 1) };
    let breakdown = Prices::bundled().break_down(&asked("gpt-5-mini", &usage));
    let lines: Vec<_> =
        breakdown.cost.lines.iter().map(|line| (line.charge, line.quantity)).collect();
    assert_eq!(
        lines,
        [(Charge::Tokens(Bucket::Reasoning), 6), (Charge::Tokens(Bucket::Output), 3)]
    );
    let like: Vec<_> = breakdown.why.iter().map(|why| why.like).collect();
    assert_eq!(like, [Some(Bucket::Output), None]);
    assert_eq!(breakdown.found.unwrap().model, "gpt-5-mini");
    let bad = Usage { billed: vec![part(Some("unheard-of"), Bucket::Input, 1)], ..usage };
    assert_eq!(Prices::bundled().break_down(&asked("gpt-5", &bad)).tried, ["unheard-of"]);
}

/// Whatever is asked, the lines have a reason each and the amount is the plain one.
#[test]
fn a_breakdown_agrees_with_the_cost() {
    let prices = Prices::bundled();
    for model in ["gpt-5.4", "gpt-4o", "gpt-realtime", "gpt-image-1", "whisper-1", "no-such"] {
        for count in [0, 1, 300_000] {
            let usage = Usage {
                cache_read: Some(count),
                input_audio: Some(count),
                searches: Some(count),
                audio_seconds: Some(2.5),
                ..usage(count, count)
            };
            for batch in [false, true] {
                let asked = Asked { batch, ..asked(model, &usage) };
                let breakdown = prices.break_down(&asked);
                assert_eq!(breakdown.cost, prices.cost(&asked), "{model}");
                assert_eq!(breakdown.why.len(), breakdown.cost.lines.len(), "{model}");
            }
        }
    }
}
