//! Prices against sums done by hand: models, tiers, buckets, overlays and what has no price.

use std::time::UNIX_EPOCH;

use genai_prices::UsageKey;
use proptest::prelude::*;
use tidegauge_core::{Billed, CostLine, Source as From};

use super::*;
use crate::{GpuPrice, OwnPrice};

/// 2026-11-20 12:00 UTC.
const NOON: u64 = 1_795_176_000;

/// Usage and circumstances in words: `in 176 read 1024 out 146 think 64 tier=flex batch`. What stands
/// after `billed` or `billed=model` is a part of the bill. A tier is the answer's, but for `requested`.
struct Call {
    provider: String,
    answered: Option<String>,
    usage: Usage,
    tier: Option<String>,
    requested: bool,
    batch: bool,
    at: SystemTime,
}

fn call(words: &str) -> Call {
    let mut call = Call {
        provider: "kind".to_owned(),
        answered: None,
        requested: false,
        usage: Usage { source: From::Provider, ..Usage::default() },
        tier: None,
        batch: false,
        at: UNIX_EPOCH + Duration::from_secs(NOON),
    };
    let mut words = words.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if let Some(tier) = word.strip_prefix("tier=") {
            call.tier = Some(tier.to_owned());
            continue;
        }
        if let Some(hours) = word.strip_prefix("hours=") {
            let seconds = hours.parse::<i64>().unwrap() * 3600;
            call.at = UNIX_EPOCH + Duration::from_secs(NOON.saturating_add_signed(seconds));
            continue;
        }
        if let Some(region) = word.strip_prefix("region=") {
            call.usage.region = Some(region.to_owned());
            continue;
        }
        if let Some(model) = word.strip_prefix("billed") {
            let model = model.strip_prefix('=').map(str::to_owned);
            call.usage.billed.push(Billed { model, ..Billed::default() });
            continue;
        }
        if let Some(provider) = word.strip_prefix("provider=") {
            provider.clone_into(&mut call.provider);
            continue;
        }
        if let Some(model) = word.strip_prefix("answered=") {
            call.answered = Some(model.to_owned());
            continue;
        }
        if let Some(size) = word.strip_prefix("size=") {
            call.usage.search_size = Some(size.to_owned());
            continue;
        }
        if word == "batch" {
            call.batch = true;
            continue;
        }
        if word == "requested" {
            call.requested = true;
            continue;
        }
        let count = words.next().unwrap();
        if word == "seconds" {
            call.usage.audio_seconds = Some(count.parse().unwrap());
            continue;
        }
        let counted = match word {
            "searches" => Some(&mut call.usage.searches),
            "grounded" => Some(&mut call.usage.grounded_prompts),
            "files" => Some(&mut call.usage.file_searches),
            "tools" => Some(&mut call.usage.hosted_tools),
            _ => None,
        };
        if let Some(counted) = counted {
            *counted = Some(count.parse().unwrap());
            continue;
        }
        let bucket = match word {
            "in" => Bucket::Input,
            "read" => Bucket::CacheRead,
            "read_audio" => Bucket::CacheReadAudio,
            "write" => Bucket::CacheWrite5m,
            "write1h" => Bucket::CacheWrite1h,
            "audio" => Bucket::InputAudio,
            "image" => Bucket::InputImage,
            "out" => Bucket::Output,
            "think" => Bucket::Reasoning,
            "out_audio" => Bucket::OutputAudio,
            "out_image" => Bucket::OutputImage,
            other => panic!("unknown word {other}"),
        };
        let count = count.parse().unwrap();
        match call.usage.billed.last_mut() {
            Some(part) => _ = part.tokens.insert(bucket, count),
            None => *call.usage.bucket_mut(bucket) = Some(count),
        }
    }
    call
}

fn asked<'a>(price_id: Option<&'a str>, model: &'a str, call: &'a Call) -> Asked<'a> {
    Asked {
        upstream: "up",
        provider: &call.provider,
        price_id,
        request_model: Some(model),
        response_model: call.answered.as_deref(),
        usage: &call.usage,
        prompt: None,
        calls: 1,
        service_tier: call.tier.as_deref(),
        tier_stated: !call.requested,
        batch: call.batch,
        at: call.at,
        duration: Duration::ZERO,
    }
}

fn nanos(prices: &Prices, id: &str, model: &str, words: &str) -> Option<u64> {
    let call = call(words);
    let cost = prices.cost(&asked(Some(id), model, &call));
    adds_up(&cost);
    cost.amount.map(Money::nanos)
}

fn read(text: &str) -> Result<Prices, crate::CatalogueError> {
    Prices::read(text.as_bytes(), "test", UNIX_EPOCH, &|_| None)
}

fn adds_up(cost: &Cost) {
    let by_prices = cost.list.or(cost.amount.filter(|_| cost.status == CostStatus::Priced));
    if let Some(by_prices) = by_prices {
        let sum: Money = cost.lines.iter().map(|line| line.amount).sum();
        assert_eq!(sum, by_prices, "{cost:?}");
    }
}

