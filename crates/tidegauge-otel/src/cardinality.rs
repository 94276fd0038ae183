//! Values that others choose into a bounded set of metric attribute values.
//!
//! Without it one client that makes up model names fills every metric. The first values are kept as
//! they are, later ones become `_OTHER` and are counted. Knows no metric.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::semconv::OTHER;

/// Longest value that is kept, in bytes.
const LONGEST: usize = 128;

/// The values seen so far, per attribute name.
#[derive(Debug)]
pub(crate) struct Cardinality {
    limit: usize,
    seen: Mutex<HashMap<String, HashSet<String>>>,
    folded: AtomicU64,
}

impl Cardinality {
    /// At most `limit` values per name. The names are ours, so their number is bounded.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, seen: Mutex::default(), folded: AtomicU64::new(0) }
    }

    /// `value` if it is known or there is room for it, else `_OTHER`. With `known_only` a new value
    /// takes no room: it comes from a request that was refused, which anyone can send.
    pub(crate) fn bound(&self, name: &str, value: &str, known_only: bool) -> String {
        if self.admits(name, value, known_only) {
            return value.to_owned();
        }
        self.folded.fetch_add(1, Relaxed);
        OTHER.to_owned()
    }

    /// How many values became `_OTHER` so far.
    pub(crate) fn folded(&self) -> u64 {
        self.folded.load(Relaxed)
    }

    fn admits(&self, name: &str, value: &str, known_only: bool) -> bool {
        if value.len() > LONGEST {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(values) = seen.get_mut(name) else {
            let room = !known_only && self.limit > 0;
            if room {
                seen.insert(name.to_owned(), HashSet::from([value.to_owned()]));
            }
            return room;
        };
        if values.contains(value) {
            return true;
        }
        let room = !known_only && values.len() < self.limit;
        if room {
            values.insert(value.to_owned());
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::Cardinality;

    #[test]
    fn the_first_values_stay_and_later_ones_are_folded_and_counted() {
        let bound = Cardinality::new(2);
        for (name, value, known_only, expected) in [
            ("model", "refused", true, "_OTHER"),
            ("model", "a", false, "a"),
            ("model", "b", false, "b"),
            ("model", "c", false, "_OTHER"),
            ("model", "b", true, "b"),
            ("team", "c", false, "c"),
            ("team", "x".repeat(129).as_str(), false, "_OTHER"),
        ] {
            assert_eq!(bound.bound(name, value, known_only), expected, "{name} {value}");
        }
        assert_eq!(bound.folded(), 3);
    }
}
