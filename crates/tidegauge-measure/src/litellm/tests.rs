//! LiteLLM lists: prices by hand, mistakes with their keys, and any text at all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tidegauge_core::{CostStatus, Usage};

use crate::{Asked, CatalogueError, Prices};

const LIST: &str = r#"{
    "sample_spec": { "input_cost_per_token": "a float", "litellm_provider": "one of many" },
    "small": {
        "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000,
        "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
        "cache_read_input_token_cost": 7.5e-08,
        "input_cost_per_token_batches": 7.5e-08, "output_cost_per_token_batches": 3e-07,
        "input_cost_per_token_flex": 0.000000075, "input_cost_per_token_priority": 2.5E-7,
        "output_cost_per_token_priority": null
    },
    "claude": {
        "litellm_provider": "anthropic",
        "input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06,
        "output_cost_per_token": 1.5e-05, "output_cost_per_token_above_200k_tokens": 2.25e-05,
        "cache_read_input_token_cost": 3e-07, "cache_read_input_token_cost_above_200k_tokens": 6e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        "search_context_cost_per_query": {
            "search_context_size_high": 0.02, "search_context_size_low": 0.005,
            "search_context_size_medium": 0.01
        },
        "provider_specific_entry": { "fast": 2.0 }
    },
    "gemini/flash": {
        "litellm_provider": "gemini",
        "input_cost_per_token": 3e-07, "input_cost_per_audio_token": 1e-06,
        "input_cost_per_image_token": 4e-07, "cache_read_input_token_cost": 3e-08,
        "cache_read_input_audio_token_cost": 1e-07,
        "output_cost_per_token": 2.5e-06, "output_cost_per_reasoning_token": 3.5e-06,
        "output_cost_per_audio_token": 1.2e-05, "output_cost_per_image_token": 3e-05,
        "search_context_cost_per_query": 0.035
    },
    "groq/whisper": {
        "litellm_provider": "groq", "mode": "audio_transcription",
        "input_cost_per_second": 3.083e-05, "output_cost_per_second": 0.0
    },
    "rerank": { "litellm_provider": "cohere", "mode": "rerank", "input_cost_per_query": 0.002 },
    "pplx": { "litellm_provider": "perplexity", "input_cost_per_token": 1e-6, "input_cost_per_request": 0.005 },
    "noise": { "litellm_provider": "openai", "input_cost_per_token": 3.0000000000000004e-07 },
    "tiny": { "litellm_provider": "openai", "input_cost_per_token": 1e-18 },
    "dall-e": { "litellm_provider": "openai", "input_cost_per_pixel": 1.9e-08 },
    "together_ai/twice": { "litellm_provider": "together_ai", "input_cost_per_token": 1e-6 },
    "fireworks_ai/twice": { "litellm_provider": "fireworks_ai", "input_cost_per_token": 2e-6 },
    "zero": { "litellm_provider": "openai", "input_cost_per_token": 0.0, "output_cost_per_token": 0 }
}"#;

fn ours(theirs: &str) -> Option<&'static str> {
    match theirs {
        "gemini" => Some("google"),
        "together_ai" => Some("together"),
        _ => None,
    }
}

fn read(text: &str) -> Result<Prices, CatalogueError> {
    Prices::read(text.as_bytes(), "litellm", UNIX_EPOCH, &ours)
}

