//! Paths that pass and paths that do not.

use super::path;

const PASS: &[&str] = &[
    "/",
    "/v1/chat/completions",
    "//double//slash/",
    "/a.b/..c/d../.../x",
    "/v1/models/gemini-1.5-pro:generateContent",
    "/model/arn%3Aaws%3Abedrock%3Aus%2Fanthropic.claude/invoke",
    "/org%2Fname",
    "/%E4%BD%A0",
    "/100%25",
    "/a;b=c/d",
    "/~user/%20",
];

const FAIL: &[&str] = &[
    "",
    "*",
    "no/slash",
    "/..",
    "/.",
    "/a/../b",
    "/a/./b",
    "/a/%2e%2e/b",
    "/a/.%2E/b",
    "/a/%2e/b",
    "/a%2f..%2fb",
    "/a%2F%2e%2E%2Fb",
    "/a/..;x=y/b",
    "/a/%252e%252e/b",
    "/a/%25252e%25252e/b",
    "/%2525252525252e",
    "/a\\b",
    "/a%5cb",
    "/a%5C..%5Cb",
    "/a%00b",
    "/a%0d%0ab",
    "/a%7fb",
    "/%c0%ae%c0%ae/",
    "/%e0%80%ae",
    "/%ff",
    "/%",
    "/%2",
    "/%zz",
];

#[test]
fn a_path_means_one_thing() {
    for good in PASS {
        assert_eq!(path(good), Ok(()), "{good}");
    }
    for bad in FAIL {
        assert!(path(bad).is_err(), "{bad}");
    }
}

/// However it is unescaped, what passes never climbs.
#[test]
fn nothing_that_passes_climbs() {
    let pieces =
        ["/", "a", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "2e", ";", "\\", "%c0%ae", "é"];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..50_000 {
        let count = random.usize(1..8);
        let made: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
        let made = format!("/{made}");
        if path(&made).is_err() {
            continue;
        }
        let mut layer = made.clone().into_bytes();
        for _ in 0..4 {
            let text = String::from_utf8(layer.clone()).expect("text at every layer");
            assert!(!text.split(['/', '\\']).any(|part| part == ".." || part == "."), "{made}");
            layer = super::unescaped(&layer).unwrap_or(layer);
        }
    }
}
