//! What is known about receivers by name: which signals they take, how they are spoken to, which
//! header they want, and which names they read.
//!
//! A key, an account or a project is never known here; those are headers that the user sets. Sources:
//! the receivers' own documentation of OTLP and, where it is public, the code that maps spans, as of
//! the autumn of 2026.

use tidegauge_export::Protocol;
use tidegauge_otel::{CacheWriteName, Compat, Names, Rendering, SpanOptions};

use super::settings::Signals;

/// A receiver that is known by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preset {
    /// Any OTLP receiver.
    #[default]
    None,
    /// Takes traces over HTTP only.
    Langfuse,
    /// Takes traces.
    Phoenix,
    /// Takes traces over HTTP, and knows them as LLM traces by a header.
    Datadog,
    /// Takes all signals.
    Honeycomb,
    /// Takes all signals over HTTP.
    GrafanaCloud,
    /// Takes all signals.
    Openlit,
    /// Takes traces.
    Jaeger,
}

impl Preset {
    /// What is sent to it unless the user says otherwise.
    pub fn signals(self) -> Signals {
        match self {
            Self::Langfuse | Self::Phoenix | Self::Datadog | Self::Jaeger => {
                Signals { traces: true, metrics: false, logs: false }
            }
            Self::None | Self::Honeycomb | Self::GrafanaCloud | Self::Openlit => Signals::ALL,
        }
    }

    /// How it is spoken to unless the user says otherwise; `None`: by the port, as any receiver.
    pub fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Langfuse | Self::Datadog | Self::GrafanaCloud => Some(Protocol::HttpProtobuf),
            Self::None | Self::Phoenix | Self::Honeycomb | Self::Openlit | Self::Jaeger => None,
        }
    }

    /// Headers it wants that hold no secret; one that the user sets wins.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Datadog => &[("dd-otlp-source", "llmobs")],
            _ => &[],
        }
    }

    /// How it wants to be told, where that differs from `base`.
    pub fn rendering(self, base: Rendering) -> Rendering {
        let Rendering { spans, names, .. } = base;
        let (spans, names) = match self {
            Self::None | Self::Datadog | Self::Honeycomb | Self::Jaeger => (spans, names),
            // It takes every usage key that it does not know for a further kind of token, and does not
            // know the new name of the cache.
            Self::Langfuse => {
                let compat = Compat { langfuse: true, ..spans.compat };
                let cache_write = CacheWriteName::Old;
                let modalities = false;
                let usage_cost = true;
                (SpanOptions { cache_write, modalities, usage_cost, compat, ..spans }, names)
            }
            Self::Phoenix => {
                let compat = Compat { openinference: true, ..spans.compat };
                (SpanOptions { cache_write: CacheWriteName::Both, compat, ..spans }, names)
            }
            // Its dashboards know the names of today.
            Self::GrafanaCloud => (spans, Names::Current),
            Self::Openlit => {
                let compat = Compat { openlit: true, ..spans.compat };
                (SpanOptions { usage_cost: true, compat, ..spans }, Names::Current)
            }
        };
        Rendering { spans, names, ..base }
    }
}

#[cfg(test)]
mod tests;
