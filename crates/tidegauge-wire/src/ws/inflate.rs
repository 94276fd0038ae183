//! Undoes `permessage-deflate` for one direction, within bounds of work.
//!
//! What may be decoded is so much at once, so much more for each byte that came, and so much more for
//! each second that went by: silence deflates a thousandfold and is no attack, a flood of it is.

use std::time::Duration;

use flate2::{Decompress, FlushDecompress, Status};

/// So much may be decoded at once, whatever the ratio.
const FREE: u64 = 4 << 20;
/// And so much for each encoded byte.
const RATIO: u64 = 100;
/// And so much for each second since the first message.
const PER_SECOND: u64 = 1 << 20;
/// How much is decoded in one step.
const STEP: usize = 4096;

/// Decodes the messages of one direction.
pub(super) struct Inflate {
    raw: Decompress,
    takeover: bool,
    used: bool,
    since: Option<Duration>,
    encoded: u64,
    decoded: u64,
}

/// The data is corrupt, or too much comes of it.
#[derive(Debug)]
pub(super) struct Stopped;

impl Inflate {
    /// `takeover`: messages refer to those before.
    pub(super) fn new(takeover: bool) -> Self {
        let raw = Decompress::new(false);
        Self { raw, takeover, used: false, since: None, encoded: 0, decoded: 0 }
    }

    /// Whether messages refer to those before.
    pub(super) fn takeover(&self) -> bool {
        self.takeover
    }

    /// A message begins.
    pub(super) fn begin(&mut self) {
        if self.used && !self.takeover {
            self.raw.reset(false);
            self.used = false;
        }
    }

    /// The next piece of a message; decoded pieces are given to `out`.
    pub(super) fn push(
        &mut self,
        at: Duration,
        bytes: &[u8],
        out: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Stopped> {
        self.used = true;
        self.encoded += bytes.len() as u64;
        let allowed = self.allowed(at);
        let mut decoded = [0; STEP];
        let mut rest = bytes;
        loop {
            let (read, made) = (self.raw.total_in(), self.raw.total_out());
            let status = self.raw.decompress(rest, &mut decoded, FlushDecompress::Sync);
            let status = status.map_err(|_| Stopped)?;
            let read = usize::try_from(self.raw.total_in() - read).unwrap_or(usize::MAX);
            let made = usize::try_from(self.raw.total_out() - made).unwrap_or(usize::MAX);
            self.decoded += made as u64;
            if self.decoded > allowed {
                return Err(Stopped);
            }
            out(decoded.get(..made).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                // A sender may end the deflate stream inside a message and begin another.
                self.raw.reset(false);
            } else if read == 0 && made == 0 && !rest.is_empty() {
                return Err(Stopped);
            }
            if rest.is_empty() && made < STEP {
                return Ok(());
            }
        }
    }

    fn allowed(&mut self, at: Duration) -> u64 {
        let since = *self.since.get_or_insert(at);
        let seconds = at.saturating_sub(since).as_secs();
        let by_bytes = self.encoded.saturating_mul(RATIO);
        FREE.saturating_add(by_bytes).saturating_add(seconds.saturating_mul(PER_SECOND))
    }
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflate")
    }
}
