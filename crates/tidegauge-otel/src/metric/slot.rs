//! What is measured of an attribute set: which metric, and which attributes the metric adds.

use tidegauge_core::{Bucket, Category, CostStatus, Scope, Source};

use crate::semconv::{self as name, Metric};

/// A part of the time that the proxy adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Accept,
    Admission,
    Connect,
    Relay,
}

/// A side of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Input,
    Output,
}

/// A counter of tokens under the next names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenCounter {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    Reasoning,
}

/// One measurement of a series. The attributes it adds to those of the series are its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    Requests,
    Errors(Category),
    HttpServer,
    HttpClient,
    Overhead(Phase),
    OverheadTotal,
    Duration,
    FirstChunk,
    ChunkGap,
    FirstToken,
    PerToken,
    TokenUsage(Side),
    /// Of a call that did not fail.
    OperationTokens(Side),
    EmbeddingTokens,
    /// With the kind of content.
    InferenceTokens(TokenCounter, &'static str),
    Tokens(Bucket, Source),
    Cost(CostStatus),
    Disagreements,
}

impl Slot {
    pub(super) fn metric(self) -> &'static Metric {
        match self {
            Self::Requests => &name::REQUESTS,
            Self::Errors(_) => &name::ERRORS,
            Self::HttpServer => &name::HTTP_SERVER_DURATION,
            Self::HttpClient => &name::HTTP_CLIENT_DURATION,
            Self::Overhead(_) => &name::OVERHEAD_DURATION,
            Self::OverheadTotal => &name::OVERHEAD_SUM,
            Self::Duration => &name::CLIENT_OPERATION_DURATION,
            Self::FirstChunk => &name::CLIENT_TIME_TO_FIRST_CHUNK,
            Self::ChunkGap => &name::CLIENT_TIME_PER_OUTPUT_CHUNK,
            Self::FirstToken => &name::TIME_TO_FIRST_TOKEN,
            Self::PerToken => &name::TIME_PER_OUTPUT_TOKEN,
            Self::TokenUsage(_) => &name::CLIENT_TOKEN_USAGE,
            Self::OperationTokens(Side::Input) => &name::INFERENCE_OPERATION_INPUT_TOKENS,
            Self::OperationTokens(Side::Output) => &name::INFERENCE_OPERATION_OUTPUT_TOKENS,
            Self::EmbeddingTokens => &name::EMBEDDINGS_OPERATION_INPUT_TOKENS,
            Self::InferenceTokens(counter, _) => match counter {
                TokenCounter::Input => &name::INFERENCE_INPUT_TOKENS,
                TokenCounter::Output => &name::INFERENCE_OUTPUT_TOKENS,
                TokenCounter::CacheRead => &name::INFERENCE_CACHE_READ_TOKENS,
                TokenCounter::CacheWrite => &name::INFERENCE_CACHE_WRITE_TOKENS,
                TokenCounter::Reasoning => &name::INFERENCE_REASONING_TOKENS,
            },
            Self::Tokens(..) => &name::TOKENS_USED,
            Self::Cost(_) => &name::COST,
            Self::Disagreements => &name::COST_DISAGREEMENTS,
        }
    }

    pub(super) fn scope(self) -> Scope {
        match self {
            Self::HttpServer | Self::HttpClient => Scope::Http,
            Self::Requests | Self::Errors(_) | Self::Overhead(_) | Self::OverheadTotal => {
                Scope::Own
            }
            Self::Duration
            | Self::FirstChunk
            | Self::ChunkGap
            | Self::FirstToken
            | Self::PerToken
            | Self::TokenUsage(_)
            | Self::OperationTokens(_)
            | Self::EmbeddingTokens
            | Self::InferenceTokens(..)
            | Self::Tokens(..)
            | Self::Cost(_)
            | Self::Disagreements => Scope::GenAi,
        }
    }

    /// The attributes it adds, by name.
    pub(super) fn more(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Errors(category) => vec![(name::CATEGORY, category.name())],
            Self::Overhead(phase) => vec![(name::PHASE, phase.name())],
            Self::TokenUsage(Side::Input) => vec![(name::TOKEN_TYPE, "input")],
            Self::TokenUsage(Side::Output) => vec![(name::TOKEN_TYPE, "output")],
            Self::InferenceTokens(_, modality) => vec![(name::MODALITY, modality)],
            Self::Tokens(bucket, source) => {
                vec![(name::BUCKET, bucket.name()), (name::USAGE_SOURCE, source.name())]
            }
            Self::Cost(status) => vec![(name::COST_STATUS, status.name())],
            Self::Requests
            | Self::HttpServer
            | Self::HttpClient
            | Self::OverheadTotal
            | Self::Duration
            | Self::FirstChunk
            | Self::ChunkGap
            | Self::FirstToken
            | Self::PerToken
            | Self::OperationTokens(_)
            | Self::EmbeddingTokens
            | Self::Disagreements => Vec::new(),
        }
    }
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Admission => "admission",
            Self::Connect => "connect",
            Self::Relay => "relay",
        }
    }
}
