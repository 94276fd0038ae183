//! Turns a provider's overlapping token figures into buckets that do not overlap.

use tidegauge_core::{Source, Usage};

/// Figures of which the details are parts of the totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Figures {
    /// All prompt tokens.
    pub(crate) input: Option<u64>,
    /// Part of the prompt: read from a cache.
    pub(crate) cache_read: Option<u64>,
    /// Part of what was read from a cache: audio.
    pub(crate) cache_read_audio: Option<u64>,
    /// Part of the prompt: written to a cache.
    pub(crate) cache_write: Option<u64>,
    /// Part of the prompt: audio.
    pub(crate) input_audio: Option<u64>,
    /// Part of the prompt: pictures.
    pub(crate) input_image: Option<u64>,
    /// All generated tokens.
    pub(crate) output: Option<u64>,
    /// Part of the output: reasoning.
    pub(crate) reasoning: Option<u64>,
    /// Part of the output: audio.
    pub(crate) output_audio: Option<u64>,
    /// Part of the output: pictures.
    pub(crate) output_image: Option<u64>,
    /// The stated total.
    pub(crate) total: Option<u64>,
    /// A figure was there but made no sense.
    pub(crate) odd: bool,
}

impl Figures {
    /// Writes the buckets. Absent details stay absent. Where the parts are more than the total, they
    /// are not parts of it: the total the provider stated is kept beside them, and the usage is odd.
    pub(crate) fn fill(mut self, usage: &mut Usage) {
        self.reasoning_beside();
        let audio_read = self.cache_read_audio.unwrap_or(0).min(self.cache_read.unwrap_or(0));
        let fresh_audio = self.input_audio.map(|audio| audio.saturating_sub(audio_read));
        let prompt_parts = [self.cache_read, self.cache_write, fresh_audio, self.input_image];
        let (input, input_told) = rest(self.input, &prompt_parts, 0);
        let output_parts = [self.reasoning, self.output_audio, self.output_image];
        let (output, output_told) = rest(self.output, &output_parts, self.output.unwrap_or(0));
        *usage = Usage {
            source: Source::Provider,
            input,
            cache_read: self.cache_read.map(|read| read - audio_read),
            cache_read_audio: self.cache_read_audio.map(|_| audio_read),
            cache_write_5m: self.cache_write,
            cache_write_1h: None,
            input_audio: fresh_audio,
            input_image: self.input_image,
            output,
            reasoning: self.reasoning,
            output_audio: self.output_audio,
            output_image: self.output_image,
            input_told,
            output_told,
            stated_total: self.total,
            odd: self.odd || input_told.is_some() || output_told.is_some(),
            audio_seconds: usage.audio_seconds,
            searches: usage.searches,
            reported_usd: usage.reported_usd.take(),
            estimate: None,
            billed: std::mem::take(&mut usage.billed),
            region: usage.region.take(),
        };
    }

    /// Some state reasoning beside the output instead of inside it; their totals show it.
    fn reasoning_beside(&mut self) {
        let (Some(input), Some(output), Some(reasoning), Some(total)) =
            (self.input, self.output, self.reasoning, self.total)
        else {
            return;
        };
        let beside = output.saturating_add(reasoning);
        if reasoning > 0 && total == input.saturating_add(beside) {
            self.output = Some(beside);
        }
    }
}

/// What is left of a total after its parts. If its parts are more than it: `beside`, and the total
/// itself. (Reasoning that exceeds the output stands beside it; reads that exceed a prompt cannot.)
fn rest(total: Option<u64>, parts: &[Option<u64>], beside: u64) -> (Option<u64>, Option<u64>) {
    let Some(total) = total else { return (None, None) };
    let parts = parts.iter().flatten().fold(0_u64, |sum, part| sum.saturating_add(*part));
    match total.checked_sub(parts) {
        Some(left) => (Some(left), None),
        None => (Some(beside), Some(total)),
    }
}
