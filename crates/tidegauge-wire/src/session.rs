//! What is known of a session over a socket while it lasts: what each turn starts from, which turns
//! were asked for, which are open, and which are over and wait to be fetched.
//!
//! Bounded: so many turns asked for, so many open. It must not know a format; the readers of the
//! protocols say what a message means in the words that stand here.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use tidegauge_core::{End, Operation, ProviderError, Request};

use crate::answer::{Answer, MAX_NAME};
use crate::field::{Json, clip};
use crate::provider::{Asked, Provider};
use crate::spoken::Script;
use crate::transcript::{Prompt, Wanted};
use crate::turn::Turn;

/// How many turns may be asked for and not begun; more are noticed when they begin.
const MAX_ASKED: usize = 16;
/// How many turns may be open; more are noticed when they are over.
const MAX_OPEN: usize = 8;

/// The state of one session.
pub struct Session {
    /// The request head.
    pub(crate) head: Asked,
    /// What turns ask for unless they say otherwise.
    pub(crate) request: Request,
    /// What the session object tells about itself.
    pub(crate) answer: Answer,
    /// The model that turns speech into text.
    pub(crate) transcriber: Option<String>,
    /// The last error that is no turn's.
    pub(crate) error: Option<ProviderError>,
    /// How many turns are over.
    pub(crate) turns: u64,
    /// When the present message came and how long it is.
    pub(crate) at: Duration,
    pub(crate) bytes: u64,
    /// The present message lacks parts.
    pub(crate) lossy: bool,
    provider: &'static dyn Provider,
    operation: Operation,
    /// When speech was last handed over that no turn has answered.
    committed: Option<Duration>,
    /// When speech was last handed over.
    spoken: Option<Duration>,
    asked: VecDeque<Ask>,
    open: Vec<Turn>,
    over: Vec<Turn>,
    /// Only there if the words are wanted.
    script: Option<Box<Script>>,
}

/// A turn that was asked for and has not begun.
struct Ask {
    /// The client's id for the message, if it gave one.
    id: String,
    /// Of several conversations on one socket.
    lane: String,
    turn: Turn,
}

impl Session {
    pub(crate) fn new(
        provider: &'static dyn Provider,
        operation: Operation,
        head: Asked,
        request: Request,
    ) -> Self {
        Self {
            head,
            request,
            answer: Answer::default(),
            transcriber: None,
            error: None,
            turns: 0,
            at: Duration::ZERO,
            bytes: 0,
            lossy: false,
            provider,
            operation,
            committed: None,
            spoken: None,
            asked: VecDeque::new(),
            open: Vec::new(),
            over: Vec::new(),
            script: None,
        }
    }

    /// From now on also keeps what is said, as far as it is wanted.
    pub(crate) fn keep_words(&mut self, wanted: Wanted) {
        self.script = wanted.any().then(|| Box::new(Script::new(wanted)));
    }

    /// How many bytes are held for the words.
    pub(crate) fn words(&self) -> usize {
        self.script.as_ref().map_or(0, |script| script.len()) + self.words_of_turns()
    }

    /// Lets go of the words, and keeps none from now on.
    pub(crate) fn forget_words(&mut self) {
        self.script = None;
        let asked = self.asked.iter_mut().map(|ask| &mut ask.turn);
        asked.chain(&mut self.open).chain(&mut self.over).for_each(Turn::forget_words);
    }

    fn words_of_turns(&self) -> usize {
        let asked = self.asked.iter().map(|ask| &ask.turn);
        asked.chain(&self.open).chain(&self.over).map(Turn::words).sum()
    }

    /// Keeps what is said in a turn that is asked for or begins, if that is wanted.
    fn listen(&mut self, turn: &mut Turn) {
        let held = self.words_of_turns();
        if let Some(script) = &mut self.script {
            turn.spoken = script.turn(held).map(Box::new);
            turn.answer.reply = script.reply();
        }
    }

    /// The present message tells what every turn starts from.
    pub(crate) fn stand(&mut self, write: impl FnOnce(&mut Prompt)) {
        if let Some(script) = &mut self.script {
            script.stand(write);
        }
    }

    /// The present message says something that the next turn answers.
    pub(crate) fn say(&mut self, write: impl FnOnce(&mut Prompt)) {
        if let Some(script) = &mut self.script {
            script.say(write);
        }
    }

