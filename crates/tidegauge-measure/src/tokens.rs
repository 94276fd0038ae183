//! Counts tokens where the provider told none, from samples of what was said.
//!
//! One tokenizer for all models, o200k: it is public, and for text of most models it is near. Its
//! tables take some 46 MiB and a quarter of a second, once, when the first count is needed; so this is
//! for the thread that makes records, never for the data plane. Pure but for that.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tidegauge_core::{Asked, Estimate, Estimator, Observation, Sample, Source, Texts};
use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};

static LOADED: AtomicBool = AtomicBool::new(false);

/// What a chat format adds to each message, and to all of them for the answer to begin (OpenAI
/// cookbook, "How to count tokens with tiktoken").
const PER_MESSAGE: u64 = 3;
const PER_PROMPT: u64 = 3;
/// What a tool call adds to its name and arguments: the median of recorded traffic.
const PER_CALL: u64 = 12;
/// The most of a sample that is counted, in bytes; the rest is extrapolated. A long run of one kind of
/// letter takes longest: milliseconds for this much.
const MAX_COUNTED: usize = 64 << 10;

/// Fills in the totals that nobody told, as far as there are texts for them, and says so in
/// [`Usage::source`] and [`Usage::estimate`]. What was told stays, but for an output that was told up
/// to a break and is less than what came.
///
/// [`Usage::source`]: tidegauge_core::Usage::source
/// [`Usage::estimate`]: tidegauge_core::Usage::estimate
pub fn estimate(seen: &mut Observation, texts: &Texts) {
    let model = seen.response.model.as_deref().or(seen.request.model.as_deref());
    let by = estimator(model.unwrap_or_default());
    let input = texts.asked.as_ref().and_then(prompt);
    let told = seen.usage.output_tokens();
    let frames = seen.response.tool_calls.saturating_mul(PER_CALL);
    let output = texts.answered.as_ref().and_then(count).map(|text| text.saturating_add(frames));
    let output = output.filter(|counted| told.is_none_or(|told| told < *counted));
    if input.is_none() && output.is_none() {
        return;
    }
    let usage = &mut seen.usage;
    if input.is_some() {
        usage.input = input;
    }
    if output.is_some() {
        usage.output = output;
        (usage.reasoning, usage.output_audio, usage.output_image) = (None, None, None);
        usage.output_told = None;
    }
    usage.source = Source::Estimated;
    usage.estimate =
        Some(Estimate { by, input, output, output_told: told.filter(|_| output.is_some()) });
}

/// Whether the tables of the tokenizer are loaded: an estimate is quick then.
pub fn can_estimate_at_once() -> bool {
    LOADED.load(Relaxed)
}

/// Whose tokenizer it is. Names may stand behind the name of a vendor.
fn estimator(model: &str) -> Estimator {
    let name = model.rsplit('/').next().unwrap_or(model);
    match get_tokenizer(name) {
        Some(Tokenizer::O200kBase | Tokenizer::O200kHarmony) => Estimator::O200k,
        _ => Estimator::O200kApproximate,
    }
}

/// The tokens of a prompt; `None` if it holds no text.
fn prompt(asked: &Asked) -> Option<u64> {
    let text = count(&asked.text)?;
    let frame = match asked.messages {
        0 => 0,
        messages => messages.saturating_mul(PER_MESSAGE).saturating_add(PER_PROMPT),
    };
    let tools = count(&asked.tools).unwrap_or(0);
    Some([text, frame, tools, asked.frame].into_iter().fold(0, u64::saturating_add))
}

/// The tokens of a text: those of the sample, and as many for each byte of the rest. `None` for an
/// empty one.
fn count(sample: &Sample) -> Option<u64> {
    let end = (0..=MAX_COUNTED.min(sample.text.len()))
        .rev()
        .find(|end| sample.text.is_char_boundary(*end));
    let text = sample.text.get(..end?).filter(|text| !text.is_empty())?;
    // The tokenizer panics rather than fails.
    let tokens = catch_unwind(|| tiktoken_rs::o200k_base_singleton().count_ordinary(text)).ok()?;
    LOADED.store(true, Relaxed);
    let whole = u128::from(sample.bytes.max(text.len() as u64));
    let scaled = (tokens as u128 * whole).div_ceil(text.len() as u128);
    Some(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
