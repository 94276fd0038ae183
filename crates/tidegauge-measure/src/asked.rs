//! What is to be priced, as a question.

use std::time::{Duration, SystemTime};

use tidegauge_core::Usage;

use crate::rules::Provider;

/// Tiers that are the standard one by another name, or leave the choice to the provider.
const STANDARD: &[&str] = &["default", "standard", "auto", "on_demand", "standard_only", ""];

/// Tiers whose tokens are paid for by time, beforehand.
const PREPAID: &[&str] = &["provisioned_throughput", "reserved", "scale"];

/// What is to be priced. Names are as the wire has them.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The upstream's configured name.
    pub upstream: &'a str,
    /// The provider's name in telemetry.
    pub provider: &'a str,
    /// The provider's id in the public catalogue; `None` lets the model's name decide, an empty one
    /// leaves price lists out (self-hosted models carry the names of sold ones).
    pub price_id: Option<&'a str>,
    /// The model asked for.
    pub request_model: Option<&'a str>,
    /// The model that answered.
    pub response_model: Option<&'a str>,
    /// What was used.
    pub usage: &'a Usage,
    /// All prompt tokens of a call, where `usage` adds several calls up; `None`: `usage` says.
    pub prompt: Option<u64>,
    /// How many calls `usage` adds up: fees for a call are for each of them.
    pub calls: u64,
    /// The service tier that served the call, or was asked for where the answer does not say.
    pub service_tier: Option<&'a str>,
    /// The tier is the answer's: without a price of its own it is not the standard one.
    pub tier_stated: bool,
    /// The call was part of a batch.
    pub batch: bool,
    /// When the call was made: prices have dates and times of day.
    pub at: SystemTime,
    /// How long it took, for GPUs that are paid by the hour.
    pub duration: Duration,
}

/// How a call is served, as far as its price depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier<'a> {
    Standard,
    /// Paid for by time.
    Prepaid,
    /// With prices of its own; whether that is certain.
    Named(&'a str, bool),
}

/// How an entry was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// By the model that answered.
    Answered,
    /// By the model asked for.
    Requested,
    /// By what the alias map says for a name.
    Alias,
}

impl<'a> Asked<'a> {
    pub(crate) fn sold_by(&self) -> Provider<'a> {
        Provider { id: self.price_id, name: self.provider }
    }

    /// The model's names, the most telling first, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = (By, &'a str)> + use<'a> {
        let answered = self.response_model.map(|name| (By::Answered, name));
        let requested = self.request_model.map(|name| (By::Requested, name));
        let both = if self.sold_by().is_asked_first() {
            [requested, answered]
        } else {
            [answered, requested]
        };
        let [first, second] = both;
        let second = second.filter(|(_, name)| first.is_none_or(|(_, other)| other != *name));
        first.into_iter().chain(second)
    }

    pub(crate) fn tier(&self) -> Tier<'a> {
        match self.service_tier {
            _ if self.batch => Tier::Named("batch", true),
            Some(tier) if PREPAID.contains(&tier) => Tier::Prepaid,
            Some(tier) if !STANDARD.contains(&tier) => Tier::Named(tier, self.tier_stated),
            _ => Tier::Standard,
        }
    }

    /// All prompt tokens of one call.
    pub(crate) fn prompt(&self) -> u64 {
        self.prompt.or_else(|| self.usage.input_tokens()).unwrap_or(0)
    }
}
