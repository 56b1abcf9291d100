//! What the daemon reads of a client's certificate: the common name of its subject, and when it expires.

use crate::domain::vocabulary::time::Millis;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// A certificate of a client that the TLS handshake has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// The digest of its common name; `None`: it has none, or several, so no entry matches it.
    pub(crate) digest: Option<[u8; 32]>,
    /// When it expires.
    pub(crate) ends: Millis,
}

impl ClientCertificate {
    /// Reads a certificate. No entry matches one that cannot be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let unmatched = Self { digest: None, ends: Millis(i64::MIN) };
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return unmatched };
        let Some(ends) = certificate.validity().not_after.timestamp().checked_mul(1_000) else { return unmatched };
        let mut common_names = certificate.subject().iter_common_name();
        let only = match (common_names.next(), common_names.next()) {
            (Some(only), None) => only.as_str().ok(),
            _ => None,
        };
        Self { digest: only.map(common_name_digest), ends: Millis(ends) }
    }
}

/// The digest by which the table of access tokens finds a common name. It is that of no token: a token contains no zero.
pub(crate) fn common_name_digest(common_name: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"certificate\0").chain_update(common_name).finalize().into()
}
