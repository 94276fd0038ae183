//! A sample of what an answer says: the beginning, and how long all of it is.
//!
//! On the data plane it only copies bytes, still escaped, until it is full. It must not know what a
//! token is.

use tidegauge_core::Sample;

use crate::field::{Json, unescape};

/// How much is kept, in bytes.
const MAX_SAMPLE: usize = 4096;
/// What is reserved first: most answers are short.
const FIRST: usize = 256;

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    sample: Vec<u8>,
    bytes: u64,
}

impl Said {
    /// Something was said, if `text` is a string.
    pub(crate) fn push(&mut self, text: Json<'_>) {
        let Some((raw, left_out)) = text.raw() else { return };
        self.bytes += raw.len() as u64 + left_out;
        let room = MAX_SAMPLE - self.sample.len();
        if self.sample.is_empty() && !raw.is_empty() {
            self.sample.reserve_exact(FIRST);
        }
        self.sample.extend_from_slice(raw.get(..room).unwrap_or(raw));
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The sample as text. Its length and that of the whole are in the same bytes.
    pub(crate) fn settle(self) -> Sample {
        sample(&self.sample, self.bytes)
    }
}

/// A sample of an escaped text that was `bytes` long, escapes included.
pub(crate) fn sample(raw: &[u8], bytes: u64) -> Sample {
    let text = unescape(raw);
    let (plain, escaped) = (text.len() as u128, raw.len().max(1) as u128);
    let whole = u128::from(bytes) * plain / escaped;
    Sample { bytes: u64::try_from(whole).unwrap_or(u64::MAX).max(text.len() as u64), text }
}
