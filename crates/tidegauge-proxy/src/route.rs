//! From a request's path to an upstream and the path that upstream sees.
//!
//! The path is matched raw, at a segment boundary; what is forwarded is the same bytes without the
//! upstream's name. Nothing but configuration names an upstream.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tidegauge_core::{Head, Matched, Operation, Policy, Upstream};

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) upstream: &'a Arc<Upstream>,
    /// The path the upstream sees, without the prefix of its origin.
    pub(crate) path: &'a str,
    pub(crate) matched: Matched,
}

/// The part of a request that routing looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    pub(crate) fn head(self, path: &'a str) -> Head<'a> {
        Head { method: self.method, path, query: self.query, headers: self.headers }
    }
}

/// `/{upstream}/rest` goes there; anything else to the first upstream whose dialect claims it, or
/// to the default.
///
/// One path can be both: a provider's own paths may begin with what is also an upstream's name. It
/// is then a claimed path if only the dialect that claims it knows what it asks for.
pub(crate) fn find<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let named = named(policy, asked);
    if named.as_ref().is_some_and(|route| route.matched.operation != Operation::Other) {
        return named;
    }
    let claimed = claimed(policy, asked);
    let known = |route: &Route<'_>| route.matched.operation != Operation::Other;
    match (named, claimed) {
        (Some(_), Some(claimed)) if known(&claimed) => Some(claimed),
        (Some(named), _) => Some(named),
        (None, Some(claimed)) => Some(claimed),
        (None, None) => {
            policy.default_upstream.as_ref().map(|upstream| at(upstream, asked, asked.path))
        }
    }
}

fn named<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let path = asked.path.strip_prefix('/')?;
    let name = path.split('/').next()?;
    let upstream = policy.upstream(name)?;
    let rest = path.get(name.len()..)?;
    Some(at(upstream, asked, if rest.is_empty() { "/" } else { rest }))
}

fn claimed<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let head = asked.head(asked.path);
    let upstream = policy.upstreams.iter().find(|upstream| upstream.dialect.claims(head))?;
    Some(at(upstream, asked, asked.path))
}

fn at<'a>(upstream: &'a Arc<Upstream>, asked: Asked<'a>, path: &'a str) -> Route<'a> {
    Route { upstream, path, matched: upstream.dialect.matched(asked.head(path)) }
}

#[cfg(test)]
mod tests;
