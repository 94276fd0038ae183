//! Lists in files: found, read, wrapped, replaced, and no good.

use std::time::Duration;

use super::*;
use crate::config::{Outside, Overrides, Typed, resolve};

const LIST: &str = r#"{"m":{"litellm_provider":"openai","input_cost_per_token":1.5e-07}}"#;

fn config(text: &str) -> Config {
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    resolve(typed, &Outside { env: &|_| None, ..Outside::real() }).unwrap().config
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_348_800)
}

#[test]
fn a_list_is_looked_for_where_the_configuration_says() {
    let place = |text: &str| Place::of(&config(text)).map(|one| (one.path, one.named));
    assert_eq!(place(""), None);
    assert_eq!(place("data_dir: /d"), Some(("/d/prices.json".into(), false)));
    assert_eq!(place("data_dir: /d\npricing: {file: p.json}"), Some(("p.json".into(), true)));
}

#[test]
fn a_list_keeps_its_words_through_wrapping() {
    let plain = parse(LIST.as_bytes(), noon()).unwrap();
    assert_eq!(&**plain.catalogue(), "litellm, 2026-11-22, 473c88e8");
    let wrapped = wrap(LIST, "https://h/\"list\"", noon());
    let read = parse(wrapped.as_bytes(), UNIX_EPOCH).unwrap();
    assert_eq!((read.catalogue(), read.dated()), (plain.catalogue(), plain.dated()));
    assert!(is_wrapped(wrapped.as_bytes()) && !is_wrapped(LIST.as_bytes()));
    let value: serde_json::Value = serde_json::from_str(&wrapped).unwrap();
    assert_eq!(value["source"], "https://h/\"list\"");
    assert_eq!(value["form"], "litellm");
}

#[test]
fn a_list_of_a_newer_program_is_refused() {
    let newer = wrap(LIST, "s", noon()).replace(":1,\"form", ":2,\"form");
    assert_eq!(
        parse(newer.as_bytes(), noon()).unwrap_err().lines(),
        ["tidegauge_prices: written by a newer version of this program"]
    );
}

#[test]
fn a_file_that_is_no_good_leaves_what_there_was_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.json");
    let config = config(&format!("data_dir: {}", dir.path().display()));
    let health = Health::default();
    let never = || panic!("there is nothing wrong");
    // Without a file the built-in one is in use.
    let list = read_or(&config, never, &health);
    assert_eq!(list.catalogue(), Prices::bundled().catalogue());
    assert_eq!(
        (health.price_list_reads(), health.price_list_date()),
        ((0, true), Some(1_793_318_400))
    );
    std::fs::write(&path, wrap(LIST, "s", noon())).unwrap();
    let good = read_or(&config, never, &health);
    assert_eq!(
        (health.price_list_reads(), health.price_list_date()),
        ((1, true), Some(1_795_348_800))
    );
    for (bad, count) in [("{", 2), ("{\"m\":1}", 3)] {
        std::fs::write(&path, bad).unwrap();
        let list = read_or(&config, || good.clone(), &health);
        assert_eq!(list.catalogue(), good.catalogue());
        assert_eq!(health.price_list_reads(), (count, false));
    }
    let file = File::create(&path).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    assert!(read(&config).unwrap_err().to_string().contains("larger"));
    replace(&path, &wrap(LIST, "s", noon())).unwrap();
    read_or(&config, never, &health);
    assert_eq!(health.price_list_reads(), (4, true));
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
}

#[test]
fn a_named_file_must_be_there() {
    let config = config("pricing: {file: /no/such/list.json}");
    assert!(read(&config).unwrap_err().to_string().contains("/no/such/list.json cannot be read"));
}
