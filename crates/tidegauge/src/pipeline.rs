//! Turns finished exchanges into records and shows them to the sinks, away from the data plane.
//!
//! One bounded channel, one thread. The data plane only ever tries to send: when the channel is full
//! the record is counted as lost and the stream goes on. A panic costs one record, or one sink's view
//! of it, and is counted. The turns of a session come as they end, long before the session does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{
    Begin, Capture, Category, Cost, CostStatus, Destination, Dropped, End, Exchange, Health,
    Observation, Observe, Observers, Record, RecordKind, Sink, Task, Texts, Times, Withheld,
};
use tidegauge_measure::{Prices, Schemas, can_estimate_at_once, estimate, measure};
use tidegauge_wire::{Concluded, Observer, Provider, Socket, Turn, provider};

use crate::background::{Accounted, Memory};
use crate::capture::{Permit, Room, Rules, Waiting};
use crate::journal::{Journal, Ticket};
use crate::turn;

/// How long finished exchanges gather while more of them come.
const GATHER: Duration = Duration::from_millis(2);

/// The telemetry plane's entry: makes observers, takes back finished ones.
pub struct Pipeline {
    /// Gone once closed: exchanges that end later are counted as lost.
    entry: ArcSwapOption<SyncSender<Box<Finished>>>,
    late: Arc<AtomicBool>,
    done: std::sync::Mutex<Option<Receiver<()>>>,
    /// Whether tokens that nobody tells are counted here.
    estimates: bool,
    hurried: Arc<AtomicBool>,
    rules: Arc<ArcSwap<Rules>>,
    waiting: Waiting,
    journal: Option<Arc<Journal>>,
    health: Arc<Health>,
}

/// An exchange that is over, and who watched it.
struct Finished {
    watched: Watched,
    provider: Option<&'static dyn Provider>,
    exchange: Exchange,
    /// How much of what was said may be kept.
    capture: Capture,
    /// Where its words wait, if it has some.
    _room: Option<Room>,
    /// Closed when this is a record, or lost. A turn has none: its session has.
    ticket: Option<Ticket>,
    /// The process is about to end.
    hurried: bool,
}

/// Makes the records of what is over.
type Make = fn(Finished, &Tools<'_>) -> Vec<Record>;

/// What records are made with.
struct Tools<'a> {
    prices: &'a Prices,
    rules: &'a Rules,
    schemas: &'a Schemas,
    /// Responses that were not over when they were asked for.
    memory: &'a Memory,
    health: &'a Health,
}

/// Who watched an exchange.
enum Watched {
    /// Nobody knows how to read it.
    Nobody,
    /// A request and its answer.
    Exchange(Box<Observer>),
    /// A session, of which turns may be open still.
    Session(Box<Socket>),
    /// One turn of the session that the exchange is.
    Turn(Box<Turn>),
}

/// What the thread works with.
struct Worker {
    /// [`records`], but for a test.
    make: Make,
    rules: Arc<ArcSwap<Rules>>,
    prices: Arc<ArcSwap<Prices>>,
    schemas: Schemas,
    memory: Memory,
    sinks: Vec<Arc<dyn Sink>>,
    late: Arc<AtomicBool>,
    health: Arc<Health>,
}

/// What a pipeline works with.
pub struct Plant {
    /// How many finished exchanges may wait.
    pub capacity: usize,
    /// Whether tokens that the provider does not tell are counted here.
    pub estimates: bool,
    /// The price list in use.
    pub prices: Arc<ArcSwap<Prices>>,
    /// How words are let into records.
    pub rules: Arc<ArcSwap<Rules>>,
    /// Who is shown the records, in this order.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// Where is noted what is open, if that is wanted.
    pub journal: Option<Arc<Journal>>,
    /// Where losses are counted.
    pub health: Arc<Health>,
}

impl Pipeline {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(plant: Plant) -> std::io::Result<Arc<Self>> {
        Self::start_with(records, plant)
    }

