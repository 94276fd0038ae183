//! What is written is what the structs of the protocol would have held.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::{AttributeLimits, Attributes, cut, pair};

/// One call of the list.
#[derive(Clone, Debug)]
enum Call {
    Text(Option<String>),
    Show(String),
    Texts(Vec<String>),
    Whole(u64),
    Signed(i64),
    Real(f64),
    Seconds(Duration),
    Flag(bool),
}

fn call() -> impl Strategy<Value = Call> {
    let text = || prop_oneof!["\\PC{0,20}", "[a-zé]{100,300}", Just(String::new())];
    prop_oneof![
        proptest::option::of(text()).prop_map(Call::Text),
        text().prop_map(Call::Show),
        vec(text(), 0..6).prop_map(Call::Texts),
        any::<u64>().prop_map(Call::Whole),
        any::<i64>().prop_map(Call::Signed),
        any::<f64>().prop_map(Call::Real),
        any::<u32>().prop_map(|ms| Call::Seconds(Duration::from_millis(ms.into()))),
        any::<bool>().prop_map(Call::Flag),
    ]
}

/// The struct form, said once more and without regard to cost.
fn value(call: &Call, limits: AttributeLimits) -> Option<Value> {
    let text = |text: &str| Value::StringValue(cut(text, limits.value).to_owned());
    match call {
        Call::Text(value) => value.as_deref().filter(|value| !value.is_empty()).map(text),
        Call::Show(value) => Some(value.as_str()).filter(|value| !value.is_empty()).map(text),
        Call::Texts(values) if values.is_empty() => None,
        Call::Texts(values) => {
            let values = values.iter().take(limits.count);
            let values = values.map(|value| AnyValue { value: Some(text(value)) }).collect();
            Some(Value::ArrayValue(ArrayValue { values }))
        }
        Call::Whole(value) => i64::try_from(*value).ok().map(Value::IntValue),
        Call::Signed(value) => Some(Value::IntValue(*value)),
        Call::Real(value) => Some(*value).filter(|value| value.is_finite()).map(Value::DoubleValue),
        Call::Seconds(value) => Some(Value::DoubleValue(value.as_secs_f64())),
        Call::Flag(value) => value.then_some(Value::BoolValue(true)),
    }
}

proptest! {
    #[test]
    fn direct_is_what_the_structs_have(
        calls in vec(("[a-z._]{1,140}", call()), 0..40),
        limits in (0_usize..50, 0_usize..250).prop_map(|(count, value)| AttributeLimits { count, value }),
    ) {
        let mut out = Vec::new();
        let mut list = Attributes::new(&mut out, 1, limits);
        for (key, call) in &calls {
            match call {
                Call::Text(value) => list.text(key, value.as_deref()),
                Call::Show(value) => list.show(key, value),
                Call::Texts(values) => list.texts(key, values),
                Call::Whole(value) => list.whole(key, *value),
                Call::Signed(value) => list.whole(key, *value),
                Call::Real(value) => list.real(key, *value),
                Call::Seconds(value) => list.seconds(key, *value),
                Call::Flag(value) => list.flag(key, *value),
            }
        }
        let (_, dropped) = list.finish();
        let all: Vec<KeyValue> = calls
            .iter()
            .filter_map(|(key, call)| Some(pair(key, value(call, limits)?)))
            .collect();
        let kept: Vec<_> = all.iter().take(limits.count).cloned().collect();
        prop_assert_eq!(dropped as usize, all.len() - kept.len());
        let read = KeyValueList::decode(out.as_slice()).unwrap();
        prop_assert_eq!(read.values, kept);
    }
}
