//! A memo answers as the list does, whatever was asked before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use genai_prices::Calculator;
use tidegauge_core::{Bucket, Charge};

use super::{Memo, QUESTIONS};
use crate::catalogue::{List, Quote};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000 + seconds)
}

fn quote<'a>(provider: Option<&'a str>, model: &'a str, prompt: u64) -> Quote<'a> {
    let list = List::Public(Calculator::bundled());
    Quote { list, provider, model, context: Vec::new(), at: at(0), prompt }
}

/// Around every length at which some entry of the list changes its price, in an order that learns
/// from both sides.
const PROMPTS: [u64; 21] = [
    1, 1_000_000, 31_999, 32_000, 32_001, 600_000, 127_999, 128_000, 128_001, 199_998, 199_999,
    200_000, 200_001, 150_000, 256_000, 256_001, 272_000, 272_001, 524_288, 524_289, 40_000,
];

#[test]
fn every_tier_of_the_list_is_kept_apart() {
    let memo = Memo::default();
    let charges = [Charge::Tokens(Bucket::Input), Charge::Tokens(Bucket::Output)];
    let mut tiered = 0;
    for provider in Calculator::bundled().providers() {
        for model in provider.models() {
            let ask = |prompt, charge| quote(Some(provider.id()), model.id(), prompt).price(charge);
            if ask(1, charges[0]) == ask(1_000_000, charges[0]) {
                continue;
            }
            tiered += 1;
            for charge in charges {
                for prompt in PROMPTS.into_iter().chain(PROMPTS) {
                    let quote = quote(Some(provider.id()), model.id(), prompt);
                    let known = memo.of(&quote);
                    assert_eq!(known.entry().map(|entry| entry.model), Some(model.id().to_owned()));
                    assert_eq!(known.price(charge), ask(prompt, charge), "{} {prompt}", model.id());
                }
            }
        }
    }
    assert!(tiered > 20, "{tiered}");
}

#[test]
fn what_a_question_says_keeps_answers_apart() {
    let memo = Memo::default();
    let input = Charge::Tokens(Bucket::Input);
    let plain = quote(Some("openai"), "gpt-4o-mini", 10);
    let flex = Quote { context: vec![("service_tier", "flex")], ..plain.clone() };
    let batch = Quote { context: vec![("processing", "batch")], ..plain.clone() };
    let later = Quote { at: at(3600), ..plain.clone() };
    let other = quote(Some("openai"), "gpt-4o", 10);
    let unknown = quote(Some("openai"), "no-such-model", 10);
    for _ in 0..2 {
        for quote in [&plain, &flex, &batch, &later, &other, &unknown] {
            let known = memo.of(quote);
            assert_eq!(known.entry().is_some(), quote.entry().is_some());
            for charge in [input, Charge::Tokens(Bucket::CacheRead), Charge::Requests] {
                assert_eq!(known.price(charge), quote.price(charge));
            }
        }
    }
    assert_eq!(memo.lock().len(), 6);
}

#[test]
fn made_up_models_do_not_fill_it() {
    let memo = Memo::default();
    for model in 0..QUESTIONS * 2 {
        let name = format!("made-up-{model}");
        assert!(memo.of(&quote(Some("openai"), &name, 1)).entry().is_none());
    }
    assert!(memo.lock().len() <= QUESTIONS);
    let long = "x".repeat(4096);
    let before = memo.lock().len();
    assert!(memo.of(&quote(Some("openai"), &long, 1)).entry().is_none());
    assert_eq!(memo.lock().len(), before);
}
