//! The family's usage objects.

use std::time::Duration;

use tidegauge_core::{Response, Usage};

use crate::answer::Answer;
use crate::field::Json;
use crate::figures::Figures;

/// A usage object: `prompt_tokens`, `completion_tokens` and their details, or the newer `input_tokens`
/// and `output_tokens`. A total alone is the input: nothing was generated.
pub(super) fn read(usage: Json<'_>, into: &mut Answer) {
    if !usage.is_object() {
        return;
    }
    read_cost(usage, &mut into.usage);
    read_counts(usage, &mut into.usage);
    into.service_tier(usage.get("service_tier"));
    let mut figures = figures(usage);
    // What a head reported before anything was answered gives way to the body.
    if into.usage.output_tokens().is_none() && figures.cache_read.is_some() {
        into.usage.cache_read = None;
    }
    // Where a bill stands beside a bare total, nothing says what the tokens are.
    let bare = figures.input.is_none() && figures.output.is_none() && !figures.odd;
    if bare && into.usage.reported_usd.is_none() {
        figures.input = figures.total;
    }
    if is_beside(into) {
        figures.output = figures.output.map(|told| told + figures.reasoning.unwrap_or(0));
    }
    if figures.input.is_some() || figures.output.is_some() {
        figures.fill(&mut into.usage);
    } else {
        into.usage.odd |= figures.odd;
    }
}

/// Whether this host states the reasoning of the model that answers beside its output.
fn is_beside(answer: &Answer) -> bool {
    let model = answer.response.model.as_deref().unwrap_or_default();
    answer.reasoning_beside.is_some_and(|start| model.starts_with(start))
}

/// Servers of one's own may say how long they read and wrote, in milliseconds; what comes last counts.
pub(super) fn read_timings(timings: Json<'_>, into: &mut Response) {
    let times = ["prompt_ms", "predicted_ms"].map(|name| timings.get(name).float());
    let told = times.into_iter().flatten().reduce(|sum, time| sum + time);
    let told = told.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
    into.processing = told.or(into.processing);
}

/// The names of the details of a prompt and of an answer, in the order in which they are looked for.
const PROMPT: [&str; 3] = ["prompt_tokens_details", "input_tokens_details", "input_token_details"];
const ANSWER: [&str; 3] =
    ["completion_tokens_details", "output_tokens_details", "output_token_details"];

fn figures(usage: Json<'_>) -> Figures {
    let mut odd = false;
    let mut first = |names: &[&str]| names.iter().find_map(|name| usage.get(name).count(&mut odd));
    let (input, output) =
        (first(&["prompt_tokens", "input_tokens"]), first(&["completion_tokens", "output_tokens"]));
    let (cached, total) =
        (first(&["prompt_cache_hit_tokens", "cached_tokens"]), first(&["total_tokens"]));
    // What a model thought while it searched, beside its answer.
    let thought = first(&["reasoning_tokens"]);
    let mut part = |holders: [&str; 3], name: &str| {
        holders.iter().find_map(|holder| usage.get(holder).get(name).count(&mut odd))
    };
    let cached_part = |name: &str| {
        let of = |holder: &str| usage.get(holder).get("cached_tokens_details").get(name).size();
        PROMPT.iter().find_map(|holder| of(holder))
    };
    let figures = Figures {
        input,
        cache_read: part(PROMPT, "cached_tokens").or(cached),
        cache_read_audio: cached_part("audio_tokens"),
        cache_write: part(PROMPT, "cache_write_tokens"),
        input_audio: part(PROMPT, "audio_tokens"),
        input_image: part(PROMPT, "image_tokens")
            .map(|all| all.saturating_sub(cached_part("image_tokens").unwrap_or(0))),
        output,
        reasoning: part(ANSWER, "reasoning_tokens").or(thought),
        reasoning_apart: thought.is_some(),
        output_audio: part(ANSWER, "audio_tokens"),
        output_image: part(ANSWER, "image_tokens"),
        total,
        odd: false,
    };
    Figures { odd, ..figures }
}

/// The usage of a response over the Realtime API.
pub(super) fn read_realtime(usage: Json<'_>, into: &mut Usage) {
    let figures = figures(usage);
    if figures.input.is_some() || figures.output.is_some() {
        figures.fill(into);
    }
}

/// A dollar, in the unit of the host that counts what a call cost in whole numbers.
const USD: u64 = 10_000_000_000;

/// What the host says the call cost: a number, an object with a total, or ticks, of which none means
/// that no bill was meant. On a caller's own key a gateway states its fee, and what the provider
/// behind it takes beside it.
fn read_cost(usage: Json<'_>, into: &mut Usage) {
    let cost = usage.get("cost");
    let told = cost.number().or_else(|| cost.get("total_cost").number());
    if usage.get("is_byok").bool() == Some(true) {
        let behind = usage.get("cost_details").get("upstream_inference_cost").float();
        let fee = told.and_then(|fee| fee.parse::<f64>().ok()).unwrap_or(0.0);
        into.reported_usd = behind
            .filter(|usd| *usd > 0.0)
            .map(|usd| format!("{:.12}", usd + fee))
            .or(into.reported_usd.take());
    } else if let Some(cost) = told {
        into.reported_usd = Some(cost.to_owned());
    } else if let Some(ticks) = usage.get("cost_in_usd_ticks").size().filter(|ticks| *ticks > 0) {
        into.reported_usd = Some(format!("{}.{:010}", ticks / USD, ticks % USD));
    }
}

/// Places where hosts count the searches of their own tools.
const SEARCHES: &[(&str, &[&str])] = &[
    ("", &["num_search_queries"]),
    ("server_side_tool_usage_details", &["web_search_calls", "x_search_calls"]),
    ("server_tool_use_details", &["web_search_requests"]),
    ("server_tool_use", &["web_search_requests"]),
    ("", &["num_server_side_tools_used"]),
];

/// The longest word for the size of a search that is kept, in bytes.
const MAX_SIZE: usize = 16;

/// What is billed apart from tokens.
fn read_counts(usage: Json<'_>, into: &mut Usage) {
    if let Some(seconds) = usage.get("prompt_audio_seconds").float().filter(|s| *s > 0.0) {
        into.audio_seconds = Some(seconds);
    }
    let counted = |(holder, names): &(&str, &[&str])| {
        let holder = if holder.is_empty() { usage } else { usage.get(holder) };
        let counts = names.iter().filter_map(|name| holder.get(name).size());
        counts.reduce(u64::saturating_add)
    };
    into.searches = into.searches.max(SEARCHES.iter().find_map(counted));
    let size = usage.get("search_context_size").kept(MAX_SIZE);
    into.search_size = size.or(into.search_size.take());
}
