//! What is known about receivers by name: one row each.
//!
//! In a row: which signals a receiver takes, by which protocol, which header it wants, and which names
//! and bounds it reads. The configuration, its schema and the table of `docs/backends.md` follow from
//! the rows. A key, an account or a project is never in one; those are headers that the user sets.
//! Sources: the receivers' own documentation of OTLP and, where it is public, the code that maps spans,
//! as of the autumn of 2026.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::json;
use tidegauge_export::Protocol;
use tidegauge_otel::{AttributeLimits, CacheWriteName, Compat, Names, Rendering, SpanOptions};

use super::settings::Signals;

/// Everything about one receiver. What is not set is as for any receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PresetRow {
    /// As it is typed.
    name: &'static str,
    /// What it takes, for the schema.
    about: &'static str,
    /// What is sent to it unless the user says otherwise.
    signals: Signals,
    /// The protocol unless the user says otherwise; `None`: as for any receiver.
    protocol: Option<Protocol>,
    /// Headers it wants that hold no secret; one that the user sets wins.
    headers: &'static [(&'static str, &'static str)],
    /// Names of tokens written to a cache that it reads.
    cache_write: Option<CacheWriteName>,
    /// Whether it reads tokens of audio and images.
    modalities: Option<bool>,
    /// Whether it reads `gen_ai.usage.cost`.
    usage_cost: Option<bool>,
    /// Attributes outside the conventions that it reads.
    compat: Compat,
    /// Names of metrics that its dashboards know.
    metric_names: Option<Names>,
    /// Bounds of what it takes, where they are below ours.
    limits: Option<AttributeLimits>,
    /// What it shows of a call, for the page.
    shown: &'static str,
}

const TRACES: Signals = Signals { traces: true, metrics: false, logs: false };
const NO_COMPAT: Compat = Compat { openinference: false, langfuse: false, openlit: false };

const ANY: PresetRow = PresetRow {
    name: "none",
    about: "Any OTLP receiver.",
    signals: Signals::ALL,
    protocol: None,
    headers: &[],
    cache_write: None,
    modalities: None,
    usage_cost: None,
    compat: NO_COMPAT,
    metric_names: None,
    limits: None,
    shown: "what the receiver makes of the GenAI conventions",
};

/// Every receiver that is known by name; the first is any other.
static ROWS: &[PresetRow] = &[
    ANY,
    // It takes every usage key that it does not know for a further kind of token, and does not know the
    // new name of the cache.
    PresetRow {
        name: "langfuse",
        about: "Traces, over HTTP.",
        signals: TRACES,
        protocol: Some(Protocol::HttpProtobuf),
        cache_write: Some(CacheWriteName::Old),
        modalities: Some(false),
        usage_cost: Some(true),
        compat: Compat { langfuse: true, ..NO_COMPAT },
        shown: "generation, tokens, cost, session, user, prompt and its version, tags, time to first token",
        ..ANY
    },
    PresetRow {
        name: "phoenix",
        about: "Traces.",
        signals: TRACES,
        cache_write: Some(CacheWriteName::Both),
        compat: Compat { openinference: true, ..NO_COMPAT },
        shown: "LLM span, model, tokens, session, user; it computes the cost itself",
        ..ANY
    },
    PresetRow {
        name: "datadog",
        about: "Traces, over HTTP, marked as those of LLM calls.",
        signals: TRACES,
        protocol: Some(Protocol::HttpProtobuf),
        headers: &[("dd-otlp-source", "llmobs")],
        shown: "LLM Observability span, model, tokens; it computes the cost itself",
        ..ANY
    },
    PresetRow {
        name: "honeycomb",
        about: "All signals.",
        shown: "columns for everything; its agent view needs a session and an agent name",
        ..ANY
    },
    // Its dashboards know the names of today.
    PresetRow {
        name: "grafana-cloud",
        about: "All signals, over HTTP.",
        protocol: Some(Protocol::HttpProtobuf),
        metric_names: Some(Names::Current),
        shown: "traces, and dashboards over `gen_ai.client.*`",
        ..ANY
    },
    PresetRow {
        name: "openlit",
        about: "All signals.",
        usage_cost: Some(true),
        compat: Compat { openlit: true, ..NO_COMPAT },
        metric_names: Some(Names::Current),
        shown: "requests, tokens, cost, users",
        ..ANY
    },
    PresetRow {
        name: "jaeger",
        about: "Traces.",
        signals: TRACES,
        shown: "the tree of spans with all attributes",
        ..ANY
    },
];

/// A receiver that is known by name; by default any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Preset(&'static PresetRow);

impl Preset {
    /// Every one, in the order of the page.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(Self)
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|preset| preset.name() == name)
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What is sent to it unless the user says otherwise.
    pub(super) fn signals(self) -> Signals {
        self.0.signals
    }

    /// The protocol unless the user says otherwise; `None`: as for any receiver.
    pub(super) fn protocol(self) -> Option<Protocol> {
        self.0.protocol
    }

    /// Headers it wants that hold no secret; one that the user sets wins.
    pub(super) fn headers(self) -> &'static [(&'static str, &'static str)] {
        self.0.headers
    }

    /// The form that it wants, where that differs from `base`.
    pub fn rendering(self, base: Rendering) -> Rendering {
        let Self(row) = self;
        Rendering {
            spans: self.span_options(base.spans),
            events: SpanOptions { limits: self.bounded(base.events.limits), ..base.events },
            names: row.metric_names.unwrap_or(base.names),
        }
    }

    fn span_options(self, base: SpanOptions) -> SpanOptions {
        let Self(row) = self;
        SpanOptions {
            limits: self.bounded(base.limits),
            cache_write: row.cache_write.unwrap_or(base.cache_write),
            modalities: row.modalities.unwrap_or(base.modalities),
            usage_cost: row.usage_cost.unwrap_or(base.usage_cost),
            compat: Compat {
                openinference: row.compat.openinference || base.compat.openinference,
                langfuse: row.compat.langfuse || base.compat.langfuse,
                openlit: row.compat.openlit || base.compat.openlit,
            },
            ..base
        }
    }

    fn bounded(self, base: AttributeLimits) -> AttributeLimits {
        let limits = self.0.limits.unwrap_or(base);
        AttributeLimits { count: limits.count.min(base.count), value: limits.value.min(base.value) }
    }
}

impl Default for Preset {
    fn default() -> Self {
        Self(&ANY)
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Preset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::of_name(&name).ok_or_else(|| de::Error::custom("the name of no receiver"))
    }
}

impl JsonSchema for Preset {
    fn schema_name() -> Cow<'static, str> {
        "PresetWord".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = ROWS
            .iter()
            .map(|row| json!({ "const": row.name, "description": row.about, "type": "string" }))
            .collect();
        json_schema!({ "description": "A receiver that is known by name.", "oneOf": names })
    }
}

#[cfg(test)]
mod tests;
