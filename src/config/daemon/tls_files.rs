//! The files of `[http] tls`, which a daemon and `levelgate check` read. No message contains a key.

use crate::config::{
    daemon::{
        listeners::TlsSpans,
        secret_file::{open_to_others, read_file},
        settings::Tls,
    },
    report::{file_report::FileReport, source::Span},
};
use crate::domain::vocabulary::time::{DAY_MS, Millis};
use rustls::{
    InconsistentKeys, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use std::{fmt, path::Path, sync::Arc};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// The most bytes of a file with certificates.
const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;
/// The most bytes of a file with a private key.
const KEY_BYTES_MAX: u64 = 64 << 10;
/// A certificate that expires within this time gets a warning.
const WARN_BEFORE_MS: i64 = 14 * DAY_MS;
/// The protocols that the listener offers, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What new connections of the listener use.
#[derive(Clone)]
pub struct TlsFiles {
    server: Arc<ServerConfig>,
    expires: Millis,
}

impl TlsFiles {
    /// The configuration of rustls.
    #[must_use]
    pub fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    /// When the certificate expires.
    #[must_use]
    pub fn expires(&self) -> Millis {
        self.expires
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsFiles(expires {})", self.expires)
    }
}

/// Reads the files and builds what the listener uses, so that a daemon and `levelgate check` refuse the same. `now` is the
/// wall clock. Problems are reported; `None`: one of them is an error. The warnings are also returned, in words for the log.
pub(in crate::config) fn load_tls_files(
    tls: &Tls,
    spans: &TlsSpans,
    report: &FileReport,
    now: Millis,
) -> (Option<TlsFiles>, Vec<String>) {
    let mut files = Files { report, now, warnings: Vec::new() };
    let provider = Arc::new(ring::default_provider());
    let chain = files.chain(&tls.certificate, &spans.certificate);
    let key = files.key(&tls.key, &spans.key);
    let clients = tls.client_ca.as_ref().map(|path| files.client_verifier(path, &spans.client_ca, &provider));
    let loaded = (|| {
        let ((chain, expires), key) = (chain?, key?);
        let clients = clients.map_or(Some(None), |verifier| verifier.map(Some))?;
        match server_config(provider, clients, chain, key) {
            Ok(server) => Some(TlsFiles { server: Arc::new(server), expires }),
            Err(error) => {
                let (certificate, key) = (tls.certificate.display(), tls.key.display());
                let (message, help) = match error {
                    rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
                        format!("the key {key} does not belong to the certificate {certificate}"),
                        "write both files of one pair; the certificate of the server is the first in its file",
                    ),
                    error => (
                        format!("the certificate {certificate} cannot be used with the key {key}: {error}"),
                        "write an RSA key of 2,048 bits or more, an ECDSA key (P-256, P-384) or an Ed25519 key, and the \
                         certificate of the key",
                    ),
                };
                report.error(&spans.key, message, help);
                None
            }
        }
    })();
    (loaded, files.warnings)
}

fn server_config(
    provider: Arc<CryptoProvider>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12])?;
    let has_clients = clients.is_some();
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key)?;
    server.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    if has_clients {
        // A resumed session would keep a certificate that is no longer verified.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

struct Files<'a> {
    report: &'a FileReport,
    now: Millis,
    warnings: Vec<String>,
}

