//! Tokens in exclusive buckets.

use std::collections::BTreeMap;

/// Where a usage figure comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Source {
    /// The provider's own count, unasked.
    Provider,
    /// The provider's own count, because we asked for it.
    Injected,
    /// Counted here with a tokenizer, the prompt, the answer or both; see [`Estimate`].
    Estimated,
    /// The provider's count up to a break: the true figure is at least this.
    Partial,
    /// Nobody counted.
    #[default]
    Missing,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] =
        [Self::Provider, Self::Injected, Self::Estimated, Self::Partial, Self::Missing];

    /// The word used in records and spans (`tidegauge.usage.source`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Injected => "injected",
            Self::Estimated => "estimated",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

/// One kind of token or fee that has its own price.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bucket {
    /// Text prompt tokens read at full price.
    Input,
    /// Prompt tokens read from the provider's cache.
    CacheRead,
    /// Audio prompt tokens read from the cache.
    CacheReadAudio,
    /// Prompt tokens written to a cache that lives five minutes, or whose life is not told.
    CacheWrite5m,
    /// Prompt tokens written to a cache that lives an hour.
    CacheWrite1h,
    /// Audio in the prompt, uncached.
    InputAudio,
    /// Pictures in the prompt, uncached.
    InputImage,
    /// Visible text, and tool calls where the provider does not count them apart.
    Output,
    /// Hidden reasoning.
    Reasoning,
    /// Audio made.
    OutputAudio,
    /// Pictures made.
    OutputImage,
}

impl Bucket {
    /// Every bucket, prompt side first.
    pub const ALL: [Self; 11] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheReadAudio,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::InputAudio,
        Self::InputImage,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
    ];

    /// The word used in price explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheReadAudio => "cache_read_audio",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
        }
    }
}

/// What counts tokens where the provider does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Estimator {
    /// The tokenizer that the model itself has.
    O200k,
    /// The same tokenizer, for a model whose own is another one or is not public.
    O200kApproximate,
}

impl Estimator {
    /// Every estimator.
    pub const ALL: [Self; 2] = [Self::O200k, Self::O200kApproximate];

    /// The word used in records and spans (`tidegauge.usage.estimator`).
    pub fn name(self) -> &'static str {
        match self {
            Self::O200k => "o200k",
            Self::O200kApproximate => "o200k_approximate",
        }
    }
}

/// Which totals of a usage were counted here. They stand in [`Usage::input`] and [`Usage::output`]
/// like told ones, so that they are priced and added up like them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// What counted.
    pub by: Estimator,
    /// The prompt, if it was counted here.
    pub input: Option<u64>,
    /// The answer as far as it came, if it was counted here.
    pub output: Option<u64>,
    /// What the provider had told of that answer up to a break.
    pub output_told: Option<u64>,
}

/// What is billed to one model, where that is not what the tokens of a call say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Billed {
    /// The model; `None` is the one that answered.
    pub model: Option<String>,
    /// Tokens by kind, as far as there are any.
    pub tokens: BTreeMap<Bucket, u64>,
}

