//! Names with `*` for any run of characters.

/// Whether `name` fits `pattern`. ASCII case does not matter, as in price lists.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern.eq_ignore_ascii_case(name);
    };
    if !starts_with(name, head) {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let (rest, name) = (rest.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut left = name.get(head.len()..).unwrap_or_default();
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(tail)
}

/// Whether `name` begins so, in any case.
pub(crate) fn starts_with(name: &str, head: &str) -> bool {
    name.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let cases = [
            ("gpt-4o", "GPT-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*", "", true),
            ("*-instruct", "llama-3-instruct", true),
            ("llama*70b*", "llama-3-70b-instruct", true),
            ("llama*70b*", "Llama-3-70B-instruct", true),
            ("llama*70b*", "llama-3-8b", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("ä*", "a", false),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