/// Worked out by hand from the published prices: a dollar for a million tokens is 1000 nanodollars
/// for one.
#[test]
fn costs_are_those_of_the_published_prices() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, u64)] = &[
        // 0.15 in, 0.075 cached, 0.60 out
        ("openai", "gpt-4o-mini", "in 1 out 0", 150),
        ("openai", "gpt-4o-mini", "in 176 read 1024 out 146 think 64", 176 * 150 + 1_024 * 75 + 210 * 600),
        ("openai", "gpt-4o-mini-2024-07-18", "in 1000000 out 1000000", 150_000_000 + 600_000_000),
        ("openai", "GPT-4o-Mini", "in 1000", 1_000 * 150),
        ("openai", "gpt-4o-mini", "in 1000 out 100 tier=priority", 1_000 * 250 + 100 * 1_000),
        ("openai", "gpt-4o-mini", "in 1000 out 100 tier=default", 1_000 * 150 + 100 * 600),
        ("openai", "gpt-4o-mini", "in 1000 out 100 tier=auto", 1_000 * 150 + 100 * 600),
        ("openai", "gpt-4o-mini", "in 1000 out 100 batch", 1_000 * 75 + 100 * 300),
        // No batch rate is published for cached input: it stays at the standard one.
        ("openai", "gpt-4o-mini", "in 1000 read 1000 batch", 1_000 * 75 + 1_000 * 75),
        // 2.50 in, 1.25 cached, 10 out
        ("openai", "gpt-4o", "in 10000 read 2000 out 500", 10_000 * 2_500 + 2_000 * 1_250 + 500 * 10_000),
        ("openai", "gpt-4o-2024-11-20", "in 7 out 3", 7 * 2_500 + 3 * 10_000),
        // 2 in, 0.50 cached, 8 out, 10 for a thousand searches
        ("openai", "gpt-4.1", "in 3000 read 1000 out 200", 3_000 * 2_000 + 1_000 * 500 + 200 * 8_000),
        ("openai", "gpt-4.1", "in 100 out 10 searches 2", 100 * 2_000 + 10 * 8_000 + 2 * 10_000_000),
        // 0.40 in, 0.10 cached, 1.60 out; priority 0.70, 0.175, 2.80
        ("openai", "gpt-4.1-mini", "in 11 read 13 out 17", 11 * 400 + 13 * 100 + 17 * 1_600),
        ("openai", "gpt-4.1-mini", "in 11 read 13 out 17 tier=priority", 11 * 700 + 13 * 175 + 17 * 2_800),
        // 0.25 in, 0.025 cached, 2 out; flex is half: 12.5 for a cached token, the sum rounded once
        ("openai", "gpt-5-mini", "in 400 read 3600 out 80 think 320", 400 * 250 + 3_600 * 25 + 400 * 2_000),
        ("openai", "gpt-5-mini", "read 3 tier=flex", 38),
        ("openai", "gpt-5-mini", "read 1 tier=flex", 13),
        ("openai", "gpt-5-mini", "in 400 out 80 tier=flex", 400 * 125 + 80 * 1_000),
        // The list has a price for flex since 2026-10-12 only; 1000 hours earlier it was half as well.
        ("openai", "gpt-5-mini", "in 400 out 80 tier=flex hours=-1000", 400 * 125 + 80 * 1_000),
        // 1.25 in, 0.125 cached, 10 out
        ("openai", "gpt-5", "in 200000 read 100000 out 1000", 272_500_000),
        // 2.50 in, 15 out; over 272,000 prompt tokens 5 and 22.50
        ("openai", "gpt-5.4", "in 272000 out 10", 272_000 * 2_500 + 10 * 15_000),
        ("openai", "gpt-5.4", "in 272001 out 10", 272_001 * 5_000 + 10 * 22_500),
        // 0.25 cached becomes 0.50: the tier goes by all prompt tokens, not by one kind
        ("openai", "gpt-5.4", "in 200000 read 100000 out 10", 200_000 * 5_000 + 100_000 * 500 + 10 * 22_500),
        // 2 in and 8 out since 2025-06-10, 10 and 40 before (13,000 hours are 541 days)
        ("openai", "o3", "in 100 think 900 out 100", 100 * 2_000 + 1_000 * 8_000),
        ("openai", "o3", "in 100 out 100 hours=-13000", 100 * 10_000 + 100 * 40_000),
        // 0.02 and 0.13 in, no output
        ("openai", "text-embedding-3-small", "in 8191", 8_191 * 20),
        ("openai", "text-embedding-3-large", "in 12 out 0", 12 * 130),
        // 4 in, 32 audio in, 0.40 cached, 16 out, 64 audio out
        ("openai", "gpt-realtime", "in 100 audio 200 read 300 read_audio 400 out 50 out_audio 60",
            100 * 4_000 + 200 * 32_000 + 700 * 400 + 50 * 16_000 + 60 * 64_000),
        // 5 in, 10 pictures in, 40 out (pictures are the only output)
        ("openai", "gpt-image-1", "in 50 image 1000 out_image 4160", 50 * 5_000 + 1_000 * 10_000 + 4_160 * 40_000),
        // 0.36 an hour: 100,000 nanodollars a second
        ("openai", "whisper-1", "seconds 60", 6_000_000),
        ("openai", "whisper-1", "seconds 1.5", 150_000),
        // 0.111 an hour, ten seconds at least: 111,000,000 / 360
        ("groq", "whisper-large-v3", "seconds 3", 308_333),
        ("groq", "whisper-large-v3", "seconds 20", 616_667),
        // 3 in, 0.30 read, 3.75 and 6 written, 15 out; over 200,000 twice, output 22.50
        ("anthropic", "claude-sonnet-4-5-20250929", "in 100 read 5000 write 1200 write1h 800 out 300",
            100 * 3_000 + 5_000 * 300 + 1_200 * 3_750 + 800 * 6_000 + 300 * 15_000),
        ("anthropic", "claude-sonnet-4-5", "in 10 read 200000 out 100", 10 * 6_000 + 200_000 * 600 + 100 * 22_500),
        ("anthropic", "claude-sonnet-4-5", "in 10 read 199990 out 100", 10 * 3_000 + 199_990 * 300 + 100 * 15_000),
        ("anthropic", "claude-sonnet-4-5", "in 1000 out 100 batch", 1_000 * 1_500 + 100 * 7_500),
        ("anthropic", "claude-sonnet-4-5", "in 1000 out 100 searches 3", 1_000 * 3_000 + 100 * 15_000 + 30_000_000),
        // 1 in, 0.10 read, 1.25 and 2 written, 5 out
        ("anthropic", "claude-haiku-4-5", "in 21 read 10 write 4 write1h 2 out 9",
            21 * 1_000 + 10 * 100 + 4 * 1_250 + 2 * 2_000 + 9 * 5_000),
        ("anthropic", "claude-haiku-4-5", "in 21 out 9 tier=standard", 21 * 1_000 + 9 * 5_000),
        // 0.25 in, 0.03 read, 0.30 written, 1.25 out
        ("anthropic", "claude-3-haiku-20240307", "in 3 read 1 write 1 out 1", 3 * 250 + 30 + 300 + 1_250),
        // 15 in, 75 out
        ("anthropic", "claude-opus-4-1", "in 1000 out 1000", 1_000 * 15_000 + 1_000 * 75_000),
        // 1.25 in, 10 out; over 200,000 2.50 and 15
        ("google", "gemini-2.5-pro", "in 200000 out 100 think 900", 200_000 * 1_250 + 1_000 * 10_000),
        ("google", "gemini-2.5-pro", "in 200001 out 1000", 200_001 * 2_500 + 1_000 * 15_000),
        // 0.30 in, 1 audio in, 0.03 and 0.10 cached, 2.50 out
        ("google", "gemini-2.5-flash", "in 10 audio 20 read 30 read_audio 40 out 50 think 60",
            10 * 300 + 20 * 1_000 + 30 * 30 + 40 * 100 + 110 * 2_500),
        // 0.30 in, 2.50 out, 30 pictures out
        ("google", "gemini-2.5-flash-image", "in 10 out 5 out_image 1290", 10 * 300 + 5 * 2_500 + 1_290 * 30_000),
        // 1 in, 1 out; 5, 8 or 12 for a thousand calls, by the size of their search
        ("perplexity", "sonar", "in 10 out 20", 10 * 1_000 + 20 * 1_000 + 5_000_000),
        ("perplexity", "sonar", "in 10 out 20 size=low searches 2", 10 * 1_000 + 20 * 1_000 + 5_000_000),
        ("perplexity", "sonar", "in 10 out 20 size=medium", 10 * 1_000 + 20 * 1_000 + 8_000_000),
        ("perplexity", "sonar", "in 10 out 20 size=high", 10 * 1_000 + 20 * 1_000 + 12_000_000),
        // 2 in, 8 out, reasoning apart at 3, 5 for a thousand searches
        ("perplexity", "sonar-deep-research", "in 9 out 100 think 1000 searches 20",
            9 * 2_000 + 100 * 8_000 + 1_000 * 3_000 + 20 * 5_000_000),
        // 0.28 in and 0.42 out, at any time
        ("deepseek", "deepseek-chat", "in 1001 out 10", 1_001 * 280 + 10 * 420),
        ("deepseek", "deepseek-chat", "in 1001 out 10 hours=6", 1_001 * 280 + 10 * 420),
        // 0.15 in and 0.60 out, twice that from 01 to 04 and from 06 to 10 UTC, but not on weekends:
        // Friday, Saturday and Sunday at two o'clock, Friday at noon
        ("deepseek", "deepseek-v4-flash", "in 1000 out 100 hours=326", 1_000 * 300 + 100 * 1_200),
        ("deepseek", "deepseek-v4-flash", "in 1000 out 100 hours=350", 1_000 * 150 + 100 * 600),
        ("deepseek", "deepseek-v4-flash", "in 1000 out 100 hours=374", 1_000 * 150 + 100 * 600),
        ("deepseek", "deepseek-v4-flash", "in 1000 out 100", 1_000 * 150 + 100 * 600),
        // 0.59 in, 0.79 out
        ("groq", "llama-3.3-70b-versatile", "in 123 out 45", 123 * 590 + 45 * 790),
        // The catalogue falls back to the model's maker
        ("azure", "gpt-4o-mini", "in 100 out 10", 100 * 150 + 10 * 600),
        // Other prices in a region than anywhere
        ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0", "in 100 out 10", 100 * 3_300 + 10 * 16_500),
        ("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "in 100 out 10", 100 * 3_000 + 10 * 15_000),
        // Batches are half price, caches and long prompts included
        ("anthropic", "claude-sonnet-4-5", "in 100 read 5000 write 1200 write1h 800 out 300 batch",
            100 * 1_500 + 5_000 * 150 + 1_200 * 1_875 + 800 * 3_000 + 300 * 7_500),
        ("anthropic", "claude-sonnet-4-5", "in 200000 out 10 batch", 200_000 * 1_500 + 10 * 7_500),
        ("anthropic", "claude-sonnet-4-5", "in 200001 out 10 batch", 200_001 * 3_000 + 10 * 11_250),
        ("anthropic", "claude-haiku-4-5", "in 21 read 10 write 4 write1h 2 out 9 batch",
            21 * 500 + 10 * 50 + 4 * 625 + 2 * 1_000 + 9 * 2_500),
        // Written tokens are prompt tokens: on both sides of the step, for both lives
        ("anthropic", "claude-sonnet-4-5", "write 200000 out 10", 200_000 * 3_750 + 10 * 15_000),
        ("anthropic", "claude-sonnet-4-5", "write 200001 out 10", 200_001 * 7_500 + 10 * 22_500),
        ("anthropic", "claude-sonnet-4-5", "write1h 200000 out 1", 200_000 * 6_000 + 15_000),
        ("anthropic", "claude-sonnet-4-5", "write1h 200001 out 1", 200_001 * 12_000 + 22_500),
        ("google", "gemini-2.5-pro", "read 200000 out 1", 200_000 * 125 + 10_000),
        ("google", "gemini-2.5-pro", "in 1 read 200000 out 1", 2_500 + 200_000 * 250 + 15_000),
        ("google", "gemini-2.5-pro", "in 200001 out 1 batch", 200_001 * 1_250 + 7_500),
        // 1.25 in, 0.125 cached, 10 out: twice that with priority, half of it flex and in batches
        ("openai", "gpt-5", "in 10 read 20 out 30 think 40 tier=priority", 10 * 2_500 + 20 * 250 + 70 * 20_000),
        ("openai", "gpt-5", "in 16 read 8 out 3 tier=flex", 16 * 625 + 500 + 3 * 5_000),
        ("openai", "gpt-5", "in 16 read 8 out 3 think 2 batch", 16 * 625 + 500 + 5 * 5_000),
        ("openai", "gpt-5", "in 1 searches 4", 1_250 + 4 * 10_000_000),
        // 2.50 in, 32 audio in, 10 out, 64 audio out
        ("openai", "gpt-audio", "in 10 audio 20 out 30 out_audio 40",
            10 * 2_500 + 20 * 32_000 + 30 * 10_000 + 40 * 64_000),
        // 5 for pictures
        ("openai", "gpt-realtime", "in 1 image 10", 4_000 + 10 * 5_000),
        ("openai", "gpt-image-1", "in 50 image 1000 out_image 4160 batch", 50 * 2_500 + 1_000 * 5_000 + 4_160 * 20_000),
        // 2 in, 2.50 pictures in, 0.20 cached, 8 out
        ("openai", "gpt-image-1-mini", "in 3 image 5 read 7 out_image 11", 3 * 2_000 + 5 * 2_500 + 7 * 200 + 11 * 8_000),
        // Half in batches; 35 for a thousand prompts that were grounded in searches
        ("google", "gemini-2.5-flash", "in 10 audio 20 out 30 batch", 10 * 150 + 20 * 500 + 30 * 1_250),
        ("google", "gemini-2.5-flash", "in 10 searches 2", 10 * 300 + 35_000_000),
        ("google", "gemini-2.5-flash", "in 100 out 50 searches 3 grounded 1", 155_000 + 35_000_000),
        ("google", "gemini-2.5-pro", "audio 10", 10 * 1_250),
        // 14 for a thousand searches
        ("google", "gemini-3-flash-preview", "in 100 out 50 searches 2 grounded 1", 200_000 + 2 * 14_000_000),
        // 10 for a thousand searches, 2.50 for a thousand searches in files
        ("openai", "gpt-4o", "in 100 out 10 searches 2", 350_000 + 2 * 10_000_000),
        ("openai", "gpt-4o", "in 100 out 10 files 1", 350_000 + 2_500_000),
        ("azure", "gpt-4o", "in 100 out 10 files 2", 350_000 + 5_000_000),
        // Each call searches, told or not: 25 and 10 for a thousand
        ("openai", "gpt-4o-search-preview", "in 100 out 10", 350_000 + 25_000_000),
        ("openai", "gpt-5-search-api-2025-10-14", "in 100 out 10", 100 * 1_250 + 10 * 10_000 + 10_000_000),
        // 3 in, 15 out; 6, 10 or 14 for a thousand calls
        ("perplexity", "sonar-pro", "in 10 out 20 size=high", 10 * 3_000 + 20 * 15_000 + 14_000_000),
        // Reasoning apart at 3
        ("openrouter", "perplexity/sonar-deep-research", "in 9 out 100 think 10", 9 * 2_000 + 100 * 8_000 + 10 * 3_000),
        // Named free
        ("openrouter", "openai/gpt-oss-120b:free", "in 100 out 10", 0),
        // 0.15 in, 0.60 out; 2.50 and 10: of what is billed, not of what the model saw
        ("cohere", "command-r", "in 968 out 83 billed in 62 out 28", 62 * 150 + 28 * 600),
        ("cohere", "command-a-03-2025", "in 86 read 1408 out 330 billed in 80 out 301", 80 * 2_500 + 301 * 10_000),
        ("cohere", "command-r-08-2024", "in 7 out 172", 7 * 150 + 172 * 600),
        // 0.12 in
        ("cohere", "embed-v4.0", "in 208", 208 * 120),
        // 5 in, 25 out: the steps that summed up first are billed too
        ("anthropic", "claude-opus-4-6", "in 23000 out 1000 billed in 180000 out 3500 billed in 23000 out 1000",
            203_000 * 5_000 + 4_500 * 25_000),
        // Each step by its own length: none is over 200,000
        ("anthropic", "claude-sonnet-4-5", "in 150000 out 2 billed in 150000 out 1 billed in 150000 out 1 searches 1",
            300_000 * 3_000 + 2 * 15_000 + 10_000_000),
        // 3 in, 0.30 read, 15 out, and a dearer model that helped: 5 in, 25 out
        ("anthropic", "claude-sonnet-4-6", "in 10 read 90 out 20 billed in 10 read 90 out 20 billed=claude-opus-4-7 in 823 out 1612",
            10 * 3_000 + 90 * 300 + 20 * 15_000 + 823 * 5_000 + 1_612 * 25_000),
        // In a region that is a tenth dearer: every kind of token, no search
        ("anthropic", "claude-opus-4-7", "in 100 read 5000 write 1200 write1h 800 out 300 region=us",
            100 * 5_500 + 5_000 * 550 + 1_200 * 6_875 + 800 * 11_000 + 300 * 27_500),
        ("anthropic", "claude-opus-4-7", "in 1 out 1 searches 2 region=us", 5_500 + 27_500 + 2 * 10_000_000),
        ("anthropic", "claude-opus-4-7", "in 100 out 10 batch region=us", 100 * 2_750 + 10 * 13_750),
        ("anthropic", "claude-opus-4-7", "in 100 out 10 region=global", 100 * 5_000 + 10 * 25_000),
        ("anthropic", "claude-opus-4-7", "in 1 out 1 region=us billed in 10 out 10", 10 * 5_500 + 10 * 27_500),
        // Results of batches: half of 0.50 and 1.50, of 1.36 and 4.18 since 2026-10-20, of 0.15 and 0.60
        ("mistral", "mistral-large-2512", "in 1000 out 100 batch", 1_000 * 250 + 100 * 750),
        ("mistral", "mistral-large-4", "in 1000 read 100 out 100 batch", 1_000 * 680 + 100 * 70 + 100 * 2_090),
        ("mistral", "mistral-small-latest", "in 1000 out 100 batch", 1_000 * 75 + 100 * 300),
        ("groq", "openai/gpt-oss-120b", "in 1000 out 100 batch", 1_000 * 75 + 100 * 300),
        ("google", "gemini-2.5-pro", "in 100 think 20 out 10 batch", 100 * 625 + 30 * 5_000),
        // The newest of a name: 0.50 and 1.50 since 2025-12-02, 2 and 6 before (9,000 hours are 375 days)
        ("mistral", "mistral-large-latest", "in 1000 out 100", 1_000 * 500 + 100 * 1_500),
        ("mistral", "mistral-large-latest", "in 1000 read 100 out 100", 1_000 * 500 + 100 * 50 + 100 * 1_500),
        ("mistral", "mistral-large-latest", "in 1000 out 100 batch", 1_000 * 250 + 100 * 750),
        ("mistral", "mistral-large-latest", "in 1000 out 100 hours=-9000", 1_000 * 2_000 + 100 * 6_000),
        ("mistral", "mistral-large-2411", "in 1000 out 100", 1_000 * 2_000 + 100 * 6_000),
        // Nothing used
        ("openai", "gpt-4o", "in 0 out 0", 0),
        // Tiers that the one list lacks and the other has: 0.15 and 1.25; 0.54 and 4.50
        ("google", "gemini-3.5-flash-lite", "provider=gcp.vertex_ai in 4061 out 25 tier=flex", 640_400),
        ("google", "gemini-3.5-flash-lite", "provider=gcp.vertex_ai in 4061 out 25 tier=priority", 2_305_440),
        ("azure", "gpt-5.4", "in 1000 out 100 tier=priority", 8_000_000),
        ("aws", "amazon.nova-pro-v1:0", "in 1000 out 100 tier=flex", 1_000 * 400 + 100 * 1_600),
        ("aws", "amazon.nova-pro-v1:0", "in 1000 out 100 tier=priority", 1_000 * 1_400 + 100 * 5_600),
        // Tiers that neither has, by the published factor
        ("aws", "us.anthropic.claude-opus-4-8", "in 100 out 10 tier=flex", 100 * 2_750 + 10 * 13_750),
        ("aws", "us.anthropic.claude-opus-4-8", "in 100 out 10 tier=priority", 100 * 9_625 + 10 * 48_125),
        ("openai", "text-embedding-3-small", "in 3000 batch", 30_000),
        ("anthropic", "claude-opus-4-8", "in 300 read 1500 write 200 out 500 tier=fast", 32_000_000),
        ("anthropic", "claude-opus-4-8", "in 300 read 1500 write 200 out 500 tier=fast region=us", 35_200_000),
        ("groq", "llama-3.3-70b-versatile", "in 123 out 45 tier=flex", 123 * 590 + 45 * 790),
        ("groq", "llama-3.3-70b-versatile", "in 123 out 45 tier=on_demand", 123 * 590 + 45 * 790),
        // Asked for and not confirmed: the price if there is one, else the standard one
        ("openai", "gpt-5-mini", "in 400 out 80 tier=flex requested", 400 * 125 + 80 * 1_000),
        ("groq", "llama-3.3-70b-versatile", "in 123 out 45 tier=performance requested", 123 * 590 + 45 * 790),
        // A tenth dearer in a region, where the model's page says so
        ("google", "claude-opus-4-8", "provider=gcp.vertex_ai in 1000 out 1000 region=us-east5", 33_000_000),
        ("google", "claude-opus-4-8", "provider=gcp.vertex_ai in 1000 out 1000 region=eu", 33_000_000),
        ("google", "claude-opus-4-8", "provider=gcp.vertex_ai in 1000 out 1000 region=global", 30_000_000),
        ("google", "gemini-2.5-pro", "provider=gcp.vertex_ai in 100 out 10 region=us-central1", 100 * 1_250 + 10 * 10_000),
        ("openai", "gpt-5.4", "in 1000 out 100 region=eu", 4_400_000),
        ("openai", "gpt-4o", "in 100 out 10 region=eu", 350_000),
        // The id that was asked for says where the model runs, the one that answers does not
        ("aws", "global.anthropic.claude-opus-4-8", "in 1000 out 1000 answered=claude-opus-4-8", 30_000_000),
        ("aws", "us.anthropic.claude-opus-4-8", "in 1000 out 1000 answered=claude-opus-4-8", 33_000_000),
        ("aws", "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-4-8",
            "in 1000 out 1000 answered=claude-opus-4-8", 30_000_000),
        ("aws", "global.anthropic.claude-opus-4-8", "in 1000 out 1000 region=global", 30_000_000),
        ("aws", "eu.anthropic.claude-opus-4-8", "in 1000 out 1000 answered=claude-opus-4-8", 33_000_000),
        ("aws", "apac.anthropic.claude-opus-4-8", "in 1000 out 1000 answered=claude-opus-4-8", 33_000_000),
        ("aws", "anthropic.claude-opus-4-8", "in 1000 out 1000 answered=claude-opus-4-8", 33_000_000),
        ("aws", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "in 100 out 10", 100 * 3_600 + 10 * 18_000),
        ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0", "in 100 out 10 region=us-gov", 100 * 3_600 + 10 * 18_000),
        ("aws", "eu.amazon.nova-pro-v1:0", "in 100 out 10", 100 * 1_050 + 10 * 4_200),
        ("aws", "us.amazon.nova-pro-v1:0", "in 100 out 10", 100 * 800 + 10 * 3_200),
        // Past 200,000 tokens 6.60 and 24.75
        ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "in 200001 out 10", 200_001 * 6_600 + 10 * 24_750),
        ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0", "in 200001 out 10", 200_001 * 6_600 + 10 * 24_750),
        // The one who chose the model takes 0.14; the model 0.05 in, 0.40 out
        ("azure", "model-router", "in 10000 out 2000 answered=gpt-5-nano", 1_300_000 + 1_400_000),
        // What stands around a name
        ("openai", "ft:gpt-4.1-2025-04-14:org::id", "in 1000 out 100", 1_000 * 3_000 + 100 * 12_000),
        ("google", "models/gemini-2.5-flash", "in 1000 out 100", 1_000 * 300 + 100 * 2_500),
        ("azure", "gpt-5.1-codex-2025-11-13", "in 1000 out 100", 1_000 * 1_250 + 100 * 10_000),
        ("openrouter", "nobody/has-this:free", "in 100 out 10 think 5", 0),
        ("openrouter", "z-ai/glm-4.5-air:free", "in 100 out 10", 0),
        // What another provider's price stood for
        ("azure", "deepseek-v4-pro", "in 100 out 10", 100 * 1_740 + 10 * 3_480),
        ("azure", "gpt-oss-120b", "in 100 out 10", 100 * 150 + 10 * 600),
        // 0.10 in, 0.40 out, and audio at 0.24 an hour, not a second time as tokens
        ("mistral", "voxtral-small-latest", "in 9 audio 375 out 13 seconds 5", 9 * 100 + 13 * 400 + 333_333),
        // Billed by the hour alone: 0.18
        ("mistral", "voxtral-mini-latest", "in 9 audio 375 out 13 seconds 5", 250_000),
        // Reranks: 2 for a thousand searches
        ("cohere", "rerank-v3.5", "searches 3", 6_000_000),
    ];
    let prices = Prices::bundled();
    for (id, model, words, expected) in cases {
        assert_eq!(nanos(&prices, id, model, words), Some(*expected), "{id} {model}: {words}");
    }
    assert!(cases.len() >= 95);
}

