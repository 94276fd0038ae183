//! A run from its first call to its table.

use super::*;

#[test]
fn a_run_of_some_calls_ends_with_a_table_and_balanced_books() {
    let args = DemoArgs {
        seed: 7,
        once: Some(60),
        rate: Some(50.0),
        listen: "127.0.0.1:0".to_owned(),
        console: "off".to_owned(),
    };
    let mut out = Vec::new();
    assert_eq!(run(&args, &mut out).unwrap(), Exit::Well);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("Clients made 60 calls"), "{text}");
    assert!(text.contains("The proxy took 60 and made 60 records; 0 were lost."), "{text}");
}
