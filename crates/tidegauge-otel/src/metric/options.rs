//! What may be chosen about metrics, and how each reader wants the numbers. Knows no record.

use crate::exemplar::ExemplarFilter;

/// How distributions are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Histograms {
    /// Base-2 exponential buckets: right percentiles over any range, and they merge.
    #[default]
    Exponential,
    /// The fixed buckets that the conventions advise.
    Explicit,
}

/// What a pushed sum means (`..._METRICS_TEMPORALITY_PREFERENCE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sums {
    /// Since the start of the process.
    #[default]
    Cumulative,
    /// Since the export before.
    Delta,
    /// Delta where that saves memory.
    LowMemory,
}

/// What may be chosen about metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricOptions {
    /// Names of the callers' tags that become metric attributes; [`Self::PROMPT`] and [`Self::AGENT`] are
    /// none.
    pub tags: Vec<String>,
    /// How many distinct values of one attribute are taken from clients and upstreams.
    pub values: usize,
    /// How many attribute sets a group of metrics may have before the rest is folded into one.
    pub sets: usize,
    /// Whether our own listener speaks TLS.
    pub secure: bool,
    /// Whether times of calls have finer fixed buckets on the page than the conventions advise.
    pub fine: bool,
}

impl MetricOptions {
    /// In place of a tag's name: the prompt, by its name and version.
    pub const PROMPT: &str = "prompt";
    /// In place of a tag's name: the agent.
    pub const AGENT: &str = "agent";
}

impl Default for MetricOptions {
    /// `team`, 200 values, no TLS, the advised buckets; 2000 sets, as OpenTelemetry's SDKs keep of an instrument.
    fn default() -> Self {
        Self { tags: vec!["team".to_owned()], values: 200, sets: 2000, secure: false, fine: false }
    }
}

/// How one reader wants the numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct View {
    /// How distributions are kept.
    pub(crate) histograms: Histograms,
    /// What a sum means.
    pub(crate) sums: Sums,
    /// Which exchanges become examples.
    pub(crate) exemplars: ExemplarFilter,
    /// Whether examples are told again and again, to several who ask, or once.
    pub(crate) lasting: bool,
    /// Whether times of calls have finer fixed buckets.
    pub(crate) fine: bool,
}

impl View {
    /// Whether it can be told what is kept for `other`: then nothing is kept twice.
    pub(super) fn can_read(&self, other: &Self) -> bool {
        let whole = |view: &Self| view.sums == Sums::Cumulative;
        whole(self)
            && whole(other)
            && (self.histograms, self.fine) == (other.histograms, other.fine)
            && self.exemplars == ExemplarFilter::Off
    }
}
