//! The immutable snapshot that the data plane reads, once per exchange.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{Capture, Destination, Dialect, Exchange, Failure, Peek};

/// Whether usage is asked for on streams whose client did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsagePolicy {
    /// Ask by splicing the request, and remove the extra chunk from the answer.
    Inject,
    /// Touch nothing.
    Passthrough,
}

/// What becomes of trace context on the way to an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Propagate {
    /// Removed: public providers have no business with it.
    None,
    /// As the client sent it.
    Passthrough,
    /// Our attempt span becomes the parent.
    Inject,
}

/// What is believed of a trace context that comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Continue the caller's trace.
    Continue,
    /// A new trace with a link to the caller's.
    Link,
    /// Ignore it.
    Ignore,
}

/// Where an upstream is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// TLS or not.
    pub secure: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path put before every request path; empty, or begins with `/` and does not end with one.
    pub prefix: String,
}

impl Origin {
    /// `host`, or `host:port` when the port is not the scheme's own; IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.secure { 443 } else { 80 } {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            if self.secure { "https" } else { "http" },
            self.authority(),
            self.prefix
        )
    }
}

/// How long an upstream may take. `None` waits as long as the client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// For name look-up and connection, TLS included.
    pub connect: Duration,
    /// From the request to the response head.
    pub head: Option<Duration>,
    /// Between two pieces of a response body.
    pub idle: Option<Duration>,
}

/// One place that requests are forwarded to.
#[derive(Clone)]
pub struct Upstream {
    /// Its name: the first path segment that leads here.
    pub name: Arc<str>,
    /// The protocol it speaks.
    pub dialect: &'static dyn Dialect,
    /// Where it is.
    pub origin: Arc<Origin>,
    /// Whether usage is asked for.
    pub usage: UsagePolicy,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Headers set on every request; values may be secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What becomes of trace context.
    pub propagate: Propagate,
    /// PEM certificates trusted besides the platform's.
    pub ca: Option<Arc<[u8]>>,
    /// PEM certificate chain and key shown to the upstream.
    pub client_identity: Option<Arc<[u8]>>,
    /// How much of what is said may be kept. A request may ask for less, never for more.
    pub capture: Capture,
    /// Whether HTTP/2 is spoken where the upstream agrees to it; else HTTP/1.1.
    pub http2: bool,
}

impl Upstream {
    /// What of it may be kept in a record.
    pub fn destination(&self) -> Destination {
        Destination {
            name: Arc::clone(&self.name),
            kind: self.dialect.kind(),
            provider: self.dialect.provider(),
            origin: Arc::clone(&self.origin),
        }
    }
}

impl fmt::Debug for Upstream {
    /// Without headers and keys: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({} -> {})", self.name, self.origin)
    }
}

/// Whose credential a request carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The kinds of dialect whose vendor issued it, never empty.
    pub kinds: &'static [&'static str],
    /// The form of the key itself tells, and not only the header it stands in.
    pub certain: bool,
}

/// Why a rule of this proxy stops a request before it is forwarded. It becomes the client's answer and
/// the end of the request's own record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What the client gets.
    pub status: StatusCode,
    /// Which kind of rule: its category and error word.
    pub failure: Failure,
    /// For people; goes to the client, never into telemetry.
    pub message: Cow<'static, str>,
    /// When it is worth another try.
    pub retry_after: Option<Duration>,
}

/// Decides about requests before they are forwarded. Asked on the path of every request: both return
/// at once, wait for nothing and do not panic.
pub trait Admit: Send + Sync + fmt::Debug {
    /// Whether [`Admit::admit`] wants to see what the body asks for. Then, and only then, the body is
    /// held back, within the bounds that a splice has; what is known of the request is there.
    fn wants_body(&self, _exchange: &Exchange) -> bool {
        false
    }

    /// Whether the request may go on. `peek`: what its body asks for, where it was wanted, held back
    /// whole and understood.
    ///
    /// # Errors
    /// What the client is told if not.
    fn admit(&self, exchange: &Exchange, peek: Option<&Peek>) -> Result<(), Refused>;
}

/// What the data plane does with a request. Published whole, replaced whole.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The upstreams, by unique name; at most a few hundred.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Where a root request goes that no dialect claims.
    pub default_upstream: Option<Arc<Upstream>>,
    /// Tells whose credential the headers of a request carry; `None` where they do not tell.
    pub owner: fn(&HeaderMap) -> Option<Owner>,
    /// What is believed of trace context that comes in.
    pub trust: Trust,
    /// Share of root traces that are sampled, 0 to 1.
    pub sample_ratio: f64,
    /// Whether a caller's sampling decision is followed.
    pub parent_based: bool,
    /// Whether requests of one session that bring no trace context are one trace.
    pub session_traces: bool,
    /// Whether responses carry `x-tidegauge-trace-id`.
    pub trace_header: bool,
    /// How much of a request body may be held back where a splice needs it whole, in bytes. A larger
    /// body is forwarded as it comes and nothing is asked.
    pub hold: usize,
    /// Who decides whether a request may go on; `None` admits everything.
    pub admit: Option<Arc<dyn Admit>>,
}

impl Policy {
    /// The upstream of that name.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| &*upstream.name == name)
    }
}
