//! What a price list says.

use super::*;

fn run_with(model: &str) -> (Exit, String) {
    let mut out = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.yaml");
    let own = "pricing: {models: [{model: my-model, per_million: {input: 0.30, output: 1.20}}]}";
    std::fs::write(&config, own).unwrap();
    let args =
        PricesArgs { command: None, model: Some(model.to_owned()), config: Some(config), limit: 5 };
    let exit = run(&args, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn a_known_model_is_shown_with_its_price() {
    let (exit, text) = run_with("gpt-4o-mini");
    assert_eq!(exit, Exit::Well);
    assert!(text.contains("gpt-4o-mini") && text.contains("0.15"), "{text}");
}

#[test]
fn an_own_price_comes_first() {
    let (exit, text) = run_with("my-model");
    assert_eq!(exit, Exit::Well);
    assert!(text.contains("* (own)") && text.contains("1.2"), "{text}");
}

#[test]
fn an_unknown_model_is_judged_bad_and_near_names_are_told() {
    let (exit, text) = run_with("gpt-4o-mnii");
    assert_eq!(exit, Exit::Bad);
    assert!(text.contains("unpriced") && text.contains("gpt-4o-mini"), "{text}");
}

#[test]
fn audio_is_priced_by_the_hour() {
    let (_, text) = run_with("whisper-1");
    assert!(text.contains("audio_time  hour"), "{text}");
}
