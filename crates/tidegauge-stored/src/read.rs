//! Messages of the journal into the vocabulary. Whatever the bytes were, no panic: what cannot be
//! understood and can be absent is absent, the rest is an error.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Version};
use tidegauge_core::{
    Destination, End, Exchange, ExchangeId, Labels, Operation, Origin, Overhead, SpanId, Times,
    Trace, TraceId,
};

use crate::{Dialects, Unreadable, proto};

pub(crate) fn id(bytes: &[u8]) -> Result<ExchangeId, Unreadable> {
    let bits = <[u8; 16]>::try_from(bytes).map_err(|_| Unreadable::Missing("id"))?;
    Ok(ExchangeId::from_bits(u128::from_be_bytes(bits)))
}

pub(crate) fn opening(
    stored: proto::Exchange,
    dialects: Dialects<'_>,
) -> Result<Exchange, Unreadable> {
    let operation = Operation::ALL.into_iter().find(|one| one.name() == stored.operation);
    Ok(Exchange {
        id: id(&stored.id)?,
        started: UNIX_EPOCH
            .checked_add(Duration::from_nanos(stored.started))
            .ok_or(Unreadable::Unknown("time"))?,
        trace: trace(&stored.trace.ok_or(Unreadable::Missing("trace"))?)?,
        to: destination(stored.upstream.ok_or(Unreadable::Missing("upstream"))?, dialects)?,
        operation: operation.unwrap_or(Operation::Other),
        route: Cow::Owned(stored.route),
        method: Method::from_bytes(stored.method.as_bytes())
            .map_err(|_| Unreadable::Unknown("method"))?,
        path: String::new(),
        query: None,
        secure: stored.secure,
        client: None,
        host: None,
        version: version(stored.version),
        user_agent: None,
        labels: Labels::default(),
        attempts: Vec::new(),
        status: None,
        request_bytes: 0,
        upstream_bytes: 0,
        response_bytes: 0,
        times: Times::default(),
        overhead: Overhead::default(),
        end: End::Failed,
        failure: None,
        injected: false,
    })
}

fn trace(stored: &proto::Trace) -> Result<Trace, Unreadable> {
    let link = stored
        .link
        .split_first_chunk::<16>()
        .and_then(|(trace, rest)| Some((TraceId(*trace), SpanId(<[u8; 8]>::try_from(rest).ok()?))));
    Ok(Trace {
        trace_id: <[u8; 16]>::try_from(stored.trace_id.as_slice())
            .map(TraceId)
            .map_err(|_| Unreadable::Missing("trace id"))?,
        parent: span(&stored.parent).ok(),
        link,
        sampled: stored.sampled,
        random: stored.random,
        caller_counts: stored.caller_counts,
        state: String::new(),
        server: span(&stored.server)?,
        inference: span(&stored.inference)?,
    })
}

fn span(bytes: &[u8]) -> Result<SpanId, Unreadable> {
    <[u8; 8]>::try_from(bytes).map(SpanId).map_err(|_| Unreadable::Missing("span id"))
}

fn destination(stored: proto::Upstream, dialects: Dialects<'_>) -> Result<Destination, Unreadable> {
    let dialect = dialects(&stored.kind).ok_or(Unreadable::Unknown("protocol"))?;
    let origin = Origin {
        secure: stored.secure,
        host: stored.host,
        port: u16::try_from(stored.port).map_err(|_| Unreadable::Unknown("port"))?,
        prefix: stored.prefix,
    };
    Ok(Destination {
        name: stored.name.into(),
        kind: dialect.kind(),
        provider: dialect.provider(),
        origin: Arc::new(origin),
    })
}

fn version(number: u32) -> Version {
    match number {
        9 => Version::HTTP_09,
        10 => Version::HTTP_10,
        20 => Version::HTTP_2,
        30 => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}
