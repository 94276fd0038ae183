//! Headers and the labels they tell.

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegauge_core::Labels;

use super::labels;

fn of(headers: &[(&str, &str)]) -> Labels {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    labels(&map)
}

/// One line for all labels.
fn shown(labels: &Labels) -> String {
    let mut shown = Vec::new();
    let Labels { session, user, prompt, agent, request_id, tags } = labels;
    for (name, value) in
        [("session", session), ("user", user), ("agent", agent), ("request", request_id)]
    {
        shown.extend(value.as_ref().map(|value| format!("{name}={value}")));
    }
    if let Some(prompt) = prompt {
        shown.push(format!("prompt={}@{}", prompt.name, prompt.version.as_deref().unwrap_or("-")));
    }
    shown.extend(tags.iter().map(|(name, value)| format!("#{name}={value}")));
    shown.join(" ")
}

const TABLE: &[(&[(&str, &str)], &str)] = &[
    (&[], ""),
    (&[("x-tidegauge-session", " s "), ("x-tidegauge-user", "u")], "session=s user=u"),
    (&[("x-tidegauge-agent", "a"), ("x-tidegauge-request-id", "r")], "agent=a request=r"),
    (&[("x-tidegauge-prompt", "greet@3")], "prompt=greet@3"),
    (&[("x-tidegauge-prompt", "greet")], "prompt=greet@-"),
    (&[("x-tidegauge-prompt", "a@b@3")], "prompt=a@b@3"),
    (&[("x-tidegauge-prompt", "@3")], "prompt=@3@-"),
    (
        &[("x-tidegauge-tag-team", "search"), ("x-tidegauge-tag-env", "prod")],
        "#env=prod #team=search",
    ),
    (&[("x-tidegauge-tag-", "nameless"), ("x-tidegauge-tag-empty", "")], ""),
    (&[("x-tidegauge-capture", "off")], ""),
    (
        &[("baggage", "session.id=s%20t;p=1, user.id=u,other=x,gen_ai.agent.name=a")],
        "session=s t user=u agent=a",
    ),
    (&[("baggage", "gen_ai.prompt.version=2,gen_ai.prompt.name=greet")], "prompt=greet@2"),
    (&[("baggage", "gen_ai.conversation.id=c"), ("baggage", "user.id=u")], "session=c user=u"),
    (&[("baggage", "session.id=a%0Ab%zz")], "session=a b%zz"),
    (&[("baggage", "malformed"), ("baggage", "=x,user.id=")], ""),
    (
        &[("helicone-session-id", "s"), ("helicone-user-id", "u"), ("helicone-property-Team", "x")],
        "session=s user=u #team=x",
    ),
    (&[("helicone-prompt-id", "p"), ("helicone-request-id", "r")], "request=r prompt=p@-"),
    (&[("helicone-auth", "Bearer secret")], ""),
    (
        &[(
            "x-portkey-metadata",
            r#"{"_user":"u","team":"x","n":3,"ok":true,"deep":{"a":1},"none":null}"#,
        )],
        "user=u #n=3 #ok=true #team=x",
    ),
    (&[("x-portkey-metadata", "not json"), ("x-portkey-trace-id", "t")], "session=t"),
    (&[("x-portkey-api-key", "secret")], ""),
    (
        &[("x-litellm-tags", "a, team:x,env=prod"), ("x-litellm-session-id", "s")],
        "session=s #a=true #env=prod #team=x",
    ),
    (&[("x-litellm-end-user-id", "u"), ("x-litellm-api-key", "secret")], "user=u"),
    (
        &[("cf-aig-metadata", r#"{"user":"u","session_id":"s","app":"web"}"#)],
        "session=s user=u #app=web",
    ),
    (&[("cf-aig-authorization", "Bearer secret")], ""),
    (&[("langfuse_session_id", "s"), ("langfuse_trace_user_id", "u")], "session=s user=u"),
    (&[("x-claude-code-session-id", "c")], "session=c"),
    (&[("session-id", "c")], "session=c"),
    (&[("session_id", "c")], "session=c"),
    (&[("x-session-id", "c"), ("x-request-id", "r")], "session=c request=r"),
    (&[("x-opencode-session", "ses_2"), ("x-session-affinity", "ses_1")], "session=ses_1"),
    (&[("x-opencode-session", "ses_2")], "session=ses_2"),
    (&[("agent-session-id", "s")], "session=s"),
    (&[("conversation_id", "c")], "session=c"),
    // Precedence: ours, baggage, the others in the order of the table.
    (
        &[
            ("x-session-id", "5"),
            ("helicone-session-id", "3"),
            ("baggage", "session.id=2"),
            ("x-tidegauge-session", "1"),
            ("helicone-user-id", "b"),
            ("baggage", "user.id=a"),
            ("x-litellm-tags", "team:weak"),
            ("helicone-property-team", "strong"),
        ],
        "session=1 user=a #team=strong",
    ),
    (&[("authorization", "Bearer secret"), ("x-api-key", "secret"), ("cookie", "secret")], ""),
];

#[test]
fn headers_tell_labels() {
    for (headers, expected) in TABLE {
        assert_eq!(shown(&of(headers)), *expected, "{headers:?}");
    }
}

#[test]
fn everything_is_bounded() {
    let long = "é".repeat(1000);
    let told = of(&[("x-tidegauge-session", &long)]);
    assert_eq!(told.session.unwrap(), "é".repeat(128), "cut between characters");

    let many: Vec<_> = (0..90).map(|n| (format!("x-tidegauge-tag-t{n}"), "v".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(of(&many).tags.len(), 32);

    let name = format!("x-tidegauge-tag-{}", "n".repeat(65));
    assert!(of(&[(&name, "v")]).tags.is_empty());

    // A-34: 500 baggage headers, and one that is too large.
    let split: Vec<_> =
        (0..500).map(|_| ("baggage", "a=b")).chain([("baggage", "user.id=u")]).collect();
    assert_eq!(of(&split).user, None);
    let huge = format!("x={},user.id=u", "y".repeat(9000));
    assert_eq!(of(&[("baggage", &huge)]).user, None);
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    assert_eq!(of(&[("cf-aig-metadata", &deep)]), Labels::default());
}

/// The reference page names every header, member and key, in the order in which they count.
#[test]
fn the_page_tells_them_all() {
    let page = include_str!("../../../../docs/attribution.md");
    let mut wrong = Vec::new();
    for table in [super::OURS, super::MEMBER, super::OTHERS, super::METADATA_KEYS] {
        wrong.extend(table.iter().map(|(name, _)| *name).filter(|name| {
            let quoted = format!("`{name}`");
            !page.contains(&quoted)
        }));
    }
    let row = |name: &str| page.find(&format!("\n| `{name}`"));
    for (name, _) in super::OTHERS {
        let stripped = crate::headers::tests::is_withheld(name);
        let (_, rest) = page.split_at(row(name).unwrap_or(page.len()));
        let told = rest.trim_start().lines().next().unwrap_or_default();
        if !told.ends_with(if stripped { "| stripped |" } else { "| passes |" }) {
            wrong.push(name);
        }
    }
    assert!(super::OTHERS.iter().map(|(name, _)| row(name)).is_sorted());
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_name_is_looked_for() {
    for (name, _) in super::OURS.iter().chain(super::OTHERS) {
        assert!(super::may_tell(name), "{name}");
    }
    assert!(super::may_tell("baggage") && !super::may_tell("x-stainless-arch"));
}
