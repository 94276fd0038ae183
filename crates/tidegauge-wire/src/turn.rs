//! One turn of a session: one response over a socket, from what asked for it to its end.
//!
//! Read in line, concluded elsewhere. It must not know a format, or how turns are told apart.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tidegauge_core::{
    Content, End, Exchange, Failure, Observation, Operation, Request, Source, StreamTimes,
};

use crate::answer::{Answer, Settled};
use crate::outcome;
use crate::provider::Provider;
use crate::spoken::Spoken;
use crate::timeline::Timeline;
use crate::transcript::{self, Ended};

/// One response over a socket.
pub struct Turn {
    /// What was asked.
    pub operation: Operation,
    /// When it was asked for, since the session began; where nobody asked, when it began.
    pub began: Duration,
    /// When its first event came.
    pub first: Option<Duration>,
    /// When it was over.
    pub ended: Duration,
    /// How it ended.
    pub end: End,
    /// Why, if it broke off with the session.
    pub failure: Option<Failure>,
    /// Payload bytes of the message that asked for it.
    pub asked_bytes: u64,
    /// Payload bytes of its events.
    pub bytes: u64,
    pub(crate) key: String,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
    /// It is known when it was asked for.
    pub(crate) asked: bool,
    /// It is over, but for what may still be told about it.
    pub(crate) closing: bool,
    /// It was not to generate anything.
    pub(crate) quiet: bool,
    pub(crate) lossy: bool,
    /// What is said in it, if that is wanted.
    pub(crate) spoken: Option<Box<Spoken>>,
    timeline: Timeline,
    provider: &'static dyn Provider,
}

impl Turn {
    pub(crate) fn new(
        provider: &'static dyn Provider,
        operation: Operation,
        key: &str,
        began: Duration,
        request: Request,
    ) -> Self {
        Self {
            operation,
            began,
            first: None,
            ended: began,
            end: End::Complete,
            failure: None,
            asked_bytes: 0,
            bytes: 0,
            key: key.to_owned(),
            request,
            answer: Answer::default(),
            asked: false,
            closing: false,
            quiet: false,
            lossy: false,
            spoken: None,
            timeline: Timeline::default(),
            provider,
        }
    }

    /// One event of it, of so many bytes.
    pub(crate) fn event(&mut self, at: Duration, bytes: u64, read: impl FnOnce(&mut Answer)) {
        self.bytes += bytes;
        self.ended = at;
        self.answer.response.events += 1;
        self.first.get_or_insert(at);
        self.timeline.event(at);
        self.answer.token = false;
        read(&mut self.answer);
        if self.answer.token {
            self.timeline.token(at);
        }
    }

    /// Breaks off with its session.
    pub(crate) fn cut(mut self, at: Duration, end: End, failure: Option<Failure>) -> Self {
        if !self.closing {
            (self.ended, self.end, self.failure) = (at.max(self.began), end, failure);
        }
        self
    }

    /// Whether it is known when it was asked for, and so how long it took to begin.
    pub fn is_timed(&self) -> bool {
        self.asked
    }

    /// How many bytes are held for the words.
    pub fn words(&self) -> usize {
        let asked = self.spoken.as_ref().map_or(0, |spoken| spoken.len());
        asked + self.answer.reply.as_ref().map_or(0, |reply| reply.len())
    }

    /// Lets go of the words; the observation stays what it is.
    pub fn forget_words(&mut self) {
        self.spoken = None;
        self.answer.reply = None;
    }

    /// What was said in it. `exchange` is the turn's own: its times count from when it began.
    pub fn finish(self, exchange: &Exchange) -> Observation {
        self.conclude(exchange).0
    }

    /// The same, and the words if they were kept. They are as they were said: what must not be known has
    /// to be taken out of them before they may go into the observation.
    pub fn conclude(mut self, exchange: &Exchange) -> (Observation, Option<Box<Content>>) {
        let (spoken, reply) = (self.spoken.take(), self.answer.reply.take());
        let lossy = self.lossy;
        let seen = self.observe(exchange);
        let ended = match exchange.end {
            End::Complete if seen.outcome.error.is_none() => Ended::Well,
            End::Complete | End::Failed => Ended::Broken,
            End::Cancelled => Ended::Cancelled,
        };
        let asked = spoken.map(|spoken| spoken.settle());
        let words = transcript::join(asked, reply.map(|reply| reply.settle(ended, lossy)));
        (seen, words.map(muted))
    }

    fn observe(self, exchange: &Exchange) -> Observation {
        let Self { provider, request, answer, asked, quiet, lossy, timeline, began, .. } = self;
        let (ended, pending) = (answer.ended, answer.pending || quiet);
        let Settled { mut response, usage, ends, .. } = answer.settle();
        response.terminated = Some(ended);
        let mut seen = Observation {
            stream: true,
            request: Request { stream: true, ..request },
            response,
            usage,
            times: since(timeline.finish(), began, asked),
            partial: lossy,
            ..Observation::default()
        };
        seen.usage.source = match seen.usage.source {
            _ if !seen.usage.is_known() => Source::Missing,
            _ if !ended => Source::Partial,
            told => told,
        };
        let facts = outcome::Facts {
            understood: !lossy,
            readable: true,
            malformed: false,
            ends: &ends,
            pending,
        };
        seen.outcome = outcome::judge_turn(exchange, &seen, facts, provider);
        seen
    }

    /// The provider refused to make it.
    pub(crate) fn refused(&mut self, status: Option<StatusCode>) {
        self.answer.response.status = status;
        self.answer.ended = true;
    }
}

/// The words without sound.
fn muted(mut words: Box<Content>) -> Box<Content> {
    transcript::mute(&mut words);
    words
}

/// Times as they count from the turn's begin. Where it is not known when it was asked for, neither is
/// how long it took to answer.
fn since(mut times: StreamTimes, began: Duration, asked: bool) -> StreamTimes {
    let from = |at: &mut Option<Duration>| *at = at.map(|at| at.saturating_sub(began));
    from(&mut times.first_chunk);
    from(&mut times.first_token);
    from(&mut times.last_token);
    if !asked {
        (times.first_chunk, times.first_token, times.last_token) = (None, None, None);
    }
    times
}

impl fmt::Debug for Turn {
    /// Without what was seen: it may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({})", self.provider.kind())
    }
}
