//! Why a choice ended: every provider's words, and what each means.

/// What a reason to finish means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// The model had said everything, or a stop sequence came.
    Stop,
    /// The output hit its limit.
    Length,
    /// Prompt and output did not fit the model's window.
    Overflow,
    /// Tools of the caller's are to be called.
    ToolCall,
    /// A filter stopped the answer.
    Filter,
    /// The model declined.
    Refusal,
    /// A tool call that the model tried to make is wrong.
    BadCall,
    /// The client stopped the answer.
    Cancelled,
    /// The provider could not go on.
    Failed,
}

/// The reasons, grouped by what they mean. A word has one meaning, whoever uses it.
const REASONS: &[(Meaning, &[&str])] = &[
    (
        Meaning::Stop,
        &[
            "stop",
            "end_turn",
            "stop_sequence",
            "STOP",
            "STOP_SEQUENCE",
            "COMPLETE",
            "FINISH",
            "completed",
            "eos",
        ],
    ),
    (
        Meaning::Length,
        &["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "LENGTH"],
    ),
    (Meaning::Overflow, &["model_context_window_exceeded"]),
    (Meaning::ToolCall, &["tool_call", "tool_calls", "function_call", "tool_use", "TOOL_CALL"]),
    (
        Meaning::Filter,
        &[
            "content_filter",
            "sensitive",
            "SAFETY",
            "PROHIBITED_CONTENT",
            "BLOCKLIST",
            "RECITATION",
            "LANGUAGE",
            "SPII",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "guardrail_intervened",
            "content_filtered",
            "CONTENT_FILTERED",
            "CONTENT_FILTER",
            "ERROR_TOXIC",
        ],
    ),
    (Meaning::Refusal, &["refusal"]),
    (
        Meaning::BadCall,
        &[
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "malformed_tool_use",
            "malformed_model_output",
        ],
    ),
    (Meaning::Cancelled, &["cancelled", "interrupted"]),
    (Meaning::Failed, &["failed", "ERROR", "error"]),
];

/// What a provider's word means, if it is known.
pub(crate) fn meaning(reason: &str) -> Option<Meaning> {
    let row = REASONS.iter().find(|(_, words)| words.contains(&reason));
    row.map(|(meaning, _)| *meaning)
}

/// The convention's word (`gen_ai.response.finish_reasons` of messages) for a provider's; one that has
/// none stays as it is.
pub(crate) fn word(reason: &str) -> &str {
    match meaning(reason) {
        Some(Meaning::Stop) => "stop",
        Some(Meaning::Length | Meaning::Overflow) => "length",
        Some(Meaning::ToolCall) => "tool_call",
        Some(Meaning::Filter | Meaning::Refusal) => "content_filter",
        Some(Meaning::Failed) => "error",
        Some(Meaning::Cancelled) => "cancelled",
        Some(Meaning::BadCall) | None => reason,
    }
}
