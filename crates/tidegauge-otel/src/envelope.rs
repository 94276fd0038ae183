//! Encoded pieces into one OTLP export request, without decoding them.
//!
//! The three signals have the same shape on the wire: a request holds resources (field 1), a resource
//! itself (1) and scopes (2), a scope itself (1) and pieces (2). Source: opentelemetry-proto 1.10.

use bytes::Bytes;
use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::backlog::Group;
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
        self.of(&self.resource, pieces).into()
    }

    /// The request with pieces that several processes made, each with its resource.
    pub(crate) fn request_of(&self, groups: &[Group]) -> Bytes {
        // Messages one after the other are the one with all their fields.
        let parts = groups.iter().map(|group| self.of(&group.resource, &group.pieces));
        parts.collect::<Vec<_>>().concat().into()
    }

    /// The resource of this process.
    pub(crate) fn resource(&self) -> &[u8] {
        &self.resource
    }

    fn of(&self, resource: &[u8], pieces: &[Piece]) -> Vec<u8> {
        let mut body = Vec::new();
        field(&mut body, 1, resource);
        for (scope, head) in Scope::ALL.into_iter().zip(&self.scopes) {
            let mut group = Vec::new();
            for piece in pieces.iter().filter(|piece| piece.scope == scope) {
                if group.is_empty() {
                    field(&mut group, 1, head);
                }
                field(&mut group, 2, &piece.bytes);
            }
            if !group.is_empty() {
                field(&mut body, 2, &group);
            }
        }
        let mut request = Vec::with_capacity(body.len() + 8);
        field(&mut request, 1, &body);
        request
    }
}

fn field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
