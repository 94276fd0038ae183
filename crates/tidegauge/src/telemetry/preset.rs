//! What is known about receivers by name: one row each.
//!
//! In a row: where a receiver is, which signals it takes, by which protocol, what the user must tell, and
//! which names and bounds it reads. The configuration, its schema, the table and the examples of
//! `docs/backends.md` follow from the rows. A key, an account or a project is never in one; those are
//! the user's to set. Sources: the receivers' own documentation of OTLP and, where it is public, the code
//! that maps spans, as of the autumn of 2026.

mod row;
mod rows;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::json;
use tidegauge_export::Protocol;
use tidegauge_otel::{AttributeLimits, Rendering, ResourceAttributes, SpanOptions};

use super::receiver::{Receiver, Signals};
use row::{Endpoint, Need, NeedPlace, PresetRow};
use rows::{ANY, ROWS};

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

    /// Where it is unless the user says: for all signals, and for single ones.
    pub(super) fn endpoints(self) -> (Option<String>, [Option<String>; 3]) {
        match self.0.endpoint {
            Endpoint::Yours(_) => (None, [None, None, None]),
            Endpoint::Usual(url) => (Some(url.to_owned()), [None, None, None]),
            Endpoint::UsualTraces(url) => (None, [Some(url.to_owned()), None, None]),
        }
    }

    /// Whether it takes no model call without what was said in it.
    pub(crate) fn wants_content(self) -> bool {
        self.0.wants_content
    }

    /// What is needed and not set: the setting, and what is expected of it.
    pub(super) fn missing(
        self,
        receiver: &Receiver,
        resource: &ResourceAttributes,
    ) -> Vec<(&'static str, String)> {
        let urls = receiver.signal_endpoints.iter().chain([&receiver.endpoint]);
        let plain = !urls.flatten().any(|url| url.trim().starts_with("https://"));
        let has_header =
            |name: &str| receiver.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut missing = Vec::new();
        for Need { place, name, sample, about } in self.0.needs {
            let (met, key, kind) = match place {
                NeedPlace::Header => (has_header(name), "headers", "header"),
                NeedPlace::Key => (plain || has_header(name), "headers", "header"),
                NeedPlace::Maybe => continue,
                NeedPlace::Resource => (resource.get(name).is_some(), "resource", "attribute"),
            };
            if !met {
                let title = self.0.title;
                missing.push((key, format!("the {kind} `{name}: {sample}` for {title}: {about}")));
            }
        }
        missing
    }

    /// The form that it wants, where that differs from `base`.
    pub fn rendering(self, base: Rendering) -> Rendering {
        let Self(row) = self;
        Rendering {
            spans: self.span_options(base.spans),
            events: SpanOptions { limits: self.bounded(base.events.limits), ..base.events },
            names: row.metric_names.unwrap_or(base.names),
            sums: row.sums.unwrap_or(base.sums),
            histograms: row.histograms.unwrap_or(base.histograms),
        }
    }

    fn span_options(self, base: SpanOptions) -> SpanOptions {
        let Self(row) = self;
        SpanOptions {
            limits: self.bounded(base.limits),
            tree: row.tree,
            cache_write: row.cache_write.unwrap_or(base.cache_write),
            modalities: row.modalities.unwrap_or(base.modalities),
            usage_cost: row.usage_cost.unwrap_or(base.usage_cost),
            compat: row.compat.or(base.compat),
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
