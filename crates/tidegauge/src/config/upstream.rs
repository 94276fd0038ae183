//! Turns the `upstreams` of a file, and the built-in ones, into places to forward to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use tidegauge_core::{Capture, Origin, Propagate, Timeouts, UsagePolicy};
use tidegauge_wire::{PROVIDERS, Provider, provider};

use super::file::{
    CaptureSetting, File, SecretWord, TimeOrOff, TimeoutsWord, Upstream as UpstreamWord,
    UpstreamTls as UpstreamTlsWord,
};
use super::mistake::{nearest, shown};
use super::resolve::Resolver;
use super::secret::Secret;
use super::shape::listed;

/// How many upstreams there may be.
const MOST: usize = 256;

/// Names that mean something else at the root of the proxy or the console.
const RESERVED: [&str; 6] = ["healthz", "readyz", "metrics", "v1", "v1beta", "tidegauge"];

/// Headers that belong to a connection or a message and are not a configuration's to set.
const NOT_OURS: [&str; 8] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
];

/// Parts of names of headers whose value does not stand in a file.
const SECRET_NAMES: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// One place that requests are forwarded to.
#[derive(Clone, PartialEq, Debug)]
pub struct Upstream {
    /// Its name: the first path segment that leads here.
    pub name: String,
    /// The protocol it speaks, as the registry of providers calls it.
    pub provider: &'static str,
    /// Where it is.
    pub origin: Origin,
    /// Whether usage is asked for.
    pub usage: UsagePolicy,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Certificates, if any are set.
    pub tls: UpstreamTls,
    /// Headers set on every request, names in lower case.
    pub headers: BTreeMap<String, Secret>,
    /// What becomes of trace context.
    pub propagate: Propagate,
    /// How much of what is said may be kept.
    pub capture: Capture,
    /// Whether HTTP/2 is spoken to it where it agrees.
    pub http2: bool,
}

impl Upstream {
    /// Whether it is where its provider serves everybody.
    pub(crate) fn is_public(&self) -> bool {
        let usual = provider(self.provider).filter(|provider| provider.public());
        let usual = usual.and_then(|provider| provider.upstream());
        usual.and_then(|url| origin(url).ok()).is_some_and(|usual| usual == self.origin)
    }
}

/// Certificates towards an upstream, with the files they were read from.
#[derive(Clone, PartialEq, Default)]
pub struct UpstreamTls {
    /// PEM certificates trusted besides the platform's.
    pub ca: Option<(PathBuf, Arc<[u8]>)>,
    /// PEM certificate chain shown to the upstream.
    pub cert: Option<(PathBuf, Arc<[u8]>)>,
    /// PEM private key of `cert`.
    pub key: Option<(PathBuf, Arc<[u8]>)>,
}

impl std::fmt::Debug for UpstreamTls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = |pem: &Option<(PathBuf, Arc<[u8]>)>| pem.as_ref().map(|(file, _)| file.clone());
        write!(
            f,
            "UpstreamTls({:?}, {:?}, {:?})",
            file(&self.ca),
            file(&self.cert),
            file(&self.key)
        )
    }
}

/// The built-in upstreams and the configured ones over them, by name.
pub(super) fn resolve(resolver: &mut Resolver<'_>, file: &File) -> Vec<Upstream> {
    let mut words: BTreeMap<String, UpstreamWord> = PROVIDERS
        .iter()
        .filter(|provider| provider.upstream().is_some())
        .map(|provider| (provider.kind().to_owned(), UpstreamWord::default()))
        .collect();
    words.extend(file.upstreams.clone().unwrap_or_default());
    if words.len() > MOST {
        let message = format!("expected at most {MOST} upstreams, built-in ones included");
        resolver.wrong(&["upstreams"], message, None);
    }
    let capture = level(file);
    words.iter().filter_map(|(name, word)| resolver.upstream(name, word, capture)).collect()
}

/// How much of what is said may be kept where an upstream does not say.
pub(super) fn level(file: &File) -> Capture {
    let word = match &file.capture {
        Some(CaptureSetting::Word(word)) => Some(*word),
        Some(CaptureSetting::Map(map)) => map.level,
        None => None,
    };
    word.map_or(Capture::Off, Into::into)
}

