//! One file of records, and reading it whatever state it is in.
//!
//! A walk goes from sound header to sound header; bytes between them that make no sense are skipped.
//! Knows nothing of the order of segments, of reading positions or of bounds.

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::header::{HEADER, Header};
use crate::tally::Tally;

const EXTENSION: &str = "seg";
/// Extension of files that were set aside.
const ASIDE: &str = "bad";
/// Files set aside that are kept for a look at them; older ones are removed.
const ASIDE_KEPT: usize = 4;
/// How much is read at a time when looking for the next record after damage.
const CHUNK: usize = 64 * 1024;

/// A file of records.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Begins each of its headers. In the name of the file and unknown outside.
    pub(crate) mark: u32,
    /// Everything that was pushed before its first record.
    pub(crate) start: Tally,
    /// How far it is written.
    pub(crate) bytes: u64,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is not there any more.
    Gone,
    /// It cannot be read, or nothing in it makes sense.
    Unreadable,
    /// Not the file's fault.
    Other(io::Error),
}

impl Segment {
    /// A new one in the directory for records from `start` on, and its file.
    pub(crate) fn create(dir: &Path, start: Tally) -> io::Result<(Self, File)> {
        // The hasher's keys are random in each process and differ from call to call.
        let random = std::hash::RandomState::new().build_hasher().finish();
        let mark = u32::try_from(random & u64::from(u32::MAX)).unwrap_or(0) | 1;
        let name = format!("{:016x}-{mark:08x}.{EXTENSION}", start.total().records);
        let path = dir.join(name);
        let file = disk::create(&path)?;
        Ok((Self { path, mark, start, bytes: 0 }, file))
    }

    /// The segment in a file, from its first sound record. `None` if the name is no segment's.
    pub(crate) fn find(path: &Path) -> Option<Result<Self, Trouble>> {
        let name = path.file_name()?.to_str()?;
        let (stem, extension) = name.rsplit_once('.')?;
        let (number, mark) = stem.split_once('-')?;
        if extension != EXTENSION || number.len() != 16 || mark.len() != 8 {
            return None;
        }
        u64::from_str_radix(number, 16).ok()?;
        Some(Self::read(path, u32::from_str_radix(mark, 16).ok()?))
    }

    fn read(path: &Path, mark: u32) -> Result<Self, Trouble> {
        let file = open(path)?;
        let bytes = file.metadata().map_err(|_| Trouble::Unreadable)?.len();
        let mut segment = Self { path: path.to_owned(), mark, start: Tally::default(), bytes };
        let first = segment.walk(&file, 0).next().map_err(|_| Trouble::Unreadable)?;
        segment.start = first.ok_or(Trouble::Unreadable)?.header.before;
        Ok(segment)
    }

    /// Its key: records pushed before its first one. Unique and rising.
    pub(crate) fn key(&self) -> u64 {
        self.start.total().records
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<File, Trouble> {
        open(&self.path)
    }

    /// Walks over its records from there on.
    pub(crate) fn walk<'a>(&self, file: &'a File, at: u64) -> Walk<'a> {
        Walk { file, mark: self.mark, at, end: self.bytes }
    }

    /// Finds where it ends: everything pushed up to its end as far as headers are left to tell, and
    /// the end of the last record that is there in full length.
    pub(crate) fn tail(&self) -> Result<(Tally, u64), Trouble> {
        let file = self.open()?;
        let mut walk = self.walk(&file, 0);
        let (mut pushed, mut end) = (self.start, 0);
        while let Some(found) = walk.next().map_err(|_| Trouble::Unreadable)? {
            pushed = found.header.after();
            if walk.at <= self.bytes {
                end = walk.at;
            }
        }
        Ok((pushed, end))
    }
}

/// Renames a file so that it is not taken for a segment any more, and removes the oldest of those
/// that were renamed before if they are too many.
pub(crate) fn set_aside(path: &Path) -> io::Result<()> {
    disk::rename(path, &path.with_extension(ASIDE))?;
    let Some(dir) = path.parent() else { return Ok(()) };
    let mut aside: Vec<_> = std::fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == ASIDE))
        .collect();
    aside.sort();
    let surplus = aside.len().saturating_sub(ASIDE_KEPT);
    aside.iter().take(surplus).try_for_each(|path| disk::remove(path))
}

fn open(path: &Path) -> Result<File, Trouble> {
    disk::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Trouble::Gone,
        io::ErrorKind::PermissionDenied => Trouble::Unreadable,
        // Out of file descriptors, say: the records are still good.
        _ => Trouble::Other(error),
    })
}

/// A record that a walk came by.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where its header is.
    pub(crate) at: u64,
    pub(crate) header: Header,
}

/// A way through a segment.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    file: &'a File,
    mark: u32,
    /// Where the next record should begin.
    pub(crate) at: u64,
    end: u64,
}

impl Walk<'_> {
    /// The next sound header from here on. The payload may be damaged or cut off.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        while self.at < self.end {
            let mut bytes = [0; HEADER];
            let read = disk::read_at(self.file, self.at, self.within(&mut bytes))?;
            let header = bytes.get(..read).and_then(|bytes| Header::decode(bytes, self.mark));
            if let Some(header) = header {
                let at = self.at;
                self.at = at.saturating_add(HEADER as u64 + u64::from(header.length));
                return Ok(Some(Found { at, header }));
            }
            self.at = self.mark_after(self.at)?;
        }
        Ok(None)
    }

    /// The payload of a record found; `None` if it is damaged.
    pub(crate) fn payload(&self, found: &Found) -> io::Result<Option<Vec<u8>>> {
        let from = found.at + HEADER as u64;
        let length = u64::from(found.header.length);
        if from.saturating_add(length) > self.end {
            return Ok(None);
        }
        let mut payload = vec![0; found.header.length as usize];
        let read = disk::read_at(self.file, from, &mut payload)?;
        let sound = read == payload.len() && crc32fast::hash(&payload) == found.header.checksum;
        Ok(sound.then_some(payload))
    }

    /// Where the mark is next after this place; the end if nowhere.
    fn mark_after(&self, at: u64) -> io::Result<u64> {
        let mark = self.mark.to_le_bytes();
        let mut chunk = vec![0; CHUNK];
        let mut from = at + 1;
        loop {
            let read = disk::read_at(self.file, from, &mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| bytes.len() >= mark.len()) else {
                return Ok(self.end);
            };
            if let Some(found) = bytes.windows(mark.len()).position(|window| window == mark) {
                return Ok(from + found as u64);
            }
            from += (read + 1 - mark.len()) as u64;
        }
    }

    /// As much of the buffer as there is left to read.
    fn within<'b>(&self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        buffer.get_mut(..length).unwrap_or_default()
    }
}