/// What was used, in buckets that do not overlap. `None` is "not told", which is not zero.
///
/// The sum of the prompt buckets is the provider's stated input, the sum of the others its stated
/// output, after the normalisation of each provider's reader; where a provider states parts that are
/// more than their total, its total stands in `input_told` or `output_told`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Usage {
    /// Where the figures come from.
    pub source: Source,
    /// See [`Bucket::Input`].
    pub input: Option<u64>,
    /// See [`Bucket::CacheRead`].
    pub cache_read: Option<u64>,
    /// See [`Bucket::CacheReadAudio`].
    pub cache_read_audio: Option<u64>,
    /// See [`Bucket::CacheWrite5m`].
    pub cache_write_5m: Option<u64>,
    /// See [`Bucket::CacheWrite1h`].
    pub cache_write_1h: Option<u64>,
    /// See [`Bucket::InputAudio`].
    pub input_audio: Option<u64>,
    /// See [`Bucket::InputImage`].
    pub input_image: Option<u64>,
    /// See [`Bucket::Output`].
    pub output: Option<u64>,
    /// See [`Bucket::Reasoning`].
    pub reasoning: Option<u64>,
    /// See [`Bucket::OutputAudio`].
    pub output_audio: Option<u64>,
    /// See [`Bucket::OutputImage`].
    pub output_image: Option<u64>,
    /// Seconds of audio billed by time instead of tokens.
    pub audio_seconds: Option<f64>,
    /// Searches of the provider's own tools, billed each.
    pub searches: Option<u64>,
    /// Prompts that were grounded in searches, billed each by some models in place of the searches.
    pub grounded_prompts: Option<u64>,
    /// Searches in the caller's stored files, billed each.
    pub file_searches: Option<u64>,
    /// How much a search reads, as the provider tells it, if it bills each call by that (`low`).
    pub search_size: Option<String>,
    /// Calls of other tools of the provider's that have a fee, of which no price is known here.
    pub hosted_tools: Option<u64>,
    /// The input the provider stated, where its parts are more than it. The parts are priced, this is
    /// shown.
    pub input_told: Option<u64>,
    /// The same for the output.
    pub output_told: Option<u64>,
    /// The reasoning the provider stated, where it is more than the output it is a part of: another
    /// tokenizer counted it. The part is priced, this is shown.
    pub reasoning_told: Option<u64>,
    /// The total the provider stated, as a cross-check only.
    pub stated_total: Option<u64>,
    /// What the provider says the call cost, in US dollars as it was written.
    pub reported_usd: Option<String>,
    /// A figure was not a whole number that fits, or the parts did not add up.
    pub odd: bool,
    /// What of this is no figure of the provider's.
    pub estimate: Option<Estimate>,
    /// What is billed in place of the buckets, in parts that are priced by themselves: a step for
    /// which the provider has figures of its own, or another model that helped. Empty: the buckets
    /// are what is billed.
    pub billed: Vec<Billed>,
    /// Where the model ran, as the provider tells it, if it tells that because it bills by it (`us`).
    pub region: Option<String>,
}

impl Usage {
    /// How many parts of a bill are kept apart; what more there are is added to the last one of the
    /// same model.
    pub const MAX_BILLED: usize = 64;

    /// The place of one bucket's tokens.
    pub fn bucket_mut(&mut self, bucket: Bucket) -> &mut Option<u64> {
        match bucket {
            Bucket::Input => &mut self.input,
            Bucket::CacheRead => &mut self.cache_read,
            Bucket::CacheReadAudio => &mut self.cache_read_audio,
            Bucket::CacheWrite5m => &mut self.cache_write_5m,
            Bucket::CacheWrite1h => &mut self.cache_write_1h,
            Bucket::InputAudio => &mut self.input_audio,
            Bucket::InputImage => &mut self.input_image,
            Bucket::Output => &mut self.output,
            Bucket::Reasoning => &mut self.reasoning,
            Bucket::OutputAudio => &mut self.output_audio,
            Bucket::OutputImage => &mut self.output_image,
        }
    }

    /// The tokens in one bucket.
    pub fn get(&self, bucket: Bucket) -> Option<u64> {
        match bucket {
            Bucket::Input => self.input,
            Bucket::CacheRead => self.cache_read,
            Bucket::CacheReadAudio => self.cache_read_audio,
            Bucket::CacheWrite5m => self.cache_write_5m,
            Bucket::CacheWrite1h => self.cache_write_1h,
            Bucket::InputAudio => self.input_audio,
            Bucket::InputImage => self.input_image,
            Bucket::Output => self.output,
            Bucket::Reasoning => self.reasoning,
            Bucket::OutputAudio => self.output_audio,
            Bucket::OutputImage => self.output_image,
        }
    }

    /// Adds a part to the bill. What finds no room is not billed, and the usage is odd.
    pub fn bill(&mut self, part: Billed) {
        if self.billed.len() < Self::MAX_BILLED {
            self.billed.push(part);
        } else if let Some(last) = self.billed.iter_mut().rfind(|one| one.model == part.model) {
            last.add(&part);
        } else {
            self.odd = true;
        }
    }

