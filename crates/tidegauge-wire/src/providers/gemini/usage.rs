//! `usageMetadata`: the prompt without what tools added to it, the output without its thoughts.

use tidegauge_core::Usage;

use crate::field::Json;
use crate::figures::Figures;

/// What kind of content a figure counts: the word, and the number that may stand for it.
pub(super) struct Modality(&'static str, u64);

pub(super) const IMAGE: Modality = Modality("IMAGE", 2);
pub(super) const AUDIO: Modality = Modality("AUDIO", 4);

/// How the cloud platform served a call, by the words of the public API's tiers; in the order of the
/// numbers that may stand for its own words.
const TRAFFIC: &[(&str, &str)] = &[
    ("ON_DEMAND", "standard"),
    ("PROVISIONED_THROUGHPUT", "provisioned_throughput"),
    ("ON_DEMAND_PRIORITY", "priority"),
    ("ON_DEMAND_FLEX", "flex"),
];

/// The tier that `trafficType` says.
pub(super) fn traffic(told: Json<'_>) -> Option<&'static str> {
    let number = told.size().and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
    let by_number = number.and_then(|place| TRAFFIC.get(place));
    let by_word = || TRAFFIC.iter().find(|(word, _)| told.is(word));
    by_number.or_else(by_word).map(|(_, tier)| *tier)
}

/// Cumulative: the highest of each figure is the figure.
pub(super) fn read(told: Json<'_>, into: &mut Usage) {
    let mut odd = false;
    let mut count = |name: &str| told.get(name).count(&mut odd);
    let prompt = count("promptTokenCount");
    let tools = count("toolUsePromptTokenCount");
    let answer = count("candidatesTokenCount");
    // On a socket it has another name.
    let answer = answer.or_else(|| count("responseTokenCount"));
    let thoughts = count("thoughtsTokenCount");
    let cached = count("cachedContentTokenCount");
    let total = count("totalTokenCount");
    let input = plus(prompt, tools);
    let output = plus(answer, thoughts);
    if input.is_none() && output.is_none() {
        return;
    }
    let part = |details: &str, modality: &Modality| modality.of(told.get(details));
    let asked = |modality: &Modality| {
        plus(part("promptTokensDetails", modality), part("toolUsePromptTokensDetails", modality))
    };
    let made = |modality: &Modality| {
        part("candidatesTokensDetails", modality)
            .or_else(|| part("responseTokensDetails", modality))
    };
    let cached_images = part("cacheTokensDetails", &IMAGE).unwrap_or(0);
    Figures {
        input,
        cache_read: cached,
        cache_read_audio: part("cacheTokensDetails", &AUDIO),
        cache_write: None,
        input_audio: asked(&AUDIO),
        input_image: asked(&IMAGE).map(|images| images.saturating_sub(cached_images)),
        output,
        reasoning: thoughts,
        reasoning_apart: false,
        output_audio: made(&AUDIO),
        output_image: made(&IMAGE),
        total,
        odd,
    }
    .fill(into);
}

impl Modality {
    /// The tokens of this kind in a list of details.
    pub(super) fn of(&self, details: Json<'_>) -> Option<u64> {
        let this = |detail: &Json<'_>| {
            let kind = detail.get("modality");
            let word = kind.text().is_some_and(|word| word.eq_ignore_ascii_case(self.0));
            word || kind.size() == Some(self.1)
        };
        details.items().filter(this).fold(None, |sum, detail| {
            let count = detail.get("tokenCount").size();
            plus(sum, count.or_else(|| detail.get("tokens").size()))
        })
    }
}

/// The sum of what is told.
pub(super) fn plus(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}
