//! Keys and tokens, known by how they begin: a fixed head, then enough of the right characters.
//!
//! One automaton looks for all heads at once. A head is decided by a bounded look behind it, so a text
//! made of heads costs no more than another.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use memchr::memmem;

use super::{Found, Word, fresh, run};

/// What must stand behind a head.
#[derive(Clone, Copy)]
enum Tail {
    /// At least so many of `[A-Za-z0-9_-]`.
    Word(usize),
    /// The same, with a digit among the first of them where there is a hyphen: an ordinary word
    /// joined by hyphens is no key.
    Mixed(usize),
    /// At least so many of `[A-Za-z0-9]`.
    Plain(usize),
    /// At least so many of `[A-Z0-9]`.
    Upper(usize),
    /// At least so many of `[A-Za-z0-9_.+/=-]`.
    Wide(usize),
    /// The payload and signature of a JSON web token.
    Jwt,
    /// The rest of a PEM block, if it is a private key.
    Pem,
    /// A secret that follows the name of its scheme: long, with a digit.
    Scheme,
    /// `user:password@` of a URL.
    Url,
}

use Tail::{Jwt, Mixed, Pem, Plain, Scheme, Upper, Url, Wide, Word as Any};

/// How long a PEM block without an end may be: that of an RSA key of 16384 bits.
const MAX_PEM: usize = 16 << 10;

const HEADS: &[(&str, Tail)] = &[
    // model providers and the tools around them
    ("sk-", Mixed(20)),
    ("sk-ant-", Any(16)),
    ("sk-proj-", Any(16)),
    ("sk-svcacct-", Any(16)),
    ("sk-admin-", Any(16)),
    ("sk-or-", Any(16)),
    ("sk-lf-", Any(16)),
    ("pk-lf-", Any(16)),
    ("sess-", Plain(40)),
    ("csk-", Plain(32)),
    ("gsk_", Plain(32)),
    // The name of a provider stands in code nowhere else.
    (concat!("x", "ai-"), Plain(40)),
    ("pplx-", Plain(32)),
    ("r8_", Plain(30)),
    ("fw_", Plain(20)),
    ("nvapi-", Any(32)),
    ("tvly-", Any(20)),
    ("tgp_v1_", Any(32)),
    ("jina_", Plain(32)),
    ("vck_", Plain(32)),
    ("pcsk_", Any(32)),
    ("lsv2_", Any(32)),
    ("hf_", Plain(20)),
    ("api_org_", Plain(20)),
    // Google
    ("AIza", Any(30)),
    ("AQ.Ab", Any(30)),
    ("ya29.", Any(20)),
    ("GOCSPX-", Any(20)),
    // AWS
    ("AKIA", Upper(16)),
    ("ASIA", Upper(16)),
    ("ABIA", Upper(16)),
    ("ACCA", Upper(16)),
    ("ABSK", Wide(40)),
    // forges and registries
    ("ghp_", Plain(30)),
    ("gho_", Plain(30)),
    ("ghu_", Plain(30)),
    ("ghs_", Plain(30)),
    ("ghr_", Plain(30)),
    ("github_pat_", Any(20)),
    ("glpat-", Any(20)),
    ("npm_", Plain(36)),
    ("pypi-", Any(40)),
    ("dckr_pat_", Any(20)),
    // chat, payment, mail
    ("xoxb-", Any(10)),
    ("xoxp-", Any(10)),
    ("xoxa-", Any(10)),
    ("xoxr-", Any(10)),
    ("xoxs-", Any(10)),
    ("xoxe-", Any(10)),
    ("xoxe.xox", Wide(10)),
    ("xapp-", Any(10)),
    ("hooks.slack.com/services/", Wide(20)),
    ("sk_live_", Plain(16)),
    ("sk_test_", Plain(16)),
    ("rk_live_", Plain(16)),
    ("rk_test_", Plain(16)),
    ("pk_live_", Plain(16)),
    ("whsec_", Wide(16)),
    ("sq0atp-", Any(20)),
    ("SG.", Wide(40)),
    // clouds and tools
    ("dop_v1_", Plain(40)),
    ("shpat_", Plain(32)),
    ("lin_api_", Plain(30)),
    ("ntn_", Plain(40)),
    ("figd_", Any(30)),
    ("hvs.", Any(20)),
    ("sbp_", Plain(40)),
    ("sb_secret_", Any(20)),
    ("glc_", Wide(30)),
    ("glsa_", Any(30)),
    ("NRAK-", Upper(20)),
    ("PMAK-", Any(40)),
    ("ATATT3", Wide(50)),
    ("dapi", Plain(32)),
    ("AGE-SECRET-KEY-1", Upper(40)),
    // by structure
    ("eyJ", Jwt),
    ("-----BEGIN ", Pem),
    ("Bearer ", Scheme),
    ("bearer ", Scheme),
    ("BEARER ", Scheme),
    ("Authorization: Basic ", Scheme),
    ("authorization: basic ", Scheme),
    ("://", Url),
];

