//! Counting records and the units in them, kind by kind.
//!
//! The same numbers are totals since the spool was made (how far is written, how far is read) and
//! differences between two such totals (how much is queued, how much was lost).

/// Kinds that a spool tells apart: `0..KINDS`.
pub const KINDS: usize = 4;

/// Records and what they carry.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// Records, as they were pushed.
    pub records: u64,
    /// Units in them: spans, points or log records, as the one who pushed them said.
    pub units: u64,
}

impl Count {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            units: self.units.saturating_add(other.units),
        }
    }

    /// What `self` has more than `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            units: self.units.saturating_sub(other.units),
        }
    }

    /// Of two totals the one further on.
    pub(crate) fn later(self, other: Self) -> Self {
        if other.records > self.records { other } else { self }
    }
}

/// A [`Count`] for each kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally([Count; KINDS]);

impl Tally {
    /// Bytes of a tally in a file.
    pub(crate) const BYTES: usize = KINDS * 16;

    /// The count of one kind; nothing for a kind there is not.
    #[must_use]
    pub fn of(&self, kind: u8) -> Count {
        self.0.get(usize::from(kind)).copied().unwrap_or_default()
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> Count {
        self.0.iter().fold(Count::default(), |sum, count| sum.plus(*count))
    }

    /// The sum, kind by kind.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, Count::plus)
    }

    /// What `self` has more than `other`, kind by kind.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.with(other, Count::minus)
    }

    /// Of two totals the one further on, kind by kind.
    pub(crate) fn later(self, other: Self) -> Self {
        self.with(other, Count::later)
    }

    /// Whether no kind is further on in `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, other)| mine.records >= other.records)
    }

    pub(crate) fn add(&mut self, kind: u8, count: Count) {
        self.set(kind, self.of(kind).plus(count));
    }

    pub(crate) fn set(&mut self, kind: u8, count: Count) {
        if let Some(mine) = self.0.get_mut(usize::from(kind)) {
            *mine = count;
        }
    }

    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        for count in &self.0 {
            into.extend_from_slice(&count.records.to_le_bytes());
            into.extend_from_slice(&count.units.to_le_bytes());
        }
    }

    /// Takes a tally off the front of the bytes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut tally = Self::default();
        for count in &mut tally.0 {
            let (records, rest) = bytes.split_first_chunk()?;
            let (units, rest) = rest.split_first_chunk()?;
            *count =
                Count { records: u64::from_le_bytes(*records), units: u64::from_le_bytes(*units) };
            bytes = rest;
        }
        Some((tally, bytes))
    }

    fn with(self, other: Self, combine: impl Fn(Count, Count) -> Count) -> Self {
        let mut result = self;
        for (mine, other) in result.0.iter_mut().zip(other.0) {
            *mine = combine(*mine, other);
        }
        result
    }
}
