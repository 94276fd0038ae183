//! File descriptors: takes as many as the system grants, and says what fits into them.

/// Kept for the queues, the journal, exporters, the console.
const RESERVE: u64 = 32;
/// What each client connection takes: its own and one to an upstream.
const EACH: u64 = 2;

/// Raises the soft limit of open files to the hard one. How many there may be; `None`: no limit, or it
/// is not known.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// What macOS grants where its hard limit says more.
    const OPEN_MAX: u64 = 10_240;
    let now = getrlimit(Resource::Nofile);
    let current = now.current?;
    for wanted in [now.maximum, Some(now.maximum.map_or(OPEN_MAX, |most| most.min(OPEN_MAX)))] {
        let more = wanted.is_none_or(|wanted| wanted > current);
        let raised = Rlimit { current: wanted, maximum: now.maximum };
        if more && setrlimit(Resource::Nofile, raised).is_ok() {
            return wanted;
        }
    }
    Some(current)
}

/// No such limit.
#[cfg(not(unix))]
pub(crate) fn raise() -> Option<u64> {
    None
}

/// How many of `wanted` client connections have descriptors, at least one.
pub(crate) fn fitting(wanted: u32, descriptors: Option<u64>) -> u32 {
    let Some(descriptors) = descriptors else { return wanted };
    let most = (descriptors.saturating_sub(RESERVE) / EACH).max(1);
    wanted.min(u32::try_from(most).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{fitting, raise};

    #[test]
    fn what_does_not_fit_is_cut() {
        for (wanted, descriptors, expected) in [
            (10_000, None, 10_000),
            (10_000, Some(20_032), 10_000),
            (10_000, Some(20_031), 9_999),
            (10_000, Some(1024), 496),
            (100, Some(1024), 100),
            (100, Some(0), 1),
            (u32::MAX, Some(u64::MAX), u32::MAX),
        ] {
            assert_eq!(fitting(wanted, descriptors), expected, "{wanted} {descriptors:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn raised_once_it_stays() {
        let limit = raise();
        assert!(limit.is_none_or(|limit| limit > 0));
        assert_eq!(raise(), limit);
    }
}
