//! The cryptography of TLS.

/// Installs `ring` as the process's cryptography for TLS. The client panics without one. A second call changes nothing.
pub fn install() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
