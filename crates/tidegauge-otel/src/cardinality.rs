//! Values that others choose into a bounded set of metric attribute values.
//!
//! Without it one client that makes up model names fills every metric. The first values are admitted,
//! later ones are not. Knows no metric.

use std::collections::{HashMap, HashSet};

/// Longest value that is kept, in bytes.
const LONGEST: usize = 128;

/// The values seen so far, per attribute name.
#[derive(Debug)]
pub(crate) struct Cardinality {
    limit: usize,
    seen: HashMap<String, HashSet<String>>,
}

impl Cardinality {
    /// At most `limit` values per name. The names are ours, so their number is bounded.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, seen: HashMap::new() }
    }

    /// Whether `value` is known or there is room for it. With `known_only` a new value takes no
    /// room: it comes from a request that was refused, which anyone can send.
    pub(crate) fn admits(&mut self, name: &str, value: &str, known_only: bool) -> bool {
        if value.len() > LONGEST {
            return false;
        }
        let Some(values) = self.seen.get_mut(name) else {
            let room = !known_only && self.limit > 0;
            if room {
                self.seen.insert(name.to_owned(), HashSet::from([value.to_owned()]));
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
    fn the_first_values_are_admitted() {
        let mut bound = Cardinality::new(2);
        for (name, value, known_only, expected) in [
            ("model", "refused", true, false),
            ("model", "a", false, true),
            ("model", "b", false, true),
            ("model", "c", false, false),
            ("model", "b", true, true),
            ("team", "c", false, true),
            ("team", "x".repeat(129).as_str(), false, false),
        ] {
            assert_eq!(bound.admits(name, value, known_only), expected, "{name} {value}");
        }
    }
}
