//! Splits one long JSON array into its elements as they come.
//!
//! The elements are expected to be objects; an element that is too large is given out reduced.

use crate::skim::{Limits, Skim};
use crate::sse::{Event, MAX_EVENT};

/// Turns pieces of an array into elements.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    /// How many brackets are open, the array's own included.
    depth: u64,
    string: bool,
    escaped: bool,
    held: Vec<u8>,
    skim: Option<Box<Skim>>,
}

impl Elements {
    /// The next piece of the array. Each element that it completes is given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let outside = self.depth <= 1;
            self.step(*byte);
            if outside && self.depth > 1 {
                from = at;
            }
            if !outside && self.depth <= 1 {
                self.hold(bytes.get(from..=at).unwrap_or_default());
                self.dispatch(out);
            }
        }
        if self.depth > 1 {
            self.hold(bytes.get(from..).unwrap_or_default());
        }
    }

    fn step(&mut self, byte: u8) {
        if self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.string = self.depth > 1,
            // A bare object is an array of one.
            b'{' if self.depth == 0 => self.depth = 2,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        if let Some(skim) = &mut self.skim {
            skim.push(bytes);
        } else if self.held.len() + bytes.len() > MAX_EVENT {
            let mut skim = Box::new(Skim::new(Limits::ANSWER));
            skim.push(&self.held);
            skim.push(bytes);
            self.held.clear();
            self.skim = Some(skim);
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn dispatch(&mut self, out: &mut dyn FnMut(Event<'_>)) {
        if let Some(skim) = self.skim.take() {
            let skimmed = skim.finish();
            out(Event { name: "", data: &skimmed.json, lossy: skimmed.lossy });
        } else {
            out(Event { name: "", data: &self.held, lossy: false });
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests;
