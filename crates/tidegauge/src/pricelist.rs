//! The price list in use: the one in a file, else the built-in one.
//!
//! A file is either as genai-prices or LiteLLM publish theirs, or wrapped by `tidegauge prices update`
//! in a few words about where and when it was had. It is read whole and within a bound; one that is no
//! good is told and changes nothing. Must not know: who watches the file.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegauge_core::Health;
use tidegauge_measure::{CatalogueError, CatalogueMistake, Form, Prices};
use tidegauge_record::{from_rfc3339, rfc3339};
use tidegauge_wire::price_id_of;

use crate::config::Config;

/// The largest price list that is read, in bytes; the published ones have one to two MiB.
pub(crate) const LARGEST: u64 = 32 << 20;

/// Its name in the data directory.
const USUAL: &str = "prices.json";

/// Version of the wrapping.
const VERSION: u32 = 1;

/// Mistakes of one file that go to the log.
const TOLD: usize = 10;

/// Why a price list cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It cannot be read.
    #[error("{} cannot be read: {kind}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// It is too large.
    #[error("a price list may have {} MiB, this one is larger", LARGEST >> 20)]
    TooLarge,
    /// It is no price list, or has mistakes in it.
    #[error(transparent)]
    Bad(#[from] CatalogueError),
}

impl Trouble {
    /// One line for each mistake.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Bad(CatalogueError(mistakes)) => {
                mistakes.iter().map(ToString::to_string).collect()
            }
            other => vec![other.to_string()],
        }
    }
}

/// Where the list of a configuration is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The file.
    pub(crate) path: PathBuf,
    /// It is named, so it must be there.
    pub(crate) named: bool,
}

impl Place {
    /// What the configuration says: `pricing.file`, else a file in `data_dir`; `None` without both.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let named = config.price_file.clone().map(|path| Self { path, named: true });
        let usual = || Some(Self { path: config.data_dir.as_ref()?.join(USUAL), named: false });
        named.or_else(usual)
    }
}

/// A price list with where and when it was had.
#[derive(Deserialize)]
struct Wrapped<'a> {
    tidegauge_prices: u32,
    taken: String,
    #[serde(borrow)]
    list: &'a RawValue,
}

/// The list of a configuration, without what lies over it. `Ok(None)`: there is no file and none is
/// named.
pub(crate) fn read(config: &Config) -> Result<Option<Prices>, Trouble> {
    let Some(place) = Place::of(config) else { return Ok(None) };
    let failed = |error: &io::Error| Trouble::Read { path: place.path.clone(), kind: error.kind() };
    let mut file = match File::open(&place.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !place.named => return Ok(None),
        Err(error) => return Err(failed(&error)),
        Ok(file) => file,
    };
    let modified = file.metadata().and_then(|meta| meta.modified()).unwrap_or(UNIX_EPOCH);
    let data = read_bounded(&mut file).map_err(|error| failed(&error))?.ok_or(Trouble::TooLarge)?;
    parse(&data, modified).map(Some)
}

/// At most [`LARGEST`] bytes; `None` if there are more.
pub(crate) fn read_bounded(from: &mut dyn io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut data = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut data)?;
    Ok(Some(data).filter(|data| data.len() as u64 <= LARGEST))
}

/// Reads a list, wrapped or plain. A plain one is of the time `modified`.
pub(crate) fn parse(data: &[u8], modified: SystemTime) -> Result<Prices, Trouble> {
    let (list, dated) = match serde_json::from_slice::<Wrapped<'_>>(data) {
        Ok(Wrapped { tidegauge_prices: VERSION, taken, list }) => {
            (list.get().as_bytes(), from_rfc3339(&taken).unwrap_or(modified))
        }
        Ok(_) => {
            let what = "written by a newer version of this program".to_owned();
            let mistake = CatalogueMistake { key: "tidegauge_prices".to_owned(), what };
            return Err(CatalogueError(vec![mistake]).into());
        }
        Err(_) => (data, modified),
    };
    Ok(Prices::read(list, &label(list, dated), dated, &price_id_of)?)
}

/// Whether a list is wrapped already.
pub(crate) fn is_wrapped(data: &[u8]) -> bool {
    serde_json::from_slice::<Wrapped<'_>>(data).is_ok()
}

/// What records show as `cost.catalogue`: the form, the day, and digits that tell two lists of one day
/// apart.
fn label(list: &[u8], dated: SystemTime) -> String {
    let form = Form::of(list).map_or("price list", Form::name);
    let time = rfc3339(dated);
    let day = time.get(..10).unwrap_or_default();
    format!("{form}, {day}, {:08x}", fold(list.trim_ascii()))
}

/// FNV-1a of the text, folded to 32 bits. Tells texts apart, protects from nobody.
fn fold(text: &[u8]) -> u32 {
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or(0)
}

/// A good plain list, wrapped.
pub(crate) fn wrap(list: &str, source: &str, taken: SystemTime) -> String {
    let form = Form::of(list.as_bytes()).map_or("", Form::name);
    let source = serde_json::Value::from(source);
    let taken = rfc3339(taken);
    let list = list.trim();
    format!(
        "{{\"tidegauge_prices\":{VERSION},\"form\":\"{form}\",\"source\":{source},\
         \"taken\":\"{taken}\",\"list\":{list}}}\n"
    )
}

/// Replaces a file in one step, so that a reader sees the old one or the new one.
///
/// # Errors
/// What the system says; the old file is as it was then.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent)?;
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(&beside, path));
    if done.is_err() {
        // It may never have been there.
        let _ = std::fs::remove_file(&beside);
    }
    done
}

/// The list of a configuration; when that cannot be used, `otherwise`, and it is said.
pub(crate) fn read_or(
    config: &Config,
    otherwise: impl FnOnce() -> Prices,
    health: &Health,
) -> Prices {
    let list = match read(config) {
        Ok(Some(list)) => {
            health.price_list_read(true);
            tracing::info!(
                catalogue = &**list.catalogue(),
                models = list.models(),
                "price list read"
            );
            list
        }
        // Gone on purpose, or never there.
        Ok(None) => Prices::bundled(),
        // Of the system, not of the list: it may be there again the next time.
        Err(trouble @ Trouble::Read { .. }) => {
            health.price_list_read(false);
            let list = otherwise();
            tracing::warn!(in_use = &**list.catalogue(), "the price list {trouble}");
            list
        }
        Err(trouble) => {
            health.price_list_read(false);
            let list = otherwise();
            let stays = &**list.catalogue();
            let lines = trouble.lines();
            for line in lines.iter().take(TOLD) {
                tracing::error!(stays, "the price list's file is no good: {line}");
            }
            if lines.len() > TOLD {
                tracing::error!("and {} more mistakes", lines.len() - TOLD);
            }
            list
        }
    };
    let since = list.dated().duration_since(UNIX_EPOCH).unwrap_or_default();
    health.price_list_dated(since.as_secs());
    list
}

#[cfg(test)]
mod tests;
