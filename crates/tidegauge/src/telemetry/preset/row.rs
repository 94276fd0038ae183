//! What can be said of a receiver. Knows none.

use tidegauge_export::Protocol;
use tidegauge_otel::{AttributeLimits, CacheWriteName, Compat, Histograms, Names, SpanTree, Sums};

use crate::telemetry::receiver::Signals;

/// Everything about one receiver. What is not set is as for any receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PresetRow {
    /// As it is typed.
    pub(super) name: &'static str,
    /// Its own spelling, for the page.
    pub(super) title: &'static str,
    /// What it takes, for the schema.
    pub(super) about: &'static str,
    /// Where it is.
    pub(super) endpoint: Endpoint,
    /// What is sent to it unless the user says otherwise.
    pub(super) signals: Signals,
    /// The protocol unless the user says otherwise; `None`: as for any receiver.
    pub(super) protocol: Option<Protocol>,
    /// Headers it wants that hold no secret; one that the user sets wins.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// What only the user knows, and it does not do without.
    pub(super) needs: &'static [Need],
    /// Which spans it gets.
    pub(super) tree: SpanTree,
    /// Names of tokens written to a cache that it reads.
    pub(super) cache_write: Option<CacheWriteName>,
    /// Whether it reads tokens of audio and images.
    pub(super) modalities: Option<bool>,
    /// Whether it reads `gen_ai.usage.cost`.
    pub(super) usage_cost: Option<bool>,
    /// Attributes outside the conventions that it reads.
    pub(super) compat: Compat,
    /// Whether it takes no model call without what was said.
    pub(super) wants_content: bool,
    /// Names of metrics that its dashboards know.
    pub(super) metric_names: Option<Names>,
    /// What its sums mean.
    pub(super) sums: Option<Sums>,
    /// How its distributions are pushed.
    pub(super) histograms: Option<Histograms>,
    /// Bounds of what it takes, where they are below ours.
    pub(super) limits: Option<AttributeLimits>,
    /// What it shows of a call, for the page.
    pub(super) shown: &'static str,
    /// What else is to be known, for the page.
    pub(super) note: &'static str,
}

/// Where a receiver is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Endpoint {
    /// Where the user says. Such as this, for the page.
    Yours(&'static str),
    /// Here, unless the user says otherwise.
    Usual(&'static str),
    /// Spans go to exactly this URL, unless the user says otherwise.
    UsualTraces(&'static str),
}

/// Something that the user must set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Need {
    pub(super) place: NeedPlace,
    /// The header, or the attribute.
    pub(super) name: &'static str,
    /// What it looks like, for the page.
    pub(super) sample: &'static str,
    /// What it is.
    pub(super) about: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NeedPlace {
    /// A header.
    Header,
    /// A header with a key. Not needed without TLS: nobody sends a key in the clear, so that is an agent
    /// or a collector which knows it.
    Key,
    /// A header that only some installations want.
    Maybe,
    /// A resource attribute.
    Resource,
}
