//! What is hidden, what stays, and what holds for any text. The secrets are made up; those with check
//! sums are the test numbers of their standards.

use std::borrow::Cow;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

fn plain() -> &'static Redactor {
    static PLAIN: OnceLock<Redactor> = OnceLock::new();
    PLAIN.get_or_init(|| Redactor::new(&[]).expect("no patterns are no mistake"))
}

fn with(patterns: &[&str]) -> Redactor {
    Redactor::new(&patterns.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()).expect("good")
}

/// Sixty-four characters of the kinds keys are made of.
const MIXED: &str = "a8Kq2LmZ0pXc7VbN4tRw9YhJ3sDf6GuE1oIiPlMk5nBjHvCgFxTzQrSeWyUdOaA2";
const UPPER: &str = "Q3ZR7LKX2MNBV9TWJ5HCG4DPSF6YAE8UO1QW2ERT";

/// Secrets, made from a head and as many characters as it needs, by the word they become.
fn secrets() -> Vec<(&'static str, String)> {
    let key = |head: &str, length: usize| {
        ("api_key", format!("{head}{}", MIXED.get(..length).expect("short enough")))
    };
    let upper = |head: &str, length: usize| {
        ("api_key", format!("{head}{}", UPPER.get(..length).expect("short enough")))
    };
    let jwt =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let pem = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{MIXED}\n{MIXED}==\n-----END RSA PRIVATE KEY-----"
    );
    let mut all = vec![
        key("sk-", 48),
        key("sk-proj-", 60),
        key("sk-svcacct-", 60),
        key("sk-ant-api03-", 60),
        key("sk-or-v1-", 64),
        key("gsk_", 52),
        key("csk-", 48),
        key("xai-", 60),
        key("pplx-", 48),
        key("r8_", 37),
        key("hf_", 34),
        key("AIza", 35),
        key("ya29.", 60),
        key("ghp_", 36),
        key("gho_", 36),
        key("github_pat_", 60),
        key("glpat-", 20),
        key("npm_", 36),
        key("xoxb-123456789012-123456789012-", 24),
        key("xoxp-", 40),
        key("sk_live_", 24),
        key("rk_test_", 24),
        key("whsec_", 32),
        key("SG.abcdefghijklmnopqrstuv.", 43),
        upper("AKIA", 16),
        upper("ASIA", 16),
        ("api_key", format!("ABSK{MIXED}{MIXED}=")),
        ("jwt", jwt.to_owned()),
        ("private_key", pem.clone()),
        ("private_key", pem.replace('\n', "\\n")),
        ("private_key", pem.replace("RSA ", "")),
    ];
    let standard = [
        ("email", "jane.doe+test@mail.example.com"),
        ("email", "müller@bücher.example.de"),
        ("email", "o'neil@example.museum"),
        ("card", "4111111111111111"),
        ("card", "4111 1111 1111 1111"),
        ("card", "4111-1111-1111-1111"),
        ("card", "5555 5555 5555 4444"),
        ("card", "378282246310005"),
        ("card", "3782 822463 10005"),
        ("card", "6011111111111117"),
        ("card", "3530111333300000"),
        ("iban", "DE89370400440532013000"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB29NWBK60161331926819"),
        ("iban", "FR14 2004 1010 0505 0001 3M02 606"),
        ("iban", "NO93 8601 1117 947"),
        ("phone", "+49 30 1234567"),
        ("phone", "+41 (0)71 526 99 04"),
        ("phone", "+447700921916"),
        ("phone", "+1-415-555-0132"),
        ("phone", "(415) 555-0132"),
        ("phone", "415-555-0132x123"),
        ("phone", "1-800-555-0199"),
        ("phone", "001-253-366-9781"),
        ("phone", "030 12345678"),
        ("phone", "06 12 34 56 78"),
        ("phone", "079 0442 1744"),
        ("ssn", "514-69-0360"),
    ];
    all.extend(standard.map(|(word, text)| (word, text.to_owned())));
    all
}

#[test]
fn each_kind_of_secret_becomes_its_word() {
    for (word, secret) in secrets() {
        let text = format!("before {secret} after");
        let hidden = plain().redact(&text).expect("short");
        assert_eq!(hidden, format!("before [REDACTED:{word}] after"), "{secret}");
    }
}

