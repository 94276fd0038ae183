//! The vocabulary that every other crate speaks: plain data and the small traits at the seams.
//!
//! In: nothing. Out: types. This crate holds no logic worth a bug report; it must not know an async
//! runtime, a socket, a provider, a price or a telemetry format.
//!
//! One exchange flows through it in one direction: [`Exchange`] (what the data plane saw) and
//! [`Observation`] (what was said) become a [`Measurement`] (how much, how long, how dear), and the
//! three together are a [`Record`], which every [`Sink`] is shown.

mod content;
mod dialect;
mod exchange;
mod health;
mod ledger;
mod measurement;
mod observation;
mod observe;
mod outcome;
mod piece;
mod policy;
mod record;
mod sink;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod texts;
mod trace;
mod usage;

pub use content::{
    Capture, Content, Field, Fields, Message, Modality, Part, ToolDefinition, Value,
};
pub use dialect::{Dialect, Filter, Head, Matched, Peek, Splice};
pub use exchange::{
    Attempt, Destination, End, Exchange, ExchangeId, Labels, Operation, Overhead, Prompt, Times,
};
pub use health::{Dropped, Health, HealthMetric, HealthReading, Rejected, Task, Withheld};
pub use ledger::{Ledger, LedgerMetric, LedgerReading};
pub use measurement::{
    BatchCost, Charge, Cost, CostLine, CostStatus, Measurement, Money, Unpriced,
};
pub use observation::{
    Batch, BatchCalls, Observation, OutputType, ProviderError, RateLimit, Request, Reset, Response,
    StreamTimes,
};
pub use observe::{Begin, Observe, Observers};
pub use outcome::{Category, Domain, ErrorType, Failure, Outcome};
pub use piece::{Emitter, Outbox, Piece, Scope, Signal};
pub use policy::{
    Admit, Origin, Owner, Policy, Propagate, Refused, Timeouts, Trust, Upstream, UsagePolicy,
};
pub use record::{Record, RecordKind, Verdict};
pub use sink::Sink;
pub use texts::{Asked, Call, Sample, Texts, Tool};
pub use trace::{SpanId, Trace, TraceId};
pub use usage::{Billed, Bucket, Estimate, Estimator, Source, Usage};
