//! Finds what a path asks for in a table of path patterns, whatever stands before them.
//!
//! Hosts put the same API under different prefixes (`/v1`, `/openai/v1`, `/api/v1`, none), so a
//! pattern is matched against the end of the path.

use std::borrow::Cow;

use http::Method;
use tidegauge_core::{Head, Matched, Operation};

use crate::provider::Reader;

/// How many segments a path may have and still be looked up.
const MAX_SEGMENTS: usize = 16;

/// Bytes that hold nearly every route.
const ROUTE: usize = 48;

/// Segments that may stand before a pattern and are named in a route; others are `{prefix}`.
const PREFIXES: &[&str] = &[
    "v1",
    "v1beta",
    "v2",
    "v3",
    "v4",
    "api",
    "openai",
    "anthropic",
    "inference",
    "beta",
    "models",
    "deployments",
    "paas",
    "coding",
    "compatible-mode",
    "compat",
    "serving-endpoints",
];

/// One thing that can be asked for.
pub(crate) struct Route {
    /// The method it is asked with; `None` for any.
    pub(crate) method: Option<Method>,
    /// The end of the path, without leading slash. A segment in braces matches any one segment, a
    /// last `{*}` any number, but at least one.
    pub(crate) pattern: &'static str,
    /// What is asked.
    pub(crate) operation: Operation,
    /// Who reads it.
    pub(crate) reader: Option<&'static dyn Reader>,
}

/// A row for what is read.
pub(crate) const fn post(
    pattern: &'static str,
    operation: Operation,
    reader: &'static dyn Reader,
) -> Route {
    Route { method: Some(Method::POST), pattern, operation, reader: Some(reader) }
}

/// A row for what is named but not read.
pub(crate) const fn get(pattern: &'static str, operation: Operation) -> Route {
    Route { method: Some(Method::GET), pattern, operation, reader: None }
}

/// The same with any method.
pub(crate) const fn any(pattern: &'static str, operation: Operation) -> Route {
    Route { method: None, pattern, operation, reader: None }
}

/// The row that a request head matches, and its low-cardinality route.
pub(crate) fn find(table: &'static [Route], head: Head<'_>) -> Option<(&'static Route, Matched)> {
    look(table, head, |prefix, row| {
        let route = Cow::Owned(route(prefix, row.pattern));
        (row, Matched { operation: row.operation, route })
    })
}

/// The row alone.
pub(crate) fn row(table: &'static [Route], head: Head<'_>) -> Option<&'static Route> {
    look(table, head, |_, row| row)
}

/// What `found` makes of the row that matches and the segments before it.
fn look<T>(
    table: &'static [Route],
    head: Head<'_>,
    found: impl Fn(&[&str], &'static Route) -> T,
) -> Option<T> {
    let mut room = [""; MAX_SEGMENTS];
    let mut count = 0;
    for segment in segments(head.path) {
        *room.get_mut(count)? = segment;
        count += 1;
    }
    let segments = room.get(..count)?;
    (0..count).find_map(|from| {
        let (prefix, rest) = segments.split_at_checked(from)?;
        let asked = |row: &&Route| row.method.as_ref().is_none_or(|method| method == head.method);
        let first = rest.first()?;
        let may = |row: &&Route| begins(row.pattern, first) && asked(row);
        let row = table.iter().filter(may).find(|row| fits(row.pattern, rest))?;
        Some(found(prefix, row))
    })
}

/// What is not known.
pub(crate) fn unknown() -> Matched {
    Matched { operation: Operation::Other, route: Cow::Borrowed("/{path}") }
}

/// The segments of a path that hold something.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Whether a pattern's first segment may be that one. Most rows end here, and cheaply.
fn begins(pattern: &str, first: &str) -> bool {
    match pattern.as_bytes().first() {
        Some(b'{') => true,
        // One byte tells most of them apart.
        letter if letter != first.as_bytes().first() => false,
        _ => {
            let rest = pattern.strip_prefix(first);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

fn fits(pattern: &str, path: &[&str]) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.iter();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{*}"), Some(_)) => return true,
            (Some(wanted), Some(given)) if wanted == *given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn route(prefix: &[&str], pattern: &str) -> String {
    let mut route = String::with_capacity(ROUTE);
    let mut parameter = false;
    for segment in prefix {
        let name = match *segment {
            _ if parameter => "{deployment}",
            known if PREFIXES.contains(&known) => known,
            _ => "{prefix}",
        };
        parameter = *segment == "deployments";
        route.push('/');
        route.push_str(name);
    }
    route.push('/');
    match pattern.strip_suffix("{*}") {
        Some(pattern) => {
            route.push_str(pattern);
            route.push_str("{path}");
        }
        None => route.push_str(pattern),
    }
    route
}
