//! Clients for the upstreams of a policy: one each, kept as long as its settings stay the same,
//! so that a new policy does not cost the connections of the old one.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::{Authority, Scheme};
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidegauge_core::{Failure, Origin, Policy, Upstream};
use tokio_rustls::TlsConnector;

use crate::Pool;
use crate::connect::Connector;
use crate::multiplex::Multiplex;
use crate::tasks::Tasks;
use crate::upload::Upload;

/// The body is boxed: the client moves it, and keeps room for it in every connection.
pub(crate) type Http = legacy::Client<Connector, Box<Upload>>;

/// Bytes of an HTTP/1 connection's buffers; also the longest response head.
const BUFFER: usize = 64 * 1024;
/// HTTP/2 windows: what one slow client can make us hold, and enough for all streams of a
/// connection, so that slow ones do not stop the others.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const PING: Duration = Duration::from_secs(60);

/// How one upstream is reached.
pub(crate) struct Client {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// For requests.
    pub(crate) http: Way,
    /// For requests that leave HTTP: HTTP/1.1 only, and nothing is kept.
    pub(crate) sockets: Http,
    /// It said that it does not know what we ask for: usage is not asked for again.
    pub(crate) refuses_splice: AtomicBool,
}

/// How requests get to an upstream.
pub(crate) enum Way {
    /// Over HTTP/1.1, a connection for each at a time.
    Alone(Box<Http>),
    /// Over HTTP/2 where it is agreed to, several at a time on one connection.
    Together(Arc<Multiplex<Http>>),
}

/// What makes two upstreams the same to a client.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    name: Arc<str>,
    origin: Arc<Origin>,
    connect: Duration,
    ca: Option<Arc<[u8]>>,
    identity: Option<Arc<[u8]>>,
    http2: bool,
}

impl Settings {
    fn of(upstream: &Upstream) -> Self {
        Self {
            name: Arc::clone(&upstream.name),
            origin: Arc::clone(&upstream.origin),
            connect: upstream.timeouts.connect,
            ca: upstream.ca.clone(),
            identity: upstream.client_identity.clone(),
            http2: upstream.http2,
        }
    }
}

#[derive(Clone)]
struct Entry {
    upstream: Arc<Upstream>,
    settings: Settings,
    client: Result<Arc<Client>, Failure>,
}

/// The clients of the current policy.
pub(crate) struct Upstreams {
    table: ArcSwap<Vec<Entry>>,
    changing: Mutex<()>,
    pool: Pool,
    tasks: Tasks,
    roots: OnceLock<Arc<RootCertStore>>,
}

impl Upstreams {
    pub(crate) fn new(pool: Pool, tasks: Tasks) -> Self {
        Self {
            table: ArcSwap::default(),
            changing: Mutex::new(()),
            pool,
            tasks,
            roots: OnceLock::new(),
        }
    }

    /// The client for an upstream of `policy`.
    ///
    /// # Errors
    /// When its TLS settings cannot be used.
    pub(crate) fn client(
        &self,
        policy: &Policy,
        upstream: &Arc<Upstream>,
    ) -> Result<Arc<Client>, Failure> {
        let known = |table: &[Entry]| {
            let entry = table.iter().find(|entry| Arc::ptr_eq(&entry.upstream, upstream));
            entry.map(|entry| entry.client.clone())
        };
        if let Some(client) = known(&self.table.load()) {
            return client;
        }
        self.adopt(policy);
        known(&self.table.load()).unwrap_or_else(|| self.make(&Settings::of(upstream)))
    }

    /// Makes the clients of a policy, and forgets those it has no use for.
    pub(crate) fn adopt(&self, policy: &Policy) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.table.load_full();
        let all = policy.upstreams.iter().chain(&policy.default_upstream);
        let mut table: Vec<Entry> = Vec::with_capacity(policy.upstreams.len() + 1);
        for upstream in all {
            if table.iter().any(|entry| Arc::ptr_eq(&entry.upstream, upstream)) {
                continue;
            }
            let settings = Settings::of(upstream);
            let same = before.iter().chain(&table).find(|entry| entry.settings == settings);
            let client = same.map(|entry| entry.client.clone());
            let client = client.unwrap_or_else(|| self.make(&settings));
            table.push(Entry { upstream: Arc::clone(upstream), settings, client });
        }
        self.table.store(Arc::new(table));
    }

    /// Drops all clients and with them their idle connections.
    pub(crate) fn close(&self) {
        self.table.store(Arc::default());
    }

    fn make(&self, settings: &Settings) -> Result<Arc<Client>, Failure> {
        let origin = &settings.origin;
        let authority = Authority::try_from(origin.authority()).map_err(|_| Failure::Internal)?;
        let tls = |protocols: &[&str]| match origin.secure {
            false => Ok(None),
            true => {
                let name = ServerName::try_from(origin.host.clone());
                let name = name.map_err(|_| Failure::TlsProtocol)?;
                let config = self.tls(settings, protocols).ok_or(Failure::TlsProtocol)?;
                Ok(Some((TlsConnector::from(Arc::new(config)), name)))
            }
        };
        let plain = Connector::new(tls(&["http/1.1"])?, settings.connect);
        let mut builder = self.builder();
        let http = if settings.http2 {
            let both = Connector::new(tls(&["h2", "http/1.1"])?, settings.connect);
            let builder = builder.clone();
            let make = move |limit| builder.build(both.telling(limit));
            Way::Together(Arc::new(Multiplex::new(make)))
        } else {
            Way::Alone(Box::new(builder.build(plain.clone())))
        };
        let sockets = builder.pool_max_idle_per_host(0).build(plain);
        Ok(Arc::new(Client {
            scheme: if origin.secure { Scheme::HTTPS } else { Scheme::HTTP },
            authority,
            http,
            sockets,
            refuses_splice: AtomicBool::new(false),
        }))
    }

    fn builder(&self) -> legacy::Builder {
        let mut builder = legacy::Client::builder(self.tasks.clone());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool.idle_timeout)
            .pool_max_idle_per_host(self.pool.idle)
            .http1_preserve_header_case(true)
            .http1_max_buf_size(BUFFER)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_send_buf_size(BUFFER)
            .http2_max_header_list_size(64 * 1024)
            .http2_keep_alive_interval(PING);
        builder
    }

    fn tls(&self, settings: &Settings, protocols: &[&str]) -> Option<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = self.roots_with(settings.ca.as_deref())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .ok()?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_webpki_verifier(verifier);
        let mut config = match &settings.identity {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
                let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
                config.with_client_auth_cert(chain, key).ok()?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Some(config)
    }

    fn roots_with(&self, ca: Option<&[u8]>) -> Option<Arc<RootCertStore>> {
        let roots = self.roots.get_or_init(|| Arc::new(platform_roots()));
        let Some(ca) = ca else { return Some(Arc::clone(roots)) };
        let mut roots = RootCertStore::clone(roots);
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.ok()?).ok()?;
        }
        Some(Arc::new(roots))
    }
}

/// What the system trusts, or, where it has no opinion (an empty container), what browsers trust.
fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
