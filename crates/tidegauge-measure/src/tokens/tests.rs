//! What is counted, what is kept, and what is said about it.

use tidegauge_core::{Response, Usage};

use super::*;

fn sample(text: &str) -> Sample {
    Sample { text: text.to_owned(), bytes: text.len() as u64 }
}

fn asked(text: &str, messages: u64) -> Option<Asked> {
    Some(Asked { text: sample(text), messages, ..Asked::default() })
}

fn seen(model: &str, usage: Usage) -> Observation {
    let response = Response { model: Some(model.to_owned()), ..Response::default() };
    Observation { response, usage, ..Observation::default() }
}

/// The cookbook's own example: its tokens are known.
#[test]
fn tokens_are_those_of_the_tokenizer() {
    assert_eq!(count(&sample("tiktoken is great!")), Some(6));
    assert_eq!(count(&sample("")), None);
    let long = Sample { text: "word ".repeat(20), bytes: 10_000 };
    assert_eq!(count(&long), Some(2100), "21 tokens for 100 bytes, a hundred times");
}

#[test]
fn what_nobody_told_is_counted_and_says_so() {
    let mut one = seen("gpt-4o-mini-2024-07-18", Usage::default());
    let texts = Texts {
        asked: asked("tiktoken is great!", 1),
        answered: Some(sample("tiktoken is great!")),
        ..Texts::default()
    };
    estimate(&mut one, &texts);
    let usage = &one.usage;
    assert_eq!((usage.input_tokens(), usage.output_tokens()), (Some(12), Some(6)));
    assert_eq!((usage.told_input(), usage.told_output()), (None, None));
    assert_eq!(usage.source, Source::Estimated);
    let by = Estimator::O200k;
    assert_eq!(
        usage.estimate,
        Some(Estimate { by, input: Some(12), output: Some(6), output_told: None })
    );
}

#[test]
fn what_was_told_stays() {
    let told = Usage {
        source: Source::Partial,
        input: Some(100),
        cache_read: Some(20),
        output: Some(1),
        ..Usage::default()
    };
    let mut cut = seen("claude-sonnet-4-5", told.clone());
    let texts = Texts { answered: Some(sample("tiktoken is great!")), ..Texts::default() };
    estimate(&mut cut, &texts);
    assert_eq!((cut.usage.told_input(), cut.usage.told_output()), (Some(120), Some(1)));
    assert_eq!(cut.usage.output_tokens(), Some(6));
    assert_eq!(cut.usage.estimate.map(|one| one.by), Some(Estimator::O200kApproximate));
    // The provider counted more than came: it knows better.
    let mut ahead = seen("m", Usage { output: Some(50), ..told.clone() });
    estimate(&mut ahead, &texts);
    assert_eq!(ahead.usage, Usage { output: Some(50), ..told });
}

#[test]
fn tools_and_calls_have_their_frames() {
    let mut one = seen("m", Usage::default());
    one.response.tool_calls = 2;
    let text = sample("tiktoken is great!");
    let asked = Asked { text: text.clone(), tools: text.clone(), messages: 2, frame: 346 };
    let texts = Texts { asked: Some(asked), answered: Some(text), ..Texts::default() };
    estimate(&mut one, &texts);
    assert_eq!(one.usage.input_tokens(), Some(6 + 6 + 2 * 3 + 3 + 346));
    assert_eq!(one.usage.output_tokens(), Some(6 + 2 * 12));
}

#[test]
fn nothing_is_counted_where_there_is_no_text() {
    let mut one = seen("m", Usage::default());
    let texts = Texts { asked: asked("", 3), answered: Some(sample("")), ..Texts::default() };
    estimate(&mut one, &texts);
    assert_eq!(one.usage, Usage::default());
}

#[test]
fn the_models_own_tokenizer_is_told_from_another() {
    for model in ["gpt-4o", "gpt-4.1-mini", "gpt-5-nano", "o3-mini", "openai/gpt-oss-120b"] {
        assert_eq!(estimator(model), Estimator::O200k, "{model}");
    }
    for model in ["gpt-4-0613", "claude-sonnet-4-5", "gemini-2.5-pro", "llama3.2", ""] {
        assert_eq!(estimator(model), Estimator::O200kApproximate, "{model}");
    }
}

/// Runs of one letter are the slowest there is; none panics.
#[test]
fn any_text_can_be_counted() {
    for piece in ["a", " ", "\n", "\u{e9}", "\u{1f30a}", "'s", "1", "<|endoftext|>", "\0", " \n"] {
        assert!(count(&sample(&piece.repeat(4096 / piece.len()))).is_some(), "{piece:?}");
    }
}
