//! Samples to every receiver, once, and what came back.
//!
//! For trying a configuration: no queue, no retry, no disk. In: exporters, and a sample of each signal.
//! Out: one result for each signal of each exporter.

use std::time::Duration;

use tidegauge_core::{Emitter, Piece, Signal};
use tokio::time::Instant;

use crate::answer::Received;
use crate::envelope::Envelope;
use crate::exporter::{ExporterOptions, StartError};
use crate::queue::Pending;
use crate::transport::{Protocol, Transport};

/// What one receiver did with the sample of one signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrialResult {
    /// The name of the exporter.
    pub exporter: String,
    /// What was sent.
    pub signal: Signal,
    /// Host and port of the receiver.
    pub receiver: String,
    /// The protocol that was spoken; `None`: none of them was answered.
    pub protocol: Option<Protocol>,
    /// The receiver took it.
    pub delivered: bool,
    /// Items that it says it did not take.
    pub rejected: u64,
    /// What it answered: an HTTP status, or the name of a gRPC status; `None`: nothing.
    pub status: Option<String>,
    /// Why it failed, in our words; `None`: it did not.
    pub error: Option<String>,
    /// What the receiver says itself, cut, without control characters; empty: nothing.
    pub message: String,
    /// From the request until the answer was read.
    pub latency: Duration,
}

/// Sends one sample of every signal to every exporter that takes it, one after the other. Blocks the
/// calling thread, for as long as the exporters' timeouts allow.
///
/// # Errors
/// When configured certificates cannot be used or there is no runtime.
pub fn try_exporters(
    exporters: &[(ExporterOptions, Emitter)],
    sample: impl Fn(Signal) -> Piece,
) -> Result<Vec<TrialResult>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut results = Vec::new();
    for (exporter, emitter) in exporters {
        for (signal, target) in exporter.targets() {
            let error = |error| exporter.tls_error(signal, error);
            let transport = Transport::for_trial(signal, target.clone()).map_err(error)?;
            let piece = Pending::new(sample(signal), Instant::now());
            let request = Envelope::new(emitter.clone()).request(&[piece]);
            let begin = Instant::now();
            let received = runtime.block_on(transport.receive(request));
            results.push(result(exporter, &transport, received, begin.elapsed()));
        }
    }
    // A name look-up that hangs must not hold the caller.
    runtime.shutdown_background();
    Ok(results)
}

fn result(
    exporter: &ExporterOptions,
    transport: &Transport,
    received: Received,
    latency: Duration,
) -> TrialResult {
    let Received { answer, status, message } = received;
    TrialResult {
        exporter: exporter.name.clone(),
        signal: transport.signal(),
        receiver: transport.place(),
        protocol: transport.protocol(),
        delivered: answer.delivered() == Some(0),
        rejected: answer.delivered().unwrap_or(0),
        status: status.map(|status| status.to_string()),
        error: answer.error(),
        message,
        latency,
    }
}
