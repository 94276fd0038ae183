//! What an exchange measured: times and money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::sync::Arc;
use std::time::Duration;

use crate::{Bucket, Overhead, Usage};

/// US dollars in whole billionths. Sums saturate, they never wrap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Money(u64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From whole billionths of a dollar.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Whole billionths of a dollar.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// Dollars with as many decimals as needed, two at least and nine at most: `0.000229`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let digits = format!("{fraction:09}");
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{}", digits.get(..kept).unwrap_or(&digits))
    }
}

/// How sure a cost is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CostStatus {
    /// From a price list or a price of the operator's.
    Priced,
    /// The provider's own bill.
    Reported,
    /// It cost something, and what is not known: never zero.
    Unpriced,
    /// No usage, so nothing to price.
    #[default]
    Unknown,
}

impl CostStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Priced, Self::Reported, Self::Unpriced, Self::Unknown];

    /// The word used in records and spans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Priced => "priced",
            Self::Reported => "reported",
            Self::Unpriced => "unpriced",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a call is [`CostStatus::Unpriced`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unpriced {
    /// No price list has the model.
    Model,
    /// The tier that served it has neither a price nor a published factor.
    Tier,
    /// The region it ran in has neither.
    Region,
    /// A kind of token, or of audio, has no price of its own and is not sold as text.
    Kind,
    /// A tool of the provider's was used that costs extra, and how often or what it costs is not known.
    Fee,
    /// The provider told no usage of something that is paid for.
    Usage,
    /// A batch has more results than are kept apart.
    Excess,
}

impl Unpriced {
    /// Every reason.
    pub const ALL: [Self; 7] =
        [Self::Model, Self::Tier, Self::Region, Self::Kind, Self::Fee, Self::Usage, Self::Excess];

    /// The word used in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tier => "tier",
            Self::Region => "region",
            Self::Kind => "kind",
            Self::Fee => "fee",
            Self::Usage => "usage",
            Self::Excess => "excess",
        }
    }
}

/// Something that has a price of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Charge {
    /// Tokens of one kind.
    Tokens(Bucket),
    /// Prompt tokens that a router read to choose the model.
    Routing,
    /// Searches of the provider's own tools.
    Searches,
    /// Prompts that were grounded in searches.
    GroundedPrompts,
    /// Searches in the caller's stored files.
    FileSearches,
    /// The call itself.
    Requests,
    /// Audio billed by time, in microseconds.
    AudioTime,
    /// Time on our own GPUs, in microseconds summed over them.
    GpuTime,
}

impl Charge {
    /// What has a price of its own beside tokens.
    pub const FEES: [Self; 7] = [
        Self::Routing,
        Self::Searches,
        Self::GroundedPrompts,
        Self::FileSearches,
        Self::Requests,
        Self::AudioTime,
        Self::GpuTime,
    ];

    /// The word used in price explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens(bucket) => bucket.name(),
            Self::Routing => "routing",
            Self::Searches => "searches",
            Self::GroundedPrompts => "grounded_prompts",
            Self::FileSearches => "file_searches",
            Self::Requests => "requests",
            Self::AudioTime => "audio_time",
            Self::GpuTime => "gpu_time",
        }
    }

    /// How many a price is for: a million tokens, a thousand searches or requests, an hour.
    pub fn per(self) -> u64 {
        match self {
            Self::Tokens(_) | Self::Routing => 1_000_000,
            Self::Searches | Self::GroundedPrompts | Self::FileSearches | Self::Requests => 1_000,
            Self::AudioTime | Self::GpuTime => 3_600_000_000,
        }
    }
}

/// One line of a price explanation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostLine {
    /// What is priced.
    pub charge: Charge,
    /// How many.
    pub quantity: u64,
    /// US dollars for [`Charge::per`] of them, as the price list writes it.
    pub usd: String,
    /// What they cost.
    pub amount: Money,
}

/// What an exchange cost.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Cost {
    /// How sure it is.
    pub status: CostStatus,
    /// The invoice, as well as it can be known; `None` unless priced or reported.
    pub amount: Option<Money>,
    /// What a price list says, where the provider's own bill is the amount.
    pub list: Option<Money>,
    /// The provider's own bill.
    pub reported: Option<Money>,
    /// Why there is no amount; `None` unless unpriced.
    pub unpriced: Option<Unpriced>,
    /// The entry of the price list that matched.
    pub model: Option<String>,
    /// Version and date of the price list.
    pub catalogue: Option<Arc<str>>,
    /// How the list's figure comes about, one line for each charge. They add up to `amount` when it is
    /// priced, and to `list` when it is reported.
    pub lines: Vec<CostLine>,
}

impl Cost {
    /// Whether the provider's bill and the figure by prices, where there are both, differ by more than
    /// a hundredth of the larger.
    pub fn disagrees(&self) -> bool {
        let ours = match self.status {
            CostStatus::Priced => self.amount,
            CostStatus::Reported | CostStatus::Unpriced | CostStatus::Unknown => self.list,
        };
        ours.zip(self.reported).is_some_and(|(ours, theirs)| {
            let (ours, theirs) = (ours.nanos(), theirs.nanos());
            ours.abs_diff(theirs) > ours.max(theirs) / 100
        })
    }
}

/// What the calls to one model of a batch job cost together.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BatchCost {
    /// The model that answered.
    pub model: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// What they used.
    pub usage: Usage,
    /// What that cost, at batch prices.
    pub cost: Cost,
}

/// How much, how long, how dear.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Measurement {
    /// The call itself: upstream request issued until the response was over. When nothing was sent,
    /// the whole exchange.
    pub duration: Duration,
    /// Request head read until the response was over.
    pub total: Duration,
    /// Upstream request issued until the first response byte.
    pub ttfb: Option<Duration>,
    /// Upstream request issued until the first stream event with data. Streams only.
    pub time_to_first_chunk: Option<Duration>,
    /// Upstream request issued until the first visible token. Streams only.
    pub ttft: Option<Duration>,
    /// (Last token - first token) / (output tokens - 1). Streams with two tokens or more that did not
    /// come all at once: never zero.
    pub tpot: Option<Duration>,
    /// What the proxy added.
    pub overhead: Overhead,
    /// What it cost.
    pub cost: Cost,
    /// What each model's calls of a batch job cost; they add up to `cost`. Empty for all else.
    pub batch: Vec<BatchCost>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_the_providers_disagrees_past_a_hundredth() {
        let cases = [
            (CostStatus::Priced, 100, Some(100), false),
            (CostStatus::Priced, 100, Some(99), false),
            (CostStatus::Priced, 1000, Some(989), true),
            (CostStatus::Priced, 1000, Some(1011), true),
            (CostStatus::Priced, 0, Some(0), false),
            (CostStatus::Priced, 0, Some(1), true),
            (CostStatus::Priced, u64::MAX, Some(0), true),
            (CostStatus::Priced, 1, None, false),
            (CostStatus::Reported, 5, Some(5), false),
            (CostStatus::Reported, 5, Some(6), true),
        ];
        for (status, ours, theirs, expected) in cases {
            let (ours_of, theirs_of) =
                (Some(Money::from_nanos(ours)), theirs.map(Money::from_nanos));
            let reported = status == CostStatus::Reported;
            let cost = Cost {
                status,
                amount: if reported { theirs_of } else { ours_of },
                list: ours_of.filter(|_| reported),
                reported: theirs_of,
                ..Cost::default()
            };
            assert_eq!(cost.disagrees(), expected, "{ours} {theirs:?}");
        }
    }
}
