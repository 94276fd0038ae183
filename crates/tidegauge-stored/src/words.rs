//! Words that live as long as the program: those that a record only borrows.
//!
//! A stored record brings its own copy; here each is kept once, up to a bound, so that a file full of
//! nonsense cannot fill the memory.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Words kept at most.
const MOST: usize = 1024;
/// Bytes of one word at most.
const LONGEST: usize = 64;

/// The words that were read so far. One is enough for a process: what it keeps is never given back.
#[derive(Debug, Default)]
pub struct Words(Mutex<BTreeSet<&'static str>>);

impl Words {
    /// The word as one that stays; `None` when it is too long, or there is no more room.
    pub(crate) fn keep(&self, word: &str) -> Option<&'static str> {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(word) {
            return Some(known);
        }
        if word.len() > LONGEST || words.len() >= MOST {
            return None;
        }
        let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
        words.insert(kept);
        Some(kept)
    }
}