#[test]
fn what_stands_around_a_secret_does_not_save_it() {
    let around = [
        ("", ""),
        ("\"", "\""),
        ("{\"key\":\"", "\"}"),
        ("a line\\n", "\\nanother"),
        ("\\u0022", "\\u0022"),
        ("x=", "&y=1"),
        ("?q=%20", "%20more"),
        ("<b>", "</b>"),
        ("`", "`"),
        ("(", ")"),
        ("schlüssel:ä ", ", ä"),
        ("鍵は", "です"),
        ("\n\t", "\r\n"),
        ("[REDACTED:email]", "[REDACTED:email]"),
    ];
    for (word, secret) in secrets() {
        for (before, after) in around {
            let text = format!("{before}{secret}{after}");
            let hidden = plain().redact(&text).expect("short");
            assert!(!hidden.contains(&secret), "{word}: {text} stays as {hidden}");
            assert!(hidden.contains("[REDACTED:"), "{word}: {text}");
        }
    }
}

#[test]
fn secrets_known_by_their_names_are_hidden() {
    let cases = [
        ("api_key=0f3a9c2e7b1d4856a0c1", "api_key=[REDACTED:api_key]"),
        ("\"password\": \"hunter2hunter\"", "\"password\": \"[REDACTED:password]\""),
        (
            "{\\\"api-key\\\":\\\"0f3a9c2e7b1d4856a0c1\\\"}",
            "{\\\"api-key\\\":\\\"[REDACTED:api_key]\\\"}",
        ),
        (
            "AWS_SECRET_ACCESS_KEY = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_SECRET_ACCESS_KEY = [REDACTED:api_key]",
        ),
        ("Authorization: Bearer 0f3a9c2e-7b1d.4856", "Authorization: Bearer [REDACTED:token]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDE=", "Authorization: Basic [REDACTED:token]"),
        ("postgres://app:s3cret!@db.internal:5432/x", "postgres://[REDACTED:password]:5432/x"),
    ];
    for (text, hidden) in cases {
        assert_eq!(plain().redact(text).as_deref(), Ok(hidden));
    }
}

#[test]
fn what_is_no_secret_stays() {
    let texts = [
        "",
        "The quick brown fox jumps over 13 lazy dogs, 4 times in 2024.",
        "risk-adjusted-return-on-capital and task-management-for-everyone",
        "sk-learn is short; sk-this-is-only-a-long-hyphenated-name-of-something",
        "Bearer authentication is described in RFC 6750, token: a string, password: eight or more letters",
        "2024-01-02T10:30:00.123456Z, 2024-01-02 10:30:00, 01.02.2024 12:30, 02-03-2024 10:30",
        "version 1.2.3-4.5.6, 192.168.100.200:8080, 0.4111111111111111, 1,000,000,000, 3.14159265358979",
        "550e8400-e29b-41d4-a716-446655440000 and 12345678-1234-1234-1234-123456789012",
        "+3.14159265 and +12345 and a+b, C++11, @user, user@localhost, a @ b, x@y",
        "@media (max-width: 600px) { } @@ -1,4 +1,6 @@ fn main() { let (a, b) = (200, 300); }",
        "1732273200000 ms, 4111111111111112 fails its check sum, 1234 5678 9012 3456 too",
        "DE00370400440532013000 fails its check sum",
        "eyJ is how base64 of JSON begins; eyJhbGciOiJIUzI1NiJ9 alone is no token",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        "https://example.com/a:b@c and https://example.com:8080/path?x=1#y",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16, 100 200 300 400, 0 0 0 0 0 0 0 0 0 0",
        "api_key=${API_KEY} api_key=<your key> \"token\": 12345 \"max_tokens\": 4096",
        "[REDACTED:email] was here, [REDACTED:] was not",
        "日本語のテキスト、メールではない＠記号",
        "00 01 02 03 04 05 06 07 08 09 0a and 01 02 03 04 05 06 10",
        "AKIA is a prefix, ghp_ too, AIza as well, hf_hub and xoxb-",
    ];
    for text in texts {
        let hidden = plain().redact(text).expect("short");
        assert!(matches!(hidden, Cow::Borrowed(_)), "{text:?} became {hidden:?}");
        assert_eq!(hidden, text);
    }
}

#[test]
fn patterns_of_ones_own_join_in() {
    let redactor = with(&["customer-[0-9]+", "(?i)projekt [a-zäöü]+"]);
    let hidden = redactor.redact("customer-4711 in PROJEKT Möwe, mail a@b.example");
    let expected = "[REDACTED:custom] in [REDACTED:custom], mail [REDACTED:email]";
    assert_eq!(hidden.as_deref(), Ok(expected));
}

#[test]
fn a_pattern_cannot_save_half_a_secret() {
    let key = format!("sk-proj-{MIXED}");
    for pattern in ["sk-proj", "sk-", "[0-9]", "q2Lm", "proj-a8K"] {
        let hidden = with(&[pattern]).redact(&key).map(Cow::into_owned);
        assert_eq!(hidden.as_deref(), Ok("[REDACTED:api_key]"), "{pattern}");
    }
}