#[test]
fn the_lines_explain_the_amount() {
    let call = call("in 1000 read 3 out 7 searches 1 tier=flex");
    let cost = Prices::bundled().cost(&asked(Some("openai"), "gpt-5-mini", &call));
    let lines: Vec<_> = cost
        .lines
        .iter()
        .map(|CostLine { charge, quantity, usd, amount }| {
            (charge.name(), *quantity, usd.as_str(), amount.nanos())
        })
        .collect();
    // 3 x 12.5 = 37.5: the total is rounded up, and the line with the fraction carries it.
    assert_eq!(
        lines,
        [
            ("input", 1000, "0.125", 125_000),
            ("cache_read", 3, "0.0125", 38),
            ("output", 7, "1", 7_000),
            ("searches", 1, "10", 10_000_000),
        ]
    );
    assert_eq!(cost.amount, Some(Money::from_nanos(10_132_038)));
    assert_eq!(cost.model.as_deref(), Some("gpt-5-mini"));
    assert_eq!(cost.catalogue.as_deref(), Some("genai-prices 0.2.1, 2026-10-30"));
}

#[test]
fn usage_without_a_price_is_unpriced_and_never_zero() {
    let prices = Prices::bundled();
    let cases = [
        ("openai", "no-such-model", "in 10 out 10", Unpriced::Model),
        ("no-such-provider", "gpt-4o", "in 10", Unpriced::Model),
        // In the catalogue, but without any price.
        ("github-copilot", "gpt-4o", "in 10 out 10", Unpriced::Kind),
        // Priced by time, used by token.
        ("openai", "whisper-1", "in 10 out 10", Unpriced::Kind),
        // The other way round.
        ("openai", "gpt-4o", "seconds 10", Unpriced::Kind),
        // An empty id leaves the catalogue out.
        ("", "gpt-4o", "in 10", Unpriced::Model),
        // Billed by searches, which nothing prices.
        ("cohere", "command-r", "searches 1", Unpriced::Fee),
        ("groq", "llama-3.3-70b-versatile", "in 1 searches 1", Unpriced::Fee),
        // A tool that costs extra, and nobody says how much.
        ("openai", "gpt-4o", "in 10 out 10 tools 1", Unpriced::Fee),
        ("groq", "llama-3.3-70b-versatile", "in 1 files 1", Unpriced::Fee),
        ("google", "gemini-3-flash-preview", "in 1 grounded 1", Unpriced::Fee),
        // Tiers and regions that no list and no page prices.
        ("openai", "gpt-5", "in 1 tier=performance", Unpriced::Tier),
        ("openai", "gpt-5", "in 1 tier=scale", Unpriced::Tier),
        ("anthropic", "claude-sonnet-4-5", "in 1 tier=priority", Unpriced::Tier),
        ("anthropic", "claude-opus-4-6", "in 1 tier=fast", Unpriced::Tier),
        ("zai", "glm-4.6", "in 1 batch", Unpriced::Tier),
        ("anthropic", "claude-opus-4-8", "in 1 region=eu", Unpriced::Region),
        ("aws", "apac.amazon.nova-premier-v1:0", "in 1", Unpriced::Region),
        ("aws", "us-gov.anthropic.claude-opus-4-6-v1", "in 1", Unpriced::Region),
        // Audio and pictures that are made are not sold as text.
        ("openrouter", "google/gemini-2.5-flash-image", "in 10 out_image 1290", Unpriced::Kind),
        ("openai", "gpt-4o", "audio 10", Unpriced::Kind),
        ("openai", "gpt-4o", "out_audio 10", Unpriced::Kind),
        // Paid for by time, beforehand.
        ("google", "gemini-2.5-pro", "in 10 out 10 tier=provisioned_throughput", Unpriced::Tier),
        ("aws", "amazon.nova-pro-v1:0", "in 10 out 10 tier=reserved", Unpriced::Tier),
        // One part of the bill has no price.
        (
            "anthropic",
            "claude-sonnet-4-6",
            "in 1 billed in 1 billed=no-such-model in 1",
            Unpriced::Model,
        ),
    ];
    for (id, model, words, why) in &cases {
        let call = call(words);
        let cost = prices.cost(&asked(Some(*id), model, &call));
        assert_eq!(
            (cost.status, cost.amount, cost.lines.len()),
            (CostStatus::Unpriced, None, 0),
            "{id} {model}"
        );
        assert_eq!(cost.unpriced, Some(*why), "{id} {model}: {words}");
    }
}

