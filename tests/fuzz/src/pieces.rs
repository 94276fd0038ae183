//! Takes fuzzed bytes apart: a few that choose, and the rest, whole or cut into pieces.

/// Fuzzed bytes that have not been used yet. Past their end every choice is the first.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of these.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// So many bytes of what is left as the next byte says, in eighths.
    pub fn part(&mut self) -> &'a [u8] {
        let eighths = usize::from(self.byte() % 9);
        let (part, rest) = self.0.split_at(self.0.len() * eighths / 8);
        self.0 = rest;
        part
    }
}

/// Pieces of `bytes`, of lengths that a seed chooses; 0: one piece, 1: single bytes.
pub fn cut(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u64::from(seed);
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = match seed {
            0 => rest.len(),
            1 => 1,
            _ => [1, 2, 3, 7, 31, 113, 512, 4096][(state >> 33) as usize % 8],
        };
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
