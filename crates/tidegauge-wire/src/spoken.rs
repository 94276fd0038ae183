//! Keeps what is said in a session, turn by turn, for those who asked for the words.
//!
//! What the client says waits until a turn answers it; what a session says of itself stands for all of
//! its turns. Bounded: so much that waits, so much a turn, so much all turns that are not over. Sound is
//! never kept. It must not know a format, and not whether the words may be kept.

use tidegauge_core::{Content, Part};

use crate::answer::MAX_NAME;
use crate::field::{Json, clip};
use crate::transcript::{MAX_BODY, Prompt, Reply, Wanted};

/// How much may be held of what turns were asked with that are not over; further ones have no such words.
const MAX_ASKED: usize = 1 << 20;
/// How many pieces of speech may wait for their words.
const MAX_ITEMS: usize = 16;

/// What is said in a session and belongs to no turn yet.
#[derive(Debug)]
pub(crate) struct Script {
    wanted: Wanted,
    /// Instructions and tools, and how large they are.
    standing: (Content, usize),
    waiting: Asking,
}

/// What a turn is asked with.
#[derive(Debug)]
struct Asking {
    wanted: Wanted,
    prompt: Prompt,
    standing: Content,
    /// How large both are.
    bytes: usize,
    /// Speech of which the words may come later.
    items: Vec<String>,
    /// What was heard.
    heard: String,
    truncated: bool,
}

/// What one turn is asked with.
#[derive(Debug)]
pub(crate) struct Spoken(Asking);

impl Script {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self { wanted, standing: (Content::default(), 0), waiting: Asking::new(wanted) }
    }

    /// The session tells what its turns start from.
    pub(crate) fn stand(&mut self, write: impl FnOnce(&mut Prompt)) {
        if self.wanted.request {
            let mut prompt = Prompt::new(self.wanted);
            write(&mut prompt);
            prompt.shorten();
            let bytes = prompt.size();
            self.standing = (prompt.settle(false), bytes);
        }
    }

    /// What is wanted of requests.
    pub(crate) fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// The client says what was written elsewhere.
    pub(crate) fn add(&mut self, said: Prompt) {
        if self.wanted.request {
            self.waiting.add(said);
        }
    }

    /// The client says something.
    pub(crate) fn say(&mut self, write: impl FnOnce(&mut Prompt)) {
        if self.wanted.request {
            self.waiting.write(write);
        }
    }

    /// The client has spoken; the words may come under that name.
    pub(crate) fn speak(&mut self, item: &str) {
        if self.wanted.request && self.waiting.items.len() < MAX_ITEMS {
            self.waiting.items.push(clip(item, MAX_NAME).to_owned());
        }
    }

    /// The words of that speech; nothing if it was not said here, or was answered before.
    pub(crate) fn hear_of(&mut self, item: &str, text: Json<'_>) {
        if self.waiting.items.iter().any(|known| known == clip(item, MAX_NAME)) {
            self.waiting.hear(text);
        }
    }

    /// Something was heard that no turn answers yet.
    pub(crate) fn hear(&mut self, text: Json<'_>) {
        if self.wanted.request {
            self.waiting.hear(text);
        }
    }

    /// How much is held.
    pub(crate) fn len(&self) -> usize {
        self.waiting.bytes + self.standing.1
    }

    /// The words of a turn that begins: what was said before it, unless `held` is too much already.
    pub(crate) fn turn(&mut self, held: usize) -> Option<Spoken> {
        let mut asked = std::mem::replace(&mut self.waiting, Asking::new(self.wanted));
        let (standing, bytes) = &self.standing;
        if held.saturating_add(asked.bytes).saturating_add(*bytes) > MAX_ASKED {
            asked = Asking { truncated: true, ..Asking::new(self.wanted) };
        } else {
            asked.standing.clone_from(standing);
            asked.bytes += bytes;
        }
        self.wanted.request.then_some(Spoken(asked))
    }

    /// What was asked waits again: it is answered with what comes.
    pub(crate) fn restore(&mut self, spoken: Spoken) {
        let Spoken(mut asked) = spoken;
        if self.waiting.bytes == 0 {
            asked.bytes = asked.bytes.saturating_sub(self.standing.1);
            self.waiting = asked;
        }
    }

    /// Where the transcript of a turn's answer is written, if it is wanted.
    pub(crate) fn reply(&self) -> Option<Box<Reply>> {
        self.wanted.response.then(|| Box::new(Reply::new()))
    }
}

impl Asking {
    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            prompt: Prompt::new(wanted),
            standing: Content::default(),
            bytes: 0,
            items: Vec::new(),
            heard: String::new(),
            truncated: false,
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Prompt)) {
        let mut said = Prompt::new(self.wanted);
        write(&mut said);
        self.add(said);
    }

    fn add(&mut self, mut said: Prompt) {
        // What sound was among it is not counted: it is not kept.
        said.mute();
        let bytes = said.size();
        if bytes > 0 && self.bytes >= MAX_BODY {
            self.truncated = true;
            return;
        }
        self.prompt.append(said);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BODY {
            self.prompt.shorten();
            self.bytes = MAX_BODY;
        }
    }

    fn hear(&mut self, text: Json<'_>) {
        let Some(piece) = text.text() else { return };
        let fits = clip(&piece, MAX_BODY.saturating_sub(self.bytes));
        self.heard.push_str(fits);
        self.bytes += fits.len();
        self.truncated |= fits.len() < piece.len() || text.is_cut();
    }

    fn settle(self) -> Content {
        let Self { mut prompt, standing, heard, truncated, .. } = self;
        prompt.stand(standing);
        if !heard.is_empty() {
            prompt.says("user", vec![Part::Text { content: heard }]);
        }
        prompt.settle(truncated)
    }
}

impl Spoken {
    /// The client says something that belongs here.
    pub(crate) fn say(&mut self, write: impl FnOnce(&mut Prompt)) {
        self.0.write(write);
    }

    /// Whether speech of that name was said here.
    pub(crate) fn answers(&self, item: &str) -> bool {
        self.0.items.iter().any(|known| known == clip(item, MAX_NAME))
    }

    /// Something was heard that belongs here.
    pub(crate) fn hear(&mut self, text: Json<'_>) {
        self.0.hear(text);
    }

    /// How much is held.
    pub(crate) fn len(&self) -> usize {
        self.0.bytes
    }

    /// What the turn was asked with.
    pub(crate) fn settle(self) -> Content {
        self.0.settle()
    }
}
