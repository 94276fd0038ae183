//! Watches one exchange pass and tells what was said.
//!
//! In line, on the data plane: framing, and the small events of a stream. At the end, elsewhere: the
//! request and unary bodies, of which only a bounded reduction was kept. Times are arguments.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use tidegauge_core::{
    Batch, Content as Words, End, Exchange, Head, Observation, Operation, Sample, Source,
    StreamTimes, Texts, Usage,
};

use crate::answer::{Answer, Settled};
use crate::background::{self, Background, Stage};
use crate::body::Body;
use crate::content::Content;
use crate::failure;
use crate::field::{Doc, Json, clip};
use crate::form::Form;
use crate::framing::Framing;
use crate::outcome::{self, Facts};
use crate::prompt;
use crate::provider::{Asked, Event, Provider, Reader, Streams};
use crate::said::Said;
use crate::skim::{Limits, Skimmed};
use crate::sse;
use crate::timeline::Timeline;
use crate::transcript::{self, Ended, Prompt, Reply, Wanted};

/// How much of a path is kept for the readers.
const MAX_PATH: usize = 1024;

/// The state machine of one exchange. Bounded: some hundred KiB for the largest bodies, a few KiB for
/// ordinary ones.
pub struct Observer {
    provider: &'static dyn Provider,
    operation: Operation,
    asked: Asked,
    request: RequestBody,
    request_content: Content,
    content: Option<Content>,
    framing: Option<Framing>,
    /// The answer turned out to be a stream.
    stream: bool,
    /// The answer calls itself JSON.
    json: bool,
    reading: Reading,
    /// What is wanted of what is said.
    wanted: Wanted,
}

/// What came of one exchange.
#[derive(Debug)]
pub struct Concluded {
    /// What a record tells.
    pub observation: Observation,
    /// What was said, if that was kept ([`Observer::keep_words`]).
    pub words: Option<Box<Words>>,
    /// What it says of a response that lasts longer than the call that asks for it.
    pub background: Option<Background>,
    /// What is needed to check tool calls, and to count tokens that nobody told if samples were taken
    /// ([`Observer::sample_texts`]).
    pub texts: Texts,
}

impl fmt::Debug for Observer {
    /// Without what was seen: it may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observer({})", self.provider.kind())
    }
}

enum RequestBody {
    Json(Body),
    Form(Box<Form>),
}

/// What is known of the answer while it comes.
struct Reading {
    provider: &'static dyn Provider,
    reader: Option<&'static dyn Reader>,
    answer: Answer,
    timeline: Timeline,
    /// When the last piece came.
    last_piece: Duration,
    /// Parts could not be read.
    lossy: bool,
    /// The answer calls itself JSON and is not.
    malformed: bool,
    /// A success of this API is JSON, whatever it calls itself.
    structured: bool,
    doc: Doc,
}

impl Observer {
    /// An observer for a request with that head, as the provider sees it. Nothing of the head's
    /// credentials is kept.
    pub fn new(provider: &'static dyn Provider, operation: Operation, head: Head<'_>) -> Self {
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let request = match kind.and_then(Form::new) {
            Some(form) => RequestBody::Form(Box::new(form)),
            None => RequestBody::Json(Body::new(&Limits::REQUEST)),
        };
        Self {
            provider,
            operation,
            asked: Asked { path: clip(head.path, MAX_PATH).to_owned() },
            request,
            request_content: Content::new(head.headers),
            content: None,
            framing: None,
            stream: false,
            json: false,
            reading: Reading::new(provider, operation, head),
            wanted: Wanted::default(),
        }
    }

    /// From now on also keeps what is said, as far as it is wanted: for [`Observer::conclude`]. Only
    /// what is said in words: vectors, pictures made and the like are not.
    pub fn keep_words(&mut self, wanted: Wanted) {
        let said = speaks(self.operation) || self.operation == Operation::FetchResponse;
        if wanted.any() && said && self.reading.reader.is_some() {
            self.wanted = wanted;
            if let RequestBody::Json(body) = &mut self.request
                && wanted.request
            {
                body.keep(&Limits::WORDS);
            }
            self.reading.answer.reply = wanted.response.then(|| Box::new(Reply::new()));
        }
    }

    /// How many bytes are held for the words.
    pub fn words(&self) -> usize {
        let request = match &self.request {
            RequestBody::Json(body) if self.wanted.request => body.len(),
            _ => 0,
        };
        request + self.reading.answer.reply.as_ref().map_or(0, |reply| reply.len())
    }

