//! Names that the built-in list leads to another model than their provider does.
//!
//! Turns `data/moved.txt` into answers. Must not know: prices. Lists that are loaded are taken as they
//! are.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TEXT: &str = include_str!("../data/moved.txt");

/// One name.
#[derive(Debug)]
struct Moved {
    provider: &'static str,
    name: &'static str,
    since: SystemTime,
    to: &'static str,
}

static MOVED: LazyLock<Vec<Moved>> = LazyLock::new(|| TEXT.lines().filter_map(read).collect());

/// What a name leads to at that time; `None` where the list has it right. Without a provider the name
/// is enough.
pub(crate) fn moved(provider: Option<&str>, name: &str, at: SystemTime) -> Option<&'static str> {
    let is = |one: &&Moved| {
        let here = provider.is_none_or(|provider| provider.eq_ignore_ascii_case(one.provider));
        here && one.name.eq_ignore_ascii_case(name) && at >= one.since
    };
    MOVED.iter().find(is).map(|one| one.to)
}

fn read(line: &'static str) -> Option<Moved> {
    let mut words = line.split_ascii_whitespace();
    let provider = words.next().filter(|word| !word.starts_with('#'))?;
    let (name, since, to) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    Some(Moved { provider, name, since: UNIX_EPOCH + Duration::from_secs(since), to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prices;

    #[test]
    fn every_line_is_read_and_leads_to_an_entry() {
        let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(MOVED.len(), lines);
        for one in MOVED.iter() {
            let listed = Prices::bundled().list(one.to, one.since, 9);
            let leads =
                |listed: &&crate::Listed| listed.provider == one.provider && listed.model == one.to;
            assert!(listed.iter().any(|listed| leads(&listed)), "{one:?}");
        }
    }

    #[test]
    fn a_name_moves_at_its_time() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let ask = |provider, at| moved(provider, "Mistral-Large-Latest", at);
        assert_eq!(ask(Some("mistral"), at(1_764_633_599)), None);
        assert_eq!(ask(Some("mistral"), at(1_764_633_600)), Some("mistral-large-2512"));
        assert_eq!(ask(None, at(1_795_176_000)), Some("mistral-large-2512"));
        assert_eq!(ask(Some("openrouter"), at(1_795_176_000)), None);
        assert_eq!(moved(Some("mistral"), "mistral-large-2411", at(1_795_176_000)), None);
    }
}
