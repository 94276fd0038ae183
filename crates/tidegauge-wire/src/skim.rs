//! Turns JSON text of any length, in any pieces, into bounded JSON text of the same structure.
//!
//! Long strings are shortened, long lists of plain values are cut after a few, lists past a soft
//! budget keep only the number of what follows, and all else is kept until a hard budget. So what
//! stands at the end of a body of many megabytes is still there, in bounded memory. What was left out
//! is marked by [`CUT`](crate::field::CUT). The result for a text does not depend on its pieces.

use memchr::memchr2;

use crate::field::{CUT, MAX_DEPTH};
use crate::work;

/// How much of a text is kept as it came, for errors that are not JSON.
const MAX_HEAD: usize = 4096;
/// The longest number that is kept; a longer one becomes null.
const MAX_SCALAR: usize = 64;
/// How much of a name is kept.
const MAX_KEY: usize = 256;
/// How much of a string is kept once the soft budget is spent.
const MAX_LATE_STRING: usize = 256;
/// How much room is made for what is kept, at most, when the first piece comes.
const FIRST_PIECE: usize = 4096;
/// How much is kept of a string that is data: enough for what a data URL says of itself.
const MAX_DATA: usize = 64;
/// What an escape may add to a string that is full, so that a surrogate pair stays whole.
const PAIR: usize = 12;
/// Stands for an escape of which not even the letter has come.
const FIRST: u8 = u8::MAX;

/// What a skim may keep, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of one string.
    pub(crate) string: usize,
    /// Before lists are cut.
    pub(crate) soft: usize,
    /// At all, give or take one string.
    pub(crate) hard: usize,
    /// How deep objects and lists may nest; deeper ones become null.
    pub(crate) depth: usize,
    /// How many numbers, booleans and nulls of one list.
    pub(crate) scalars: u64,
    /// How many strings of one list.
    pub(crate) strings: u64,
    /// From how many bytes on a string that looks like base64 is taken for data, of which only the
    /// beginning is kept.
    pub(crate) data: usize,
    /// How much more of long strings, over all of them: a sample to count tokens in. Then the mark of a
    /// shortened string also says how many bytes are left out.
    pub(crate) sample: Option<usize>,
}

impl Limits {
    /// For answers: tool arguments must stay whole.
    pub(crate) const ANSWER: Self = Self {
        string: 16 << 10,
        soft: 256 << 10,
        hard: 1 << 20,
        depth: MAX_DEPTH,
        scalars: 8,
        strings: 64,
        data: usize::MAX,
        sample: None,
    };
    /// For requests, of which no long strings are read. The depth is for the schemas of tools.
    pub(crate) const REQUEST: Self =
        Self { string: 512, depth: 32, sample: Some(8 << 10), ..Self::ANSWER };
    /// For messages of a client in a session, of which neither long strings nor schemas are read.
    pub(crate) const MESSAGE: Self = Self { string: 512, depth: 7, ..Self::ANSWER };
    /// For bodies whose words are to be kept: texts stay whole, pictures and the like do not.
    pub(crate) const WORDS: Self = Self {
        string: 256 << 10,
        soft: 1 << 20,
        hard: 5 << 18,
        depth: MAX_DEPTH,
        scalars: 256,
        strings: 4096,
        data: 16 << 10,
        sample: None,
    };
}

/// What is left of a text.
#[derive(Debug, Default)]
pub(crate) struct Skimmed {
    /// Valid JSON, or nothing if the text did not begin as JSON.
    pub(crate) json: Vec<u8>,
    /// The beginning of the text as it came, unless it is an object or list.
    pub(crate) head: Vec<u8>,
    /// Something that was there is missing beyond what the shape tells: a budget was hit, the text
    /// nests too deep, broke off, or is not JSON.
    pub(crate) lossy: bool,
    /// How long the text was.
    pub(crate) bytes: u64,
}

