//! A certificate authority of one test, and a TLS end in front of the plain fault box.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::wait::within;

/// An authority nobody knows by default.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Some clients take a certificate that is named as its issuer for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "rig authority");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names, good until the first of January of `until`.
    pub(crate) fn vouch(&self, names: &[&str], until: i32) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { cert, key: key.serialize_pem() }
    }

    /// Writes the authority's certificate into a folder.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        std::fs::write(&path, &self.pem).expect("written");
        path
    }
}

impl Identity {
    /// The line of a configuration that lets a listener show this identity; writes it into a folder.
    pub(crate) fn listen(&self, folder: &Path) -> String {
        use std::os::unix::fs::PermissionsExt;
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, &self.cert).expect("written");
        std::fs::write(&key, &self.key).expect("written");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&key, mode).expect("kept from others");
        format!("listen_tls: {{ cert: \"{}\", key: \"{}\" }}\n", cert.display(), key.display())
    }
}

/// Takes TLS connections and passes what is inside to a plain one.
pub(crate) struct Front {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn start(identity: &Identity, behind: SocketAddr) -> Self {
        let cert = CertificateDer::from_pem_slice(identity.cert.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("an identity");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(stream).await else { return };
                    let Ok(mut plain) = TcpStream::connect(behind).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
                });
            }
        });
        Self { addr, task }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Sends a request over TLS that trusts only this authority, and reads until the other side closes.
/// With it, the protocol that was agreed on.
pub(crate) async fn call(
    addr: SocketAddr,
    authority: &Authority,
    protocols: &[&str],
    raw: &[u8],
) -> (String, Option<String>) {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(addr).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let mut tls = within("a handshake", connecting).await.expect("a session");
    let agreed = tls.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into());
    let mut said = Vec::new();
    if !raw.is_empty() {
        tls.write_all(raw).await.expect("written");
        // A close without goodbye is an error to the reader and no matter here.
        let _ = within("an answer over TLS", tls.read_to_end(&mut said)).await;
    }
    (String::from_utf8_lossy(&said).into_owned(), agreed)
}
