//! What an exchange measured: times and money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::sync::Arc;
use std::time::Duration;

use crate::{Bucket, Overhead};

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
    /// From our price list.
    Priced,
    /// The provider's own figure.
    Reported,
    /// Usage is known but no price is: never zero.
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

/// Something that has a price of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Charge {
    /// Tokens of one kind.
    Tokens(Bucket),
    /// Searches of the provider's own tools.
    Searches,
    /// The call itself.
    Requests,
    /// Audio billed by time, in microseconds.
    AudioTime,
    /// Time on our own GPUs, in microseconds summed over them.
    GpuTime,
}

impl Charge {
    /// What has a price of its own beside tokens.
    pub const FEES: [Self; 4] = [Self::Searches, Self::Requests, Self::AudioTime, Self::GpuTime];

    /// The word used in price explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens(bucket) => bucket.name(),
            Self::Searches => "searches",
            Self::Requests => "requests",
            Self::AudioTime => "audio_time",
            Self::GpuTime => "gpu_time",
        }
    }

    /// How many a price is for: a million tokens, a thousand searches or requests, an hour.
    pub fn per(self) -> u64 {
        match self {
            Self::Tokens(_) => 1_000_000,
            Self::Searches | Self::Requests => 1_000,
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
    /// The amount; `None` unless priced or reported.
    pub amount: Option<Money>,
    /// The provider's own figure, kept beside ours.
    pub reported: Option<Money>,
    /// The entry of the price list that matched.
    pub model: Option<String>,
    /// Version and date of the price list.
    pub catalogue: Option<Arc<str>>,
    /// How the amount comes about, one line for each charge.
    /// They add up to `amount` when it is priced.
    pub lines: Vec<CostLine>,
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
    /// (Last token - first token) / (output tokens - 1). Streams with two tokens or more.
    pub tpot: Option<Duration>,
    /// What the proxy added.
    pub overhead: Overhead,
    /// What it cost.
    pub cost: Cost,
}
