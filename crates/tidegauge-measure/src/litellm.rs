//! Reads LiteLLM's price list: an object with one entry a model, prices in US dollars for one token.
//!
//! Numbers are read as they are written, never through floating point. What is priced by something
//! that is not observed (pixels, characters, pages) is left out and counted. Must not know: where the
//! file is from, our providers (their names in the list are an argument).

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tidegauge_core::{Bucket, Charge};

use crate::decimal::{Excess, PLACES, scaled};
use crate::mistake::CatalogueMistake;
use crate::table::{Row, Table, Way};

/// The entry that explains the form.
const SAMPLE: &str = "sample_spec";

/// Mistakes that are told; a file with more is the wrong file.
const MOST_MISTAKES: usize = 100;

/// How much of a wrong value is shown.
const SHOWN: usize = 40;

/// What is charged for each name of a price, and how many of them a price of ours is for, as a power
/// of ten of theirs: they write prices for one, we for [`Charge::per`].
const PRICES: &[(&str, Charge)] = &[
    ("input_cost_per_token", Charge::Tokens(Bucket::Input)),
    ("cache_read_input_token_cost", Charge::Tokens(Bucket::CacheRead)),
    ("cache_read_input_audio_token_cost", Charge::Tokens(Bucket::CacheReadAudio)),
    ("cache_creation_input_token_cost", Charge::Tokens(Bucket::CacheWrite5m)),
    ("cache_creation_input_token_cost_above_1hr", Charge::Tokens(Bucket::CacheWrite1h)),
    ("input_cost_per_audio_token", Charge::Tokens(Bucket::InputAudio)),
    ("input_cost_per_image_token", Charge::Tokens(Bucket::InputImage)),
    ("output_cost_per_token", Charge::Tokens(Bucket::Output)),
    ("output_cost_per_reasoning_token", Charge::Tokens(Bucket::Reasoning)),
    ("output_cost_per_audio_token", Charge::Tokens(Bucket::OutputAudio)),
    ("output_cost_per_image_token", Charge::Tokens(Bucket::OutputImage)),
    ("input_cost_per_query", Charge::Searches),
    ("input_cost_per_request", Charge::Requests),
];

/// How a price for another way to be served is named.
const WAYS: &[(&str, Way)] =
    &[("_batches", Way::Batch), ("_flex", Way::Flex), ("_priority", Way::Priority)];

/// Searches are priced by the size of what they read, which is not observed: the list's own default.
const SEARCH: (&str, &str) = ("search_context_cost_per_query", "search_context_size_medium");

/// What a second of audio costs to transcribe. The second stands in for the first in some entries.
const SECONDS: [&str; 2] = ["output_cost_per_second", "input_cost_per_second"];

/// One entry's members as they are written.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a list. `ours` tells our id of a provider that the list names; one without keeps its name.
///
/// # Errors
/// Every mistake, each with the key it is at.
pub(crate) fn read(
    data: &[u8],
    ours: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<Table, Vec<CatalogueMistake>> {
    let entries: Members<'_> = serde_json::from_slice(data).map_err(|error| {
        vec![CatalogueMistake::new(
            "",
            format!("line {}, column {}: not JSON", error.line(), error.column()),
        )]
    })?;
    let mut reading = Reading { mistakes: Vec::new() };
    let rows = entries
        .iter()
        .filter(|(key, _)| key.as_str() != SAMPLE)
        .filter_map(|(key, entry)| reading.row(key, entry, ours))
        .collect::<Vec<_>>();
    if reading.mistakes.is_empty() && rows.is_empty() {
        reading.wrong("", "no model with a price that is used here".to_owned());
    }
    if reading.mistakes.is_empty() { Ok(Table::new(rows)) } else { Err(reading.mistakes) }
}

struct Reading {
    mistakes: Vec<CatalogueMistake>,
}

