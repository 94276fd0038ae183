//! The vocabulary into messages of the journal. Total: everything can be written.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Version;
use tidegauge_core::{Destination, Exchange, Origin, Trace};

use crate::proto;

/// Its ids, its time, its way, and nothing that the caller wrote.
pub(crate) fn opening(exchange: &Exchange) -> proto::Exchange {
    proto::Exchange {
        id: exchange.id.bits().to_be_bytes().to_vec(),
        started: since_epoch(exchange.started),
        trace: Some(trace(&exchange.trace)),
        upstream: Some(destination(&exchange.to)),
        operation: exchange.operation.name().to_owned(),
        route: exchange.route.clone().into_owned(),
        method: exchange.method.as_str().to_owned(),
        secure: exchange.secure,
        version: version(exchange.version),
    }
}

/// Takes it apart by name, so that a field which is added is not overlooked here.
fn trace(trace: &Trace) -> proto::Trace {
    #[rustfmt::skip]
    let Trace {
        trace_id, parent, link, sampled, random, caller_counts, server, inference,
        // The caller writes it.
        state: _,
    } = trace;
    let link = link.map(|(trace, span)| [trace.0.as_slice(), span.0.as_slice()].concat());
    proto::Trace {
        trace_id: trace_id.0.to_vec(),
        parent: parent.map(|span| span.0.to_vec()).unwrap_or_default(),
        link: link.unwrap_or_default(),
        sampled: *sampled,
        random: *random,
        caller_counts: *caller_counts,
        server: server.0.to_vec(),
        inference: inference.0.to_vec(),
    }
}

fn destination(to: &Destination) -> proto::Upstream {
    let Destination { name, kind, provider: _, origin } = to;
    let Origin { secure, host, port, prefix } = &**origin;
    proto::Upstream {
        name: name.to_string(),
        kind: (*kind).to_owned(),
        secure: *secure,
        host: host.clone(),
        port: (*port).into(),
        prefix: prefix.clone(),
    }
}

/// Past 584 years it stays there.
fn since_epoch(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn version(version: Version) -> u32 {
    match version {
        Version::HTTP_09 => 9,
        Version::HTTP_10 => 10,
        Version::HTTP_2 => 20,
        Version::HTTP_3 => 30,
        _ => 11,
    }
}