    fn start_with(make: Make, plant: Plant) -> std::io::Result<Arc<Self>> {
        let Plant { capacity, estimates, prices, rules, sinks, journal, health } = plant;
        let (entry, exit) = sync_channel(capacity);
        let (finished, done) = sync_channel(1);
        let (late, counted) = (Arc::new(AtomicBool::new(false)), Arc::clone(&health));
        let worker = Worker {
            make,
            rules: Arc::clone(&rules),
            prices,
            schemas: Schemas::default(),
            memory: Memory::default(),
            sinks,
            late: Arc::clone(&late),
            health: counted,
        };
        thread::Builder::new().name("records".to_owned()).spawn(move || {
            worker.run(&exit);
            // Nobody may be waiting any more.
            let _ = finished.send(());
        })?;
        Ok(Arc::new(Self {
            entry: ArcSwapOption::from_pointee(entry),
            late,
            done: std::sync::Mutex::new(Some(done)),
            estimates,
            hurried: Arc::default(),
            rules,
            waiting: Waiting::default(),
            journal,
            health,
        }))
    }

    /// The process is about to end: from now on nothing is begun that takes long.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Takes no more and makes records of what waits. What is not made within `deadline` is counted
    /// as lost; exchanges still open keep the thread waiting for them that long.
    pub fn shutdown(&self, deadline: Duration) {
        self.entry.store(None);
        let done = self.done.lock().ok().and_then(|mut done| done.take());
        let Some(done) = done else { return };
        if done.recv_timeout(deadline).is_err() {
            self.late.store(true, Ordering::Relaxed);
            // A short while to count what is left.
            let _ = done.recv_timeout(Duration::from_millis(200));
        }
    }
}

impl Observers for Pipeline {
    fn begin(&self, begin: Begin<'_>) -> Box<dyn Observe> {
        let provider = provider(begin.upstream.dialect.kind());
        let observer = provider.map(|one| Observer::new(one, begin.operation, begin.head));
        let mut observer = observer.map(Box::new);
        let permit = Permit::of(begin.upstream.capture, begin.head.headers);
        let words = permit.level != Capture::Off;
        if let Some(observer) = &mut observer {
            if words {
                observer.keep_words(permit.wanted(&self.rules.load()));
            }
            if self.estimates {
                observer.sample_texts();
            }
        }
        let mut socket = provider.and_then(|one| Socket::new(one, begin.head)).map(Box::new);
        if let Some(socket) = socket.as_mut().filter(|_| words) {
            socket.keep_words(permit.wanted(&self.rules.load()));
        }
        Box::new(Watching {
            observer,
            socket,
            session: None,
            provider,
            capture: permit.level,
            waiting: words.then(|| self.waiting.clone()),
            entry: self.entry.load_full(),
            ticket: self.journal.as_ref().and_then(|journal| journal.open(begin.exchange)),
            hurried: Arc::clone(&self.hurried),
            health: Arc::clone(&self.health),
        })
    }
}

/// One exchange under way.
struct Watching {
    /// Boxed, like the others: it moves on as it is.
    observer: Option<Box<Observer>>,
    /// Reads the messages, should it become a session.
    socket: Option<Box<Socket>>,
    /// What the session was when it began; set once it has.
    session: Option<Box<Exchange>>,
    provider: Option<&'static dyn Provider>,
    capture: Capture,
    /// Where its words are to wait, if it has some.
    waiting: Option<Waiting>,
    entry: Option<Arc<SyncSender<Box<Finished>>>>,
    ticket: Option<Ticket>,
    hurried: Arc<AtomicBool>,
    health: Arc<Health>,
}

impl Watching {
    /// The socket, if this has become a session.
    fn socket(&mut self) -> Option<&mut Socket> {
        self.socket.as_deref_mut().filter(|_| self.session.is_some())
    }