/// Looks for every head at once.
#[derive(Clone)]
pub(super) struct Tokens {
    heads: Option<Arc<AhoCorasick>>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let built = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::LeftmostLongest)
            .build(HEADS.iter().map(|(head, _)| head));
        debug_assert!(built.is_ok(), "the heads are few and short");
        Self { heads: built.ok().map(Arc::new) }
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        let Some(heads) = &self.heads else { return };
        let bytes = text.as_bytes();
        let mut segment = 0;
        let mut from = 0;
        while let Some(hit) = heads.find(Input::new(text).span(from..bytes.len())) {
            let one = HEADS
                .get(hit.pattern().as_usize())
                .and_then(|(_, tail)| judge(bytes, hit.start(), hit.end(), *tail, &mut segment));
            from = one.map_or(hit.start() + 1, |one| one.end);
            found.extend(one);
        }
    }
}

/// The secret that a head from `start` to `end` begins, if it does. `segment` remembers where the run
/// of characters that was looked at last ends, so that none is looked at twice.
fn judge(text: &[u8], start: usize, end: usize, tail: Tail, segment: &mut usize) -> Option<Found> {
    if !matches!(tail, Pem | Url) && !fresh(text, start) {
        return None;
    }
    let key = |length: usize, least: usize| {
        (length >= least).then_some(Found { start, end: end + length, word: Word::ApiKey })
    };
    match tail {
        Any(least) => key(run(text, end, word), least),
        Plain(least) => key(run(text, end, |byte| byte.is_ascii_alphanumeric()), least),
        Upper(least) => {
            key(run(text, end, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), least)
        }
        Wide(least) => key(run(text, end, wide), least),
        Mixed(least) => {
            let first = text.get(end..text.len().min(end + 64))?;
            let first = first.get(..run(first, 0, word))?;
            let joined = first.iter().take(least).any(|byte| matches!(byte, b'-' | b'_'));
            let digit = first.iter().any(u8::is_ascii_digit);
            let is = first.len() >= least && (digit || !joined);
            is.then(|| Found { start, end: end + run(text, end, word), word: Word::ApiKey })
        }
        Jwt => jwt(text, start, end, segment),
        Pem => pem(text, start, end),
        Scheme => scheme(text, end),
        Url => url(text, end),
    }
}

fn jwt(text: &[u8], start: usize, end: usize, segment: &mut usize) -> Option<Found> {
    if *segment < end {
        *segment = end + run(text, end, word);
    }
    let dot = *segment;
    let payload = run(text.get(..text.len().min(dot + 11))?, dot + 1, word);
    if dot < end + 10 || text.get(dot) != Some(&b'.') || payload < 10 {
        return None;
    }
    let mut until = dot + run(text, dot, |byte| word(byte) || byte == b'.');
    while until > start && text.get(until - 1) == Some(&b'.') {
        until -= 1;
    }
    Some(Found { start, end: until, word: Word::Jwt })
}

fn pem(text: &[u8], start: usize, end: usize) -> Option<Found> {
    let label = text.get(end..text.len().min(end + 64))?;
    let dashes = memmem::find(label, b"-----")?;
    memmem::find(label.get(..dashes)?, b"PRIVATE KEY")?;
    let body = end + dashes + 5;
    let rest = text.get(body..text.len().min(body + MAX_PEM))?;
    let length = match memmem::find(rest, b"-----END ") {
        Some(at) => {
            let closing = at + 9;
            let left = rest.get(closing..)?;
            let label = left.get(..left.len().min(64))?;
            closing + memmem::find(label, b"-----").map_or(0, |dashes| dashes + 5)
        }
        // A key that was cut is a key; the bound may fall into a character.
        None => boundary(text, body + rest.len()) - body,
    };
    Some(Found { start, end: body + length, word: Word::PrivateKey })
}

fn scheme(text: &[u8], end: usize) -> Option<Found> {
    let first = text.get(end..text.len().min(end + 256))?;
    let first = first.get(..run(first, 0, wide))?;
    let is = first.len() >= 12 && first.iter().any(u8::is_ascii_digit);
    is.then(|| Found { start: end, end: end + run(text, end, wide), word: Word::Token })
}

fn url(text: &[u8], end: usize) -> Option<Found> {
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'@' | b'[')
    };
    let authority = text.get(end..text.len().min(end + 256))?;
    let at = authority.iter().position(ends).filter(|at| authority.get(*at) == Some(&b'@'))?;
    let colon = authority.get(..at)?.iter().position(|byte| *byte == b':')?;
    (colon + 1 < at).then_some(Found { start: end, end: end + at, word: Word::Password })
}

/// The first place at or after `at` where a character begins.
fn boundary(text: &[u8], at: usize) -> usize {
    at + run(text, at, |byte| byte & 0xC0 == 0x80)
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn wide(byte: u8) -> bool {
    word(byte) || matches!(byte, b'.' | b'+' | b'/' | b'=' | b'~')
}
