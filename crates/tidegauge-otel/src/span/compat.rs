//! A model call once more under the names that single receivers look for.
//!
//! Off unless a rendering wants it. Nothing here says more than the convention's own attributes do:
//! where those are enough, a receiver has no entry. Source: the receivers' own mapping code, as of
//! August 2026.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge_core::{Operation, Record};

use super::Caller;
use crate::attribute::Attributes;
use crate::semconv as name;

/// Attributes outside the conventions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compat {
    /// OpenInference's names for kind, model, provider and tokens.
    pub openinference: bool,
    /// Langfuse's names for what it has no other for: prompt, tags, time of the first token.
    pub langfuse: bool,
    /// OpenLIT's name for the user.
    pub openlit: bool,
}

impl Compat {
    /// Writes what is wanted; without `usage`, no tokens.
    pub(super) fn write(self, list: &mut Attributes<'_>, record: &Record, usage: bool) {
        if self.openinference {
            openinference(list, record, usage);
        }
        if self.langfuse {
            langfuse(list, record);
        }
        if self.openlit {
            list.text(name::OPENLIT_USER, Caller::of(record).user());
        }
    }
}

fn openinference(list: &mut Attributes<'_>, record: &Record, usage: bool) {
    let observation = &record.observation;
    let kind = match record.exchange.operation {
        Operation::Embeddings => "EMBEDDING",
        Operation::Rerank => "RERANKER",
        Operation::Moderation => "GUARDRAIL",
        _ => "LLM",
    };
    list.text(name::OPENINFERENCE_KIND, kind);
    let (answered, asked) = (&observation.response.model, &observation.request.model);
    list.text(name::LLM_MODEL, answered.as_deref().or(asked.as_deref()));
    list.text(name::LLM_PROVIDER, record.exchange.upstream.dialect.provider());
    if usage {
        let usage = &observation.usage;
        let (input, output) = (usage.input_tokens(), usage.output_tokens());
        list.count(name::LLM_TOKENS_PROMPT, input);
        list.count(name::LLM_TOKENS_COMPLETION, output);
        let total = input.zip(output).map(|(input, output)| input.saturating_add(output));
        list.count(name::LLM_TOKENS_TOTAL, total);
        list.count(name::LLM_TOKENS_CACHE_READ, usage.cache_read_tokens());
    }
}

fn langfuse(list: &mut Attributes<'_>, record: &Record) {
    let from = Caller::of(record);
    if let Some(prompt) = from.prompt() {
        list.text(name::LANGFUSE_PROMPT_NAME, &*prompt.name);
        // Its versions are whole numbers; another one names no prompt there.
        let version = prompt.version.as_deref().and_then(|version| version.parse::<u64>().ok());
        list.count(name::LANGFUSE_PROMPT_VERSION, version);
    }
    let tags: Vec<String> = from.tags().map(|(tag, value)| format!("{tag}:{value}")).collect();
    list.texts(name::LANGFUSE_TAGS, &tags);
    if let Some(token) = record.observation.times.first_token {
        list.text(name::LANGFUSE_FIRST_TOKEN, &*iso(record.exchange.started, token));
    }
}

/// A moment in UTC as ISO 8601 writes it, to the millisecond.
fn iso(started: SystemTime, offset: Duration) -> String {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(offset);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{millis:03}Z", second % 60)
}

/// The date so many days after 1970-01-01. Years are counted from March, so that the day that comes
/// and goes is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (calendar, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + late, calendar, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_iso_8601() {
        for (seconds, millis, expected) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 999, "2000-02-28T23:59:59.999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.001Z"),
            (1_709_251_199, 0, "2024-02-29T23:59:59.000Z"),
            (1_795_000_000, 250, "2026-11-18T11:06:40.250Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
        ] {
            let started = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(iso(started, Duration::from_millis(millis)), expected);
        }
    }
}
