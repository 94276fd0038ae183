//! Encoded pieces into one OTLP export request, without decoding them.
//!
//! The three signals have the same shape on the wire: a request holds resources (field 1), a resource
//! itself (1) and scopes (2), a scope itself (1) and pieces (2). Source: opentelemetry-proto 1.10.

use bytes::Bytes;
use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::Message;

use crate::backlog::Group;
use crate::protobuf;
use crate::queue::Piece;
use crate::semconv::SCOPE_VERSION;
use crate::span::Scope;

/// What is the same in every request: resource and scopes, encoded once.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    resource: Vec<u8>,
    scopes: [Vec<u8>; Scope::ALL.len()],
}

impl Envelope {
    /// For one resource.
    pub(crate) fn new(resource: &Resource) -> Self {
        let scope = |scope: Scope| {
            InstrumentationScope {
                name: scope.name().to_owned(),
                version: SCOPE_VERSION.to_owned(),
                ..InstrumentationScope::default()
            }
            .encode_to_vec()
        };
        Self { resource: resource.encode_to_vec(), scopes: Scope::ALL.map(scope) }
    }

    /// The request with these pieces, grouped by scope, otherwise in order.
    pub(crate) fn request(&self, pieces: &[Piece]) -> Bytes {
        let mut request = Vec::new();
        self.write(&mut request, &self.resource, pieces);
        request.into()
    }

    /// The request with pieces that several processes made, each with its resource.
    pub(crate) fn request_of(&self, groups: &[Group]) -> Bytes {
        // Messages one after the other are the one with all their fields.
        let mut request = Vec::new();
        for group in groups {
            self.write(&mut request, &group.resource, &group.pieces);
        }
        request.into()
    }

    /// The resource of this process.
    pub(crate) fn resource(&self) -> &[u8] {
        &self.resource
    }

    /// Lengths first, so that every byte is written once and into room that is there.
    fn write(&self, out: &mut Vec<u8>, resource: &[u8], pieces: &[Piece]) {
        let lengths = Scope::ALL.map(|scope| {
            let pieces = pieces.iter().filter(|piece| piece.scope == scope);
            pieces.map(|piece| field_len(piece.bytes.len())).sum::<usize>()
        });
        let scopes = || {
            let scopes = Scope::ALL.into_iter().zip(&self.scopes).zip(lengths);
            scopes
                .filter(|(_, length)| *length > 0)
                .map(|((scope, head), length)| (scope, head, field_len(head.len()) + length))
        };
        let body = field_len(resource.len())
            + scopes().map(|(.., length)| field_len(length)).sum::<usize>();
        out.reserve(field_len(body));
        protobuf::length(out, 1, body);
        field(out, 1, resource);
        for (scope, head, length) in scopes() {
            protobuf::length(out, 2, length);
            field(out, 1, head);
            for piece in pieces.iter().filter(|piece| piece.scope == scope) {
                field(out, 2, &piece.bytes);
            }
        }
    }
}

fn field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    protobuf::length(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// The length of a field of one of the numbers here, with its head.
fn field_len(bytes: usize) -> usize {
    1 + protobuf::varint_len(bytes) + bytes
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use tokio::time::Instant;

    use super::*;
    use crate::attribute::pair;

    #[test]
    fn pieces_are_grouped_by_scope_and_keep_their_order() {
        let resource = Resource {
            attributes: vec![pair("service.name", Value::StringValue("x".repeat(200)))],
            ..Resource::default()
        };
        let piece = |scope, name: String| Piece {
            scope,
            bytes: Span { name, ..Span::default() }.encode_to_vec().into(),
            units: 1,
            born: Instant::now(),
        };
        let pieces: Vec<_> = (0..200)
            .map(|n| piece(if n % 3 == 0 { Scope::GenAi } else { Scope::Http }, format!("s{n}")))
            .collect();
        let envelope = Envelope::new(&resource);
        let request = ExportTraceServiceRequest::decode(envelope.request(&pieces)).unwrap();
        let [spans] = &request.resource_spans[..] else { panic!("one resource") };
        assert_eq!(spans.resource.as_ref(), Some(&resource));
        let read: Vec<_> = spans
            .scope_spans
            .iter()
            .map(|group| {
                let names: Vec<_> = group.spans.iter().map(|span| span.name.as_str()).collect();
                (group.scope.as_ref().unwrap().name.as_str(), names.join(" "))
            })
            .collect();
        let named = |scope: Scope| {
            let of = pieces.iter().filter(|piece| piece.scope == scope);
            let names = of.map(|piece| Span::decode(piece.bytes.clone()).unwrap().name);
            (scope.name(), names.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(read, [named(Scope::Http), named(Scope::GenAi)]);
        assert_eq!(
            ExportTraceServiceRequest::decode(envelope.request(&[])).unwrap().resource_spans.len(),
            1
        );
    }
}