    /// Lets go of the words; the observation stays what it is.
    pub fn forget_words(&mut self) {
        if let RequestBody::Json(body) = &mut self.request {
            body.keep(&Limits::REQUEST);
        }
        self.wanted = Wanted::default();
        self.reading.answer.reply = None;
    }

    /// From now on also keeps samples of what is said, to count the tokens that nobody tells: see
    /// [`Texts`]. They are a few KiB.
    pub fn sample_texts(&mut self) {
        if counted(self.operation) {
            self.reading.answer.said = Some(Said::default());
        }
    }

    /// A piece of the request body, as the client sent it.
    pub fn request(&mut self, _at: Duration, bytes: &[u8]) {
        let request = &mut self.request;
        self.request_content.push(bytes, |decoded| match request {
            RequestBody::Json(body) => body.push(decoded),
            RequestBody::Form(form) => form.push(decoded),
        });
    }

    /// The response head.
    pub fn response_head(&mut self, _at: Duration, status: StatusCode, headers: &HeaderMap) {
        self.reading.answer.response.status = Some(status);
        self.provider.read_headers(headers, &mut self.reading.answer);
        let streams = self.reading.reader.map_or(Streams::Events, |reader| reader.streams());
        self.content = Some(Content::new(headers));
        self.json = is_json(headers);
        let limits = match self.reading.answer.reply {
            Some(_) => &Limits::WORDS,
            None => &Limits::ANSWER,
        };
        self.framing = Some(if failure::is_failure(status) {
            // Errors are often plain JSON under the label of the stream that did not come.
            Framing::untold(limits)
        } else {
            Framing::new(headers, streams, limits)
        });
    }

    /// A piece of the response body, as the upstream sent it.
    pub fn response(&mut self, at: Duration, bytes: &[u8]) {
        let (Some(content), Some(framing)) = (&mut self.content, &mut self.framing) else { return };
        let reading = &mut self.reading;
        reading.last_piece = at;
        content.push(bytes, |decoded| {
            framing.push(decoded, &mut |event| reading.event(at, event));
        });
    }

    /// How many bytes are held, beside what decoders of content codings hold.
    #[cfg(feature = "testing")]
    pub fn held(&self) -> usize {
        let request = match &self.request {
            RequestBody::Json(body) => body.held(),
            RequestBody::Form(form) => form.held(),
        };
        let Reading { answer, doc, timeline, .. } = &self.reading;
        let framing = self.framing.as_ref().map_or(0, Framing::held);
        request + framing + answer.held() + doc.held() + timeline.held()
    }

    /// The exchange is over: reads what was kept and concludes.
    pub fn finish(self, exchange: &Exchange) -> Observation {
        self.conclude(exchange).observation
    }

    /// The same, with what was kept beside it. What was said is as it was said: what must not be
    /// known has to be taken out of it before it may go into the observation.
    pub fn conclude(mut self, exchange: &Exchange) -> Concluded {
        self.finish_answer();
        let body = self.take_request();
        let (mut prompt, request_lossy) = self.read_request(&body);
        let request = std::mem::take(&mut prompt.request);
        let tools = prompt.take_schemas();
        let stream = self.stream;
        let reply = self.reading.settle_reply(exchange);
        let pending = self.reading.answer.pending || self.reading.answer.stage == Some(Stage::Open);
        let whole = exchange.end == End::Complete;
        let decoded = !self.content.take().is_some_and(|content| content.ends_failed(whole));
        let readable = decoded && self.reading.reader.is_some();
        let (understood, malformed) =
            (readable && !self.reading.lossy, readable && self.reading.malformed);
        let partial = request_lossy || !decoded || self.reading.lossy;
        let (reader, doc) = (self.reading.reader, std::mem::take(&mut self.reading.doc));
        let (settled, times) = self.reading.settle(stream);
        let Settled { mut response, usage, batch, stage, said, calls, ends } = settled;
        let facts = Facts { understood, readable, malformed, ends: &ends, pending };
        let left_out = batch.as_ref().is_some_and(|batch| batch.left_out > 0);
        if let Some(batch) = &batch {
            response.model = only_model(batch);
        }
        let success = response.status.is_some_and(|status| status.is_success());
        let mut seen = Observation {
            stream: stream || request.stream && !success,
            request,
            response,
            usage,
            times,
            batch,
            partial: partial || left_out,
            ..Observation::default()
        };
        seen.usage.source = source(exchange, &seen);
        if seen.usage.is_known() && seen.usage.region.is_none() {
            seen.usage.region = self.provider.region(&self.asked.path);
        }
        seen.outcome = outcome::judge(exchange, &seen, facts, self.provider);
        let fetched = reader.and_then(|reader| reader.fetches(&self.asked));
        let background =
            background::split(exchange, &mut seen, stage, fetched, facts, self.provider);
        let mut texts = Texts { tools, calls, ..Texts::default() };
        if !success || reader.is_none() {
            texts.tools.clear();
        }
        let said = said.filter(|_| facts.readable && !facts.pending && is_untold(&seen));
        if let Some(said) = said.filter(|_| success && reader.is_some()) {
            let asked = doc.root(&body.json);
            add_samples(self.operation, prompt.tool_frame, asked, said, &seen, &mut texts);
        }
        let prompt = self.wanted.request.then(|| prompt.settle(request_lossy));
        Concluded { observation: seen, words: transcript::join(prompt, reply), background, texts }
    }

