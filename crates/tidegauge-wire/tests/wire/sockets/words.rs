//! What is said over sockets: each turn with what it answers, and never sound.

use tidegauge_wire::Wanted;

use super::*;
use crate::words::{ALL, written};

/// What is said in each turn, the same in pieces of several sizes. What is observed is the same as
/// without listening.
fn overhear(kind: &str, target: &str, steps: &[Step], wanted: Wanted) -> Vec<Value> {
    let heard = |size: usize| {
        let provider = provider(kind).expect("a provider");
        let case = socket_case(kind, target);
        let mut exchange = exchange(provider, &case);
        exchange.times.ended = Duration::from_millis(steps.len() as u64 + 1);
        let mut socket = Socket::new(provider, case.head()).expect("a socket that is known");
        socket.keep_words(wanted);
        socket.agreed(&HeaderMap::new());
        let mut turns = feed(&mut socket, steps, size);
        turns.extend(socket.finish(&mut exchange).0);
        let both = turns.into_iter().map(|turn| {
            let own = Exchange { end: turn.end, failure: turn.failure, ..exchange.clone() };
            let (seen, words) = turn.conclude(&own);
            (told(&seen), words.map_or(Value::Null, |words| written(&words)))
        });
        both.collect::<Vec<_>>()
    };
    let whole = heard(usize::MAX);
    for size in [1, 7, 100] {
        assert_eq!(heard(size), whole, "in pieces of {size}");
    }
    let plain = play(kind, target, steps, usize::MAX).turns;
    let (seen, words): (Vec<_>, Vec<_>) = whole.into_iter().unzip();
    assert_eq!(seen, plain.iter().map(|(_, turn)| told(turn)).collect::<Vec<_>>());
    words
}

fn text(content: &str) -> Value {
    json!({"type": "text", "content": content})
}

fn says(role: &str, parts: &[Value]) -> Value {
    json!({"role": role, "parts": parts})
}

fn answers(parts: &[Value], finish: &str) -> Value {
    json!([{"role": "assistant", "parts": parts, "finish_reason": finish}])
}

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn item(item: Value) -> Step {
    Client(json!({"type": "conversation.item.create", "item": item}))
}

fn user(content: &[Value]) -> Step {
    item(json!({"type": "message", "role": "user", "content": content}))
}

fn session(instructions: &str) -> Step {
    Server(json!({"type": "session.updated", "session": {"id": "s", "instructions": instructions,
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}]}}))
}

#[test]
fn a_turn_says_what_was_said_since_the_turn_before() {
    let spoken = json!({"type": "input_audio", "audio": "U09VTkQ="});
    let steps = [
        session("be kind"),
        user(&[json!({"type": "input_text", "text": "one"}), spoken]),
        ask(),
        created("r1"),
        delta("r1", "hel"),
        delta("r1", "lo"),
        done("r1", 1, 2),
        user(&[json!({"type": "input_text", "text": "two"})]),
        Client(json!({"type": "response.create", "response": {"instructions": "be short"}})),
        created("r2"),
        // Only the last event tells what was said.
        done("r2", 1, 2),
        ask(),
        created("r3"),
        delta("r3", "broken"),
        ServerEnds,
    ];
    let tools = json!([{"type": "function", "name": "f", "description": "d",
        "parameters": {"type": "object"}}]);
    let sound = json!({"type": "blob", "modality": "audio", "content": ""});
    let want = [
        json!({"system": [text("be kind")], "tools": tools, "input": [says("user", &[text("one"), sound])],
            "output": answers(&[text("hello")], "stop")}),
        json!({"system": [text("be short")], "tools": tools, "input": [says("user", &[text("two")])],
            "output": answers(&[text("hi")], "stop")}),
        json!({"system": [text("be kind")], "tools": tools, "output": answers(&[text("broken")], "error")}),
    ];
    assert_eq!(overhear("openai", REALTIME, &steps, ALL), want);
    let halves = overhear("openai", REALTIME, &steps, Wanted { request: false, ..ALL });
    assert_eq!(halves[0], json!({"output": want[0]["output"]}));
    let halves = overhear("openai", REALTIME, &steps, Wanted { response: false, ..ALL });
    assert_eq!((&halves[0]["output"], &halves[0]["input"]), (&Value::Null, &want[0]["input"]));
}

