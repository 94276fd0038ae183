//! What is known about receivers by name: which signals they take, how they are spoken to, which
//! header they want.
//!
//! Only transport: what is said in spans is [`Rendering`](crate::Rendering). A key, an account or a
//! project is never known here; those are headers that the user sets. Sources: the receivers' own
//! documentation of OTLP, as of the autumn of 2026.

use super::{Protocol, Signals};

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
}