    /// The present message is a request: its facts, and, if they are wanted, its words for the next turn.
    pub(crate) fn requested(&mut self, read: impl FnOnce(&Asked, &mut Prompt)) -> Request {
        let wanted = self.script.as_ref().map(|script| script.wanted()).unwrap_or_default();
        let mut prompt = Prompt::new(wanted);
        read(&self.head, &mut prompt);
        let request = std::mem::take(&mut prompt.request);
        if let Some(script) = &mut self.script {
            script.add(prompt);
        }
        request
    }

    /// The present message says something to that turn if it is open, else to the next.
    pub(crate) fn say_to(&mut self, key: &str, write: impl FnOnce(&mut Prompt)) {
        match self.turn(key).and_then(|turn| turn.spoken.as_mut()) {
            Some(spoken) => spoken.say(write),
            None => self.say(write),
        }
    }

    /// The client has spoken; its words may come under that name.
    pub(crate) fn speak(&mut self, item: &str) {
        if let Some(script) = &mut self.script {
            script.speak(item);
        }
    }

    /// The words of that speech: they are of the turn that answers it, if that is open or to come.
    pub(crate) fn hear(&mut self, item: &str, text: Json<'_>) {
        let Some(script) = &mut self.script else { return };
        let asked = self.asked.iter_mut().map(|ask| &mut ask.turn);
        let mut spoken = asked.chain(&mut self.open).filter_map(|turn| turn.spoken.as_deref_mut());
        match spoken.find(|spoken| spoken.answers(item)) {
            Some(spoken) => spoken.hear(text),
            None => script.hear_of(item, text),
        }
    }

    /// Speech becomes words in that turn if it is open, else before the next.
    pub(crate) fn hear_in(&mut self, key: &str, text: Json<'_>) {
        match self.turn(key).and_then(|turn| turn.spoken.as_mut()) {
            Some(spoken) => spoken.hear(text),
            None => {
                if let Some(script) = &mut self.script {
                    script.hear(text);
                }
            }
        }
    }

    /// Nothing is kept of what was said in the turn that was asked for last.
    pub(crate) fn silence(&mut self) {
        if let Some(ask) = self.asked.back_mut() {
            ask.turn.forget_words();
        }
    }

    /// The present message asks for a turn. `id`: what an error would call it; `lane`: where in the
    /// socket it will be answered, empty if there is only one place; `quiet`: no output is wanted.
    pub(crate) fn ask(&mut self, id: &str, lane: &str, quiet: bool, request: Request) {
        if self.asked.len() >= MAX_ASKED {
            // It will be known when it begins, but not since when.
            self.asked.pop_front();
        }
        let mut turn = Turn::new(self.provider, self.operation, lane, self.at, request);
        turn.asked = true;
        turn.asked_bytes = self.bytes;
        self.listen(&mut turn);
        let name = |text: &str| clip(text, MAX_NAME).to_owned();
        turn.quiet = quiet;
        self.asked.push_back(Ask { id: name(id), lane: name(lane), turn });
    }

    /// Whether a turn was asked for and has not begun.
    pub(crate) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What was asked for and has not begun is superseded by what comes, which answers its words too.
    pub(crate) fn forget_asked(&mut self) {
        let last = self.asked.pop_back().and_then(|ask| ask.turn.spoken);
        if let (Some(script), Some(spoken)) = (&mut self.script, last) {
            script.restore(*spoken);
        }
        self.asked.clear();
    }

    /// Speech is handed over: what it leads to counts from here.
    pub(crate) fn commit(&mut self) {
        self.committed = Some(self.at);
        self.spoken = Some(self.at);
    }

    /// A turn begins: the oldest that was asked for in that lane, else one that nobody asked for.
    pub(crate) fn begin(&mut self, key: &str, lane: &str) {
        if self.is_open(key) {
            return;
        }
        let mut turn = self.next(lane);
        turn.key = clip(key, MAX_NAME).to_owned();
        turn.answer.response.model.clone_from(&self.answer.response.model);
        if self.open.len() < MAX_OPEN {
            self.open.push(turn);
        }
    }

    fn next(&mut self, lane: &str) -> Turn {
        let committed = self.committed.take();
        self.answer_to(lane).unwrap_or_else(|| {
            let mut turn = self.unasked(committed.unwrap_or(self.at));
            turn.asked = committed.is_some();
            self.listen(&mut turn);
            turn
        })
    }

    /// The oldest turn that was asked for in that lane.
    fn answer_to(&mut self, lane: &str) -> Option<Turn> {
        let place = self.asked.iter().position(|ask| ask.lane == clip(lane, MAX_NAME))?;
        self.asked.remove(place).map(|ask| ask.turn)
    }