    /// Where the words wait until they are in a record. Without room there are none.
    fn room(&mut self) -> Option<Room> {
        let waiting = self.waiting.take()?;
        if self.session.is_some() {
            let socket = self.socket.as_mut()?;
            let (words, turns) = (socket.words(), socket.unfinished());
            return place(&waiting, words, turns, &self.health, || socket.forget_words());
        }
        let observer = self.observer.as_mut()?;
        place(&waiting, observer.words(), 1, &self.health, || observer.forget_words())
    }

    /// Hands over the turns that have ended, and counts what was not read.
    fn pass_on(&mut self) {
        let (Some(session), Some(socket)) = (&self.session, &mut self.socket) else { return };
        match socket.skipped() {
            0 => {}
            skipped => self.health.messages_not_read(skipped),
        }
        for mut turn in socket.turns() {
            self.health.turns_over(1);
            let waiting = self.waiting.as_ref();
            let room = waiting.and_then(|waiting| {
                place(waiting, turn.words(), 1, &self.health, || turn.forget_words())
            });
            let finished = Finished {
                watched: Watched::Turn(Box::new(turn)),
                provider: self.provider,
                exchange: Exchange::clone(session),
                capture: self.capture,
                _room: room,
                ticket: None,
                hurried: self.hurried.load(Ordering::Relaxed),
            };
            if let Err(why) = send(self.entry.as_deref(), finished, &self.health) {
                self.health.turn_lost(why, 1);
            }
        }
    }
}

/// Room for the words of so many records, or none of them.
fn place(
    waiting: &Waiting,
    words: usize,
    records: u64,
    health: &Health,
    forget: impl FnOnce(),
) -> Option<Room> {
    let room = waiting.room(words);
    if room.is_none() {
        forget();
        health.content_dropped(Withheld::Memory, records);
    }
    room
}

impl Observe for Watching {
    fn request(&mut self, at: Duration, bytes: &Bytes) {
        if let Some(socket) = self.socket() {
            socket.client(at, bytes);
            self.pass_on();
        } else if let Some(observer) = &mut self.observer {
            observer.request(at, bytes);
        }
    }

    fn response_head(&mut self, at: Duration, status: StatusCode, headers: &HeaderMap) {
        if let Some(observer) = &mut self.observer {
            observer.response_head(at, status, headers);
        }
        if let Some(socket) = self.socket.as_mut() {
            socket.agreed(headers);
        }
    }

    fn response(&mut self, at: Duration, bytes: &Bytes) {
        if let Some(socket) = self.socket() {
            socket.server(at, bytes);
            self.pass_on();
        } else if let Some(observer) = &mut self.observer {
            observer.response(at, bytes);
        }
    }

    fn switched(&mut self, exchange: &Exchange) -> bool {
        self.session = self.socket.is_some().then(|| Box::new(exchange.clone()));
        self.session.is_some()
    }

    fn end(mut self: Box<Self>, exchange: Exchange) {
        self.pass_on();
        let room = self.room();
        let hurried = self.hurried.load(Ordering::Relaxed);
        let Self { observer, socket, session, provider, capture, entry, ticket, health, .. } =
            *self;
        let socket = socket.filter(|_| session.is_some());
        let unfinished = socket.as_deref().map_or(0, Socket::unfinished);
        health.turns_over(unfinished);
        let watched = match (socket, observer) {
            (Some(socket), _) => Watched::Session(socket),
            (None, Some(observer)) => Watched::Exchange(observer),
            (None, None) => Watched::Nobody,
        };
        let finished =
            Finished { watched, provider, exchange, capture, _room: room, ticket, hurried };
        if let Err(why) = send(entry.as_deref(), finished, &health) {
            health.turn_lost(why, unfinished);
            health.record_lost(why, 1);
        }
    }
}

