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
    /// The reasoning is no part of the stated output, and billed beside it.
    pub(crate) reasoning_apart: bool,
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
    /// Merges the figures into what was reported before, per figure the higher one: reports are
    /// cumulative, so a lower figure is a filler. Absent details stay absent.
    ///
    /// The prompt's buckets add up to the reported input, the output's to the reported output. Cached
    /// tokens that are more than the text of the prompt are pictures or audio of it. Reasoning that is
    /// more than the output is the output, counted by another tokenizer. Parts that cannot be parts of
    /// their total are priced, the total is kept beside them, and the usage is odd.
    pub(crate) fn fill(mut self, usage: &mut Usage) {
        self.audio_beside();
        self.reasoning_beside();
        let merged = self.merge(Self::of(usage));
        merged.write(usage);
    }

    /// The figures that fill these buckets.
    fn of(usage: &Usage) -> Self {
        let audio = usage.input_audio.or(usage.cache_read_audio);
        Self {
            input: usage.input_tokens(),
            cache_read: usage.cache_read_tokens(),
            cache_read_audio: usage.cache_read_audio,
            cache_write: usage.cache_write_tokens(),
            input_audio: audio
                .map(|_| usage.input_audio.unwrap_or(0) + usage.cache_read_audio.unwrap_or(0)),
            input_image: usage.input_image,
            output: usage.output_tokens(),
            reasoning: usage.reasoning_tokens(),
            reasoning_apart: false,
            output_audio: usage.output_audio,
            output_image: usage.output_image,
            total: usage.stated_total,
            odd: usage.odd,
        }
    }

    fn merge(self, known: Self) -> Self {
        // What was reported before anything was generated was a forecast, which a report replaces.
        let forecast = known.output.unwrap_or(0) == 0;
        let later = |now: Option<u64>, known: Option<u64>| match now {
            Some(1..) if forecast => now,
            _ => now.max(known),
        };
        Self {
            input: later(self.input, known.input),
            cache_read: later(self.cache_read, known.cache_read),
            cache_read_audio: later(self.cache_read_audio, known.cache_read_audio),
            cache_write: later(self.cache_write, known.cache_write),
            input_audio: later(self.input_audio, known.input_audio),
            input_image: later(self.input_image, known.input_image),
            output: self.output.max(known.output),
            reasoning: self.reasoning.max(known.reasoning),
            reasoning_apart: self.reasoning_apart,
            output_audio: self.output_audio.max(known.output_audio),
            output_image: self.output_image.max(known.output_image),
            total: self.total.max(known.total),
            odd: self.odd | known.odd,
        }
    }

    fn write(self, usage: &mut Usage) {
        let prompt = self.prompt();
        let (output, output_told) = rest(self.output, &[self.output_audio, self.output_image]);
        let apart = self.reasoning.filter(|_| self.reasoning_apart);
        // Pictures and audio are what they are; what is left of the output holds the reasoning.
        let inside = self.reasoning.map(|told| output.map_or(told, |left| told.min(left)));
        let output_told = output_told.or(self.output.filter(|_| apart.is_some()));
        let reasoning = apart.or(inside);
        *usage = Usage {
            source: Source::Provider,
            input: prompt.input,
            cache_read: prompt.cache_read,
            cache_read_audio: prompt.cache_read_audio,
            cache_write_5m: self.cache_write,
            cache_write_1h: None,
            input_audio: prompt.input_audio,
            input_image: prompt.input_image,
            output: output
                .map(|left| if apart.is_some() { left } else { left - inside.unwrap_or(0) }),
            reasoning,
            output_audio: self.output_audio,
            output_image: self.output_image,
            input_told: prompt.input_told,
            output_told,
            reasoning_told: self.reasoning.filter(|_| self.reasoning != reasoning),
            stated_total: self.total,
            odd: self.odd || prompt.input_told.is_some() || output_told.is_some(),
            audio_seconds: usage.audio_seconds,
            searches: usage.searches,
            grounded_prompts: usage.grounded_prompts,
            file_searches: usage.file_searches,
            hosted_tools: usage.hosted_tools,
            search_size: usage.search_size.take(),
            reported_usd: usage.reported_usd.take(),
            estimate: None,
            billed: std::mem::take(&mut usage.billed),
            region: usage.region.take(),
        };
    }

    /// The prompt's buckets.
    fn prompt(self) -> PromptBuckets {
        let cached = self.cache_read.unwrap_or(0);
        let (audio, image) = (self.input_audio.unwrap_or(0), self.input_image.unwrap_or(0));
        let stated_audio = self.cache_read_audio.unwrap_or(0).min(cached).min(audio);
        let outside = audio.saturating_add(image).saturating_add(self.cache_write.unwrap_or(0));
        let text = self.input.unwrap_or(u64::MAX).saturating_sub(outside);
        // What of the cached tokens is neither text nor stated to be audio.
        let more = (cached - stated_audio).saturating_sub(text);
        let cached_image = more.min(image);
        let cached_audio = stated_audio + (more - cached_image).min(audio - stated_audio);
        let fresh_audio = self.input_audio.map(|audio| audio - cached_audio);
        let fresh_image = self.input_image.map(|image| image - cached_image);
        let (input, input_told) =
            rest(self.input, &[self.cache_read, self.cache_write, fresh_audio, fresh_image]);
        PromptBuckets {
            input,
            input_told,
            cache_read: self.cache_read.map(|read| read - cached_audio),
            cache_read_audio: (self.cache_read_audio.is_some() || cached_audio > 0)
                .then_some(cached_audio),
            input_audio: fresh_audio,
            input_image: fresh_image,
        }
    }

    /// Some state the audio of a prompt beside its input instead of inside it; their totals show it.
    fn audio_beside(&mut self) {
        let (Some(input), Some(audio), Some(total)) = (self.input, self.input_audio, self.total)
        else {
            return;
        };
        let beside = input.saturating_add(audio);
        if audio > 0 && total == beside.saturating_add(self.output.unwrap_or(0)) {
            self.input = Some(beside);
        }
    }

    /// Some state reasoning beside the output instead of inside it; their totals show it.
    fn reasoning_beside(&mut self) {
        let told = self.reasoning.filter(|_| !self.reasoning_apart);
        let (Some(input), Some(output), Some(reasoning), Some(total)) =
            (self.input, self.output, told, self.total)
        else {
            return;
        };
        let beside = output.saturating_add(reasoning);
        if reasoning > 0 && total == input.saturating_add(beside) {
            self.output = Some(beside);
        }
    }
}

/// The buckets of a prompt.
struct PromptBuckets {
    input: Option<u64>,
    input_told: Option<u64>,
    cache_read: Option<u64>,
    cache_read_audio: Option<u64>,
    input_audio: Option<u64>,
    input_image: Option<u64>,
}

/// What is left of a total after its parts. If its parts are more than it: nothing, and the total
/// itself.
fn rest(total: Option<u64>, parts: &[Option<u64>]) -> (Option<u64>, Option<u64>) {
    let Some(total) = total else { return (None, None) };
    let parts = parts.iter().flatten().fold(0_u64, |sum, part| sum.saturating_add(*part));
    match total.checked_sub(parts) {
        Some(left) => (Some(left), None),
        None => (Some(0), Some(total)),
    }
}
