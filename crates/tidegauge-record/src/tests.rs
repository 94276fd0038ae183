//! Written, read and written again.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use proptest::option::of;
use proptest::prelude::*;
use tidegauge_core::testing::{self, Mute};
use tidegauge_core::{
    BatchCost, Billed, Bucket, Category, Content, Cost, CostLine, CostStatus, ErrorType, Estimate,
    Estimator, Exchange, Labels, Measurement, Message, Money, Observation, Operation, Outcome,
    Part, Prompt, Record, ToolDefinition, Usage, Value,
};

use super::*;

fn written(record: &Record) -> String {
    String::from_utf8(line(record).unwrap()).unwrap()
}

fn again(record: &RecordJson<'_>) -> String {
    String::from_utf8(record.to_line().unwrap()).unwrap()
}

/// Any text, with what needs an escape among it.
fn text() -> impl Strategy<Value = String> {
    "[a-c\"\\\\\n\u{1b}\u{7f}\u{85}\u{202e}\u{2028}\u{e9}\u{1f600}]{0,6}"
}

fn value() -> impl Strategy<Value = Value> {
    let real = any::<f64>().prop_filter("finite", |real| real.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Whole),
        real.prop_map(Value::Real),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((text(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

prop_compose! {
    fn content()(texts in prop::array::uniform5(text()), value in value(), truncated in any::<bool>()) -> Content {
        let [system, name, id, said, role] = texts;
        let call = Part::ToolCall { id: Some(id), name: name.clone(), arguments: Some(value.clone()) };
        let parts = vec![Part::Text { content: said.clone() }, call];
        Content {
            system: vec![Part::Text { content: system }],
            input: vec![Message { role, parts, name: None, finish_reason: Some(said) }],
            output: Vec::new(),
            tools: vec![ToolDefinition {
                kind: "function".to_owned(), name, description: None, parameters: Some(value),
            }],
            truncated,
        }
    }
}

prop_compose! {
    fn usage()(
        counts in prop::array::uniform5(of(any::<u64>())), seconds in of(0.0..1e12_f64),
        texts in prop::array::uniform2(of(text())), model in of(text()), by in any::<bool>(),
    ) -> Usage {
        let [input, cache_read, output, reasoning, searches] = counts;
        let [region, search_size] = texts;
        let estimate = by.then_some(Estimate { by: Estimator::O200k, input, output: None, output_told: None });
        let tokens = [(Bucket::Output, 3), (Bucket::CacheRead, 4)].into();
        Usage {
            input, cache_read, output, reasoning, searches, region, search_size, estimate,
            audio_seconds: seconds, billed: vec![Billed { model, tokens }], ..Usage::default()
        }
    }
}

prop_compose! {
    fn measurement()(times in prop::array::uniform5(of(any::<u64>())), nanos in any::<u64>(), text in text())
    -> Measurement {
        let [duration, ttfb, chunk, ttft, tpot] = times.map(|time| time.map(Duration::from_nanos));
        let amount = Money::from_nanos(nanos);
        let line = CostLine { charge: tidegauge_core::Charge::GpuTime, quantity: nanos, usd: text.as_str().into(), amount };
        let cost = Cost {
            status: CostStatus::Priced, amount: Some(amount), list: Some(amount), reported: Some(amount),
            model: Some(text.as_str().into()), catalogue: Some(text.as_str().into()), lines: vec![line],
            ..Cost::default()
        };
        Measurement {
            duration: duration.unwrap_or_default(), ttfb, time_to_first_chunk: chunk, ttft, tpot,
            batch: vec![BatchCost { model: Some(text), calls: nanos, usage: Usage::default(), cost: cost.clone() }],
            cost, ..Measurement::default()
        }
    }
}

prop_compose! {
    fn any_record()(
        texts in prop::array::uniform8(text()), reasons in prop::collection::vec(prop_oneof![text(), "[0-9]{1,20}"], 0..3),
        ms in 0_u64..253_402_300_799_999, content in of(content()), usage in usage(), measurement in measurement(),
        operation in prop::sample::select(Operation::ALL.to_vec()), flags in prop::array::uniform4(any::<bool>()),
        category in of(prop::sample::select(Category::ALL.to_vec())),
    ) -> Record {
        let [model, session, user, agent, tag, prompt, tier, route] = texts;
        let [stream, partial, error, batch] = flags;
        let labels = Labels {
            session: Some(session), user: Some(user), agent: Some(agent), tags: [(tag.clone(), tag)].into(),
            prompt: Some(Prompt { name: prompt, version: None }), ..Labels::default()
        };
        let whole = testing::record(testing::exchange(&testing::upstream(&Mute("openai"))));
        let started = UNIX_EPOCH + Duration::from_millis(ms);
        let exchange = Exchange { started, operation, route: route.into(), labels, ..whole.exchange };
        let mut seen = Observation { stream, partial, usage, content: content.map(Box::new), ..whole.observation };
        seen.request.model = Some(model);
        seen.request.service_tier = Some(tier);
        seen.response.finish_reasons = reasons;
        seen.batch = batch.then(Default::default);
        seen.outcome = Outcome { category, error: error.then(|| ErrorType::fixed("timeout")), unclassified: false };
        Record::new(whole.kind, exchange, seen, measurement)
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_again_as_it_was(it in any_record().boxed()) {
        let text = written(&it);
        let back = read(text.as_bytes()).unwrap();
        prop_assert_eq!(again(&back), text);
    }

    #[test]
    fn any_text_is_a_record_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }
}

#[test]
fn what_is_not_known_is_left_out_and_what_is_missing_unknown() {
    let back =
        read(br#"{"id":"a","later":[1],"usage":{"input_tokens":3,"buckets":{"new":1}}}"#).unwrap();
    assert_eq!((back.v, &*back.id, back.usage.input_tokens), (1, "a", Some(3)));
    assert_eq!((back.usage.buckets.get("new"), back.response.status), (Some(1), None));
    assert!(!again(&back).contains("later"));
}

#[test]
fn what_is_no_record_or_of_a_later_form_is_refused() {
    assert!(matches!(read(br#"{"v":2}"#), Err(Unreadable::Version(2))));
    for odd in ["", "1", "[]", " [1]", "null"] {
        assert!(matches!(read(odd.as_bytes()), Err(Unreadable::NoObject)), "{odd}");
    }
    for odd in ["{", r#"{"id":1}"#, r#"{"usage":"much"}"#, r#"{"v":1} {}"#] {
        assert!(matches!(read(odd.as_bytes()), Err(Unreadable::Shape(_))), "{odd}");
    }
}

#[test]
fn what_hides_in_a_name_is_escaped_and_the_same_text() {
    let hidden = "\u{0}\u{1b}\u{7f}\u{85}\u{9b}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\
                  \u{202a}\u{202e}\u{2066}\u{2069}";
    let name = format!("gpt-{hidden}4o-\u{5d0}\u{1f600}");
    let mut record = testing::record(testing::exchange(&testing::upstream(&Mute("openai"))));
    record.observation.request.model = Some(name.clone());
    let line = written(&record);
    assert!(!line.trim_end_matches('\n').contains(|one| hidden.contains(one)), "{line}");
    assert!(line.contains("\\u202e") && line.contains("\u{5d0}\u{1f600}"), "{line}");
    assert_eq!(read(line.as_bytes()).unwrap().request.model.as_deref(), Some(&*name));
}

/// A record in which nothing is absent. Without `..`: a new field stops the compiler here.
fn everything() -> RecordJson<'static> {
    let word = || Some("w".into());
    let counts = || Counts(vec![("input".into(), 1)]);
    RecordJson {
        v: VERSION,
        id: "i".into(),
        time: "t".into(),
        trace_id: "t".into(),
        span_id: "s".into(),
        upstream: "u".into(),
        provider: "p".into(),
        operation: "chat".into(),
        route: "/r".into(),
        stream: true,
        request: RequestJson {
            model: word(),
            bytes: 1,
            max_tokens: Some(1),
            tools: Some(1),
            messages: Some(1),
            tool_errors: 1,
            service_tier: word(),
        },
        response: ResponseJson {
            status: Some(200),
            id: word(),
            model: word(),
            finish_reasons: vec![Reason::Number(1)],
            tool_calls: Some(1),
            bytes: 1,
            service_tier: word(),
        },
        usage: UsageJson {
            source: "provider".into(),
            input_tokens: Some(1),
            output_tokens: Some(1),
            cache_read_tokens: Some(1),
            cache_write_tokens: Some(1),
            reasoning_tokens: Some(1),
            buckets: counts(),
            audio_seconds: Some(1.0),
            searches: Some(1),
            grounded_prompts: Some(1),
            file_searches: Some(1),
            hosted_tools: Some(1),
            search_size: word(),
            billed: vec![BilledJson { model: word(), buckets: counts() }],
            region: word(),
            audio_input_tokens: Some(1),
            audio_output_tokens: Some(1),
            estimated: Some(EstimateJson {
                by: "b".into(),
                input_tokens: Some(1),
                output_tokens: Some(1),
            }),
        },
        cost: CostJson {
            status: "priced".into(),
            usd: word(),
            list_usd: word(),
            reported_usd: word(),
            unpriced: word(),
            model: word(),
            catalogue: word(),
        },
        batch: Some(BatchJson {
            results: 1,
            failed: 1,
            left_out: 1,
            models: vec![BatchModelJson {
                model: word(),
                calls: 1,
                buckets: counts(),
                status: "priced".into(),
                usd: word(),
                catalogue: word(),
                lines: vec![LineJson {
                    charge: "c".into(),
                    quantity: 1,
                    usd: "1".into(),
                    nanos: 1,
                }],
            }],
        }),
        timing: TimingJson {
            duration_ms: 1.0,
            ttfb_ms: Some(1.0),
            time_to_first_chunk_ms: Some(1.0),
            ttft_ms: Some(1.0),
            tpot_ms: Some(1.0),
            overhead_ms: 1.0,
        },
        end: "complete".into(),
        category: word(),
        domain: word(),
        error: word(),
        session: word(),
        user: word(),
        agent: word(),
        request_id: word(),
        tags: std::borrow::Cow::Owned([("a".to_owned(), "b".to_owned())].into()),
        prompt: Some(PromptJson { name: "n".into(), version: word() }),
        content: Some(ContentJson {
            system_instructions: vec![Item::Read(Json(Value::Null))],
            input_messages: vec![Item::Read(Json(Value::Null))],
            output_messages: vec![Item::Read(Json(Value::Null))],
            tool_definitions: vec![Item::Read(Json(Value::Null))],
            truncated: true,
        }),
        within: word(),
        turns: Some(1),
        partial: true,
        scores: Vec::new(),
    }
}

/// Every leaf by its path. Maps of the caller's or of buckets, and lists, are leaves.
fn leaves(value: &serde_json::Value, path: &str, into: &mut BTreeSet<String>) {
    const WHOLE: [&str; 3] = ["tags", "usage.buckets", "content"];
    match value {
        serde_json::Value::Object(members) if !WHOLE.contains(&path) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, into);
            }
        }
        _ => {
            into.insert(path.to_owned());
        }
    }
}

/// The table names every field there is, and none that is not.
#[test]
fn each_field_is_documented() {
    let everything = serde_json::to_value(everything()).unwrap();
    let mut there = BTreeSet::new();
    leaves(&everything, "", &mut there);
    let told: Vec<String> =
        FIELDS.iter().flat_map(|row| row.paths).map(|path| (*path).to_owned()).collect();
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(told.len(), there.len(), "each once");
    let content: BTreeSet<&str> = CONTENT.iter().map(|(name, _)| *name).collect();
    let written: BTreeSet<&str> =
        everything["content"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(content, written);
    // What stands in lists is named in the meaning of the list.
    for (path, pointer) in [
        ("batch.models", "/batch/models/0"),
        ("batch.models", "/batch/models/0/lines/0"),
        ("usage.billed", "/usage/billed/0"),
    ] {
        let row = FIELDS.iter().find(|row| row.paths.contains(&path)).unwrap();
        for name in everything.pointer(pointer).unwrap().as_object().unwrap().keys() {
            assert!(row.meaning.contains(&format!("`{name}`")), "{path} {name}");
        }
    }
}

#[test]
fn everything_is_read_as_it_was_written() {
    let all = everything();
    let line = again(&all);
    let back = read(line.as_bytes()).unwrap();
    assert_eq!(back, all);
}