fn send(
    entry: Option<&SyncSender<Box<Finished>>>,
    finished: Finished,
    health: &Health,
) -> Result<(), Dropped> {
    let entry = entry.ok_or(Dropped::ShutdownDeadline)?;
    // Counted first, so that the thread never takes what is not there.
    health.records_queued_changed(1);
    // Boxed: an empty place in the channel is a few bytes.
    entry.try_send(Box::new(finished)).map_err(|error| {
        health.records_queued_changed(-1);
        match error {
            TrySendError::Full(_) => Dropped::QueueFull,
            TrySendError::Disconnected(_) => Dropped::ShutdownDeadline,
        }
    })
}

impl Worker {
    /// Works in batches: a sender that finds this thread asleep on the channel has to wake it, which
    /// costs the data plane a system call and, where they share a core, the core.
    fn run(&self, exit: &Receiver<Box<Finished>>) {
        while let Ok(first) = exit.recv() {
            self.take(*first);
            let mut more = true;
            while more {
                thread::sleep(GATHER);
                more = false;
                while let Ok(next) = exit.try_recv() {
                    self.take(*next);
                    more = true;
                }
            }
        }
    }

    fn take(&self, finished: Finished) {
        self.health.records_queued_changed(-1);
        if self.late.load(Ordering::Relaxed) {
            self.lose(&finished, Dropped::ShutdownDeadline);
        } else {
            self.settle(finished);
        }
    }

    /// One exchange into its records, or into a counted loss.
    fn settle(&self, mut finished: Finished) {
        // Closed when everybody has seen the record.
        let _ticket = finished.ticket.take();
        let (prices, rules) = (self.prices.load(), self.rules.load());
        let counted = Counted::of(&finished);
        let (schemas, memory, health) = (&self.schemas, &self.memory, &*self.health);
        let tools = Tools { prices: &prices, rules: &rules, schemas, memory, health };
        let make = || (self.make)(finished, &tools);
        let Ok(records) = catch_unwind(AssertUnwindSafe(make)) else {
            self.health.panicked(Task::Pipeline, 1);
            return counted.lost(&self.health, Dropped::Panic);
        };
        records.iter().for_each(|record| self.show(record));
    }

    fn show(&self, record: &Record) {
        self.count(record);
        for sink in &self.sinks {
            if catch_unwind(AssertUnwindSafe(|| sink.record(record))).is_err() {
                self.health.panicked(Task::Sink, 1);
            }
        }
        if record.kind.is_turn() {
            self.health.turn_made();
        } else {
            self.health.record_made();
        }
    }

    fn lose(&self, finished: &Finished, why: Dropped) {
        Counted::of(finished).lost(&self.health, why);
    }

    fn count(&self, record: &Record) {
        if record.observation.partial {
            self.health.observation_partial();
        }
        if record.observation.outcome.unclassified {
            self.health.error_unclassified();
        }
        if record.measurement.cost.status == CostStatus::Unpriced {
            self.health.exchange_unpriced();
        }
    }
}

/// How many records something will become.
struct Counted {
    records: u64,
    turns: u64,
}

impl Counted {
    fn of(finished: &Finished) -> Self {
        match &finished.watched {
            Watched::Nobody | Watched::Exchange(_) => Self { records: 1, turns: 0 },
            Watched::Session(socket) => Self { records: 1, turns: socket.unfinished() },
            Watched::Turn(_) => Self { records: 0, turns: 1 },
        }
    }

    fn lost(&self, health: &Health, why: Dropped) {
        health.record_lost(why, self.records);
        health.turn_lost(why, self.turns);
    }
}