#[test]
fn no_usage_is_unknown() {
    let cost = Prices::bundled().cost(&asked(Some("openai"), "gpt-4o", &call("")));
    assert_eq!(cost, Cost::default());
}

#[test]
fn the_answering_model_is_looked_up_before_the_one_asked_for_and_aliases_last() {
    let aliases = [("team-chat", "gpt-4o"), ("deployed", "anthropic/claude-haiku-4-5")];
    let aliases = aliases.map(|(from, to)| (from.to_owned(), to.to_owned()));
    let prices = Prices::bundled().with_aliases(aliases.into());
    let cases = [
        (Some("gpt-4o"), Some("gpt-4o-mini"), Some("gpt-4o-mini")),
        (Some("gpt-4o"), Some("unheard-of"), Some("gpt-4o")),
        (Some("gpt-4o"), None, Some("gpt-4o")),
        (None, Some("gpt-4o-2024-08-06"), Some("gpt-4o")),
        (Some("team-chat"), Some("unheard-of"), Some("gpt-4o")),
        (Some("deployed"), None, Some("claude-haiku-4-5")),
        (Some("unheard-of"), None, None),
        (None, None, None),
    ];
    let call = call("in 1");
    for (request_model, response_model, matched) in cases {
        let asked = Asked { request_model, response_model, ..asked(Some("openai"), "", &call) };
        assert_eq!(
            prices.cost(&asked).model.as_deref(),
            matched,
            "{request_model:?} {response_model:?}"
        );
    }
}

