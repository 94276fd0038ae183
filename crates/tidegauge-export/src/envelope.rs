//! Encoded pieces into one OTLP export request, without decoding them.
//!
//! The three signals have the same shape on the wire: a request holds resources (field 1), a resource
//! itself (1) and scopes (2), a scope itself (1), pieces (2) and the URL of a schema (3). Source: opentelemetry-proto 1.10.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use tidegauge_core::{Emitter, Scope};

use crate::disk_queue::OriginGroup;
use crate::queue::Pending;

/// What the memory of one request may keep for the next: the longest that is sent.
const KEPT: usize = 4 << 20;

/// What is the same in every request: resource and scopes, encoded once.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    resource: Vec<u8>,
    scopes: [Vec<u8>; Scope::ALL.len()],
    schemas: [&'static str; Scope::ALL.len()],
    /// The latest request. Its memory is used again once it is sent: a batch is so large that the
    /// system is asked for it, and gives it page by page.
    latest: Arc<Vec<u8>>,
}

/// A request, while somebody sends it.
struct SharedBuffer(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Envelope {
    /// The envelope of what one process makes.
    pub(crate) fn new(origin: Emitter) -> Self {
        let Emitter { resource, scopes, schemas } = origin;
        Self { resource, scopes, schemas, latest: Arc::default() }
    }

    /// The request with these pieces, grouped by scope, otherwise in order.
    pub(crate) fn request(&mut self, pieces: &[Pending]) -> Bytes {
        let mut request = self.buffer();
        self.write(&mut request, &self.resource, pieces);
        self.lend(request)
    }

    /// The request with pieces that several processes made, each with its resource.
    pub(crate) fn request_of(&mut self, groups: &[OriginGroup]) -> Bytes {
        // Protobuf: messages one after the other are one message with the fields of all.
        let mut request = self.buffer();
        for group in groups {
            self.write(&mut request, &group.resource, &group.pieces);
        }
        self.lend(request)
    }

    /// Memory for the next request: that of the latest, unless somebody still holds it.
    fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = Arc::try_unwrap(mem::take(&mut self.latest)).unwrap_or_default();
        buffer.clear();
        buffer.shrink_to(KEPT);
        buffer
    }

    fn lend(&mut self, request: Vec<u8>) -> Bytes {
        self.latest = Arc::new(request);
        Bytes::from_owner(SharedBuffer(Arc::clone(&self.latest)))
    }

    /// Computes all lengths first, so that every byte is written once into memory that is reserved.
    fn write(&self, out: &mut Vec<u8>, resource: &[u8], pieces: &[Pending]) {
        let lengths = Scope::ALL.map(|scope| {
            let pieces = pieces.iter().filter(|piece| piece.scope == scope);
            pieces.map(|piece| field_len(piece.bytes.len())).sum::<usize>()
        });
        let scopes = || {
            let heads = self.scopes.iter().zip(self.schemas);
            let scopes = Scope::ALL.into_iter().zip(heads).zip(lengths);
            scopes.filter(|(_, length)| *length > 0).map(|((scope, (head, schema)), length)| {
                (scope, head, schema, field_len(head.len()) + length + text_len(schema))
            })
        };
        let body = field_len(resource.len())
            + scopes().map(|(.., length)| field_len(length)).sum::<usize>();
        out.reserve(field_len(body));
        key_of(out, 1, body);
        field(out, 1, resource);
        for (scope, head, schema, length) in scopes() {
            key_of(out, 2, length);
            field(out, 1, head);
            for piece in pieces.iter().filter(|piece| piece.scope == scope) {
                field(out, 2, &piece.bytes);
            }
            if !schema.is_empty() {
                field(out, 3, schema.as_bytes());
            }
        }
    }
}

/// The head of a field of `bytes` bytes, which the caller writes next.
fn key_of(out: &mut Vec<u8>, number: u32, bytes: usize) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes as u64, out);
}

fn field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    key_of(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// The length of a field of one of the numbers here, with its head.
fn field_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

/// The same of a text, which is left out where it is empty.
fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { field_len(text.len()) }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn pieces_are_grouped_by_scope_and_keep_their_order() {
        let resource = Resource { dropped_attributes_count: 7, ..Resource::default() };
        let emitter = Emitter {
            resource: resource.encode_to_vec(),
            scopes: Scope::ALL.map(|scope| {
                InstrumentationScope {
                    name: format!("{scope:?}"),
                    ..InstrumentationScope::default()
                }
                .encode_to_vec()
            }),
            schemas: ["https://schema.example/1", "", ""],
        };
        let piece = |scope, name: String| Pending {
            scope,
            bytes: Span { name, ..Span::default() }.encode_to_vec().into(),
            units: 1,
            born: Instant::now(),
        };
        let pieces: Vec<_> = (0..200)
            .map(|n| piece(if n % 3 == 0 { Scope::GenAi } else { Scope::Http }, format!("s{n}")))
            .collect();
        let mut envelope = Envelope::new(emitter);
        let request = ExportTraceServiceRequest::decode(envelope.request(&pieces)).unwrap();
        let [spans] = &request.resource_spans[..] else { panic!("one resource") };
        assert_eq!(spans.resource.as_ref(), Some(&resource));
        let read: Vec<_> = spans
            .scope_spans
            .iter()
            .map(|group| {
                let names: Vec<_> = group.spans.iter().map(|span| span.name.as_str()).collect();
                (group.scope.as_ref().unwrap().name.clone(), names.join(" "))
            })
            .collect();
        let named = |scope: Scope| {
            let of = pieces.iter().filter(|piece| piece.scope == scope);
            let names = of.map(|piece| Span::decode(piece.bytes.clone()).unwrap().name);
            (format!("{scope:?}"), names.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(read, [named(Scope::Http), named(Scope::GenAi)]);
        let schemas: Vec<_> =
            spans.scope_spans.iter().map(|group| group.schema_url.as_str()).collect();
        assert_eq!(schemas, ["https://schema.example/1", ""]);
        assert_eq!(
            ExportTraceServiceRequest::decode(envelope.request(&[])).unwrap().resource_spans.len(),
            1
        );
    }

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let mut envelope = Envelope::new(Emitter::default());
        let first = envelope.request(&[]);
        let held = envelope.request(&[]);
        assert_ne!(first.as_ptr(), held.as_ptr());
        assert_eq!(first, held);
        let at = held.as_ptr();
        drop(held);
        assert_eq!(envelope.request(&[]).as_ptr(), at);
    }
}
