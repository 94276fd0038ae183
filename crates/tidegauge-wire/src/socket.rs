//! Watches one websocket pass and tells its turns as they end, and at last the session.
//!
//! In line, on the data plane: framing, and what each message means. Elsewhere: what each turn comes
//! to. Times are arguments. Bounded: two messages of 64 KiB (reduced ones of 1 MiB), and the turns
//! that are open.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tidegauge_core::{End, Exchange, Head, Observation, Outcome, Request};

use crate::answer::MAX_NAME;
use crate::field::{Doc, clip};
use crate::outcome::{self, Closed};
use crate::percent;
use crate::provider::{Asked, Provider, SocketReader};
use crate::session::Session;
use crate::skim::Limits;
use crate::transcript::Wanted;
use crate::turn::Turn;
use crate::ws::{Agreed, Coding, Frames, Told};

/// How much of a path is kept for the readers.
const MAX_PATH: usize = 1024;

/// The state machine of one session.
pub struct Socket {
    provider: &'static dyn Provider,
    reader: &'static dyn SocketReader,
    client: Frames,
    server: Frames,
    session: Session,
    doc: Doc,
    closed: Closed,
    /// Messages that were not read since somebody asked.
    skipped: u64,
    lossy: bool,
    /// How large messages are reduced, of either side.
    limits: (Limits, Limits),
}

impl fmt::Debug for Socket {
    /// Without what was seen: it may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.provider.kind())
    }
}

/// Whose message it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

impl Socket {
    /// A watcher for a socket that was asked for by that head and agreed to by the head of a `101`
    /// with these headers. `None`: the provider's protocol on it is not known. Nothing of the heads'
    /// credentials is kept.
    pub fn new(provider: &'static dyn Provider, head: Head<'_>) -> Option<Self> {
        if head.method != Method::GET {
            // No other request is switched, and none pays for this.
            return None;
        }
        let reader = provider.socket(head)?;
        let asked = Asked { path: clip(head.path, MAX_PATH).to_owned() };
        let request = Request {
            model: head.query.and_then(model),
            api: reader.api().filter(|_| provider.names_surfaces()),
            ..Request::default()
        };
        Some(Self {
            provider,
            reader,
            client: Frames::new(Coding::Unknown, Limits::MESSAGE),
            server: Frames::new(Coding::Unknown, Limits::ANSWER),
            session: Session::new(provider, reader.operation(), asked, request),
            doc: Doc::default(),
            closed: Closed::default(),
            skipped: 0,
            lossy: false,
            limits: (Limits::MESSAGE, Limits::ANSWER),
        })
    }

    /// From now on also keeps what is said, as far as it is wanted: for [`Turn::conclude`]. Sound is never
    /// kept. To be said before [`Socket::agreed`].
    pub fn keep_words(&mut self, wanted: Wanted) {
        if wanted.any() {
            self.session.keep_words(wanted);
            self.limits = (Limits::WORDS, Limits::WORDS);
        }
    }

    /// How many bytes are held for the words.
    pub fn words(&self) -> usize {
        self.session.words()
    }

    /// Lets go of the words; the observations stay what they are.
    pub fn forget_words(&mut self) {
        self.session.forget_words();
    }

    /// The head of the `101`.
    pub fn agreed(&mut self, headers: &HeaderMap) {
        let Agreed { client, server } = Agreed::of(headers);
        self.client = Frames::new(client, self.limits.0);
        self.server = Frames::new(server, self.limits.1);
        self.lossy |= client == Coding::Unknown;
        self.session.answer.response.status = Some(StatusCode::SWITCHING_PROTOCOLS);
        self.provider.read_headers(headers, &mut self.session.answer);
    }

    /// A piece of what the client sends; an empty one is the end.
    pub fn client(&mut self, at: Duration, bytes: &[u8]) {
        self.push(From::Client, at, bytes);
    }

    /// A piece of what the server sends; an empty one is the end.
    pub fn server(&mut self, at: Duration, bytes: &[u8]) {
        self.push(From::Server, at, bytes);
    }

    /// The turns that ended since this was last asked, in that order.
    pub fn turns(&mut self) -> Vec<Turn> {
        self.session.take()
    }

    /// How many turns there are that nobody has fetched, over or not.
    pub fn unfinished(&self) -> u64 {
        self.session.unfinished()
    }

    /// How many messages were not read since this was last asked.
    pub fn skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// The session is over: the turns that ended before it or break off with it, and what it comes to
    /// itself. Its observation has no usage: its turns' have. A session that was closed by its own words
    /// is complete, however its connection ended then.
    pub fn finish(mut self, exchange: &mut Exchange) -> (Vec<Turn>, Observation) {
        if self.closed.said() {
            (exchange.end, exchange.failure) = (End::Complete, None);
        }
        let outcome = self.outcome(exchange);
        let (mut turns, open) = self.session.rest();
        let (end, failure) = self.closed.cuts(exchange);
        turns.extend(open.into_iter().map(|turn| turn.cut(exchange.times.ended, end, failure)));
        let session = self.session;
        let response = session.answer.settle().response;
        let seen = Observation {
            request: session.request,
            response,
            partial: self.lossy,
            turns: Some(session.turns),
            outcome,
            ..Observation::default()
        };
        (turns, seen)
    }

    fn outcome(&mut self, exchange: &Exchange) -> Outcome {
        let response = &mut self.session.answer.response;
        response.error = self.closed.error(self.session.error.take());
        outcome::judge_session(exchange, response, &self.closed, self.provider)
    }

    fn push(&mut self, from: From, at: Duration, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.closed.end(from == From::Client);
        }
        let Self { reader, client, server, session, doc, closed, skipped, lossy, .. } = self;
        session.at = at;
        let frames = if from == From::Client { client } else { server };
        frames.push(at, bytes, &mut |told| match told {
            Told::Close(code, reason) => closed.close(from == From::Client, code, reason),
            Told::Message { data, lossy: cut } if doc.parse(data) => {
                session.bytes = data.len() as u64;
                session.lossy = cut;
                *lossy |= cut;
                let message = doc.root(data);
                match from {
                    From::Client => reader.read_client(message, session),
                    From::Server => reader.read_server(message, session),
                }
            }
            Told::Message { data: [], .. } => {}
            Told::Message { .. } | Told::Skipped => {
                *skipped += 1;
                *lossy = true;
                session.missed();
            }
        });
    }
}

/// The model that a query names, or the deployment of one.
fn model(query: &str) -> Option<String> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let named = value("model").or_else(|| value("deployment")).filter(|name| !name.is_empty())?;
    Some(clip(&percent::decode(named), MAX_NAME).to_owned())
}
