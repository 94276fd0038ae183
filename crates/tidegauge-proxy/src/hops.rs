//! The way a request has come, as `Via` tells it (RFC 9110 7.6.3). Every instance has a name of its
//! own, so that instances may stand in a chain, and a request that comes back to one is refused.

use http::Version;
use http::header::{self, HeaderMap, HeaderValue};

use crate::headers::list;

/// What the name of every instance begins with.
const PSEUDONYM: &str = "tidegauge";

/// Instances that may stand in one chain. A loop through several names, or through instances that
/// are restarted while it turns, ends here.
const CHAIN: usize = 5;

/// One instance's name, and the fields that carry it.
#[derive(Debug)]
pub(crate) struct Hop {
    name: String,
    http_10: HeaderValue,
    http_11: HeaderValue,
    http_2: HeaderValue,
}

impl Hop {
    /// A name that no other instance has.
    pub(crate) fn new() -> Self {
        Self::named(fastrand::u32(..))
    }

    fn named(id: u32) -> Self {
        let name = format!("{PSEUDONYM}-{id:08x}");
        let field = |version: &str| {
            let plain = HeaderValue::from_static(PSEUDONYM);
            HeaderValue::try_from(format!("{version} {name}")).unwrap_or(plain)
        };
        Self { http_10: field("1.0"), http_11: field("1.1"), http_2: field("2.0"), name }
    }

    /// The field for a request that came in this version of HTTP.
    pub(crate) fn via(&self, version: Version) -> HeaderValue {
        match version {
            Version::HTTP_2 => self.http_2.clone(),
            Version::HTTP_10 => self.http_10.clone(),
            _ => self.http_11.clone(),
        }
    }

    /// Whether a request goes round: it has been here, or through too many like us.
    pub(crate) fn is_loop(&self, headers: &HeaderMap) -> bool {
        let mut like_us = 0;
        for value in headers.get_all(header::VIA) {
            for hop in list(value) {
                let by = hop.split_ascii_whitespace().nth(1).unwrap_or_default();
                if by.eq_ignore_ascii_case(&self.name) {
                    return true;
                }
                like_us += usize::from(is_like_us(by));
            }
        }
        like_us >= CHAIN
    }
}

fn is_like_us(by: &str) -> bool {
    let head = by.get(..PSEUDONYM.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(PSEUDONYM))
        && by.get(PSEUDONYM.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instance_twice_or_many_is_a_loop() {
        let hop = Hop::named(0x3f9a);
        let theirs = |count: usize| vec!["1.1 tidegauge-00000001"; count].join(", ");
        for (via, expected) in [
            ("", false),
            ("1.1 tidegauge", false),
            ("1.1 a, 2.0 tidegauge-00000001 (x)", false),
            ("1.1 tidegauge-00003f9a", true),
            ("1.0 a, 2.0 Tidegauge-00003F9A (x)", true),
            (&theirs(4), false),
            (&theirs(5), true),
            (&format!("{}, 1.1 TIDEGAUGE", theirs(4)), true),
            ("1.1 tidegauges, 1.1 tide, 1.1 tidegauge2, 1.1 a, 1.1 b, 1.1 c", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::VIA, HeaderValue::try_from(via).unwrap());
            assert_eq!(hop.is_loop(&headers), expected, "{via}");
            // The same in a field for each hop.
            let mut headers = HeaderMap::new();
            for hop in via.split(',') {
                headers.append(header::VIA, HeaderValue::try_from(hop.trim()).unwrap());
            }
            assert_eq!(hop.is_loop(&headers), expected, "{via}");
        }
        assert_eq!(hop.via(Version::HTTP_2), "2.0 tidegauge-00003f9a");
        assert_ne!(Hop::new().name, Hop::new().name);
    }
}