#[test]
fn without_a_provider_the_models_name_decides() {
    let call = call("in 10 out 10");
    let cost = Prices::bundled().cost(&asked(None, "claude-haiku-4-5", &call));
    assert_eq!(cost.amount, Some(Money::from_nanos(10 * 1_000 + 10 * 5_000)));
}

#[test]
fn a_providers_own_bill_is_the_cost_and_the_lists_figure_stands_beside_it() {
    let cases = [
        ("0.000229", Some(229_000)),
        ("2.29e-4", Some(229_000)),
        ("0.0000000005", Some(1)),
        ("0.00000000049", Some(0)),
        ("12", Some(12_000_000_000)),
        ("1e30", None),
        ("99999999999", Some(u64::MAX)),
        ("-0.1", None),
        ("NaN", None),
        ("free", None),
    ];
    for (text, nanos) in cases {
        let mut call = call("in 100 out 10");
        call.usage.reported_usd = Some(text.to_owned());
        let reported = nanos.map(Money::from_nanos);
        let prices = Prices::bundled();
        let listed = prices.cost(&asked(Some("openai"), "gpt-4o-mini", &call));
        adds_up(&listed);
        let by_list = Some(Money::from_nanos(21_000));
        match reported {
            Some(_) => assert_eq!(
                (listed.status, listed.amount, listed.list, listed.reported),
                (CostStatus::Reported, reported, by_list, reported),
                "{text}"
            ),
            None => assert_eq!(
                (listed.status, listed.amount, listed.list, listed.reported),
                (CostStatus::Priced, by_list, None, None),
                "{text}"
            ),
        }
        let theirs = prices.cost(&asked(Some("openai"), "private", &call));
        let status = if nanos.is_some() { CostStatus::Reported } else { CostStatus::Unpriced };
        assert_eq!((theirs.status, theirs.amount, theirs.reported), (status, reported, reported));
    }
}