/// Reduces one text.
#[derive(Debug)]
pub(crate) struct Skim {
    limits: Limits,
    out: Vec<u8>,
    head: Vec<u8>,
    /// The text is an object or list.
    structured: bool,
    open: Vec<Open>,
    state: State,
    string: Text,
    skip: Skip,
    /// Where the present scalar begins in `out`.
    scalar: usize,
    /// It is a number, or began as one.
    number: bool,
    /// The present element of a list is left out.
    muted: bool,
    /// How much of `out` ends with a whole value.
    safe: usize,
    lossy: bool,
    bytes: u64,
}

/// An object or list that is not closed yet.
#[derive(Debug)]
struct Open {
    object: bool,
    kept: u64,
    left_out: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A value must come.
    Value,
    /// A value or the end of a list must come.
    ValueOrEnd,
    /// A name must come.
    Key,
    /// A name or the end of an object must come.
    KeyOrEnd,
    /// The colon behind a name must come.
    Colon,
    /// A comma or an end must come.
    After,
    /// Inside a string or name.
    Text,
    /// Behind a backslash; so many bytes of the escape must still come.
    Escape(u8),
    /// Inside a number or word.
    Scalar,
    /// Inside an object or list that is left out.
    Skip,
    /// The text is over; only white space may come.
    Ended,
    /// Nothing is read any more.
    Stopped,
}

#[derive(Debug, Default)]
struct Text {
    key: bool,
    /// Where it begins in the output.
    from: usize,
    limit: usize,
    cut: bool,
    /// It was looked at whether this is data.
    looked_at: bool,
    /// How many bytes of it are left out.
    left_out: u64,
    /// Ends with the first half of a surrogate pair.
    half_pair: bool,
    keep_escape: bool,
}

#[derive(Debug, Default)]
struct Skip {
    depth: u64,
    string: bool,
    escaped: bool,
}