#[test]
fn speech_is_said_by_its_words() {
    let heard = |item: &str, text: &str| {
        Server(
            json!({"type": "conversation.item.input_audio_transcription.completed", "item_id": item,
            "transcript": text, "usage": {"type": "duration", "seconds": 1}}),
        )
    };
    let committed =
        |item: &str| Server(json!({"type": "input_audio_buffer.committed", "item_id": item}));
    let piece = |kind: &str, delta: &str| {
        Server(json!({"type": kind, "response_id": "r", "output_index": 0, "delta": delta}))
    };
    let steps = [
        Client(json!({"type": "input_audio_buffer.append", "audio": "U09VTkQ="})),
        committed("i1"),
        created("r"),
        piece("response.output_audio.delta", "U09VTkQ="),
        heard("i1", "how are you"),
        // Nobody knows what this belongs to.
        heard("i0", "lost"),
        piece("response.output_audio_transcript.delta", "I am "),
        piece("response.output_audio_transcript.delta", "well"),
        done("r", 5, 6),
        committed("i2"),
        heard("i2", "good"),
        created("r2"),
        done("r2", 7, 8),
        BYE,
    ];
    let transcript = |words: &str| json!({"output": answers(&[text(words)], "stop")});
    let want = [
        transcript("how are you"),
        transcript("lost"),
        json!({"input": [says("user", &[text("how are you")])], "output": answers(&[text("I am well")], "stop")}),
        transcript("good"),
        json!({"input": [says("user", &[text("good")])], "output": answers(&[text("hi")], "stop")}),
    ];
    assert_eq!(overhear("openai", REALTIME, &steps, ALL), want);
}

