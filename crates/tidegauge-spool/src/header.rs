//! What stands in front of each record in a segment.
//!
//! A header says where in the whole history of the spool its record belongs: how much of each kind
//! was pushed before it. So two neighbours tell exactly what is missing between them, whatever
//! happened to the bytes. Knows no file.

use crate::tally::{Count, Tally};

/// Bytes of a header: mark, length, units, kind, three reserved, what was before, two checksums.
pub(crate) const HEADER: usize = 4 + 4 + 4 + 4 + Tally::BYTES + 4 + 4;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Bytes of the payload that follows.
    pub(crate) length: u32,
    /// Units in the payload.
    pub(crate) units: u32,
    /// Its kind.
    pub(crate) kind: u8,
    /// Everything that was pushed before it.
    pub(crate) before: Tally,
    /// CRC-32 of the payload.
    pub(crate) checksum: u32,
}

impl Header {
    /// The record itself, as a count.
    pub(crate) fn count(&self) -> Count {
        Count { records: 1, units: u64::from(self.units) }
    }

    /// Everything that was pushed up to and with it.
    pub(crate) fn after(&self) -> Tally {
        let mut after = self.before;
        after.add(self.kind, self.count());
        after
    }

    /// The bytes, [`HEADER`] of them. `mark` is the segment's: without it no payload can be made to
    /// look like a record.
    pub(crate) fn encode(&self, mark: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&mark.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.units.to_le_bytes());
        bytes.extend_from_slice(&[self.kind, 0, 0, 0]);
        self.before.encode(&mut bytes);
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header these bytes begin with; `None` where they are too few, damaged, or of another
    /// segment.
    pub(crate) fn decode(bytes: &[u8], mark: u32) -> Option<Self> {
        let (sound, checksum) = bytes.get(..HEADER)?.split_last_chunk::<4>()?;
        let (found, rest) = word(sound)?;
        if found != mark || u32::from_le_bytes(*checksum) != crc32fast::hash(sound) {
            return None;
        }
        let (length, rest) = word(rest)?;
        let (units, rest) = word(rest)?;
        let ([kind, ..], rest) = rest.split_first_chunk::<4>()?;
        let (before, rest) = Tally::decode(rest)?;
        let (checksum, _) = word(rest)?;
        Some(Self { length, units, kind: *kind, before, checksum })
    }
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}