impl Skim {
    /// A reducer for one text.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            out: Vec::new(),
            head: Vec::new(),
            structured: false,
            open: Vec::new(),
            state: State::Value,
            string: Text::default(),
            skip: Skip::default(),
            scalar: 0,
            number: false,
            muted: false,
            safe: 0,
            lossy: false,
            bytes: 0,
        }
    }

    /// The next piece of the text.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.bytes == 0 {
            self.out.reserve(bytes.len().min(FIRST_PIECE));
        }
        self.keep_head(bytes);
        self.bytes += bytes.len() as u64;
        work::count(bytes.len());
        let mut rest = bytes;
        while let Some((first, tail)) = rest.split_first() {
            rest = match self.state {
                State::Text => self.text(rest),
                State::Escape(left) => self.escape(*first, left, tail),
                State::Scalar => self.in_scalar(rest),
                State::Skip => self.skip(rest),
                State::Stopped => return,
                State::Ended if !is_space(*first) => return self.stop(),
                _ if is_space(*first) => tail,
                _ => self.structure(*first, rest, tail),
            };
        }
    }

    /// How many bytes are kept so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() + self.head.len()
    }

    /// What was kept, reduced to less, with room for what comes. Only for a text that is over.
    pub(crate) fn reduce(self, limits: Limits) -> Self {
        let kept = self.finish();
        let mut less = Self::new(limits);
        less.push(&kept.json);
        (less.lossy, less.bytes) = (less.lossy | kept.lossy, kept.bytes);
        less
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        let open = self.open.capacity() * size_of::<Open>();
        self.out.capacity() + self.head.capacity() + open
    }

    /// The text is over.
    pub(crate) fn finish(mut self) -> Skimmed {
        if self.state == State::Scalar && self.open.is_empty() {
            self.end_scalar();
        }
        self.lossy |= self.state != State::Ended && self.bytes > 0;
        self.out.truncate(self.safe);
        while let Some(open) = self.open.pop() {
            self.write_end(&open);
        }
        Skimmed { json: self.out, head: self.head, lossy: self.lossy, bytes: self.bytes }
    }

    /// An object or list is JSON whatever follows: nobody asks how its text began.
    fn keep_head(&mut self, bytes: &[u8]) {
        if self.structured {
            return;
        }
        let begins = self.head.trim_ascii_start().is_empty();
        if begins && matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            self.structured = true;
            self.head = Vec::new();
            return;
        }
        let room = MAX_HEAD - self.head.len();
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// A byte between values. Gives back what is still to be read.
    fn structure<'a>(&mut self, byte: u8, all: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
        match (self.state, byte) {
            (State::Key | State::KeyOrEnd, b'"') => self.begin_key(),
            (State::KeyOrEnd, b'}') | (State::ValueOrEnd, b']') => self.close(byte),
            (State::Colon, b':') => {
                self.out.push(b':');
                self.state = State::Value;
            }
            (State::After, b'}' | b']') => self.close(byte),
            (State::After, b',') => {
                let object = self.open.last().is_some_and(|open| open.object);
                self.state = if object { State::Key } else { State::Value };
            }
            (State::Value | State::ValueOrEnd, b'"') => self.begin_string(),
            (State::Value | State::ValueOrEnd, b'{' | b'[') => self.begin_container(byte),
            (State::Value | State::ValueOrEnd, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                self.begin_scalar(is_numeric(&byte));
                return all;
            }
            _ => self.stop(),
        }
        tail
    }

    fn begin_key(&mut self) {
        if self.open.last().is_some_and(|open| open.kept > 0) {
            self.out.push(b',');
        }
        self.begin_text(true, MAX_KEY);
    }

    fn begin_string(&mut self) {
        self.begin_element(self.limits.strings);
        let spent = self.out.len() >= self.limits.soft;
        let limit = self.limits.string + self.limits.sample.unwrap_or(0);
        self.begin_text(false, if spent { MAX_LATE_STRING } else { limit });
    }

    fn begin_text(&mut self, key: bool, limit: usize) {
        if !self.muted {
            self.out.push(b'"');
        }
        self.string = Text { key, from: self.out.len(), limit, ..Text::default() };
        self.state = State::Text;
    }

    fn begin_scalar(&mut self, number: bool) {
        self.begin_element(self.limits.scalars);
        self.number = number;
        self.scalar = self.out.len();
        self.state = State::Scalar;
    }

    fn begin_container(&mut self, byte: u8) {
        let spent = self.out.len() >= self.limits.soft;
        self.begin_element(if spent { 0 } else { u64::MAX });
        let too_deep = self.open.len() >= self.limits.depth;
        if self.muted || too_deep {
            // What is deeper than anyone reads is not missed.
            self.lossy |= if too_deep { self.limits.depth == MAX_DEPTH } else { byte == b'{' };
            if !self.muted {
                self.out.extend_from_slice(b"null");
            }
            self.skip = Skip { depth: 1, ..Skip::default() };
            self.state = State::Skip;
            return;
        }
        self.out.push(byte);
        self.safe = self.out.len();
        let object = byte == b'{';
        self.open.push(Open { object, kept: 0, left_out: 0 });
        self.state = if object { State::KeyOrEnd } else { State::ValueOrEnd };
    }

    /// An element of a list begins, of which the list keeps so many; a member or the root is kept.
    fn begin_element(&mut self, keeps: u64) {
        let Some(list) = self.open.last().filter(|open| !open.object) else {
            self.muted = false;
            return;
        };
        self.muted = list.left_out > 0 || list.kept >= keeps;
        if !self.muted && list.kept > 0 {
            self.out.push(b',');
        }
    }

    /// A value is whole.
    fn end_value(&mut self) {
        if let Some(open) = self.open.last_mut() {
            if self.muted {
                open.left_out += 1;
            } else {
                open.kept += 1;
            }
        }
        self.muted = false;
        self.safe = self.out.len();
        self.state = if self.open.is_empty() { State::Ended } else { State::After };
        if self.out.len() > self.limits.hard {
            self.stop();
        }
    }

    fn close(&mut self, byte: u8) {
        let Some(open) = self.open.pop().filter(|open| open.object == (byte == b'}')) else {
            // Closed by the wrong bracket: the list or object itself is kept.
            self.out.truncate(self.safe);
            self.out.push(if byte == b'}' { b']' } else { b'}' });
            self.safe = self.out.len();
            return self.stop();
        };
        self.write_end(&open);
        self.end_value();
    }

    fn write_end(&mut self, open: &Open) {
        if open.left_out > 0 {
            let comma = if open.kept > 0 { "," } else { "" };
            let mark = format!(r#"{comma}{{"{CUT}":{}}}"#, open.left_out);
            self.out.extend_from_slice(mark.as_bytes());
        }
        self.out.push(if open.object { b'}' } else { b']' });
    }

    fn text<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let hit = memchr2(b'"', b'\\', rest);
        let run = hit.unwrap_or(rest.len());
        self.keep(rest.get(..run).unwrap_or_default());
        let Some(hit) = hit else { return &[] };
        if rest.get(hit) == Some(&b'"') {
            self.end_text();
        } else {
            self.begin_escape();
        }
        rest.get(hit + 1..).unwrap_or_default()
    }

    /// Plain bytes of a string.
    fn keep(&mut self, run: &[u8]) {
        if self.muted || self.string.cut || run.is_empty() {
            self.string.left_out += run.len() as u64;
            return;
        }
        self.string.half_pair = false;
        let room = self.string.limit.saturating_sub(self.out.len() - self.string.from);
        match run.get(..room).filter(|fits| fits.len() < run.len()) {
            Some(fits) => {
                self.out.extend_from_slice(fits);
                self.string.left_out = (run.len() - fits.len()) as u64;
                self.cut_text();
            }
            None => self.out.extend_from_slice(run),
        }
        self.look_for_data();
    }

    /// Once a string is long enough to tell: whether it is data, by its beginning.
    fn look_for_data(&mut self) {
        let Text { from, looked_at, key, .. } = self.string;
        let told = self.out.get(from..).and_then(|text| text.get(..self.limits.data));
        let Some(told) = told.filter(|_| !looked_at && !key) else { return };
        self.string.looked_at = true;
        if told.iter().all(is_data) {
            self.string.cut = true;
            self.out.truncate(from + MAX_DATA);
            while self.out.last() == Some(&b'\\') {
                self.out.pop();
            }
        }
    }

    fn begin_escape(&mut self) {
        let text = &mut self.string;
        let length = self.out.len() - text.from;
        let fits = length < text.limit || text.half_pair && length < text.limit + PAIR;
        text.keep_escape = !self.muted && !text.cut && fits;
        if text.keep_escape {
            self.out.push(b'\\');
        } else if !self.muted && !self.string.cut {
            self.cut_text();
        }
        self.state = State::Escape(FIRST);
    }

    /// One byte of an escape, of which `left` must still come. A `u` is followed by four more.
    fn escape<'a>(&mut self, byte: u8, left: u8, tail: &'a [u8]) -> &'a [u8] {
        if self.string.keep_escape {
            self.out.push(byte);
        }
        match (left, byte) {
            (FIRST, b'u') => self.state = State::Escape(4),
            (FIRST, _) => self.end_escape(),
            (_, byte) if !byte.is_ascii_hexdigit() => self.stop(),
            (1, _) => self.end_escape(),
            (more, _) => self.state = State::Escape(more - 1),
        }
        tail
    }

    fn end_escape(&mut self) {
        self.state = State::Text;
        if self.string.keep_escape {
            let tail = self.out.get(self.out.len().saturating_sub(6)..).unwrap_or_default();
            self.string.half_pair = matches!(
                tail,
                [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _]
            );
        }
    }

    /// The string is full: what was kept of it ends with a whole character, and the mark will follow.
    fn cut_text(&mut self) {
        self.string.cut = true;
        let from = self.string.from;
        let text = self.out.get(from..).unwrap_or_default();
        let last = text.iter().rposition(|byte| !(0x80..0xc0).contains(byte)).unwrap_or(0);
        let tail = text.get(last..).unwrap_or_default();
        if std::str::from_utf8(tail).is_err() {
            self.out.truncate(from + last);
        }
    }

    fn end_text(&mut self) {
        if !self.muted {
            let over = (self.out.len() - self.string.from).saturating_sub(self.limits.string);
            self.limits.sample = self.limits.sample.map(|room| room.saturating_sub(over));
            if self.string.cut {
                self.write_cut();
            }
            self.out.push(b'"');
        }
        if self.string.key {
            self.state = State::Colon;
        } else {
            self.end_value();
        }
    }

    fn write_cut(&mut self) {
        self.out.extend_from_slice(CUT.as_bytes());
        if self.limits.sample.is_some() {
            let count = format!("{}{CUT}", self.string.left_out);
            self.out.extend_from_slice(count.as_bytes());
        }
    }

    fn in_scalar<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        if self.muted && self.number {
            return self.muted_numbers(rest);
        }
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))
            .unwrap_or(rest.len());
        let (run, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !self.muted {
            let room = (MAX_SCALAR + 1).saturating_sub(self.out.len() - self.scalar);
            self.out.extend_from_slice(run.get(..room).unwrap_or(run));
        }
        if !tail.is_empty() {
            self.end_scalar();
        }
        tail
    }

    /// Numbers that are left out, one after the other: vectors are most of what is ever left out.
    fn muted_numbers<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        loop {
            let Some(end) = rest.iter().position(|byte| !is_numeric(byte)) else { return &[] };
            let tail = rest.get(end..).unwrap_or_default();
            let Some(after) = tail.strip_prefix(b",") else {
                self.end_value();
                return tail;
            };
            if let Some(list) = self.open.last_mut() {
                list.left_out += 1;
            }
            let next = after.iter().position(|byte| !is_space(*byte)).unwrap_or(after.len());
            rest = after.get(next..).unwrap_or_default();
            if !matches!(rest.first(), Some(b'-' | b'0'..=b'9')) {
                self.muted = false;
                self.state = State::Value;
                return rest;
            }
        }
    }

    fn end_scalar(&mut self) {
        let scalar = self.out.get(self.scalar..).unwrap_or_default();
        if !self.muted && !is_scalar(scalar) {
            return self.stop();
        }
        if scalar.len() > MAX_SCALAR && !self.muted {
            self.out.truncate(self.scalar);
            self.out.extend_from_slice(b"null");
        }
        self.end_value();
    }

    fn skip<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let mut rest = rest;
        while !rest.is_empty() && self.skip.depth > 0 {
            rest = if self.skip.string { self.skip_text(rest) } else { self.skip_structure(rest) };
        }
        if self.skip.depth == 0 {
            self.end_value();
        }
        rest
    }

    fn skip_text<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        if std::mem::take(&mut self.skip.escaped) {
            return rest.get(1..).unwrap_or_default();
        }
        let Some(hit) = memchr2(b'"', b'\\', rest) else { return &[] };
        match rest.get(hit) {
            Some(b'"') => self.skip.string = false,
            _ => self.skip.escaped = true,
        }
        rest.get(hit + 1..).unwrap_or_default()
    }

    fn skip_structure<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let hit = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'));
        let Some(hit) = hit else { return &[] };
        match rest.get(hit) {
            Some(b'"') => self.skip.string = true,
            Some(b'{' | b'[') => self.skip.depth += 1,
            _ => self.skip.depth -= 1,
        }
        rest.get(hit + 1..).unwrap_or_default()
    }

    fn stop(&mut self) {
        self.lossy = true;
        self.state = State::Stopped;
    }
}

fn is_numeric(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Base64, plain or for URLs, or what stands before it in a data URL; slashes may be escaped.
fn is_data(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_:;,.\\".contains(byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Words are checked; numbers by their characters only.
fn is_scalar(scalar: &[u8]) -> bool {
    match scalar.first() {
        Some(b't') => scalar == b"true",
        Some(b'f') => scalar == b"false",
        Some(b'n') => scalar == b"null",
        _ => scalar.iter().all(is_numeric),
    }
}

#[cfg(test)]
mod tests;
