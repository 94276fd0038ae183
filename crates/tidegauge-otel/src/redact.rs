//! A query string into one without secrets.
//!
//! The data plane redacts before it hands over; this is the second lock on the same door. Knows no
//! URL library and no provider.

use percent_encoding::percent_decode_str;

/// What stands for a secret value.
const REDACTED: &str = "REDACTED";

/// Parameters whose values are secret: what the HTTP conventions list for signed URLs, and the names
/// under which API keys travel.
const SECRET: &[&str] = &[
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "client_secret",
    "code",
    "key",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "subscription-key",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// `query` with the values of secret parameters replaced; names and order stay.
pub(crate) fn query(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(REDACTED);
            }
            _ => out.push_str(pair),
        }
    }
    out
}

/// Whether a parameter name, possibly percent-encoded, is one of the secret ones.
fn is_secret(name: &str) -> bool {
    let name: Vec<u8> = percent_decode_str(name).collect();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn secret_values_go_and_everything_else_stays() {
        for (given, expected) in [
            ("key=AIza123&alt=sse", "key=REDACTED&alt=sse"),
            ("alt=sse", "alt=sse"),
            ("", ""),
            ("KEY=x", "KEY=REDACTED"),
            ("%6bey=x&a=b", "%6bey=REDACTED&a=b"),
            ("k%65y=x", "k%65y=REDACTED"),
            ("key=a=b&&x", "key=REDACTED&&x"),
            ("key", "key"),
            ("%=1&%4=2&X-Amz-Signature=zz", "%=1&%4=2&X-Amz-Signature=REDACTED"),
            ("monkey=1", "monkey=1"),
        ] {
            assert_eq!(query(given), expected, "{given}");
        }
    }
}