fn mistakes(text: &str) -> Vec<String> {
    read(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn asked<'a>(id: Option<&'a str>, model: &'a str, usage: &'a Usage, tier: &'a str) -> Asked<'a> {
    Asked {
        upstream: "up",
        provider: "kind",
        price_id: id,
        request_model: Some(model),
        response_model: None,
        usage,
        prompt: None,
        calls: 1,
        service_tier: Some(tier).filter(|tier| !tier.is_empty() && *tier != "batch"),
        tier_stated: true,
        batch: tier == "batch",
        at: SystemTime::UNIX_EPOCH,
        duration: Duration::ZERO,
    }
}

fn nanos(prices: &Prices, id: Option<&str>, model: &str, usage: &Usage, tier: &str) -> Option<u64> {
    prices.cost(&asked(id, model, usage, tier)).amount.map(tidegauge_core::Money::nanos)
}

#[test]
fn prices_are_those_of_the_list() {
    let prices = read(LIST).unwrap();
    let usage = |input: u64, output: u64| Usage {
        input: Some(input),
        output: Some(output),
        ..Usage::default()
    };
    let read = |input: u64, cached: u64| Usage {
        input: Some(input),
        cache_read: Some(cached),
        ..Usage::default()
    };
    let written = |five: u64, hour: u64, input: u64| Usage {
        input: Some(input),
        cache_write_5m: Some(five),
        cache_write_1h: Some(hour),
        ..Usage::default()
    };
    let all = Usage {
        input: Some(1),
        cache_read: Some(10),
        cache_read_audio: Some(100),
        input_audio: Some(1_000),
        input_image: Some(10_000),
        output: Some(2),
        reasoning: Some(20),
        output_audio: Some(200),
        output_image: Some(2_000),
        searches: Some(3),
        ..Usage::default()
    };
    let audio = Usage { audio_seconds: Some(10.0), ..Usage::default() };
    let searches = Usage { input: Some(0), searches: Some(5), ..Usage::default() };
    #[rustfmt::skip]
    let cases: &[(&str, &str, &Usage, &str, u64)] = &[
        ("openai", "small", &usage(1, 0), "", 150),
        ("openai", "SMALL", &usage(1_000_000, 1), "", 150_000_600),
        ("openai", "small", &usage(2, 1), "batch", 2 * 75 + 300),
        // Nothing is listed for cached input in batches: it stays at the standard price.
        ("openai", "small", &read(2, 4), "batch", 2 * 75 + 4 * 75),
        ("openai", "small", &usage(2, 1), "flex", 2 * 75 + 600),
        ("openai", "small", &usage(2, 1), "priority", 2 * 250 + 600),
        ("openai", "small", &usage(2, 1), "default", 2 * 150 + 600),
        ("anthropic", "claude", &usage(200_000, 10), "", 200_000 * 3_000 + 10 * 15_000),
        ("anthropic", "claude", &usage(200_001, 10), "", 200_001 * 6_000 + 10 * 22_500),
        ("anthropic", "claude", &read(1, 200_000), "", 6_000 + 200_000 * 600),
        ("anthropic", "claude", &written(3, 5, 7), "", 3 * 3_750 + 5 * 6_000 + 7 * 3_000),
        // No price of its own for five minutes past the step: the short prompt's.
        ("anthropic", "claude", &written(200_000, 5, 7), "", 200_000 * 3_750 + 5 * 12_000 + 7 * 6_000),
        ("google", "flash", &all, "",
            300 + 10 * 30 + 100 * 100 + 1_000 * 1_000 + 10_000 * 400
            + 2 * 2_500 + 20 * 3_500 + 200 * 12_000 + 2_000 * 30_000 + 3 * 35_000_000),
        ("groq", "whisper", &audio, "", 308_300),
        ("cohere", "rerank", &searches, "", 5 * 2_000_000),
        ("perplexity", "pplx", &usage(2, 0), "", 2_000 + 5_000_000),
        ("openai", "noise", &usage(1_000, 0), "", 300_000),
        ("openai", "tiny", &usage(1_000_000_000, 0), "", 1),
        ("openai", "zero", &usage(5, 5), "", 0),
        ("together", "twice", &usage(1, 0), "", 1_000),
        ("fireworks_ai", "twice", &usage(1, 0), "", 2_000),
    ];
    for (id, model, usage, tier, expected) in cases {
        let seen = nanos(&prices, Some(id), model, usage, tier);
        assert_eq!(seen, Some(*expected), "{id} {model} {tier} {usage:?}");
    }
}

#[test]
fn what_the_list_leaves_open_is_not_guessed() {
    let prices = read(LIST).unwrap();
    let usage = Usage { input: Some(1), ..Usage::default() };
    let status = |id, model| prices.cost(&asked(id, model, &usage, "")).status;
    assert_eq!(status(None, "claude"), CostStatus::Priced);
    assert_eq!(status(None, "flash"), CostStatus::Priced);
    // Two hosts, two prices, and no maker's own.
    assert_eq!(status(None, "twice"), CostStatus::Unpriced);
    assert_eq!(status(Some("groq"), "small"), CostStatus::Unpriced);
    assert_eq!(status(Some("openai"), "dall-e"), CostStatus::Unpriced);
    assert_eq!(status(None, "sample_spec"), CostStatus::Unpriced);
    let reply = Usage { output: Some(1), ..Usage::default() };
    assert_eq!(prices.cost(&asked(None, "noise", &reply, "")).status, CostStatus::Unpriced);
}

#[test]
fn a_model_is_listed_with_its_tiers_and_ways() {
    let prices = read(LIST).unwrap();
    let listed = prices.list("claude", UNIX_EPOCH, 5);
    assert_eq!(listed.len(), 1);
    let standard = &listed[0].rates[0];
    let told: Vec<String> = standard
        .rates
        .iter()
        .map(|rate| {
            let tiers = rate.tiers.iter().map(|tier| format!(" >{} {}", tier.above, tier.usd));
            format!("{} {}{}", rate.charge.name(), rate.usd, tiers.collect::<String>())
        })
        .collect();
    assert_eq!(
        told,
        [
            "input 3 >200000 6",
            "cache_read 0.3 >200000 0.6",
            "cache_write_5m 3.75",
            "cache_write_1h 6 >200000 12",
            "output 15 >200000 22.5",
            "searches 10",
        ]
    );
    let ways: Vec<&str> =
        prices.list("small", UNIX_EPOCH, 5)[0].rates.iter().map(|rates| rates.served).collect();
    assert_eq!(ways, ["standard", "batch", "flex", "priority"]);
}

#[test]
fn every_mistake_is_told_with_its_key() {
    let text = r#"{
        "a": { "litellm_provider": "p", "input_cost_per_token": -1e-6, "output_cost_per_token": "free" },
        "b": 7,
        "c": { "cache_read_input_token_cost_above_200k_tokens": true, "mode": "chat" },
        "d": { "input_cost_per_token": 1e-6 },
        "e": { "search_context_cost_per_query": { "search_context_size_medium": [1] } }
    }"#;
    let dollars = "expected a number of US dollars, 0 or more, found";
    assert_eq!(
        mistakes(text),
        [
            format!("a.input_cost_per_token: {dollars} `-1e-6`"),
            format!("a.output_cost_per_token: {dollars} `\"free\"`"),
            "b: expected an object, found `7`".to_owned(),
            format!("c.cache_read_input_token_cost_above_200k_tokens: {dollars} `true`"),
            format!("e.search_context_cost_per_query.search_context_size_medium: {dollars} `[1]`"),
        ]
    );
    assert_eq!(mistakes("{\n \"a\": "), ["line 2, column 6: not JSON"]);
    assert_eq!(mistakes("{}"), ["no model with a price that is used here"]);
    assert_eq!(
        mistakes("nonsense"),
        ["expected JSON: a list of providers, or an object of models"]
    );
}

#[test]
fn every_mistake_of_the_public_form_is_told_with_its_key() {
    let model = |id: &str, price: &str| {
        format!(r#"{{"id":"{id}","match":{{"equals":"{id}"}},"prices":{{"input_mtok":{price}}}}}"#)
    };
    let provider = |id: &str, models: &[String]| {
        let models = models.join(",");
        format!(r#"{{"id":"{id}","name":"N","api_pattern":"x","models":[{models}]}}"#)
    };
    let text = format!(
        "[{},{},{}]",
        provider("p", &[model("good", "1"), model("bad", "-1"), model("worse", "\"1\"")]),
        provider("q", &[model("fine", "2")]),
        provider("R", &[]),
    );
    let told = mistakes(&text);
    assert_eq!(told.len(), 3, "{told:?}");
    for (told, key) in told.iter().zip(["p/bad: ", "p/worse: ", "R: "]) {
        assert!(told.starts_with(key), "{told}");
    }
    assert_eq!(mistakes("[]"), ["no provider in it"]);
}

proptest! {
    /// A price with up to 12 decimals for a million is kept to the last one, however it is written.
    #[test]
    fn any_price_is_read_exactly(digits in 1_u64..10_000_000_000_000, places in 0_usize..19) {
        let value = u128::from(digits);
        let plain = {
            let text = format!("{value:0>width$}", width = places + 1);
            let (whole, rest) = text.split_at(text.len() - places);
            if places == 0 { text.clone() } else { format!("{whole}.{rest}") }
        };
        let list = |price: &str| {
            format!(r#"{{"m":{{"litellm_provider":"p","input_cost_per_token":{price}}}}}"#)
        };
        // A billion tokens, so that each of the 18 decimals is a nanodollar of its own.
        let usage = Usage { input: Some(1_000_000_000), ..Usage::default() };
        let exact = value * 10_u128.pow(u32::try_from(18 - places).unwrap());
        let expected = u64::try_from(exact).unwrap_or(u64::MAX);
        for price in [plain, format!("{value}e-{places}"), format!("{value}.0E-{places:02}")] {
            let prices = read(&list(&price)).unwrap();
            prop_assert_eq!(nanos(&prices, Some("p"), "m", &usage, ""), Some(expected), "{}", price);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[{]?[ -~]{0,80}") {
        let _ = read(&text);
    }

    /// A good list with any one piece replaced.
    #[test]
    fn any_damage_is_read_or_refused(at in 0_usize..2_000, with in "[ -~]{0,6}", take in 0_usize..6) {
        let mut text = LIST.as_bytes().to_vec();
        let at = at.min(text.len());
        let end = (at + take).min(text.len());
        text.splice(at..end, with.bytes());
        let _ = Prices::read(&text, "litellm", UNIX_EPOCH, &ours);
    }
}