    fn unasked(&self, began: Duration) -> Turn {
        Turn::new(self.provider, self.operation, "", began, self.request.clone())
    }

    /// Whether that turn is open.
    pub(crate) fn is_open(&self, key: &str) -> bool {
        self.open.iter().any(|turn| turn.key == clip(key, MAX_NAME))
    }

    /// The present message is an event of that turn, if it is open.
    pub(crate) fn event(&mut self, key: &str, read: impl FnOnce(&mut Answer)) {
        let (at, bytes, lossy) = (self.at, self.bytes, self.lossy);
        if let Some(turn) = self.turn(key) {
            turn.lossy |= lossy;
            turn.event(at, bytes, read);
        }
    }

    /// That turn, if it is open.
    pub(crate) fn turn(&mut self, key: &str) -> Option<&mut Turn> {
        self.open.iter_mut().find(|turn| turn.key == clip(key, MAX_NAME))
    }

    /// The latest turn that is open.
    pub(crate) fn latest(&mut self) -> Option<&mut Turn> {
        self.open.last_mut()
    }

    /// A turn is over. One that found no room when it began is told by its last event alone.
    pub(crate) fn over(&mut self, key: &str, end: End, read: impl FnOnce(&mut Answer)) {
        let place = self.open.iter().position(|turn| turn.key == clip(key, MAX_NAME));
        let mut turn = match place {
            Some(place) => self.open.remove(place),
            None => {
                let mut turn = self.answer_to(key).unwrap_or_else(|| self.unasked(self.at));
                turn.answer.response.model.clone_from(&self.answer.response.model);
                if turn.spoken.is_none() && !turn.asked {
                    self.listen(&mut turn);
                }
                turn
            }
        };
        turn.lossy |= self.lossy;
        turn.event(self.at, self.bytes, read);
        turn.end = end;
        self.conclude(turn);
    }

    /// A turn is over, with what has been said of it.
    pub(crate) fn close(&mut self, key: &str) {
        if let Some(place) = self.open.iter().position(|turn| turn.key == clip(key, MAX_NAME)) {
            let turn = self.open.remove(place);
            self.conclude(turn);
        }
    }

    /// A turn of its own kind that is told whole by the present message.
    pub(crate) fn told(
        &mut self,
        operation: Operation,
        request: Request,
        read: impl FnOnce(&mut Answer),
    ) {
        let began = self.spoken.unwrap_or(self.at);
        let mut turn = Turn::new(self.provider, operation, "", began, request);
        turn.asked = self.spoken.is_some();
        turn.lossy = self.lossy;
        turn.answer.reply = self.script.as_ref().and_then(|script| script.reply());
        turn.event(self.at, self.bytes, read);
        turn.answer.ended = true;
        self.conclude(turn);
    }

    /// An error came that names the message with that id, or none. `true` if it is a turn's.
    pub(crate) fn refuse(
        &mut self,
        id: Option<&str>,
        lane: &str,
        status: Option<StatusCode>,
        error: Option<ProviderError>,
    ) -> bool {
        let place = match id {
            Some(id) => self.asked.iter().position(|ask| ask.id == clip(id, MAX_NAME)),
            None => self.asked.iter().position(|ask| ask.lane == clip(lane, MAX_NAME)),
        };
        let Some(ask) = place.and_then(|place| self.asked.remove(place)) else {
            self.error = error.or(self.error.take());
            return false;
        };
        let mut turn = ask.turn;
        turn.event(self.at, self.bytes, |answer| answer.fail(error));
        turn.refused(status);
        self.conclude(turn);
        true
    }

    /// A message was not read: it may have been of any turn that is open.
    pub(crate) fn missed(&mut self) {
        self.open.iter_mut().for_each(|turn| turn.lossy = true);
    }

    /// The turns that are over, in the order in which they ended.
    pub(crate) fn take(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.over)
    }

    /// Every turn that is not over, and those that wait to be fetched.
    pub(crate) fn rest(&mut self) -> (Vec<Turn>, Vec<Turn>) {
        let asked = self.asked.drain(..).map(|ask| ask.turn);
        let open: Vec<Turn> = self.open.drain(..).chain(asked).collect();
        self.turns += open.len() as u64;
        (self.take(), open)
    }

    /// How many turns are not over.
    pub(crate) fn unfinished(&self) -> u64 {
        (self.open.len() + self.asked.len() + self.over.len()) as u64
    }

    fn conclude(&mut self, turn: Turn) {
        self.turns += 1;
        self.error = None;
        self.over.push(turn);
    }
}