impl Resolver<'_> {
    fn upstream(&mut self, name: &str, word: &UpstreamWord, capture: Capture) -> Option<Upstream> {
        let path = ["upstreams", name];
        self.upstream_name(&path, name);
        // All of it is looked at before any of it ends this: every mistake is told at once.
        let provider = self.provider(name, word);
        let origin = self.origin(name, word, provider);
        let timeouts = self.timeouts(name, &word.timeouts.clone().unwrap_or_default());
        let tls = self.tls(&["upstreams", name, "tls"], word.tls.clone().unwrap_or_default());
        let headers = word.headers.clone().unwrap_or_default();
        let headers = self.headers(&["upstreams", name, "headers"], &headers);
        let (provider, origin) = (provider?, origin?);
        let usual = if provider.public() { Propagate::None } else { Propagate::Passthrough };
        Some(Upstream {
            name: name.to_owned(),
            provider: provider.kind(),
            origin,
            usage: word.usage.map_or_else(|| provider.usage(), Into::into),
            timeouts,
            tls,
            headers,
            propagate: word.propagate.map_or(usual, Into::into),
            capture: word.capture.map_or(capture, Into::into),
            http2: word.http2.unwrap_or(false),
        })
    }

    fn upstream_name(&mut self, path: &[&str], name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let starts_well = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !starts_well || !name.chars().all(plain) || name.len() > 64 {
            let message = "a name is the first part of a path: at most 64 letters, digits, `-`, `_` \
                           and `.`, the first a letter or digit";
            self.wrong(path, message.to_owned(), None);
        } else if RESERVED.contains(&name) {
            self.wrong(path, format!("`{name}` has another meaning at the root"), None);
        }
    }

    fn provider(&mut self, name: &str, word: &UpstreamWord) -> Option<&'static dyn Provider> {
        let kind = word.provider.as_deref().unwrap_or(name);
        if let Some(provider) = provider(kind) {
            return Some(provider);
        }
        let kinds = || PROVIDERS.iter().map(|provider| provider.kind());
        let hint = nearest(kind, kinds());
        let (path, told): (&[&str], _) = match &word.provider {
            Some(kind) => {
                (&["upstreams", name, "provider"], format!("unknown provider `{}`", shown(kind)))
            }
            None => (&["upstreams", name], "`provider` is missing".to_owned()),
        };
        let message = match &hint {
            Some(_) => told,
            None => format!("{told}; expected one of {}", listed(kinds())),
        };
        self.wrong(path, message, hint);
        None
    }

    fn origin(
        &mut self,
        name: &str,
        word: &UpstreamWord,
        provider: Option<&'static dyn Provider>,
    ) -> Option<Origin> {
        let usual = provider.and_then(|provider| provider.upstream());
        let Some(url) = word.base_url.as_deref().or(usual) else {
            let kind = provider?.kind();
            let message = format!("`base_url` is missing: provider `{kind}` has no default origin");
            self.wrong(&["upstreams", name], message, None);
            return None;
        };
        origin(url).map_err(|told| self.wrong(&["upstreams", name, "base_url"], told, None)).ok()
    }

    fn timeouts(&mut self, name: &str, word: &TimeoutsWord) -> Timeouts {
        let connect = word.connect.map_or(Duration::from_secs(5), |time| time.0);
        let head = bound(word.head, None);
        let idle = bound(word.idle, Some(Duration::from_secs(15 * 60)));
        for (key, time) in [("connect", Some(connect)), ("head", head), ("idle", idle)] {
            if time == Some(Duration::ZERO) {
                let message = "expected more than nothing, found `0ms`".to_owned();
                self.wrong(&["upstreams", name, "timeouts", key], message, None);
            }
        }
        Timeouts { connect, head, idle }
    }

    /// Certificates at `path`, read from their files.
    pub(super) fn tls(&mut self, path: &[&str], word: UpstreamTlsWord) -> UpstreamTls {
        if word.cert.is_some() != word.key.is_some() {
            self.wrong(path, "`cert` and `key` belong together".to_owned(), None);
        }
        let at = |key| [path, &[key]].concat();
        let ca = word.ca.and_then(|file| Some((self.pem(&at("ca"), &file)?, file)));
        let cert = word.cert.and_then(|file| Some((self.pem(&at("cert"), &file)?, file)));
        let key = word.key.and_then(|file| Some((self.private_pem(&at("key"), &file)?, file)));
        let pair = |(pem, file)| (file, pem);
        UpstreamTls { ca: ca.map(pair), cert: cert.map(pair), key: key.map(pair) }
    }

    /// Headers to set, names in lower case.
    pub(super) fn headers(
        &mut self,
        path: &[&str],
        words: &BTreeMap<String, SecretWord>,
    ) -> BTreeMap<String, Secret> {
        let mut headers = BTreeMap::new();
        for (name, word) in words {
            let path = [path, &[name.as_str()]].concat();
            let Ok(parsed) = HeaderName::try_from(name) else {
                self.wrong(&path, "expected the name of a header".to_owned(), None);
                continue;
            };
            let lower = parsed.as_str();
            if NOT_OURS.contains(&lower) {
                self.wrong(&path, "this header is not set by configuration".to_owned(), None);
                continue;
            }
            let strict = is_secret_name(lower);
            let Some(secret) = self.secret(&path, word, strict) else { continue };
            if HeaderValue::try_from(secret.expose()).is_err() {
                self.wrong(&path, "the value cannot stand in a header".to_owned(), None);
                continue;
            }
            if headers.insert(lower.to_owned(), secret).is_some() {
                self.wrong(&path, "this header is already there".to_owned(), None);
            }
        }
        headers
    }

    /// A file with something in PEM form.
    pub(super) fn pem(&mut self, path: &[&str], file: &Path) -> Option<Arc<[u8]>> {
        let bytes = (self.outside.read)(file)
            .map_err(|error| {
                let message = format!("cannot read {}: {}", file.display(), error.kind());
                self.wrong(path, message, None);
            })
            .ok()?;
        if !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
            self.wrong(path, format!("{} holds nothing in PEM form", file.display()), None);
            return None;
        }
        Some(bytes.into())
    }

    /// The same for a private key, which should be readable by its owner only.
    pub(super) fn private_pem(&mut self, path: &[&str], file: &Path) -> Option<Arc<[u8]>> {
        let pem = self.pem(path, file)?;
        if (self.outside.exposed)(file) {
            self.readable_by_others(file);
        }
        Some(pem)
    }
}