/// A price that the operator states is what they pay, whatever the provider says; a bill of nothing is
/// a bill.
#[test]
fn own_prices_stand_before_a_bill_and_a_bill_of_nothing_counts() {
    let mut call = call("in 100 out 10");
    call.usage.reported_usd = Some("0".into());
    let free = Prices::bundled().cost(&asked(Some("openai"), "gpt-4o-mini", &call));
    let seen = (free.status, free.amount, free.list);
    let by_list = Some(Money::from_nanos(21_000));
    assert_eq!(seen, (CostStatus::Reported, Some(Money::ZERO), by_list));
    let contract = own(None, "gpt-4o-mini", &[(Bucket::Input, "1"), (Bucket::Output, "1")]);
    let prices = Prices::bundled().with_overlay(vec![contract]).unwrap();
    let ours = prices.cost(&asked(Some("openai"), "gpt-4o-mini", &call));
    assert_eq!(
        (ours.status, ours.amount, ours.list, ours.reported),
        (CostStatus::Priced, Some(Money::from_nanos(110_000)), None, Some(Money::ZERO))
    );
}

/// A bill is one of several calls if each has one.
#[test]
fn several_calls_are_billed_where_each_is() {
    let prices = Prices::bundled();
    let (mut one, two) = (call("in 100 out 10"), call("in 100 out 10"));
    one.usage.reported_usd = Some("0.5".into());
    let asked_for = |call| asked(Some("openai"), "gpt-4o-mini", call);
    let mixed = prices.cost_of(&[asked_for(&one), asked_for(&two)]);
    assert_eq!(
        (mixed.status, mixed.amount, mixed.reported),
        (CostStatus::Priced, Some(Money::from_nanos(42_000)), None)
    );
    let both = prices.cost_of(&[asked_for(&one), asked_for(&one)]);
    assert_eq!(
        (both.status, both.amount, both.list),
        (
            CostStatus::Reported,
            Some(Money::from_nanos(1_000_000_000)),
            Some(Money::from_nanos(42_000))
        )
    );
}

/// What a provider states is better than a guess of ours.
#[test]
fn a_reported_cost_stands_before_that_of_an_estimate() {
    let mut call = call("in 100 out 10");
    let by = tidegauge_core::Estimator::O200k;
    let estimate =
        tidegauge_core::Estimate { by, input: Some(100), output: None, output_told: None };
    call.usage.estimate = Some(estimate);
    for (reported, status, nanos) in [
        (None, CostStatus::Priced, 21_000),
        (Some("free"), CostStatus::Priced, 21_000),
        (Some("0.001"), CostStatus::Reported, 1_000_000),
    ] {
        call.usage.reported_usd = reported.map(str::to_owned);
        let cost = Prices::bundled().cost(&asked(Some("openai"), "gpt-4o-mini", &call));
        assert_eq!((cost.status, cost.amount), (status, Some(Money::from_nanos(nanos))));
    }
}

