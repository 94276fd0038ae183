//! Text for the demo: words about a harbour, one to a token or so.

use rand::Rng;
use rand::rngs::SmallRng;

/// Tokens that a streamed event carries.
pub(crate) const TOKENS_PER_EVENT: usize = 4;

const WORDS: [&str; 48] = [
    "the", "tide", "rises", "at", "berth", "seven", "before", "noon", "and", "a", "pilot",
    "boards", "near", "buoy", "four", "while", "harbour", "master", "confirms", "depth", "over",
    "sill", "of", "two", "metres", "so", "vessels", "with", "less", "draught", "may", "enter",
    "first", "then", "tugs", "wait", "until", "current", "turns", "north", "because", "gauge",
    "reads", "low", "after", "wind", "drops", "again",
];

/// As many words as tokens, grouped as events carry them.
pub(crate) fn pieces(rng: &mut SmallRng, tokens: u64) -> Vec<String> {
    let tokens = usize::try_from(tokens).unwrap_or(0);
    let mut pieces = Vec::with_capacity(tokens.div_ceil(TOKENS_PER_EVENT));
    let mut left = tokens;
    while left > 0 {
        let count = left.min(TOKENS_PER_EVENT);
        let mut piece = String::new();
        for _ in 0..count {
            piece.push_str(WORDS.get(rng.random_range(0..WORDS.len())).unwrap_or(&"tide"));
            piece.push(' ');
        }
        pieces.push(piece);
        left -= count;
    }
    pieces
}

/// One text of so many words.
pub(crate) fn text(rng: &mut SmallRng, tokens: u64) -> String {
    pieces(rng, tokens).concat()
}
