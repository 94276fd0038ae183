//! Why an exchange failed, or mattered without failing.

use std::borrow::Cow;

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Domain {
    /// The caller's request.
    Client,
    /// A rule of this proxy.
    Policy,
    /// The provider.
    Provider,
    /// The way to the provider.
    Network,
    /// This proxy itself.
    Proxy,
}

impl Domain {
    /// The word used in records and spans (`tidegauge.error.domain`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Provider => "provider",
            Self::Network => "network",
            Self::Proxy => "proxy",
        }
    }
}

macro_rules! categories {
    ($($(#[doc = $doc:literal])+ $variant:ident $word:literal $domain:expr;)+) => {
        /// The closed list of what can go wrong or matter (`tidegauge.error.category`).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Category { $($(#[doc = $doc])+ $variant,)+ }

        impl Category {
            /// Every category, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word used in records, metrics and spans.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Whose fault it is; `None` for outcomes that are nobody's.
            pub fn domain(self) -> Option<Domain> {
                match self { $(Self::$variant => $domain,)+ }
            }
        }
    };
}

categories! {
    /// The key is missing, wrong or expired.
    Auth "auth" Some(Domain::Client);
    /// The key is good but may not do this.
    Permission "permission" Some(Domain::Client);
    /// The provider did not understand or accept the request.
    InvalidRequest "invalid_request" Some(Domain::Client);
    /// The prompt, or prompt and answer, do not fit the model's window.
    ContextOverflow "context_overflow" Some(Domain::Client);
    /// The body is too large for the provider or for us.
    RequestTooLarge "request_too_large" Some(Domain::Client);
    /// The provider has no such model, or not for this key.
    ModelNotFound "model_not_found" Some(Domain::Client);
    /// The provider has no such path or object.
    NotFound "not_found" Some(Domain::Client);
    /// A budget is spent.
    Budget "budget" Some(Domain::Policy);
    /// A guardrail stopped it.
    Guardrail "guardrail" Some(Domain::Policy);
    /// The route is switched off.
    RouteDisabled "route_disabled" Some(Domain::Policy);
    /// Too many requests or tokens for now.
    RateLimit "rate_limit" Some(Domain::Provider);
    /// Credit or allowance is used up.
    Quota "quota" Some(Domain::Provider);
    /// The provider has no capacity.
    Overloaded "overloaded" Some(Domain::Provider);
    /// The provider broke.
    ServerError "server_error" Some(Domain::Provider);
    /// Nothing came in time.
    Timeout "timeout" Some(Domain::Provider);
    /// The response broke off.
    StreamCut "stream_cut" Some(Domain::Provider);
    /// The response is not what its protocol says.
    MalformedResponse "malformed_response" Some(Domain::Provider);
    /// The upstream's name does not resolve.
    Dns "dns" Some(Domain::Network);
    /// No connection to the upstream, or it closed without an answer.
    Connect "connect" Some(Domain::Network);
    /// No trusted connection to the upstream.
    Tls "tls" Some(Domain::Network);
    /// A mistake of this proxy.
    Proxy "proxy" Some(Domain::Proxy);
    /// The model declined.
    Refusal "refusal" None;
    /// A filter removed or blocked content.
    ContentFilter "content_filter" None;
    /// The output hit its limit.
    Truncated "truncated" None;
    /// A tool call is malformed, or the provider says a tool failed.
    ToolFailure "tool_failure" None;
    /// A success with nothing in it.
    Empty "empty" None;
    /// The client left before the end.
    ClientCancelled "client_cancelled" None;
}

/// A low-cardinality identifier for a failure: the value of `error.type`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ErrorType(Cow<'static, str>);

impl ErrorType {
    /// What stands for anything that is not an identifier.
    pub const OTHER: Self = Self(Cow::Borrowed("_OTHER"));

    /// One of our own words.
    pub const fn fixed(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// A provider's code: kept when it is 1 to 64 bytes of words joined by `_`, `-`, `.` or `:`, such
    /// as `rate_limit_exceeded`, `ThrottlingException` or `1302`, else [`ErrorType::OTHER`]. What could
    /// be a key is no word: it must not become a label.
    pub fn of_provider(code: &str) -> Self {
        let mut words = code.split(['_', '-', '.', ':']);
        let named = (1..=64).contains(&code.len()) && !KEYS.iter().any(|key| code.starts_with(key));
        if named && words.all(is_word) { Self(Cow::Owned(code.to_owned())) } else { Self::OTHER }
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How keys begin.
const KEYS: [&str; 5] = ["sk-", "sk_", "pk-", "pk_", "gsk_"];

/// Whether a part of a code is a word or a number: letters that are written small, large or as words
/// run together; at most six digits; or a short mix of both, such as `http2`.
fn is_word(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
    let large = part.bytes().filter(u8::is_ascii_uppercase).count();
    // Words run together begin with a capital every few letters; a key has as many as small ones.
    let cased = large == letters || large * 3 <= letters + 3;
    match (letters, digits) {
        (_, 0) => letters == part.len() && letters <= 48 && cased,
        (0, _) => digits == part.len() && digits <= 6,
        _ => letters + digits == part.len() && part.len() <= 12 && digits <= 3,
    }
}

/// What went wrong between us and the upstream, as the data plane knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// The name does not resolve.
    Dns,
    /// Refused, unreachable or reset while connecting.
    ConnectRefused,
    /// No connection in time.
    ConnectTimeout,
    /// No trusted TLS session: a certificate that does not hold.
    TlsCertificate,
    /// No trusted TLS session: the protocol failed.
    TlsProtocol,
    /// The connected address is not allowed for this upstream.
    AddressRefused,
    /// No response head in time.
    HeadTimeout,
    /// Nothing more came in time.
    IdleTimeout,
    /// The upstream closed before its response head.
    ClosedEarly,
    /// What came is not HTTP.
    Protocol,
    /// The response body broke off.
    StreamCut,
    /// The client's request body broke off or was malformed.
    RequestAborted,
    /// This proxy made a mistake.
    Internal,
    /// This proxy was killed with the exchange open; the next one says so.
    Killed,
    /// The same, as the exchange had just ended: a record of it may be there besides.
    MaybeKilled,
    /// This proxy has no file descriptor left for a connection to the upstream.
    Descriptors,
    /// The client's request body stopped coming.
    RequestStalled,
    /// A rule of this proxy: a budget is spent.
    Budget,
    /// A rule of this proxy: a guardrail stopped it.
    Guardrail,
    /// A rule of this proxy: the route is switched off.
    RouteDisabled,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Dns,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::TlsCertificate,
        Self::TlsProtocol,
        Self::AddressRefused,
        Self::HeadTimeout,
        Self::IdleTimeout,
        Self::ClosedEarly,
        Self::Protocol,
        Self::StreamCut,
        Self::RequestAborted,
        Self::Internal,
        Self::Killed,
        Self::MaybeKilled,
        Self::Descriptors,
        Self::RequestStalled,
        Self::Budget,
        Self::Guardrail,
        Self::RouteDisabled,
    ];

    /// Its place in the closed list.
    pub fn category(self) -> Category {
        match self {
            Self::Dns => Category::Dns,
            // A connection that ends without a byte of an answer says nothing about the answer.
            Self::ConnectRefused | Self::AddressRefused | Self::ClosedEarly => Category::Connect,
            Self::TlsCertificate | Self::TlsProtocol => Category::Tls,
            Self::ConnectTimeout | Self::HeadTimeout | Self::IdleTimeout => Category::Timeout,
            Self::Protocol => Category::MalformedResponse,
            Self::StreamCut => Category::StreamCut,
            Self::RequestAborted | Self::RequestStalled => Category::ClientCancelled,
            Self::Internal | Self::Killed | Self::MaybeKilled | Self::Descriptors => {
                Category::Proxy
            }
            Self::Budget => Category::Budget,
            Self::Guardrail => Category::Guardrail,
            Self::RouteDisabled => Category::RouteDisabled,
        }
    }

    /// The value of `error.type`.
    pub fn error_type(self) -> ErrorType {
        ErrorType::fixed(match self {
            Self::Dns => "dns_error",
            Self::ConnectRefused => "connection_refused",
            Self::AddressRefused => "address_refused",
            Self::ConnectTimeout | Self::HeadTimeout | Self::IdleTimeout => "timeout",
            Self::TlsCertificate => "tls_certificate_error",
            Self::TlsProtocol => "tls_protocol_error",
            Self::ClosedEarly => "connection_terminated",
            Self::Protocol => "http_protocol_error",
            Self::StreamCut => "stream_cut",
            Self::RequestAborted => "request_aborted",
            Self::Internal => "proxy_internal_error",
            Self::Killed => "proxy_killed",
            Self::MaybeKilled => "proxy_killed_maybe",
            Self::Descriptors => "proxy_descriptors_exhausted",
            Self::RequestStalled => "request_timeout",
            Self::Budget => "budget_exceeded",
            Self::Guardrail => "guardrail_blocked",
            Self::RouteDisabled => "route_disabled",
        })
    }
}

/// What an exchange comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Its place in the closed list; `None` for a plain success.
    pub category: Option<Category>,
    /// Set if and only if the operation failed. A refusal or a truncated answer is not a failure.
    pub error: Option<ErrorType>,
    /// The category was chosen by HTTP status alone, because nothing more precise was understood.
    pub unclassified: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_and_what_could_be_a_key_is_not() {
        let words = [
            "rate_limit_exceeded",
            "ThrottlingException",
            "RESOURCE_EXHAUSTED",
            "ServiceQuotaExceededException",
            "ResponsibleAIPolicyViolation",
            "DeploymentNotFound",
            "model.not-found:x",
            "context_length_exceeded",
            "http2_error",
            "InvalidParameter",
            "429",
            "1302",
            "_OTHER",
            "close_1011",
        ];
        for word in words {
            assert_eq!(ErrorType::of_provider(word).as_str(), word);
        }
        let others = [
            "",
            "two words",
            "sk-abcdefgh",
            "AKIAIOSFODNN7EXAMPLE",
            "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MEFiQ2RFZkdoSWpLbE1uT3A",
            "qWxEcRvTbYnUmIoPaSdFgHjKl",
            "123456789",
            "key_9f8e7d6c5b4a3f2e1d0c",
        ];
        for word in others {
            assert_eq!(ErrorType::of_provider(word), ErrorType::OTHER, "{word}");
        }
    }
}
