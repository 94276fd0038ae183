//! From a request's path to an upstream and the path that upstream sees.
//!
//! The path is matched raw, at a segment boundary; what is forwarded is the same bytes without the
//! upstream's name. Nothing but configuration names an upstream.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tidegauge_core::{Head, Matched, Operation, Owner, Policy, Upstream};

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

/// `/{upstream}/rest` goes there. Anything else goes to the first upstream whose dialect claims it,
/// then to the vendor whose credential it carries, and `/v1/...` to the default; but never to a vendor
/// other than the one that issued the credential. The rest goes nowhere: behind a misspelt name stands
/// a key that is not the default upstream's to see.
///
/// One path can be both: a provider's own paths may begin with what is also an upstream's name. It
/// is then a claimed path if only the dialect that claims it knows what it asks for. A header alone
/// never takes a request away from the upstream that its path names.
pub(crate) fn find<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let Some(named) = named(policy, asked) else { return unnamed(policy, asked) };
    if is_known(&named) {
        return Some(named);
    }
    let by_path = claimed(policy, asked, &HeaderMap::new());
    Some(by_path.filter(is_known).unwrap_or(named))
}

/// The way of a request whose path names no upstream.
fn unnamed<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let owner = (policy.owner)(asked.headers);
    if let Some(claimed) = claimed(policy, asked, asked.headers) {
        let issued = owner.filter(|owner| owner.certain);
        return Some(claimed)
            .filter(|route| issued.is_none_or(|owner| may_see(route.upstream, owner)));
    }
    if !asked.path.starts_with("/v1/") {
        return None;
    }
    let upstream = match owner {
        None => policy.default_upstream.as_ref(),
        Some(owner) => {
            // Two upstreams may be of the owner's kind: the default is the one that was chosen.
            let all = policy.default_upstream.iter().chain(&policy.upstreams);
            all.into_iter().find(|upstream| may_see(upstream, owner))
        }
    };
    upstream.map(|upstream| at(upstream, asked, asked.path))
}

fn is_known(route: &Route<'_>) -> bool {
    route.matched.operation != Operation::Other
}

fn may_see(upstream: &Upstream, owner: Owner) -> bool {
    owner.kinds.contains(&upstream.dialect.kind())
}

fn named<'a>(policy: &'a Policy, asked: Asked<'a>) -> Option<Route<'a>> {
    let path = asked.path.strip_prefix('/')?;
    let name = path.split('/').next()?;
    let upstream = policy.upstream(name)?;
    let rest = path.get(name.len()..)?;
    Some(at(upstream, asked, if rest.is_empty() { "/" } else { rest }))
}

/// The way to the first upstream whose dialect claims the path or one of `headers`.
fn claimed<'a>(policy: &'a Policy, asked: Asked<'a>, headers: &HeaderMap) -> Option<Route<'a>> {
    let head = Head { method: asked.method, path: asked.path, query: asked.query, headers };
    let upstream = policy.upstreams.iter().find(|upstream| upstream.dialect.claims(head))?;
    Some(at(upstream, asked, asked.path))
}

fn at<'a>(upstream: &'a Arc<Upstream>, asked: Asked<'a>, path: &'a str) -> Route<'a> {
    Route { upstream, path, matched: upstream.dialect.matched(asked.head(path)) }
}

#[cfg(test)]
mod tests;