/// The records of what is over: one, but for a session that ends with turns.
fn records(finished: Finished, tools: &Tools<'_>) -> Vec<Record> {
    let Finished { watched, provider, mut exchange, capture, _room, ticket: _, hurried } = finished;
    let of = |kind, exchange, observation| {
        record(kind, exchange, observation, provider, tools.prices, Accounted::Here)
    };
    let of_turn = |turn, session: &Exchange| {
        let (exchange, mut observation, words) = turn::finish(turn, session);
        observation.content = tools.rules.admit(words, capture, tools.health);
        let kind = RecordKind::Turn { of: session.id, parent: session.trace.inference };
        of(kind, exchange, observation)
    };
    match watched {
        Watched::Nobody => vec![of(RecordKind::Request, exchange, Observation::default())],
        Watched::Exchange(observer) => {
            let Concluded { mut observation, words, background, texts } =
                observer.conclude(&exchange);
            let left = observation.outcome.category == Some(Category::ClientCancelled);
            if exchange.end == End::Cancelled && !left {
                // Who closes behind the last event of a stream has had all of it.
                exchange.end = End::Complete;
            }
            let (memory, health) = (tools.memory, tools.health);
            let accounted = memory.settle(background, &mut exchange, &mut observation, health);
            // Loading the tables of a tokenizer could cost a process that must end the record.
            if !hurried || can_estimate_at_once() {
                estimate(&mut observation, &texts);
            }
            check_calls(&mut observation, &texts, tools);
            // A response that is shown again says the same again.
            let words = words.filter(|_| accounted != Accounted::Elsewhere);
            observation.content = tools.rules.admit(words, capture, health);
            vec![record(
                RecordKind::Request,
                exchange,
                observation,
                provider,
                tools.prices,
                accounted,
            )]
        }
        Watched::Turn(turn) => {
            vec![of_turn(*turn, &exchange)]
        }
        Watched::Session(socket) => {
            let (turns, session) = socket.finish(&mut exchange);
            let mut records: Vec<Record> =
                turns.into_iter().map(|turn| of_turn(turn, &exchange)).collect();
            records.push(of(RecordKind::Request, exchange, session));
            records
        }
    }
}

/// Calls whose arguments do not match what their tool declares are bad calls too. They are what the
/// exchange comes to unless it comes to something else already.
fn check_calls(seen: &mut Observation, texts: &Texts, tools: &Tools<'_>) {
    let wrong = tools.schemas.mismatches(texts, tools.health);
    if wrong > 0 {
        seen.response.bad_tool_calls += wrong;
        seen.outcome.category.get_or_insert(Category::ToolFailure);
    }
}

/// Measures, and puts the record together.
fn record(
    kind: RecordKind,
    exchange: Exchange,
    mut observation: Observation,
    provider: Option<&'static dyn Provider>,
    prices: &Prices,
    accounted: Accounted,
) -> Record {
    let price_id = provider.and_then(price_id);
    if observation.usage.is_known() && observation.usage.region.is_none() {
        let Destination { provider, origin, .. } = &exchange.to;
        observation.usage.region = Prices::region_of(price_id, provider, &origin.host);
    }
    let numbers = |exchange: &Exchange| measure(exchange, &observation, prices, price_id);
    let mut measurement = numbers(&exchange);
    match accounted {
        Accounted::Here => {}
        Accounted::Later | Accounted::Elsewhere => measurement.cost = Cost::default(),
        // It cost what it did when it was asked for, and for as long as it took.
        Accounted::Since(asked) => measurement.cost = numbers(&asked_at(asked, &exchange)).cost,
    }
    Record::new(kind, exchange, observation, measurement)
}

/// The exchange as if it had begun then.
fn asked_at(asked: SystemTime, exchange: &Exchange) -> Exchange {
    let over = exchange.started + exchange.times.ended;
    let ended = over.duration_since(asked).unwrap_or_default();
    let times = Times { sent: Some(Duration::ZERO), ended, ..Times::default() };
    Exchange { started: asked, times, ..exchange.clone() }
}

/// A provider's id in price lists. What somebody runs themselves does not cost what a model of that
/// name is sold for: it has an empty one.
pub(crate) fn price_id(provider: &dyn Provider) -> Option<&'static str> {
    provider.price_id().or((!provider.public()).then_some(""))
}

#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod tests;
