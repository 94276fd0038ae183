//! Encoded messages, one after the other in one buffer that is used again and again.
//!
//! One copy of the whole makes the pieces of a queue: an exchange costs two allocations however many
//! spans it has. Knows no message.

use bytes::Bytes;
use tidegauge_core::{Piece, Scope};

/// What the buffer may keep for the next exchange.
const KEPT: usize = 64 << 10;

/// Messages, each with its scope.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// The scope of each message and where it ends.
    ends: Vec<(Scope, usize)>,
}

impl Encoded {
    /// Adds what `write` appends as one message.
    pub(crate) fn message(&mut self, scope: Scope, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((scope, self.bytes.len()));
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The messages as pieces of a queue, one unit each; then there are none.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Piece> {
        let all = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        let mut from = 0;
        self.ends.drain(..).map(move |(scope, end)| {
            let bytes = all.slice(from..end);
            from = end;
            Piece { scope, bytes, units: 1 }
        })
    }
}
