//! A model call once more under the names that single receivers look for.
//!
//! Off unless a rendering wants it. Each [`Extra`] is what one kind of reader knows and the conventions
//! have no name for, or another one. Source: the receivers' own mapping code and pages, as of the autumn
//! of 2026. Must not know a receiver's address or protocol.

use std::time::{Duration, SystemTime};

use tidegauge_core::{Operation, Record};

use super::facts::{Caller, subject};
use crate::attribute::Attributes;
use crate::{content, semconv as name};

/// Attributes outside the conventions, by who reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extra {
    /// OpenInference's names for kind, model, provider and tokens.
    OpenInference,
    /// OpenInference's names for what went in and came out, where it was captured.
    InputOutput,
    /// Langfuse's names for the trace, prompt, tags and time of the first token.
    Langfuse,
    /// OpenLIT's name for the user.
    OpenLit,
    /// Capability and step, without which Axiom takes no call for one.
    Axiom,
    /// The provider under its name before 2025.
    System,
    /// Reasoning tokens under the name before the conventions had one.
    ReasoningTokens,
    /// Time to first token under the server metric's name.
    ServerTtft,
    /// LangSmith's names for the session, user and tags.
    Langsmith,
    /// Braintrust's name for tags, and for session, user and tags as metadata.
    Braintrust,
    /// Laminar's names for session, user and tags.
    Laminar,
}

impl Extra {
    /// Every one, in the order of the page.
    pub const ALL: [Self; 11] = [
        Self::OpenInference,
        Self::InputOutput,
        Self::Langfuse,
        Self::OpenLit,
        Self::Axiom,
        Self::System,
        Self::ReasoningTokens,
        Self::ServerTtft,
        Self::Langsmith,
        Self::Braintrust,
        Self::Laminar,
    ];

    /// The attributes, for the page.
    pub fn about(self) -> &'static str {
        match self {
            Self::OpenInference => "`openinference.span.kind`, `llm.*`",
            Self::InputOutput => "`input.value`, `output.value` and their `mime_type`",
            Self::Langfuse => "`langfuse.*`",
            Self::OpenLit => "`gen_ai.user`",
            Self::Axiom => "`gen_ai.capability.name`, `gen_ai.step.name`",
            Self::System => "`gen_ai.system`",
            Self::ReasoningTokens => "`gen_ai.usage.reasoning_tokens`",
            Self::ServerTtft => "`gen_ai.server.ttft`",
            Self::Langsmith => "`langsmith.*`",
            Self::Braintrust => "`braintrust.*`",
            Self::Laminar => "`lmnr.association.properties.*`",
        }
    }

    fn write(self, list: &mut Attributes<'_>, record: &Record, content: bool, full: bool) {
        let from = Caller::of(record);
        match self {
            Self::OpenInference => openinference(list, record, full),
            Self::InputOutput if content => content::as_input_output(list, record),
            Self::InputOutput => {}
            Self::Langfuse => langfuse(list, record, full),
            Self::OpenLit => list.text(name::OPENLIT_USER, from.user()),
            Self::Axiom => axiom(list, record),
            Self::System => list.text(name::SYSTEM, record.exchange.to.provider),
            Self::ReasoningTokens => {
                let count = record.observation.usage.reasoning.filter(|_| full);
                list.count(name::REASONING_TOKENS, count);
            }
            Self::ServerTtft => list.seconds(name::SERVER_TTFT, record.measurement.ttft),
            Self::Langsmith => {
                list.text(name::LANGSMITH_SESSION, from.session());
                under(list, name::LANGSMITH_METADATA, from);
            }
            Self::Braintrust => {
                list.texts(name::BRAINTRUST_TAGS, &tags(from));
                under(list, name::BRAINTRUST_METADATA, from);
            }
            Self::Laminar => under(list, name::LAMINAR_PROPERTIES, from),
        }
    }
}

/// A set of [`Extra`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compat(u16);

impl Compat {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn and(self, extra: Extra) -> Self {
        Self(self.0 | 1 << extra as u16)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is in the set.
    pub const fn has(self, extra: Extra) -> bool {
        self.0 & 1 << extra as u16 != 0
    }

    /// Writes what is wanted; without `content` nothing that was said, unless `full` no tokens.
    pub(super) fn write(
        self,
        list: &mut Attributes<'_>,
        record: &Record,
        content: bool,
        full: bool,
    ) {
        for extra in Extra::ALL.into_iter().filter(|extra| self.has(*extra)) {
            extra.write(list, record, content, full);
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
    list.text(name::LLM_PROVIDER, record.exchange.to.provider);
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

/// Where the caller's own spans are there too, the trace has its name from them.
fn langfuse(list: &mut Attributes<'_>, record: &Record, full: bool) {
    let from = Caller::of(record);
    if full && !record.kind.is_turn() {
        let operation = record.exchange.operation.name();
        match from.agent().or(from.prompt().map(|prompt| prompt.name.as_str())) {
            Some(known) => list.text(name::LANGFUSE_TRACE_NAME, known),
            None => {
                let title = format!("{operation} {}", subject(record));
                list.text(name::LANGFUSE_TRACE_NAME, title.trim_end());
            }
        }
    }
    if let Some(prompt) = from.prompt() {
        list.text(name::LANGFUSE_PROMPT_NAME, &*prompt.name);
        // Its versions are whole numbers; another one names no prompt there.
        let version = prompt.version.as_deref().and_then(|version| version.parse::<u64>().ok());
        list.count(name::LANGFUSE_PROMPT_VERSION, version);
    }
    list.texts(name::LANGFUSE_TAGS, &tags(from));
    if let Some(token) = record.observation.times.first_token {
        list.text(name::LANGFUSE_FIRST_TOKEN, &*iso(record.exchange.started, token));
    }
}

/// Both are required there. Where the caller does not tell them they are what is known in any case: the
/// upstream and the operation.
fn axiom(list: &mut Attributes<'_>, record: &Record) {
    let from = Caller::of(record);
    let prompt = from.prompt().map(|prompt| prompt.name.as_str());
    let capability = from.tag("capability").or(from.agent()).or(prompt);
    list.text(name::AXIOM_CAPABILITY, capability.unwrap_or(&record.exchange.to.name));
    let step = from.tag("step").or(prompt);
    list.text(name::AXIOM_STEP, step.unwrap_or(record.exchange.operation.name()));
}

/// Session, user and tags under names that begin alike.
fn under(list: &mut Attributes<'_>, prefix: &str, from: Caller<'_>) {
    list.text_under(prefix, "session_id", from.session().unwrap_or_default());
    list.text_under(prefix, "user_id", from.user().unwrap_or_default());
    for (tag, value) in from.tags() {
        list.text_under(prefix, tag, value);
    }
}

/// Tags where only words are known.
fn tags(from: Caller<'_>) -> Vec<String> {
    from.tags().map(|(tag, value)| format!("{tag}:{value}")).collect()
}

/// A moment in UTC as ISO 8601 writes it, to the millisecond.
fn iso(started: SystemTime, offset: Duration) -> String {
    let moment = started.checked_add(offset).unwrap_or(started);
    let moment = time::OffsetDateTime::from(moment);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second, milli) = moment.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

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
