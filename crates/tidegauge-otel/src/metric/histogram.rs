//! One distribution: count, sum, extremes, buckets, and ways back to traces.

use super::exponential::Exponential;
use super::options::Histograms;
use crate::exemplar::{Example, Examples, Exemplar};

/// A distribution for one reader.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Histogram {
    /// How many values.
    pub(crate) count: u64,
    /// Their sum.
    pub(crate) sum: f64,
    /// The smallest; infinite when there is none.
    pub(crate) min: f64,
    /// The largest; minus infinity when there is none.
    pub(crate) max: f64,
    /// Where they lie.
    pub(crate) buckets: Buckets,
    /// Some of the values, with their traces.
    pub(crate) examples: Examples,
}

/// Where the values of a distribution lie.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Buckets {
    /// One count for each bound and one for what is above them all.
    Explicit {
        /// The largest value of each bucket but the last.
        bounds: &'static [f64],
        /// How many lie in each.
        counts: Box<[u64]>,
    },
    /// Of growing width.
    Exponential(Exponential),
}

impl Histogram {
    /// Nothing yet.
    pub(super) fn new(kind: Histograms, bounds: &'static [f64]) -> Self {
        let buckets = match kind {
            Histograms::Explicit => Buckets::explicit(bounds),
            Histograms::Exponential => Buckets::Exponential(Exponential::default()),
        };
        Self::of(buckets)
    }

    /// Another one of the same kind, empty.
    pub(super) fn fresh(&self) -> Self {
        Self::of(match &self.buckets {
            Buckets::Explicit { bounds, .. } => Buckets::explicit(bounds),
            Buckets::Exponential(_) => Buckets::Exponential(Exponential::default()),
        })
    }

    fn of(buckets: Buckets) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        let examples = match &buckets {
            Buckets::Explicit { .. } => Examples::Each(Vec::new()),
            Buckets::Exponential(_) => Examples::Two(None),
        };
        Self { count: 0, sum: 0.0, min, max, buckets, examples }
    }

    /// Adds a value, zero or more, maybe with whose it was. What is no number is left out.
    pub(super) fn record(&mut self, value: f64, example: Option<&Example>) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let mut place = 0;
        match &mut self.buckets {
            Buckets::Explicit { bounds, counts } => {
                place = bounds.iter().take_while(|bound| **bound < value).count();
                if let Some(count) = counts.get_mut(place) {
                    *count += 1;
                }
            }
            Buckets::Exponential(buckets) => buckets.record(value),
        }
        if let Some(example) = example {
            self.examples.add(place, Exemplar { example: *example, value });
        }
    }

    /// A copy to be told. The examples are told once.
    pub(super) fn told(&mut self) -> Self {
        let fresh = self.examples.fresh();
        Self { examples: std::mem::replace(&mut self.examples, fresh), ..self.bare() }
    }

    /// A copy without the examples.
    pub(super) fn bare(&self) -> Self {
        let Self { count, sum, min, max, .. } = *self;
        Self {
            count,
            sum,
            min,
            max,
            buckets: self.buckets.clone(),
            examples: self.examples.fresh(),
        }
    }
}

impl Buckets {
    fn explicit(bounds: &'static [f64]) -> Self {
        Self::Explicit { bounds, counts: vec![0; bounds.len() + 1].into() }
    }
}
