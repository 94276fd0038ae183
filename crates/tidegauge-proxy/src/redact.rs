//! A query string without what could be secret.

/// Parameters whose values are known to be harmless and worth keeping. Every other value is
/// replaced: providers take keys in parameters of many names, and the next one is not known here.
const PLAIN: &[&str] = &[
    "$alt",
    "after",
    "alt",
    "api-version",
    "api_version",
    "before",
    "beta",
    "download",
    "extra",
    "filter",
    "include",
    "include[]",
    "limit",
    "model",
    "order",
    "page",
    "pageSize",
    "page_size",
    "prettyPrint",
    "purpose",
    "status",
    "stream",
    "type",
    "version",
    "view",
];

/// A value longer than this is replaced too.
const VALUE: usize = 64;

/// The query with the values of all parameters that are not known to be harmless replaced by
/// `REDACTED`. Names and order stay.
pub(crate) fn query(query: &str) -> String {
    let mut kept = String::with_capacity(query.len());
    for (index, parameter) in query.split('&').enumerate() {
        if index > 0 {
            kept.push('&');
        }
        match parameter.split_once('=') {
            None if parameter.len() <= VALUE && PLAIN.contains(&parameter) => {
                kept.push_str(parameter);
            }
            None if parameter.is_empty() => {}
            None => kept.push_str("REDACTED"),
            Some((name, value)) => {
                kept.push_str(if name.len() <= VALUE { name } else { "REDACTED" });
                kept.push('=');
                let plain = PLAIN.contains(&name) && value.len() <= VALUE;
                kept.push_str(if plain { value } else { "REDACTED" });
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_known_values_are_kept() {
        for (from, to) in [
            ("alt=sse&key=AIzaSyCanary", "alt=sse&key=REDACTED"),
            ("api-version=2024-10-21", "api-version=2024-10-21"),
            ("Key=x&API_KEY=y&sig=z", "Key=REDACTED&API_KEY=REDACTED&sig=REDACTED"),
            (
                "X-Amz-Signature=abc&X-Amz-Credential=d",
                "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED",
            ),
            ("sk-canary", "REDACTED"),
            ("beta", "beta"),
            ("a==b", "a=REDACTED"),
            ("", ""),
            ("limit=20&&after=msg_1", "limit=20&&after=msg_1"),
        ] {
            assert_eq!(super::query(from), to);
        }
        let long = format!("model={}", "x".repeat(65));
        assert_eq!(super::query(&long), "model=REDACTED");
    }
}
