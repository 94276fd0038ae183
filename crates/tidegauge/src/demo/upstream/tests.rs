//! What the simulated provider answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use super::*;
use crate::demo::script::{Answer, AskUsage, MODELS};
use crate::demo::traffic;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

async fn wanted(script: Script, case: &Case) -> Wanted {
    let (head, body) = traffic::request(ANY, script, case).unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Wanted::read(&head.method, head.uri.path(), &body).unwrap()
}

/// Every case of a seed with its answer.
async fn answers(seed: u64, count: u64) -> Vec<(Case, Wanted, Reply)> {
    let script = Script::new(seed);
    let mut answers = Vec::new();
    for sequence in 0..count {
        let case = script.case(sequence);
        let wanted = wanted(script, &case).await;
        let reply = wanted.reply(&case, script);
        answers.push((case, wanted, reply));
    }
    answers
}

fn bytes(reply: &Reply) -> Vec<u8> {
    reply.pieces.iter().flat_map(|(_, piece)| piece.iter().flatten().copied()).collect()
}

/// The events of a stream: name and data, `[DONE]` as null.
fn events(reply: &Reply) -> Vec<(Option<String>, Value)> {
    let text = String::from_utf8(bytes(reply)).unwrap();
    assert!(text.ends_with("\n\n"));
    let parse = |data: &str| match data {
        "[DONE]" => Value::Null,
        data => serde_json::from_str(data).unwrap(),
    };
    text.split_terminator("\n\n")
        .map(|event| match event.split_once('\n') {
            Some((name, data)) => (
                Some(name.strip_prefix("event: ").unwrap().to_owned()),
                parse(data.strip_prefix("data: ").unwrap()),
            ),
            None => (None, parse(event.strip_prefix("data: ").unwrap())),
        })
        .collect()
}

fn is_whole(case: &Case) -> bool {
    !matches!(case.answer, Answer::Cut | Answer::BrokenStream)
}

#[tokio::test]
async fn every_answer_is_of_its_format_and_in_order() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (case, wanted, reply) in answers(1, 3_000).await {
        assert!(reply.pieces.is_sorted_by_key(|(at, _)| *at), "{case:?}");
        *seen
            .entry(format!("{:?} {:?} {}", case.surface, case.answer, case.stream))
            .or_default() += 1;
        if !reply.status.is_success() {
            let body: Value = serde_json::from_slice(&bytes(&reply)).unwrap();
            assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
            continue;
        }
        if !case.stream {
            let body: Value = serde_json::from_slice(&bytes(&reply)).unwrap();
            check_document(&case, &body);
            continue;
        }
        let cut = reply.pieces.iter().any(|(_, piece)| piece.is_none());
        assert_eq!(cut, case.answer == Answer::Cut);
        if is_whole(&case) {
            match case.surface {
                Surface::Chat => check_chat_stream(&case, &wanted, &events(&reply)),
                Surface::Responses => check_responses_stream(&case, &events(&reply)),
                Surface::Messages => check_messages_stream(&case, &events(&reply)),
                Surface::Embeddings => panic!("embeddings do not stream"),
            }
        }
    }
    // Everything the script knows has happened.
    for answer in [
        Answer::Text,
        Answer::Tool,
        Answer::BadTool,
        Answer::Refusal,
        Answer::ContentFilter,
        Answer::Truncated,
        Answer::RateLimit,
        Answer::Quota,
        Answer::Overflow,
        Answer::Key,
        Answer::ServerError,
        Answer::Overloaded,
        Answer::Cut,
        Answer::BrokenStream,
    ] {
        assert!(seen.keys().any(|key| key.contains(&format!(" {answer:?} "))), "{answer:?}");
    }
}

fn check_document(case: &Case, body: &Value) {
    let usage = &body["usage"];
    let output = case.output + case.reasoning;
    match case.surface {
        Surface::Chat => {
            assert_eq!(body["object"], "chat.completion");
            assert!(body["choices"][0]["finish_reason"].is_string());
            assert_eq!(usage["total_tokens"], case.input + output);
            assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], case.cached);
        }
        Surface::Responses => {
            assert_eq!(body["object"], "response");
            assert_eq!(usage["output_tokens"], output);
            assert_eq!(usage["output_tokens_details"]["reasoning_tokens"], case.reasoning);
        }
        Surface::Embeddings => {
            assert_eq!(body["data"][0]["embedding"].as_array().unwrap().len(), 64);
            assert_eq!(usage["prompt_tokens"], case.input);
        }
        Surface::Messages => {
            assert_eq!(body["type"], "message");
            assert!(body["stop_reason"].is_string());
            check_messages_input(case, usage);
        }
    }
}