impl Files<'_> {
    fn warn(&mut self, place: &Span, message: String, help: String) {
        self.warnings.push(format!("{message}; {help}"));
        self.report.warning(place, message, help);
    }

    /// The certificates of a file, and the validity of each.
    fn certificates(&self, what: &str, path: &Path, place: &Span) -> Option<Vec<(CertificateDer<'static>, Validity)>> {
        let read = read_file(path, CERTIFICATES_BYTES_MAX).map_err(|error| format!("cannot be read: {error}"));
        let read = read.and_then(|(bytes, _)| {
            let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
            let certificates = certificates.map_err(|error| format!("is no valid PEM: {error}"))?;
            if certificates.is_empty() {
                return Err("contains no certificate in PEM".to_owned());
            }
            let known = certificates.into_iter().enumerate().map(|(place, certificate)| {
                let validity = Validity::of(&certificate)
                    .ok_or_else(|| format!("contains a certificate that is no X.509: number {}", place + 1))?;
                Ok((certificate, validity))
            });
            known.collect()
        });
        let help = format!("write the path of a PEM file with {what}");
        read.map_err(|flaw| self.report.error(place, format!("the file of {what}, {}, {flaw}", path.display()), help))
            .ok()
    }

    /// The chain of the server, and when its first certificate expires.
    fn chain(&mut self, path: &Path, place: &Span) -> Option<(Vec<CertificateDer<'static>>, Millis)> {
        let certificates = self.certificates("the certificate", path, place)?;
        let shown = path.display();
        let (_, own) = certificates.first()?;
        let own = *own;
        let renew = || "write a new certificate, and reload".to_owned();
        if own.ends <= self.now {
            let message = format!("the certificate {shown} expired at {}: every client would refuse it", own.ends);
            self.report.error(place, message, renew());
            return None;
        }
        if own.begins > self.now {
            let message = format!("the certificate {shown} is not valid before {}", own.begins);
            self.report.error(
                place,
                message,
                "check the clock of this machine, or write a certificate that is valid now",
            );
            return None;
        }
        if own.is_near_end(self.now) {
            self.warn(
                place,
                format!("the certificate {shown} expires at {}, {}", own.ends, own.days(self.now)),
                renew(),
            );
        }
        for (number, (_, issuer)) in certificates.iter().enumerate().skip(1) {
            if issuer.ends <= self.now {
                let message = format!("certificate {} in {shown} expired at {}", number + 1, issuer.ends);
                self.warn(place, message, "write the current certificates of the authority".to_owned());
            }
        }
        Some((certificates.into_iter().map(|(certificate, _)| certificate).collect(), own.ends))
    }

    fn key(&mut self, path: &Path, place: &Span) -> Option<PrivateKeyDer<'static>> {
        let shown = path.display();
        let help = "write the path of a PEM file with one private key (PKCS#8, PKCS#1 or SEC1), which is not encrypted and \
                    which the daemon's user may read";
        let (bytes, mode) = match read_file(path, KEY_BYTES_MAX) {
            Ok(file) => file,
            Err(error) => {
                self.report.error(place, format!("the key {shown} cannot be read: {error}"), help);
                return None;
            }
        };
        if let Some(message) = open_to_others("key", path, mode) {
            self.warn(place, message, format!("run `chmod 600 {shown}`"));
        }
        match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => Some(key),
            Err(error) => {
                let flaw = match error {
                    pem::Error::NoItemsFound => "contains no private key in PEM that is not encrypted",
                    _ => "is no valid PEM",
                };
                self.report.error(place, format!("the key {shown} {flaw}"), help);
                None
            }
        }
    }

    /// What verifies the certificates of clients. A client may connect without one.
    fn client_verifier(
        &mut self,
        path: &Path,
        place: &Span,
        provider: &Arc<CryptoProvider>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let certificates = self.certificates("the authority of client certificates", path, place)?;
        let shown = path.display();
        let mut roots = RootCertStore::empty();
        for (number, (certificate, validity)) in certificates.into_iter().enumerate() {
            let number = number + 1;
            if let Err(error) = roots.add(certificate) {
                let message = format!("certificate {number} in {shown} is no authority: {error}");
                self.report.error(place, message, "write the certificate of the authority that signs those of clients");
                return None;
            }
            if validity.ends <= self.now {
                let message = format!("authority {number} in {shown} expired at {}", validity.ends);
                let help = "remove it: the daemon would go on accepting the clients that it has signed".to_owned();
                self.report.error(place, message, help);
                return None;
            }
            if validity.is_near_end(self.now) {
                let message =
                    format!("authority {number} in {shown} expires at {}, {}", validity.ends, validity.days(self.now));
                self.warn(place, message, "add the authority that follows it".to_owned());
            }
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build();
        let help = "write the certificate of the authority that signs those of clients";
        verifier.map_err(|error| self.report.error(place, format!("{shown} cannot be used: {error}"), help)).ok()
    }
}

/// The time in which a certificate is valid.
#[derive(Debug, Clone, Copy)]
struct Validity {
    begins: Millis,
    ends: Millis,
}

impl Validity {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        let millis = |seconds: i64| seconds.checked_mul(1_000).map(Millis);
        Some(Self { begins: millis(validity.not_before.timestamp())?, ends: millis(validity.not_after.timestamp())? })
    }

    fn is_near_end(self, now: Millis) -> bool {
        now.plus(WARN_BEFORE_MS) >= self.ends
    }

    /// How long it is still valid, in words.
    fn days(self, now: Millis) -> String {
        format!("in {} days", self.ends.since(now) / DAY_MS)
    }
}
