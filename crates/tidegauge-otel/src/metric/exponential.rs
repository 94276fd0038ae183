//! Buckets whose width grows with the value: base-2 exponential, of the finest scale that fits.
//!
//! Bucket `i` of scale `s` holds the values above `2^(i / 2^s)` up to `2^((i + 1) / 2^s)`. Source:
//! OpenTelemetry's metrics data model, "ExponentialHistogram"; size and scale are those its SDKs use.

use std::f64::consts::LOG2_E;

/// The most buckets.
const SIZE: i32 = 160;
/// The finest scale, which is the first.
const FINEST: i32 = 20;

/// Counts of positive values, and of zeros.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Exponential {
    /// How fine the buckets are: each step halves their number.
    pub(crate) scale: i32,
    /// The number of the first bucket.
    pub(crate) first: i32,
    /// How many values lie in each, from the first to the last that was hit.
    pub(crate) counts: Vec<u64>,
    /// How many were zero.
    pub(crate) zeros: u64,
}

impl Default for Exponential {
    fn default() -> Self {
        Self { scale: FINEST, first: 0, counts: Vec::new(), zeros: 0 }
    }
}

impl Exponential {
    /// Adds a finite value, zero or more.
    pub(crate) fn record(&mut self, value: f64) {
        if value <= 0.0 {
            self.zeros += 1;
            return;
        }
        let mut index = index(value, self.scale);
        let steps = self.steps_to_fit(index);
        if steps > 0 {
            self.coarsen(steps);
            index = self::index(value, self.scale);
        }
        self.count(index);
    }

    /// By how many steps the scale must go down so that `index` fits.
    fn steps_to_fit(&self, index: i32) -> u32 {
        if self.counts.is_empty() {
            return 0;
        }
        let (mut low, mut high) = (self.first.min(index), self.last().max(index));
        let mut steps = 0;
        while high - low >= SIZE {
            low >>= 1;
            high >>= 1;
            steps += 1;
        }
        steps
    }

    fn last(&self) -> i32 {
        self.first + i32::try_from(self.counts.len()).unwrap_or(SIZE) - 1
    }

    /// Puts neighbours together, `steps` times.
    fn coarsen(&mut self, steps: u32) {
        let first = self.first >> steps;
        let mut counts = vec![0; usize::try_from((self.last() >> steps) - first + 1).unwrap_or(0)];
        for (index, count) in (self.first..).zip(&self.counts) {
            let place = usize::try_from((index >> steps) - first).unwrap_or(0);
            if let Some(total) = counts.get_mut(place) {
                *total += count;
            }
        }
        self.first = first;
        self.counts = counts;
        self.scale -= i32::try_from(steps).unwrap_or(0);
    }

    fn count(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.first = index;
        }
        let before = usize::try_from(self.first - index).unwrap_or(0);
        if before > 0 {
            self.counts.splice(..0, std::iter::repeat_n(0, before));
            self.first = index;
        }
        let place = usize::try_from(index - self.first).unwrap_or(0);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
    }
}

/// The bucket of a positive value.
fn index(value: f64, scale: i32) -> i32 {
    let (fraction, exponent) = split(value);
    if scale <= 0 {
        // An exact power of two is the last value of its bucket.
        let correction = if fraction == 0.5 { 2 } else { 1 };
        return (exponent - correction) >> -scale;
    }
    let steps = f64::from(1_u32 << scale.unsigned_abs().min(31));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between -2^20 and 0; towards zero is meant"
    )]
    let within = (fraction.ln() * (LOG2_E * steps)) as i32;
    (exponent << scale) + within - 1
}

/// A positive finite value as a fraction from a half to one, and the power of two it is multiplied
/// with.
fn split(value: f64) -> (f64, i32) {
    const EXPONENT: u64 = 0x7ff << 52;
    let bits = value.to_bits();
    let exponent = i32::try_from((bits & EXPONENT) >> 52).unwrap_or(0);
    if exponent == 0 {
        // Too small for an exponent of its own.
        let (fraction, exponent) = split(value * 2_f64.powi(64));
        return (fraction, exponent - 64);
    }
    (f64::from_bits(bits & !EXPONENT | 0x3fe << 52), exponent - 0x3fe)
}