    /// Adds what another call used. Absent and zero stay apart. Money that a provider reports and its
    /// stated total are not added; a region and a size of searches are kept if both tell the same.
    pub fn add(&mut self, other: &Usage) {
        self.add_bill(other);
        let told = |one: Option<u64>, two: Option<u64>, totals: [Option<u64>; 2]| {
            one.or(two).and_then(|_| sum(&totals))
        };
        let reasoning = told(
            self.reasoning_told,
            other.reasoning_told,
            [self.reasoning_tokens(), other.reasoning_tokens()],
        );
        let (input, output) = (
            told(self.input_told, other.input_told, [self.input_tokens(), other.input_tokens()]),
            told(
                self.output_told,
                other.output_told,
                [self.output_tokens(), other.output_tokens()],
            ),
        );
        for (own, theirs) in [
            (&mut self.input, other.input),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_read_audio, other.cache_read_audio),
            (&mut self.cache_write_5m, other.cache_write_5m),
            (&mut self.cache_write_1h, other.cache_write_1h),
            (&mut self.input_audio, other.input_audio),
            (&mut self.input_image, other.input_image),
            (&mut self.output, other.output),
            (&mut self.reasoning, other.reasoning),
            (&mut self.output_audio, other.output_audio),
            (&mut self.output_image, other.output_image),
            (&mut self.searches, other.searches),
            (&mut self.grounded_prompts, other.grounded_prompts),
            (&mut self.file_searches, other.file_searches),
            (&mut self.hosted_tools, other.hosted_tools),
        ] {
            *own = sum(&[*own, theirs]);
        }
        self.audio_seconds = match (self.audio_seconds, other.audio_seconds) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        (self.input_told, self.output_told) = (input, output);
        self.reasoning_told = reasoning;
        self.odd |= other.odd;
        if self.region != other.region {
            self.region = None;
        }
        if self.search_size != other.search_size {
            self.search_size = None;
        }
    }

    /// Before the buckets are added: where only one has a bill, the other's is its buckets.
    fn add_bill(&mut self, other: &Usage) {
        if self.billed.is_empty() && other.billed.is_empty() {
            return;
        }
        let own = self.buckets();
        if self.billed.is_empty() && !own.tokens.is_empty() {
            self.billed.push(own);
        }
        let theirs =
            if other.billed.is_empty() { vec![other.buckets()] } else { other.billed.clone() };
        for part in theirs {
            match self.billed.iter_mut().find(|one| one.model == part.model) {
                Some(own) => own.add(&part),
                None => self.bill(part),
            }
        }
    }

    /// The buckets as a part of a bill, of the model that answered.
    pub fn buckets(&self) -> Billed {
        let held = |bucket: Bucket| Some((bucket, self.get(bucket).filter(|count| *count > 0)?));
        Billed { model: None, tokens: Bucket::ALL.into_iter().filter_map(held).collect() }
    }

    /// All prompt tokens, cached or not; `None` when no prompt bucket is known.
    pub fn input_tokens(&self) -> Option<u64> {
        self.input_told.or_else(|| self.input_buckets())
    }

    /// All generated tokens, reasoning included; `None` when no output bucket is known.
    pub fn output_tokens(&self) -> Option<u64> {
        self.output_told.or_else(|| self.output_buckets())
    }

    /// The hidden reasoning as the provider stated it; `None` when it did not.
    pub fn reasoning_tokens(&self) -> Option<u64> {
        self.reasoning_told.or(self.reasoning)
    }

    /// The prompt tokens that the provider told.
    pub fn told_input(&self) -> Option<u64> {
        let counted = self.estimate.and_then(|estimate| estimate.input).is_some();
        self.input_tokens().filter(|_| !counted)
    }

    /// The generated tokens that the provider told.
    pub fn told_output(&self) -> Option<u64> {
        match self.estimate {
            Some(Estimate { output: Some(_), output_told, .. }) => output_told,
            _ => self.output_tokens(),
        }
    }

    fn input_buckets(&self) -> Option<u64> {
        sum(&[
            self.input,
            self.input_audio,
            self.input_image,
            self.cache_read_tokens(),
            self.cache_write_tokens(),
        ])
    }

    fn output_buckets(&self) -> Option<u64> {
        sum(&[self.output, self.reasoning, self.output_audio, self.output_image])
    }

    /// Prompt tokens that came from the cache.
    pub fn cache_read_tokens(&self) -> Option<u64> {
        sum(&[self.cache_read, self.cache_read_audio])
    }

    /// Prompt tokens that were written to the cache.
    pub fn cache_write_tokens(&self) -> Option<u64> {
        sum(&[self.cache_write_5m, self.cache_write_1h])
    }

    /// Whether any figure at all is known.
    pub fn is_known(&self) -> bool {
        self.input_tokens().is_some()
            || self.output_tokens().is_some()
            || self.audio_seconds.is_some()
            || self.searches.is_some()
    }
}