/// Whether the value of a header of that name, in lower case, is secret.
pub(super) fn is_secret_name(header: &str) -> bool {
    SECRET_NAMES.iter().any(|part| header.contains(part))
}

pub(super) fn bound(word: Option<TimeOrOff>, default: Option<Duration>) -> Option<Duration> {
    match word {
        None => default,
        Some(TimeOrOff::Off(_)) => None,
        Some(TimeOrOff::Time(time)) => Some(time.0),
    }
}

/// Reads an origin: `http` or `https`, a host, perhaps a port and a path. The error says what was
/// expected and shows nothing of a URL that holds credentials.
pub(crate) fn origin(url: &str) -> Result<Origin, String> {
    let refused = |why: &str| format!("expected an origin such as https://api.example.com, {why}");
    if url.contains('@') {
        return Err(refused("found credentials in it; set them as a header"));
    }
    if url.contains(['?', '#']) {
        return Err(refused("found a query or fragment in it"));
    }
    let found = || refused(&format!("found `{}`", shown(url)));
    let uri: Uri = url.parse().map_err(|_| found())?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(found()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(found)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = match uri.authority().and_then(|a| a.as_str().rsplit_once(':')) {
        Some((_, port)) if !port.ends_with(']') => {
            port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(found)?
        }
        _ if secure => 443,
        _ => 80,
    };
    let prefix = uri.path().trim_end_matches('/').to_owned();
    Ok(Origin { secure, host, port, prefix })
}