impl Reading {
    /// The row of an entry; `None` where it has no price that is used here.
    fn row(
        &mut self,
        key: &str,
        entry: &RawValue,
        ours: &dyn Fn(&str) -> Option<&'static str>,
    ) -> Option<Row> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(entry.get()) else {
            self.wrong(key, format!("expected an object, found `{}`", shown(entry.get())));
            return None;
        };
        let text = |name: &str| members.get(name).and_then(|raw| text(raw));
        let theirs = text("litellm_provider").unwrap_or_default();
        let named = key.split_once('/').filter(|(prefix, _)| is_prefix(prefix, &theirs));
        let mut row = Row {
            provider: ours(&theirs).map_or(theirs, str::to_owned),
            model: named.map_or(key, |(_, model)| model).to_owned(),
            bare: named.is_none(),
            context_window: members.get("max_input_tokens").and_then(|raw| raw.get().parse().ok()),
            rates: Vec::new(),
        };
        for (name, value) in &members {
            self.price(key, name, value, &mut row);
        }
        self.search(key, &members, &mut row);
        if text("mode").as_deref() == Some("audio_transcription") {
            self.seconds(key, &members, &mut row);
        }
        (!row.rates.is_empty()).then_some(row)
    }

    /// One member, if it is a price by token, query or request.
    fn price(&mut self, key: &str, name: &str, value: &RawValue, row: &mut Row) {
        let (plain, way) = WAYS
            .iter()
            .find_map(|(suffix, way)| Some((name.strip_suffix(suffix)?, *way)))
            .unwrap_or((name, Way::Standard));
        let (plain, above) = long_prompt(plain);
        let Some((_, charge)) = PRICES.iter().find(|(known, _)| *known == plain) else { return };
        let Some(price) = self.amount(&format!("{key}.{name}"), value, charge.per()) else {
            return;
        };
        let rate = row.rate_mut(way, *charge);
        match above {
            Some(above) => rate.step(above, price),
            None => rate.base = Some(price),
        }
    }

    fn search(&mut self, key: &str, members: &Members<'_>, row: &mut Row) {
        let (name, size) = SEARCH;
        let Some(sizes) = members.get(name) else { return };
        let at = format!("{key}.{name}");
        // Some entries have one price for all sizes.
        let price = match serde_json::from_str::<Members<'_>>(sizes.get()) {
            Ok(sizes) => match sizes.get(size) {
                Some(price) => self.amount(&format!("{at}.{size}"), price, Charge::Searches.per()),
                None => None,
            },
            Err(_) => self.amount(&at, sizes, Charge::Searches.per()),
        };
        if let Some(price) = price {
            row.rate_mut(Way::Standard, Charge::Searches).base = Some(price);
        }
    }

    fn seconds(&mut self, key: &str, members: &Members<'_>, row: &mut Row) {
        for name in SECONDS {
            let Some(price) = members.get(name) else { continue };
            // Our unit of audio time is the hour.
            let hour = self.amount(&format!("{key}.{name}"), price, 3600).filter(|hour| *hour > 0);
            if let Some(hour) = hour {
                row.rate_mut(Way::Standard, Charge::AudioTime).base = Some(hour);
                return;
            }
        }
    }

    /// Picodollars for `per` of them, from dollars for one; `None` for null, and for a mistake, which
    /// is noted.
    fn amount(&mut self, at: &str, value: &RawValue, per: u64) -> Option<u128> {
        let text = value.get().trim();
        if text == "null" {
            return None;
        }
        // Six more places than are kept, so that what is rounded is the price for `per`.
        let exact = scaled(text, PLACES + 6, Excess::Round)
            .and_then(|price| price.checked_mul(u128::from(per)))
            .map(|price| price.saturating_add(500_000) / 1_000_000);
        if exact.is_none() {
            let found = shown(text);
            self.wrong(at, format!("expected a number of US dollars, 0 or more, found `{found}`"));
        }
        exact
    }

    fn wrong(&mut self, key: &str, what: String) {
        if self.mistakes.len() < MOST_MISTAKES {
            self.mistakes.push(CatalogueMistake::new(key, what));
        }
    }
}

/// Whether the first part of a name only repeats the provider (`vendor/model` of `vendor`,
/// `vendor_ai`, `vendor-chat`).
fn is_prefix(prefix: &str, provider: &str) -> bool {
    provider.split(['-', '_']).next() == prefix.split(['-', '_']).next()
}

/// A name of a price without `_above_200k_tokens`, and the number of tokens in that.
fn long_prompt(name: &str) -> (&str, Option<u64>) {
    let step = name.strip_suffix("_tokens").and_then(|rest| rest.rsplit_once("_above_"));
    let parsed = step.and_then(|(plain, above)| {
        let above = match above.strip_suffix('k') {
            Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000)?,
            None => above.parse().ok()?,
        };
        Some((plain, Some(above)))
    });
    parsed.unwrap_or((name, None))
}

/// A JSON string.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests;