fn own(upstream: Option<&str>, model: &str, usd: &[(Bucket, &str)]) -> OwnPrice {
    OwnPrice {
        upstream: upstream.map(str::to_owned),
        model: model.to_owned(),
        usd_per_million: usd.iter().map(|(bucket, usd)| (*bucket, (*usd).to_owned())).collect(),
        ..OwnPrice::default()
    }
}

#[test]
fn own_prices_come_first_and_the_closest_fit_wins() {
    let prices = Prices::bundled()
        .with_overlay(vec![
            own(None, "*", &[(Bucket::Input, "1"), (Bucket::Output, "1")]),
            own(None, "gpt-*", &[(Bucket::Input, "2"), (Bucket::Output, "2")]),
            own(None, "gpt-4o*", &[(Bucket::Input, "3"), (Bucket::Output, "3")]),
            own(None, "gpt-4o", &[(Bucket::Input, "4"), (Bucket::Output, "4")]),
            own(Some("up"), "gpt-4o", &[(Bucket::Input, "5"), (Bucket::Output, "5")]),
            own(Some("elsewhere"), "gpt-4o-mini", &[(Bucket::Input, "6")]),
            own(Some("kind"), "o3", &[(Bucket::Input, "7")]),
        ])
        .unwrap();
    let cases = [
        ("llama", "*", 1_000),
        ("gpt-5", "gpt-*", 2_000),
        ("gpt-4o-mini", "gpt-4o*", 3_000),
        ("gpt-4o", "gpt-4o", 5_000),
        ("o3", "o3", 7_000),
    ];
    for (model, matched, nanos) in cases {
        let call = call("in 1");
        let cost = prices.cost(&asked(Some("openai"), model, &call));
        assert_eq!(cost.model.as_deref(), Some(matched), "{model}");
        assert_eq!(cost.amount, Some(Money::from_nanos(nanos)), "{model}");
        assert_eq!(cost.catalogue.as_deref(), Some("own prices"));
    }
}

#[test]
fn own_prices_by_token_fall_back_from_kind_to_kind() {
    let listed = own(
        None,
        "m",
        &[(Bucket::Input, "0.001"), (Bucket::CacheWrite5m, "0.003"), (Bucket::Output, "0.005")],
    );
    let prices = Prices::bundled().with_overlay(vec![listed]).unwrap();
    // 1 nanodollar for every prompt token but written ones at 3, 5 for every output token.
    let words = "in 10 read 10 read_audio 10 audio 10 image 10 write 10 write1h 10 out 10 think 10";
    assert_eq!(nanos(&prices, "x", "m", words), Some(50 + 2 * 30 + 2 * 50));
    let output_only = own(None, "m", &[(Bucket::Output, "1")]);
    let prices = Prices::bundled().with_overlay(vec![output_only]).unwrap();
    assert_eq!(nanos(&prices, "x", "m", "in 1 out 1"), None);
}

#[test]
fn own_prices_by_call_and_by_hour_of_gpu() {
    let gpu = OwnPrice {
        model: "llama*".into(),
        gpu: Some(GpuPrice { usd_per_hour: "2.49".into(), gpus: 8 }),
        ..OwnPrice::default()
    };
    let fee = OwnPrice {
        model: "search".into(),
        usd_per_request: Some("0.000000001".into()),
        ..OwnPrice::default()
    };
    let prices = Prices::bundled().with_overlay(vec![gpu, fee]).unwrap();
    let (call, none) = (call("in 10 out 10"), call(""));
    // 8 x 2.49 dollars an hour is 5,533,333.3 nanodollars a second.
    let asked_for =
        |usage| Asked { duration: Duration::from_secs(3), ..asked(None, "llama-3", usage) };
    for usage in [&call, &none] {
        let cost = prices.cost(&asked_for(usage));
        assert_eq!(
            (cost.status, cost.amount),
            (CostStatus::Priced, Some(Money::from_nanos(16_600_000)))
        );
        adds_up(&cost);
    }
    let cost = prices.cost(&asked(None, "search", &none));
    assert_eq!(cost.amount, Some(Money::from_nanos(1)));
}

/// A search costs nothing beside tokens where nobody says what it costs, and is nothing known alone.
#[test]
fn own_prices_leave_searches_alone_unpriced() {
    let by_token = own(None, "by-token", &[(Bucket::Input, "1")]);
    let by_call = OwnPrice {
        model: "by-call".into(),
        usd_per_request: Some("0.002".into()),
        ..OwnPrice::default()
    };
    let prices = Prices::bundled().with_overlay(vec![by_token, by_call]).unwrap();
    assert_eq!(nanos(&prices, "x", "by-token", "searches 1"), None);
    assert_eq!(nanos(&prices, "x", "by-token", "in 2 searches 1"), Some(2_000));
    assert_eq!(nanos(&prices, "x", "by-call", "searches 1"), Some(2_000_000));
}

/// Fees and time are those of the call, however many parts its bill has.
#[test]
fn a_bill_in_parts_has_its_fees_once() {
    let fee = OwnPrice {
        usd_per_request: Some("0.5".into()),
        gpu: Some(GpuPrice { usd_per_hour: "3600".into(), gpus: 1 }),
        ..own(None, "m", &[(Bucket::Input, "1")])
    };
    let prices = Prices::bundled().with_overlay(vec![fee]).unwrap();
    let call = call("in 9 billed in 2 billed in 3");
    let asked = Asked { duration: Duration::from_secs(1), ..asked(None, "m", &call) };
    let cost = prices.cost(&asked);
    adds_up(&cost);
    let lines: Vec<_> = cost.lines.iter().map(|line| (line.charge.name(), line.quantity)).collect();
    assert_eq!(lines, [("input", 5), ("requests", 1), ("gpu_time", 1_000_000)]);
    assert_eq!(cost.amount, Some(Money::from_nanos(5_000 + 500_000_000 + 1_000_000_000)));
    let sonar = self::call("in 1 out 1 billed in 1 billed out 1");
    let cost = Prices::bundled().cost(&self::asked(Some("perplexity"), "sonar", &sonar));
    assert_eq!(cost.amount, Some(Money::from_nanos(2 * 1_000 + 5_000_000)));
}