    /// What was sent, with its shape in the document.
    fn take_request(&mut self) -> Skimmed {
        let doc = &mut self.reading.doc;
        let empty = RequestBody::Json(Body::new(&Limits::REQUEST));
        match std::mem::replace(&mut self.request, empty) {
            RequestBody::Json(body) => body.read(doc),
            RequestBody::Form(form) => {
                let json = form.finish();
                doc.parse(&json);
                Skimmed { json, ..Skimmed::default() }
            }
        }
    }

    /// The request, and whether parts of it could not be read.
    fn read_request(&mut self, body: &Skimmed) -> (Prompt, bool) {
        let Some(reader) = self.reading.reader else { return (Prompt::default(), false) };
        let mut prompt = match self.reading.answer.calls() {
            0 => Prompt::new(self.wanted),
            _ => Prompt::with_schemas(self.wanted),
        };
        let root = self.reading.doc.root(&body.json);
        reader.read_request(&self.asked, root, &mut prompt);
        // How the users of another proxy say that nothing is to be kept.
        if root.get("no-log").bool() == Some(true) {
            self.wanted = Wanted::default();
            self.reading.answer.reply = None;
        }
        prompt.request.api = reader.api().filter(|_| self.provider.names_surfaces());
        let unread = body.lossy || !root.exists() && body.bytes > 0;
        (prompt, unread || self.request_content.has_failed())
    }

