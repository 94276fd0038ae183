//! The family's usage objects.

use std::time::Duration;

use tidegauge_core::{Response, Usage};

use crate::field::Json;
use crate::figures::Figures;

/// `prompt_tokens`, `completion_tokens` and their details, or the newer `input_tokens` and
/// `output_tokens`: the last object with any figure wins.
pub(super) fn read(usage: Json<'_>, into: &mut Usage) {
    if !usage.is_object() {
        return;
    }
    read_cost(usage, into);
    let figures = figures(usage);
    // What a head told before anything was answered.
    let ahead = into.cache_read.filter(|_| into.output_tokens().is_none());
    let figures = Figures { cache_read: figures.cache_read.or(ahead), ..figures };
    if figures.input.is_some() || figures.output.is_some() {
        figures.fill(into);
    } else {
        into.odd |= figures.odd;
    }
}

/// Servers of one's own may say how long they read and wrote, in milliseconds; what comes last counts.
pub(super) fn read_timings(timings: Json<'_>, into: &mut Response) {
    let times = ["prompt_ms", "predicted_ms"].map(|name| timings.get(name).float());
    let told = times.into_iter().flatten().reduce(|sum, time| sum + time);
    let told = told.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
    into.processing = told.or(into.processing);
}

fn figures(usage: Json<'_>) -> Figures {
    let mut odd = false;
    let mut first = |places: &[(&str, &str)]| {
        places.iter().find_map(|(outer, inner)| {
            let holder = if outer.is_empty() { usage } else { usage.get(outer) };
            holder.get(inner).count(&mut odd)
        })
    };
    let (prompt, completion) = ("prompt_tokens_details", "completion_tokens_details");
    let (input, output) = ("input_tokens_details", "output_tokens_details");
    let figures = Figures {
        input: first(&[("", "prompt_tokens"), ("", "input_tokens")]),
        cache_read: first(&[
            (prompt, "cached_tokens"),
            (input, "cached_tokens"),
            ("", "prompt_cache_hit_tokens"),
            ("", "cached_tokens"),
        ]),
        cache_read_audio: None,
        cache_write: first(&[(prompt, "cache_write_tokens"), (input, "cache_write_tokens")]),
        input_audio: first(&[
            (prompt, "audio_tokens"),
            (input, "audio_tokens"),
            ("input_token_details", "audio_tokens"),
        ]),
        input_image: first(&[(prompt, "image_tokens"), (input, "image_tokens")]),
        output: first(&[("", "completion_tokens"), ("", "output_tokens")]),
        reasoning: first(&[
            (completion, "reasoning_tokens"),
            (output, "reasoning_tokens"),
            // What a model thought while it searched, beside its answer.
            ("", "reasoning_tokens"),
        ]),
        output_audio: first(&[(completion, "audio_tokens"), (output, "audio_tokens")]),
        output_image: first(&[(completion, "image_tokens"), (output, "image_tokens")]),
        total: first(&[("", "total_tokens")]),
        odd: false,
    };
    Figures { odd, ..figures }
}

/// The usage of a response over the Realtime API: its cached tokens are told by kind too.
pub(super) fn read_realtime(usage: Json<'_>, into: &mut Usage) {
    let (input, output) = (usage.get("input_token_details"), usage.get("output_token_details"));
    let cached = input.get("cached_tokens_details");
    let mut odd = false;
    let mut count = |holder: Json<'_>, name: &str| holder.get(name).count(&mut odd);
    let cached_images = count(cached, "image_tokens").unwrap_or(0);
    let figures = Figures {
        input: count(usage, "input_tokens"),
        cache_read: count(input, "cached_tokens"),
        cache_read_audio: count(cached, "audio_tokens"),
        cache_write: None,
        input_audio: count(input, "audio_tokens"),
        input_image: count(input, "image_tokens").map(|all| all.saturating_sub(cached_images)),
        output: count(usage, "output_tokens"),
        reasoning: count(output, "reasoning_tokens"),
        output_audio: count(output, "audio_tokens"),
        output_image: count(output, "image_tokens"),
        total: count(usage, "total_tokens"),
        odd: false,
    };
    if figures.input.is_some() || figures.output.is_some() {
        Figures { odd, ..figures }.fill(into);
    }
}
/// A dollar, in the unit of the host that counts what a call cost in whole numbers.
const USD: u64 = 10_000_000_000;

/// Some say what the call cost, as a number or as an object with a total, and count what is billed
/// apart from tokens.
fn read_cost(usage: Json<'_>, into: &mut Usage) {
    let cost = usage.get("cost");
    // On a caller's own key a gateway states its fee only.
    let fee = usage.get("is_byok").bool() == Some(true);
    let told = cost.number().or_else(|| cost.get("total_cost").number());
    if let Some(cost) = told.filter(|_| !fee) {
        into.reported_usd = Some(cost.to_owned());
    } else if let Some(ticks) = usage.get("cost_in_usd_ticks").size() {
        into.reported_usd = Some(format!("{}.{:010}", ticks / USD, ticks % USD));
    }
    if let Some(seconds) = usage.get("prompt_audio_seconds").float().filter(|s| *s > 0.0) {
        into.audio_seconds = Some(seconds);
    }
    let searches = usage.get("num_search_queries").size();
    into.searches = searches.or(into.searches);
}