impl Billed {
    fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.tokens {
            let sum = self.tokens.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

/// Adds what is known, without wrapping; `None` when nothing is.
fn sum(parts: &[Option<u64>]) -> Option<u64> {
    parts
        .iter()
        .flatten()
        .fold(None, |total: Option<u64>, part| Some(total.unwrap_or(0).saturating_add(*part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_bucket_by_bucket_and_keeps_absence() {
        let mut sum = Usage { input: Some(1), output: Some(u64::MAX), ..Usage::default() };
        let other = Usage {
            input: Some(2),
            output: Some(1),
            reasoning: Some(3),
            searches: Some(1),
            audio_seconds: Some(0.5),
            odd: true,
            ..Usage::default()
        };
        sum.add(&other);
        let expected = Usage {
            input: Some(3),
            output: Some(u64::MAX),
            reasoning: Some(3),
            searches: Some(1),
            audio_seconds: Some(0.5),
            odd: true,
            ..Usage::default()
        };
        assert_eq!(sum, expected);
        assert_eq!(sum.cache_read, None);
    }

    #[test]
    fn bills_add_up_by_model_and_buckets_stand_for_a_missing_one() {
        let part = |model: Option<&str>, input| Billed {
            model: model.map(str::to_owned),
            tokens: [(Bucket::Input, input)].into(),
        };
        let plain = Usage { input: Some(5), output: Some(0), ..Usage::default() };
        let billed = vec![part(None, 2), part(Some("b"), 7)];
        let billed = Usage { input: Some(90), billed, ..Usage::default() };
        let expected = vec![part(None, 7), part(Some("b"), 7)];
        for (one, other) in [(&plain, &billed), (&billed, &plain)] {
            let mut sum = one.clone();
            sum.add(other);
            assert_eq!((sum.input, &sum.billed), (Some(95), &expected));
        }
        let mut sum = Usage::default();
        sum.add(&billed);
        assert_eq!(sum.billed, billed.billed);
        let mut plainer = plain.clone();
        plainer.add(&plain);
        assert!(plainer.billed.is_empty());
    }

    #[test]
    fn a_bill_has_so_many_parts() {
        let part = |model: Option<&str>| Billed {
            model: model.map(str::to_owned),
            tokens: [(Bucket::Output, 3)].into(),
        };
        let mut usage = Usage::default();
        (0..100).for_each(|_| usage.bill(part(None)));
        let sum: u64 = usage.billed.iter().flat_map(|part| part.tokens.values()).sum();
        assert_eq!((usage.billed.len(), sum, usage.odd), (Usage::MAX_BILLED, 300, false));
        usage.bill(part(Some("other")));
        assert_eq!((usage.billed.len(), usage.odd), (Usage::MAX_BILLED, true));
    }

    #[test]
    fn a_region_is_kept_where_all_ran_there() {
        let here = Usage { region: Some("us".into()), ..Usage::default() };
        let mut sum = here.clone();
        sum.add(&here);
        assert_eq!(sum.region.as_deref(), Some("us"));
        sum.add(&Usage::default());
        assert_eq!(sum.region, None);
    }

    #[test]
    fn a_told_total_stays_one() {
        let told = Usage {
            output: Some(5),
            reasoning: Some(9),
            output_told: Some(10),
            ..Usage::default()
        };
        let mut sum = Usage { output: Some(2), ..Usage::default() };
        sum.add(&told);
        assert_eq!((sum.output, sum.output_tokens()), (Some(7), Some(12)));
        let mut again = told.clone();
        again.add(&told);
        assert_eq!(again.output_tokens(), Some(20));
    }
}
