//! Finds and reads the configuration file, and resolves it.

use std::io;
use std::path::{Path, PathBuf};

use super::mistake::{At, Mistake, Mistakes, Place};
use super::outside::LARGEST;
use super::{Outside, Overrides, Resolved, Typed, resolve};

/// The file that is read when none is named, if it is there.
const USUAL: &str = "tidegauge.yaml";

/// Where a configuration comes from, so that it can be read again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// The file that was named. `None`: `TIDEGAUGE_CONFIG`, else `tidegauge.yaml` if there is one.
    pub file: Option<PathBuf>,
    /// The command line.
    pub flags: Overrides,
}

/// A configuration and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What runs.
    pub resolved: Resolved,
    /// The file it was read from; `None`: defaults.
    pub file: Option<PathBuf>,
}

/// Reads and resolves.
///
/// # Errors
/// Every mistake there is; a file that was named and cannot be read is one.
pub fn load(source: &Source, outside: &Outside<'_>) -> Result<Loaded, Mistakes> {
    let named =
        source.file.clone().or_else(|| (outside.env)("TIDEGAUGE_CONFIG").map(PathBuf::from));
    let file = named.clone().unwrap_or_else(|| PathBuf::from(USUAL));
    let text = match (outside.read)(&file) {
        Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| wrong(&file, "not UTF-8 text"))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => None,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(wrong(&file, &format!("larger than {} MiB", LARGEST >> 20)));
        }
        Err(error) => return Err(wrong(&file, &format!("cannot be read: {}", error.kind()))),
    };
    let name = file.display().to_string();
    let typed = Typed { file: text.as_deref().map(|text| (&*name, text)), flags: &source.flags };
    let resolved = resolve(typed, outside)?;
    Ok(Loaded { resolved, file: text.is_some().then_some(file) })
}

fn wrong(file: &Path, message: &str) -> Mistakes {
    let place = Place::File { file: file.display().to_string(), at: At::default() };
    Mistakes(vec![Mistake { place, path: String::new(), message: message.to_owned(), hint: None }])
}