fn check_messages_input(case: &Case, usage: &Value) {
    let parts = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    let sum: u64 = parts.iter().map(|part| usage[part].as_u64().unwrap()).sum();
    assert_eq!(sum, case.input);
}

fn check_chat_stream(case: &Case, wanted: &Wanted, events: &[(Option<String>, Value)]) {
    assert_eq!(events[0].1["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events.last().unwrap().1, Value::Null);
    let finished =
        events.iter().filter(|(_, chunk)| chunk["choices"][0]["finish_reason"].is_string());
    assert_eq!(finished.count(), 1);
    let usage: Vec<_> = events.iter().filter(|(_, chunk)| chunk["usage"].is_object()).collect();
    assert_eq!(usage.len(), usize::from(wanted.include_usage));
    assert_eq!(wanted.include_usage, case.ask_usage == AskUsage::Yes);
    if let [(_, chunk)] = usage[..] {
        assert_eq!(chunk["choices"], json!([]));
        assert_eq!(chunk["usage"]["completion_tokens"], case.output + case.reasoning);
    }
    let arguments: String = events
        .iter()
        .filter_map(|(_, chunk)| {
            chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
        })
        .collect();
    let parses = serde_json::from_str::<Value>(&arguments).is_ok();
    assert_eq!(parses, case.answer == Answer::Tool, "{arguments}");
}

fn check_responses_stream(case: &Case, events: &[(Option<String>, Value)]) {
    for (number, (name, body)) in events.iter().enumerate() {
        assert_eq!(body["type"], name.clone().unwrap());
        assert_eq!(body["sequence_number"], number);
    }
    assert_eq!(events[0].1["type"], "response.created");
    let last = &events.last().unwrap().1;
    let truncated = case.answer == Answer::Truncated;
    assert_eq!(last["type"], if truncated { "response.incomplete" } else { "response.completed" });
    assert_eq!(last["response"]["usage"]["input_tokens"], case.input);
}

fn check_messages_stream(case: &Case, events: &[(Option<String>, Value)]) {
    for (name, body) in events {
        assert_eq!(body["type"], name.clone().unwrap());
    }
    let names: Vec<_> = events.iter().filter_map(|(name, _)| name.as_deref()).collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    check_messages_input(case, &events[0].1["message"]["usage"]);
    let end = &events[events.len() - 2].1;
    assert_eq!(end["usage"]["output_tokens"], case.output);
    assert!(end["delta"]["stop_reason"].is_string());
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story() {
    let story = async |seed| -> Vec<(Answer, Vec<u8>)> {
        let answers = answers(seed, 200).await;
        answers.iter().map(|(case, _, reply)| (case.answer, bytes(reply))).collect()
    };
    let (one, again, other) = (story(7).await, story(7).await, story(8).await);
    assert!(one == again);
    assert!(one != other);
}

#[tokio::test]
async fn faults_are_as_frequent_as_in_production() {
    let script = Script::new(3);
    let failed = |case: &Case| {
        !matches!(case.answer, Answer::Text | Answer::Tool | Answer::Refusal | Answer::Truncated)
    };
    let failures = (0..20_000).filter(|sequence| failed(&script.case(*sequence))).count();
    assert!((400..1_200).contains(&failures), "{failures} of 20000");
}

#[test]
fn every_model_has_a_public_price() {
    let prices = tidegauge_measure::Prices::bundled();
    for model in &MODELS {
        for name in [model.name, model.dated] {
            assert!(!prices.list(name, SystemTime::UNIX_EPOCH, 1).is_empty(), "{name}");
        }
    }
}

#[test]
fn what_the_request_says_decides() {
    let read = |path: &str, body: &str| Wanted::read(&Method::POST, path, body.as_bytes());
    let wanted = read(
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}"#,
    )
    .unwrap();
    assert!(wanted.stream && wanted.include_usage);
    let script = Script::new(1);
    assert_eq!(wanted.reply(&script.case(1), script).status, StatusCode::NOT_FOUND);
    assert!(!read("/openai/v1/responses", "not json").unwrap().stream);
    assert!(read("/v1/files", "{}").is_none());
    assert!(Wanted::read(&Method::GET, "/v1/messages", b"").is_none());
}