#[test]
fn every_bad_pattern_is_told_with_its_place() {
    let long = "a".repeat(MAX_PATTERN + 1);
    let patterns = ["fine", "(", "a*", &long, "(?:[a-z]{1000}){1000}", r"(a)\1"];
    let bad = Redactor::new(&patterns.map(str::to_owned)).expect_err("five are bad");
    let told: Vec<_> = bad.iter().map(|one| one.index).collect();
    assert_eq!(told, [1, 2, 3, 4, 5]);
    assert!(matches!(bad[0].reason, BadPatternReason::Syntax(_)));
    assert_eq!(bad[1].reason, BadPatternReason::Empty);
    assert_eq!(bad[2].reason, BadPatternReason::TooLong);
    assert_eq!(bad[3].reason, BadPatternReason::TooBig);
    let many = vec!["x".to_owned(); MAX_PATTERNS + 2];
    let bad = Redactor::new(&many).expect_err("two are too many");
    assert_eq!(bad.len(), 2);
    assert_eq!(bad[0].to_string(), "pattern 64: at most 64 patterns");
}

#[test]
fn what_cannot_be_redacted_is_refused() {
    assert_eq!(plain().redact(&" ".repeat(MAX_TEXT + 1)), Err(Failed::TooLong));
    assert_eq!(with(&["[a-z]"]).redact(&"a ".repeat(MAX_MATCHES + 1)), Err(Failed::TooMany));
    assert_eq!(with(&[r"\b[a-z]"]).redact("onelongword"), Err(Failed::Unsettled));
}

/// Texts made of heads and of nothing else must not cost more than their length: each of these is
/// quadratic if a rule looks at a run of characters once per place in it, and then the test would not
/// end.
#[test]
fn no_text_is_slow() {
    let pieces = [
        "sk-",
        "-sk-",
        "eyJ",
        "-eyJ",
        ".eyJ",
        "eyJabcdefghij-",
        "@",
        "a@",
        "a.a@a.",
        "1 ",
        "+1 ",
        "(1",
        "0 1-",
        "://",
        "://a:",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "token=",
        "password:",
        "Bearer ",
        "1",
        "A1",
        "DE1 ",
        "[REDACTED:",
        "[REDACTED:a]",
        "AKIA",
        "4111 ",
        "hf_",
        "a.",
    ];
    for piece in pieces {
        let text = piece.repeat((1 << 18) / piece.len());
        assert!(plain().redact(&text).is_ok(), "{piece}");
    }
}

/// Text in which nothing has the form of a secret.
fn prose() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "Der",
        "quick",
        "brown",
        "Fuchs",
        "läuft",
        "über",
        "4",
        "mal",
        "in",
        "2024",
        "€",
        "日本語",
        "naïve",
        "(ok)",
        "a-b-c",
        "x_y",
        "fn",
        "{}",
        "\"quoted\"",
        "1,000.5",
        "=>",
        "/path/to",
        "C++",
        "\\n",
        "v1.2.3",
        "50%",
        "#15",
        "🌊",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_gives_text_that_is_settled(text in any::<String>(), custom in prop::bool::ANY) {
        let redactor =
            if custom { with(&["[a-f][0-9]{1,3}", "x+"]) } else { plain().clone() };
        let once = redactor.redact(&text).expect("short");
        let twice = redactor.redact(&once).expect("short");
        prop_assert_eq!(&once, &twice);
    }

    #[test]
    fn texts_of_the_signs_that_matter_settle(text in "[-a-f0-9 @.+()/_:=\"\\\\A-Fßx]{0,80}") {
        let once = plain().redact(&text).expect("settles");
        let twice = plain().redact(&once).expect("settles");
        prop_assert_eq!(&once, &twice);
    }

    #[test]
    fn a_planted_secret_does_not_survive(
        before in prose(),
        after in prose(),
        which in prop::sample::select(secrets()),
        other in prop::sample::select(secrets()),
        sign in prop::sample::select(vec![" ", "\n", "\"", "'", ": ", "`", ">", "\\n", "|"]),
    ) {
        let text = format!("{before}{sign}{}{sign}{}{sign}{after}", which.1, other.1);
        let hidden = plain().redact(&text).expect("short");
        prop_assert!(!hidden.contains(&which.1), "{}", hidden);
        prop_assert!(!hidden.contains(&other.1), "{}", hidden);
    }

    #[test]
    fn prose_stays(text in prose()) {
        let hidden = plain().redact(&text).expect("short");
        prop_assert!(matches!(hidden, Cow::Borrowed(_)), "{}", hidden);
    }

    #[test]
    fn only_secrets_are_replaced(before in prose(), after in prose()) {
        let text = format!("{before} jane@example.org {after}");
        let expected = format!("{before} [REDACTED:email] {after}");
        let hidden = plain().redact(&text).expect("short");
        prop_assert_eq!(hidden, expected);
    }
}
