//! Finds the short fields of a multipart form, in any pieces, without holding its files.
//!
//! The fields come out as JSON so that one reader serves both (RFC 7578; RFC 2046, 5.1.1).

use memchr::memmem;

use crate::splice::quoted;
use crate::work;

/// The longest value that is kept.
const MAX_VALUE: usize = 1024;
/// The longest part head that is understood.
const MAX_HEAD: usize = 4096;
/// How many fields are kept.
const MAX_FIELDS: usize = 32;
/// The longest boundary there may be.
const MAX_BOUNDARY: usize = 70;
/// How much is looked at in one step.
const STEP: usize = 16 * 1024;

/// Reads one form.
#[derive(Debug)]
pub(crate) struct Form {
    /// CR LF and two dashes before the boundary.
    delimiter: Vec<u8>,
    state: State,
    /// What is not decided yet, behind what is done with.
    held: Vec<u8>,
    /// So much of it is done with.
    done: usize,
    /// So much of the rest has been searched in vain.
    searched: usize,
    fields: Vec<(String, String)>,
}

#[derive(Debug)]
enum State {
    /// Behind a delimiter: the line it stands on has not ended.
    Delimiter,
    /// Inside the head of a part.
    Head,
    /// Inside a value that is kept.
    Value(String),
    /// Inside a file, or before the first part.
    File,
    /// Behind the last delimiter, or where nothing can be made of it.
    Over,
}

impl Form {
    /// A reader for a body of that content type, if it is such a form.
    pub(crate) fn new(content_type: &str) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        let fits = (1..=MAX_BOUNDARY).contains(&boundary.len());
        // The first delimiter may stand at the very beginning, without a line end before it.
        fits.then(|| Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::File,
            held: b"\r\n".to_vec(),
            done: 0,
            searched: 0,
            fields: Vec::new(),
        })
    }

    /// The next piece of the form.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for step in bytes.chunks(STEP) {
            if matches!(self.state, State::Over) {
                return;
            }
            self.held.extend_from_slice(step);
            while self.advance() {}
            self.held.drain(..self.done.min(self.held.len()));
            self.done = 0;
        }
    }

    /// The fields, as a JSON object of strings.
    pub(crate) fn finish(self) -> Vec<u8> {
        let member =
            |(name, value): &(String, String)| format!("{}:{}", quoted(name), quoted(value));
        let members: Vec<String> = self.fields.iter().map(member).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.capacity() + value.capacity());
        self.held.capacity() + fields.sum::<usize>()
    }

    /// One step; false if more bytes are needed.
    fn advance(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Delimiter => self.behind_delimiter(),
            State::Head => self.head(),
            State::Value(name) => self.value(name),
            State::File => self.file(),
            State::Over => {
                self.held = Vec::new();
                self.done = 0;
                false
            }
        }
    }

    fn behind_delimiter(&mut self) -> bool {
        match self.rest() {
            [b'-', b'-', ..] => true,
            [_, _, ..] => match self.find(b"\r\n") {
                // The line end stays: a head without fields is two of them in a row.
                Some(end) if end <= MAX_HEAD => {
                    self.take(end);
                    self.state = State::Head;
                    true
                }
                Some(_) => false,
                None => self.wait(State::Delimiter, MAX_HEAD + 1),
            },
            _ => self.wait(State::Delimiter, MAX_HEAD),
        }
    }

    fn head(&mut self) -> bool {
        let Some(end) = self.find(b"\r\n\r\n") else {
            return self.wait(State::Head, MAX_HEAD + 3);
        };
        // Too long is too long, also where its end came in time.
        if end > MAX_HEAD {
            return false;
        }
        let head = String::from_utf8_lossy(self.rest().get(..end).unwrap_or_default());
        let name = field_name(&head).filter(|_| self.fields.len() < MAX_FIELDS);
        // The last line end of the head may begin the delimiter behind an empty value.
        self.take(end + 2);
        self.state = name.map_or(State::File, State::Value);
        true
    }

    fn value(&mut self, name: String) -> bool {
        if let Some(end) = self.find_delimiter() {
            let value = self.rest().get(2..end).unwrap_or_default();
            if value.len() <= MAX_VALUE {
                let value = String::from_utf8_lossy(value).into_owned();
                self.fields.push((name, value));
            }
            self.take(end + self.delimiter.len());
            self.state = State::Delimiter;
            return true;
        }
        // Its end, were it near enough, would have been seen.
        if self.rest().len() >= MAX_VALUE + 2 + self.delimiter.len() {
            self.state = State::File;
            return true;
        }
        self.state = State::Value(name);
        false
    }

    fn file(&mut self) -> bool {
        if let Some(at) = self.find_delimiter() {
            self.take(at + self.delimiter.len());
            self.state = State::Delimiter;
            return true;
        }
        let kept = self.rest().len().min(self.delimiter.len() - 1);
        self.take(self.rest().len() - kept);
        self.state = State::File;
        false
    }

    fn rest(&self) -> &[u8] {
        self.held.get(self.done..).unwrap_or_default()
    }

    /// So much is done with. It is let go of once a piece, not once a part.
    fn take(&mut self, length: usize) {
        self.done += length;
        self.searched = 0;
    }

    fn find_delimiter(&mut self) -> Option<usize> {
        let delimiter = std::mem::take(&mut self.delimiter);
        let found = self.find(&delimiter);
        self.delimiter = delimiter;
        found
    }

    /// Where `wanted` is first held. Each byte is searched once for it, however it comes.
    fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        let from = self.searched.saturating_sub(wanted.len() - 1);
        let rest = self.rest().get(from..).unwrap_or_default();
        let found = memmem::find(rest, wanted);
        work::count(found.map_or(rest.len(), |at| at + wanted.len()));
        self.searched = if found.is_some() { 0 } else { self.rest().len() };
        found.map(|at| from + at)
    }

    /// More bytes are needed, but not without end.
    fn wait(&mut self, state: State, limit: usize) -> bool {
        if self.rest().len() <= limit {
            self.state = state;
        }
        false
    }
}

/// The name of a part that is not a file.
fn field_name(head: &str) -> Option<String> {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameter = |wanted: &str| {
        disposition.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    if parameter("filename").is_some() || parameter("filename*").is_some() {
        return None;
    }
    parameter("name")
}

#[cfg(test)]
mod tests;
