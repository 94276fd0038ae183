//! The few things a spool asks of the file system, each in one place, so that tests can make each of
//! them fail.
//!
//! Directories that are made here are for their owner alone (0700), files always (0600). Knows no
//! format.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

#[cfg(any(test, feature = "testing"))]
use crate::faults::{self, Op};
#[cfg(test)]
use crate::medium;

/// Makes the directory and its parents where they are missing. True if others than the owner may
/// enter it; one that was there is left as it is.
pub(crate) fn make_dir(dir: &Path) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    open_to_others(dir)
}

#[cfg(unix)]
fn open_to_others(dir: &Path) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::mode(&fs::metadata(dir)?) & 0o077 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Opens for reading and writing; makes the file where it is missing.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Create)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(test)]
    medium::created(path, &file);
    Ok(file)
}

/// Opens for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Open)?;
    File::open(path)
}

/// Fills the buffer from there on, or as much of it as the file has. The number of bytes read.
pub(crate) fn read_at(mut file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Read)?;
    file.seek(SeekFrom::Start(at))?;
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all the bytes there, or an unknown part of them and fails.
pub(crate) fn write_at(mut file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    #[cfg(any(test, feature = "testing"))]
    faults::tear(file, bytes)?;
    file.write_all(bytes)?;
    #[cfg(test)]
    medium::wrote(file, at, bytes);
    Ok(())
}

/// Cuts the file off there.
pub(crate) fn truncate(file: &File, at: u64) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Truncate)?;
    file.set_len(at)?;
    #[cfg(test)]
    medium::cut(file, at);
    Ok(())
}

/// Returns when the file's content is on the medium.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Sync)?;
    file.sync_data()?;
    #[cfg(test)]
    medium::synced(file);
    Ok(())
}

/// Returns when the names in the directory are on the medium. Where the system cannot say, at once.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Sync)?;
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    #[cfg(test)]
    medium::synced_names();
    Ok(())
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Remove)?;
    fs::remove_file(path)?;
    #[cfg(test)]
    medium::removed(path);
    Ok(())
}

/// Gives a file another name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    faults::trip(Op::Rename)?;
    fs::rename(from, to)?;
    #[cfg(test)]
    medium::moved(from, to);
    Ok(())
}
