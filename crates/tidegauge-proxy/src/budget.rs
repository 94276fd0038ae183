//! Memory that many share: one bound over all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that all holders together may have.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicUsize::new(0) })
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }
}

/// A part of a budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    of: Arc<Budget>,
    bytes: usize,
}

impl Permit {
    /// For nothing yet.
    pub(crate) fn empty(of: &Arc<Budget>) -> Self {
        Self { of: Arc::clone(of), bytes: 0 }
    }

    /// Takes more. Whether it was there; if not, nothing is taken.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.of.taken.fetch_add(bytes, Relaxed);
        let fits = before.checked_add(bytes).is_some_and(|all| all <= self.of.limit);
        if fits {
            self.bytes += bytes;
        } else {
            self.of.taken.fetch_sub(bytes, Relaxed);
        }
        fits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.of.taken.fetch_sub(self.bytes, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Permit};

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let mut one = Permit::empty(&budget);
        let mut other = Permit::empty(&budget);
        assert!(one.grow(6) && other.grow(4) && other.grow(0));
        assert!(!one.grow(1) && !other.grow(usize::MAX));
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert!(other.grow(6));
        drop(other);
        assert_eq!(budget.taken(), 0);
    }
}