#[test]
fn a_bad_catalogue_is_refused() {
    let catalogue = |price: &str| {
        format!(
            r#"[{{"id":"p","name":"P","api_pattern":"p","models":[{{"id":"m","match":{{"equals":"m"}},"prices":{{"input_mtok":{price}}}}}]}}]"#
        )
    };
    let good = read(&catalogue("0.5")).unwrap();
    assert_eq!(nanos(&good, "p", "m", "in 3"), Some(1_500));
    assert_eq!(&**good.catalogue(), "test");
    let tiered = r#"{"base":1,"tiers":[{"start":10,"price":-2}]}"#;
    for bad in ["NaN", "-0.1", "1e400", "-1e400", "Infinity", "\"1\"", "null", tiered] {
        assert!(read(&catalogue(bad)).is_err(), "{bad}");
    }
    for bad in ["", "{}", "[]", "[1]", "\u{0}"] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn counts_of_any_size_saturate() {
    let call = call(&format!("in {max} read {max} out {max} searches {max}", max = u64::MAX));
    let cost = Prices::bundled().cost(&asked(Some("openai"), "gpt-4o", &call));
    assert_eq!((cost.status, cost.amount), (CostStatus::Priced, Some(Money::from_nanos(u64::MAX))));
}

/// Our integers against the catalogue's own floating point, for every model it has.
#[test]
fn every_model_costs_what_the_catalogue_says() {
    let prices = Prices::bundled();
    let at = UNIX_EPOCH + Duration::from_secs(NOON);
    let call = call("in 90001 read 70003 write 60007 out 5003 think 2005 hours=0 size=high");
    let inclusive = genai_prices::Usage::from([
        (UsageKey::INPUT_TOKENS, 220_011.0),
        (UsageKey::CACHE_READ_TOKENS, 70_003.0),
        (UsageKey::CACHE_WRITE_TOKENS, 60_007.0),
        (UsageKey::CACHE_WRITE_5M_TOKENS, 60_007.0),
        (UsageKey::OUTPUT_TOKENS, 7_008.0),
        (UsageKey::OUTPUT_REASONING_TOKENS, 2_005.0),
        // The catalogue wants every overlap named, be it nothing.
        (UsageKey::INPUT_AUDIO_TOKENS, 0.0),
        (UsageKey::INPUT_IMAGE_TOKENS, 0.0),
    ]);
    let (mut priced, mut unpriced, mut elsewhere, mut shadowed) = (0, 0, 0, 0);
    let List::Public(calculator) = prices.first_list() else { panic!("the bundled list") };
    for provider in calculator.providers() {
        for model in provider.models() {
            let request = genai_prices::PriceRequest::new(model.id(), &inclusive)
                .with_provider_id(provider.id())
                .with_timestamp(at);
            let Ok(theirs) = calculator.calculate(&request) else {
                shadowed += 1;
                continue;
            };
            shadowed += usize::from(theirs.model_id != model.id());
            let ours = prices.cost(&asked(Some(provider.id()), model.id(), &call));
            let Some(amount) = ours.amount else {
                // Without a price for input or output, and no sum of theirs that says otherwise.
                unpriced += 1;
                assert!(theirs.input_price == 0.0 || theirs.output_price == 0.0, "{model:?}");
                continue;
            };
            adds_up(&ours);
            if ours.catalogue.as_deref() != Some(BUNDLED) {
                elsewhere += 1;
                continue;
            }
            priced += 1;
            // Some search with each call, which the catalogue does not say.
            let searched = ours.lines.iter().filter(|line| line.charge == Charge::Searches);
            let searched = searched.map(|line| line.amount).sum::<Money>().nanos();
            #[expect(clippy::cast_precision_loss, reason = "for comparison")]
            let difference = ((amount.nanos() - searched) as f64 / 1e9 - theirs.total_price).abs();
            assert!(difference <= 5.1e-10, "{model:?}: {} {}", amount, theirs.total_price);
        }
    }
    println!(
        "{priced} priced, {elsewhere} by the second list, {unpriced} unpriced, {shadowed} never reached by their own id"
    );
    assert!(priced > 1_900);
}

/// Of all models for chat that the origin of the second list has a price for, so many are priced as a
/// record of their provider is.
#[test]
fn nearly_every_model_that_is_sold_for_chat_is_priced() {
    let prices = Prices::bundled();
    let call = call("in 1000 out 100");
    let (models, total) = second::chat_models();
    let mut missing = Vec::new();
    for (provider, model) in &models {
        let id = match *provider {
            // Its prices are under the maker's id.
            "gcp.vertex_ai" => Some("google"),
            // It has no id in the first list.
            "vercel" => None,
            other => Some(other),
        };
        let asked = Asked { provider, ..asked(id, model, &call) };
        let cost = prices.cost(&asked);
        adds_up(&cost);
        if cost.status != CostStatus::Priced {
            missing.push((provider, model, cost.unpriced));
        }
    }
    let priced = models.len() - missing.len();
    println!("{priced} of {total} priced; not {missing:?}");
    assert!(total > 1_500 && priced * 100 >= total * 95, "{priced} of {total}: {missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_add_up_and_no_token_makes_it_cheaper(
        counts in proptest::array::uniform6(0_u64..2_000_000),
        more in 0_usize..6,
        extra in 1_u64..1_000_000,
        model in prop::sample::select(vec![
            ("openai", "gpt-5-mini", Some("flex")),
            ("openai", "gpt-4o-mini", None),
            ("anthropic", "claude-sonnet-4-5", None),
            ("google", "gemini-2.5-pro", None),
            ("openrouter", "google/gemini-2.5-flash", None),
        ]),
    ) {
        let usage = |counts: [u64; 6]| {
            let [input, read, write, write1h, output, reasoning] = counts.map(Some);
            Usage {
                input, cache_read: read, cache_write_5m: write, cache_write_1h: write1h, output,
                reasoning, ..Usage::default()
            }
        };
        let prices = Prices::bundled();
        let (id, model, tier) = model;
        let mut call = call("");
        call.tier = tier.map(str::to_owned);
        call.usage = usage(counts);
        let less = prices.cost(&asked(Some(id), model, &call));
        let mut counts = counts;
        counts[more] += extra;
        call.usage = usage(counts);
        let cost = prices.cost(&asked(Some(id), model, &call));
        adds_up(&less);
        adds_up(&cost);
        prop_assert_eq!(cost.status, CostStatus::Priced);
        prop_assert!(cost.amount >= less.amount);
    }

    #[test]
    fn any_prices_add_up_to_the_nearest_nanodollar(
        charges in proptest::collection::vec((0_u64..10_000_000, 0_u128..10_u128.pow(15)), 0..14),
    ) {
        let tokens = Charge::Tokens(Bucket::Input);
        let exact: u128 = charges.iter().map(|(count, pico)| u128::from(*count) * pico).sum();
        let (amount, lines) =
            add_up(charges.into_iter().map(|(count, pico)| (tokens, count, pico)).collect());
        // Picodollars for a million, to nanodollars: / 1e6 / 1e3, to the nearest.
        prop_assert_eq!(u128::from(amount.nanos()), (exact + 500_000_000) / 1_000_000_000);
        prop_assert_eq!(lines.iter().map(|line| line.amount).sum::<Money>(), amount);
    }
}