    fn finish_answer(&mut self) {
        let reading = &mut self.reading;
        let at = reading.last_piece;
        let Some(framing) = self.framing.take() else { return };
        self.stream = framing.is_stream();
        if let Some(body) = framing.finish(&mut |event| reading.event(at, event)) {
            reading.body(body, self.json);
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    const JSON: &[u8] = b"application/json";
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii_start());
    let kind = kind.and_then(|kind| kind.get(..JSON.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(JSON))
}

impl Reading {
    fn new(provider: &'static dyn Provider, operation: Operation, head: Head<'_>) -> Self {
        Self {
            provider,
            reader: provider.reader(head),
            answer: Answer::default(),
            timeline: Timeline::default(),
            last_piece: Duration::ZERO,
            lossy: false,
            malformed: false,
            structured: structured(operation),
            doc: Doc::default(),
        }
    }

    /// One event of a stream.
    fn event(&mut self, at: Duration, event: sse::Event<'_>) {
        let streams = self.reader.map(|reader| reader.streams());
        if matches!(streams, Some(Streams::Results | Streams::Listed(_))) {
            return self.result(event);
        }
        let data = event.data.trim_ascii();
        self.lossy |= event.lossy;
        if data.is_empty() {
            return;
        }
        self.answer.response.events += 1;
        if data == b"[DONE]" {
            self.answer.ended = true;
            return;
        }
        self.timeline.event(at);
        if !self.doc.parse(data) {
            self.lossy = true;
            return;
        }
        let Self { provider, reader, answer, doc, .. } = self;
        let root = doc.root(data);
        answer.token = false;
        if failure::is_told(root) {
            answer.fail(failure::read(root));
            provider.read_error(root, &mut answer.response);
        }
        if let Some(reader) = reader {
            let name = Some(event.name).filter(|name| !name.is_empty());
            reader.read_event(Event { name, data: root, stream: true }, answer);
        }
        if self.answer.token {
            self.timeline.token(at);
        }
    }

    /// One result of a batch job. Nothing is lost with lines of a file of another kind.
    fn result(&mut self, event: sse::Event<'_>) {
        let read = self.doc.parse(event.data);
        let Self { reader, answer, doc, .. } = self;
        if let Some(reader) = reader.filter(|_| read) {
            let data = doc.root(event.data);
            reader.read_event(Event { name: None, data, stream: false }, answer);
        }
        self.lossy |= (event.lossy || !read) && self.answer.batch.results > 0;
    }

    /// The whole of a unary body, which calls itself JSON or not.
    fn body(&mut self, body: Body, json: bool) {
        let Self { provider, reader, answer, doc, .. } = self;
        let body = body.read(doc);
        let root = doc.root(&body.json);
        self.malformed = (json || self.structured) && body.bytes > 0 && body.json.is_empty();
        let failed = answer.response.status.is_some_and(failure::is_failure);
        if !root.exists() {
            // Not JSON: a file, a plain text, or the error page of something on the way.
            if failed {
                answer.fail(failure::of_text(&body.head));
            } else {
                answer.response.output = body.bytes > 0 && !self.malformed;
            }
            return;
        }
        self.lossy |= body.lossy;
        if failed || failure::is_told(root) {
            answer.fail(failure::read(root));
            provider.read_error(root, &mut answer.response);
        }
        if let Some(reader) = reader.filter(|_| !failed) {
            reader.read_event(Event { name: None, data: root, stream: false }, answer);
        }
    }

    /// What was answered, if that is wanted.
    fn settle_reply(&mut self, exchange: &Exchange) -> Option<Words> {
        let reply = self.answer.reply.take()?;
        let failed = self.answer.response.error.is_some();
        let ended = match exchange.end {
            End::Complete if !failed => Ended::Well,
            End::Complete | End::Failed => Ended::Broken,
            End::Cancelled => Ended::Cancelled,
        };
        Some(reply.settle(ended, self.lossy))
    }

    fn settle(self, stream: bool) -> (Settled, StreamTimes) {
        let ended = self.answer.ended;
        let marked = self.reader.is_some_and(|reader| reader.has_terminator());
        let mut settled = self.answer.settle();
        settled.response.terminated = (stream && marked).then_some(ended);
        // What was taken for a stream may turn out to be a single value.
        (settled, if stream { self.timeline.finish() } else { StreamTimes::default() })
    }
}

/// The model of all calls of a batch job, if it is one.
fn only_model(batch: &Batch) -> Option<String> {
    let mut models = batch.calls.iter().map(|calls| &calls.model);
    let first = models.next()?;
    models.all(|model| model == first).then(|| first.clone()).flatten()
}

/// Adds what is needed to count what was not told. A call that failed before a word was said is not
/// counted.
fn add_samples(
    operation: Operation,
    tool_frame: u64,
    asked: Json<'_>,
    said: Sample,
    seen: &Observation,
    texts: &mut Texts,
) {
    let nothing = seen.response.status == Some(StatusCode::NO_CONTENT);
    if (nothing || seen.outcome.error.is_some()) && said.bytes == 0 {
        return;
    }
    if is_input_untold(&seen.usage) {
        let messages = seen.request.messages.filter(|_| talks(operation)).unwrap_or(0);
        texts.asked = Some(prompt::asked(asked, messages, tool_frame));
    }
    let untold = is_output_untold(&seen.usage);
    texts.answered = Some(said).filter(|_| untold && speaks(operation));
}

fn is_untold(seen: &Observation) -> bool {
    is_input_untold(&seen.usage) || is_output_untold(&seen.usage)
}

fn is_input_untold(usage: &Usage) -> bool {
    usage.input_tokens().is_none() && usage.audio_seconds.is_none()
}

fn is_output_untold(usage: &Usage) -> bool {
    usage.output_tokens().is_none() || usage.source == Source::Partial
}

/// Whether an operation answers with JSON and nothing else: with no file, picture or plain text.
fn structured(operation: Operation) -> bool {
    let others = [Operation::Embeddings, Operation::Rerank, Operation::Moderation];
    speaks(operation) || others.contains(&operation)
}

/// Whether an operation is billed by tokens of text.
fn counted(operation: Operation) -> bool {
    speaks(operation) || operation == Operation::Embeddings
}

fn speaks(operation: Operation) -> bool {
    talks(operation) || operation == Operation::TextCompletion
}

fn talks(operation: Operation) -> bool {
    matches!(operation, Operation::Chat | Operation::GenerateContent)
}

/// Where the figures come from.
fn source(exchange: &Exchange, seen: &Observation) -> Source {
    let response = &seen.response;
    let told_end = response.terminated == Some(true)
        || exchange.end == End::Complete && !response.finish_reasons.is_empty();
    let whole =
        !seen.stream || told_end || exchange.end == End::Complete && response.terminated.is_none();
    match seen.usage.source {
        _ if !seen.usage.is_known() => Source::Missing,
        _ if !whole => Source::Partial,
        // An answer in one piece has its usage unasked.
        _ if exchange.injected && seen.stream => Source::Injected,
        told => told,
    }
}