#[test]
fn responses_over_a_socket_say_what_they_do_over_http() {
    let create = |more: Value| {
        let mut message = json!({"type": "response.create", "model": "m", "instructions": "be kind",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}]});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Client(message)
    };
    let call =
        json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"});
    let steps = [
        create(json!({})),
        Server(
            json!({"type": "response.created", "response": {"id": "r1", "status": "in_progress"}}),
        ),
        Server(json!({"type": "response.output_text.delta", "output_index": 0, "delta": "hi"})),
        Server(json!({"type": "response.output_item.done", "output_index": 1, "item": call})),
        Server(
            json!({"type": "response.completed", "response": {"id": "r1", "status": "completed", "output": []}}),
        ),
        create(json!({"no-log": true})),
        Server(
            json!({"type": "response.completed", "response": {"id": "r2", "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "secret"}]}]}}),
        ),
        BYE,
    ];
    let asked = json!([says("user", &[text("one")])]);
    let called = json!({"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}});
    let want = [
        json!({"system": [text("be kind")], "input": asked, "output": answers(&[text("hi"), called], "tool_call")}),
        Value::Null,
    ];
    assert_eq!(overhear("openai", "/v1/responses", &steps, ALL), want);
}

#[test]
fn the_live_api_says_words_and_no_sound() {
    let sound = json!({"inlineData": {"mimeType": "audio/pcm", "data": "U09VTkQ="}});
    let said = |text: &str, complete: bool| {
        Client(
            json!({"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}, sound]}],
            "turnComplete": complete}}),
        )
    };
    let steps = [
        Client(
            json!({"setup": {"model": "models/m", "systemInstruction": {"parts": [{"text": "be kind"}]},
            "tools": [{"functionDeclarations": [{"name": "f"}]}]}}),
        ),
        said("one", false),
        said("two", true),
        // Asked once more before the answer came: it answers all of it.
        said("three", true),
        Server(
            json!({"toolCall": {"functionCalls": [{"id": "1", "name": "f", "args": {"a": 1}}]}}),
        ),
        Client(json!({"toolResponse": {"functionResponses": [{"id": "1", "response": {"b": 2}}]}})),
        live(json!({"modelTurn": {"parts": [sound]}})),
        live(json!({"outputTranscription": {"text": "h"}})),
        live(json!({"outputTranscription": {"text": "m"}, "inputTranscription": {"text": "four"}})),
        Server(json!({"serverContent": {"turnComplete": true}, "usageMetadata": figures(10, 5)})),
        Client(json!({"realtimeInput": {"text": "five"}})),
        live(json!({"modelTurn": {"parts": [{"text": "think", "thought": true}, {"text": "x"}]}})),
        live(json!({"interrupted": true})),
        Server(json!({"serverContent": {"turnComplete": true}, "usageMetadata": figures(10, 5)})),
        BYE,
    ];
    let mute =
        json!({"type": "blob", "modality": "audio", "mime_type": "audio/pcm", "content": ""});
    let user = |words: &str| says("user", &[text(words), mute.clone()]);
    let call = json!({"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}});
    let result = json!({"type": "tool_call_response", "id": "1", "response": {"b": 2}});
    let standing =
        json!({"system": [text("be kind")], "tools": [{"type": "function", "name": "f"}]});
    let with = |more: Value| {
        let mut all = standing.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let thought = json!({"type": "reasoning", "content": "think"});
    let want = [
        with(json!({"input": [user("one"), user("two"), user("three"), says("tool", &[result]),
                says("user", &[text("four")])],
            "output": answers(&[call, text("hm")], "stop")})),
        with(json!({"input": [says("user", &[text("five")])],
            "output": answers(&[thought, text("x")], "cancelled")})),
    ];
    assert_eq!(overhear("gemini", LIVE, &steps, ALL), want);
}

/// However long somebody speaks, there is room for what they write.
#[test]
fn sound_takes_no_room() {
    let sound = "QUJD".repeat(50 << 10);
    let hi = [answers(&[text("hi")], "stop"), json!([says("user", &[text("one")])])];
    let mut steps = Vec::new();
    for _ in 0..10 {
        steps.push(Client(json!({"type": "input_audio_buffer.append", "audio": sound})));
        steps.push(user(&[json!({"type": "input_audio", "audio": sound})]));
    }
    steps.extend([user(&[json!({"type": "input_text", "text": "one"})]), ask(), created("r")]);
    steps.extend([done("r", 1, 2), BYE]);
    let words = &overhear("openai", REALTIME, &steps, ALL)[0];
    assert_eq!((&words["output"], &words["input"][10]), (&hi[0], &hi[1][0]));
    assert_eq!(words["truncated"], Value::Null);

    let blob = json!({"mimeType": "audio/pcm", "data": sound});
    let mut steps = vec![Client(json!({"realtimeInput": {"audio": blob}})); 10];
    steps.extend([
        Client(json!({"realtimeInput": {"text": "one"}})),
        live(json!({"modelTurn": {"parts": [{"inlineData": blob}, {"text": "hi"}]}})),
        Server(json!({"serverContent": {"turnComplete": true}, "usageMetadata": figures(10, 5)})),
        BYE,
    ]);
    let words = &overhear("gemini", LIVE, &steps, ALL)[0];
    assert_eq!(*words, json!({"input": hi[1], "output": hi[0]}));
}

/// Too much is shortened, and what would be held for many turns is bounded.
#[test]
fn words_are_bounded() {
    let long = "word ".repeat(12 << 10);
    let say = || user(&[json!({"type": "input_text", "text": long})]);
    let mut socket =
        Socket::new(provider("openai").unwrap(), socket_case("openai", REALTIME).head()).unwrap();
    socket.keep_words(ALL);
    socket.agreed(&HeaderMap::new());
    let mut most = 0;
    for _ in 0..40 {
        let steps: Vec<Step> = (0..8).map(|_| say()).chain([ask(), delta("r", &long)]).collect();
        for step in steps {
            assert!(feed(&mut socket, &[step], usize::MAX).is_empty());
            most = most.max(socket.words());
        }
    }
    assert!(most <= 3 << 19, "{most}");
    socket.forget_words();
    assert_eq!(socket.words(), 0);

    let mut steps: Vec<Step> = (0..8).map(|_| say()).collect();
    steps.extend([ask(), created("r")]);
    steps.extend((0..8).map(|_| delta("r", &long)));
    steps.extend([done("r", 1, 2), BYE]);
    let words = &overhear("openai", REALTIME, &steps, ALL)[0];
    assert_eq!(words["truncated"], true);
    let length = words.to_string().len();
    assert!((256 << 10..530 << 10).contains(&length), "{length}");
}

/// Recorded sessions of real providers.
#[test]
fn recorded_sessions_say_what_was_said() {
    for (label, recording) in of_kind("websocket") {
        let id = recording["id"].as_str().unwrap_or_default();
        let (target, steps) = recorded(&label, &recording);
        let words = overhear(&label, target, &steps, ALL);
        let all = Value::from(words.clone());
        let blobs = all.to_string().matches("\"blob\"").count();
        assert_eq!(all.to_string().matches("\"content\":\"\"").count(), blobs, "{id}: no sound");
        assert!(!all.to_string().contains("truncated"), "{id}");
        match id {
            "realtime-tool-call-round-op" => {
                let [call, answer] = words.as_slice() else { panic!("{id}: {all:#}") };
                assert_eq!(
                    call["system"][0]["content"],
                    "Use the get_weather tool for any weather question, then answer in one short sentence."
                );
                assert_eq!(
                    call["input"],
                    json!([says("user", &[text("What is the weather in London?")])])
                );
                assert_eq!(call["tools"][0]["name"], "get_weather");
                let called = json!({"type": "tool_call", "id": "call_uMNE0Myi2tDTPu0w", "name": "get_weather",
                    "arguments": {"city": "London"}});
                assert_eq!(call["output"], answers(&[called], "tool_call"));
                let result = json!({"type": "tool_call_response", "id": "call_uMNE0Myi2tDTPu0w",
                    "response": "It is foggy and 12 degrees in London."});
                assert_eq!(answer["input"], json!([says("tool", &[result])]));
                let said = text("It is foggy and 12 degrees in London.");
                assert_eq!(answer["output"], answers(&[said], "stop"));
            }
            "realtime-audio-in-server-vad-turn-op" => {
                let answer = words.iter().find(|turn| turn["input"].is_array()).expect(id);
                assert_eq!(
                    answer["input"],
                    json!([says("user", &[text("Hello, my name is Marcelo.")])])
                );
                let said = answer["output"][0]["parts"][0]["content"].as_str().unwrap_or_default();
                assert!(said.starts_with("Hello, Marcelo! Great to me"), "{all:#}");
            }
            "realtime-tool-call-round-go" => {
                let said = &words[0]["output"][0]["parts"];
                assert_eq!(said[0]["name"], "record_reading", "{all:#}");
                let confirmed = "I have recorded a reading of 5 with the note \"steady.\"";
                assert_eq!(said[1], text(confirmed), "{all:#}");
            }
            _ => assert!(words.iter().all(|turn| turn["output"].is_array()), "{id}: {all:#}"),
        }
    }
}
