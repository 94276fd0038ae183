//! What resolving a configuration asks of the world: variables and files, as arguments.

use std::io;
use std::path::Path;

/// Reads a file whole.
type Read<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// The world around a configuration; a test brings its own.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// An environment variable; an empty one counts as not set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file.
    pub read: Read<'a>,
    /// Whether others than its owner may read a file.
    pub exposed: &'a dyn Fn(&Path) -> bool,
    /// Whether everybody on this machine may.
    pub public: &'a dyn Fn(&Path) -> bool,
    /// Variables are not looked at: each that a value names counts as set, and a value with one in it
    /// is not judged.
    pub blind: bool,
}

/// What a variable counts as where they are not looked at: part of a host, of a path, a number.
const STAND_IN: &str = "1";

impl Outside<'_> {
    /// What stands for `${NAME}` in a value.
    pub(crate) fn expansion(&self, name: &str) -> Option<String> {
        if self.blind { Some(STAND_IN.to_owned()) } else { (self.env)(name) }
    }
}

impl Outside<'static> {
    /// This process and its files.
    pub fn real() -> Self {
        Self {
            env: &variable,
            read: &|path| read(path, LARGEST),
            exposed: &|path| permits(path, 0o077),
            public: &|path| permits(path, 0o004),
            blind: false,
        }
    }

    /// The same without a look at variables.
    pub fn without_variables() -> Self {
        Self { env: &|_| None, blind: true, ..Self::real() }
    }
}

/// The largest configuration, certificate or secret file that is read, in bytes.
pub const LARGEST: u64 = 4 << 20;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A file of at most `largest` bytes. Never reads more than that, whatever its size is said to be.
fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(unix)]
fn permits(path: &Path, bits: u32) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & bits != 0)
}

#[cfg(not(unix))]
fn permits(_: &Path, _: u32) -> bool {
    false
}
