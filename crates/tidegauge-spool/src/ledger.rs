//! The file that says how much was pushed into the spool and how much of it is done with.
//!
//! Two slots are written in turn, in place, each with a checksum and a generation: a write that is
//! torn costs the newer one only, and no write needs room that the file does not have already, so
//! that what is read can be booked, and deleted, on a full disk. Knows no segment.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::disk;
use crate::tally::Tally;

const NAME: &str = "ledger";
const MAGIC: &[u8; 8] = b"tgspool1";
/// Two slots never share a sector or a page.
const SLOT: usize = 4096;
const USED: usize = 8 + 8 + 2 * Tally::BYTES + 4;

/// What a slot says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct LedgerEntry {
    /// Of each kind, how much is done with: acked, dropped or lost.
    pub(crate) retired: Tally,
    /// Of each kind, how much was pushed. What of it is not found was lost.
    pub(crate) pushed: Tally,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    file: File,
    generation: u64,
}

impl LedgerFile {
    /// Opens the ledger of a directory and reads the newest entry. `None` where there is no sound
    /// one. Something in its place that cannot be read is renamed `ledger.bad`.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Option<LedgerEntry>)> {
        let path = dir.join(NAME);
        let (file, bytes) = match read(&path) {
            Err(error) if unreadable(&error) => {
                disk::rename(&path, &path.with_extension("bad"))?;
                read(&path)
            }
            other => other,
        }?;
        let newest =
            bytes.chunks(SLOT).filter_map(decode).max_by_key(|(generation, _)| *generation);
        let (generation, entry) = newest.unzip();
        Ok((Self { file, generation: generation.unwrap_or(0) }, entry))
    }

    /// Writes an entry; on the medium when this returns. After a failure the entry before it
    /// stands, and the next call tries the same slot again.
    pub(crate) fn save(&mut self, entry: &LedgerEntry) -> io::Result<()> {
        let generation = self.generation.saturating_add(1);
        let slot = if generation.is_multiple_of(2) { 0 } else { SLOT as u64 };
        disk::write_at(&self.file, slot, &encode(generation, entry))?;
        disk::sync(&self.file)?;
        self.generation = generation;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let file = disk::create(path)?;
    let mut bytes = vec![0; 2 * SLOT];
    disk::read_at(&file, 0, &mut bytes)?;
    Ok((file, bytes))
}

/// Whether the file is at fault, and not what we lack (file descriptors, say).
fn unreadable(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, PermissionDenied};
    // An error of the medium has no kind of its own: EIO.
    matches!(error.kind(), IsADirectory | PermissionDenied) || error.raw_os_error() == Some(5)
}

fn encode(generation: u64, entry: &LedgerEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&generation.to_le_bytes());
    entry.retired.encode(&mut bytes);
    entry.pushed.encode(&mut bytes);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.resize(SLOT, 0);
    bytes
}

fn decode(slot: &[u8]) -> Option<(u64, LedgerEntry)> {
    let (sound, checksum) = slot.get(..USED)?.split_last_chunk::<4>()?;
    let rest = sound.strip_prefix(MAGIC)?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(sound) {
        return None;
    }
    let (generation, rest) = rest.split_first_chunk()?;
    let (retired, rest) = Tally::decode(rest)?;
    let (pushed, _) = Tally::decode(rest)?;
    Some((u64::from_le_bytes(*generation), LedgerEntry { retired, pushed }))
}
