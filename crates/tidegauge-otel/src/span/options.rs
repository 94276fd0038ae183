//! What may be chosen about spans and events. Knows no record.

use super::compat::Compat;
use crate::attribute::AttributeLimits;

/// Under which name tokens written to a cache are reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CacheWriteName {
    /// The name of the convention since August 2026.
    #[default]
    New,
    /// The name before, which some backends still read.
    Old,
    /// Both.
    Both,
}

/// How much an inference span says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CallDetail {
    /// Everything.
    #[default]
    Full,
    /// Everything but tokens and money: for callers whose own spans say them, so that a backend that
    /// sums over spans does not count twice.
    LinkOnly,
}

/// Which spans an exchange becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SpanTree {
    /// All of them.
    #[default]
    All,
    /// That of the model call alone, which then stands where the server's would: under the caller's
    /// span, or at the root. For receivers that show the root span, or know no others.
    Calls,
}

/// What may be chosen about spans and events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpanOptions {
    /// Bounds of attribute lists.
    pub limits: AttributeLimits,
    /// Whether the cost is also given as `gen_ai.usage.cost`, which several backends read.
    pub usage_cost: bool,
    /// Name of the cache-write count.
    pub cache_write: CacheWriteName,
    /// Whether audio and image tokens are given on their own. Some backends take every usage key for
    /// a further kind of token.
    pub modalities: bool,
    /// How much an inference span says.
    pub detail: CallDetail,
    /// Which spans there are.
    pub tree: SpanTree,
    /// Attributes outside the conventions.
    pub compat: Compat,
    /// Whether each model call is also an event, `gen_ai.client.inference.operation.details`.
    pub details: bool,
    /// Whether what was captured of the words goes with them.
    pub content: bool,
}

impl Default for SpanOptions {
    /// Cost on, new names, modalities on, all of it, words where they were captured, nothing besides.
    fn default() -> Self {
        Self {
            limits: AttributeLimits::default(),
            usage_cost: true,
            cache_write: CacheWriteName::New,
            modalities: true,
            detail: CallDetail::Full,
            tree: SpanTree::All,
            compat: Compat::default(),
            details: false,
            content: true,
        }
    }
}
