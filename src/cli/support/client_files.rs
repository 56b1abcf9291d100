//! The files with which a command speaks to a daemon: a token, the authority of the daemon's certificate, and the
//! certificate of the client.

use anyhow::Context;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// The files of a client.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct ClientFiles {
    /// A file with a token of the daemon, whose role allows the call
    #[arg(long, value_name = "FILE", env = "LEVELGATE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authority of the daemon's certificate, for an https URL [default: those that the machine trusts]
    #[arg(long, value_name = "FILE", env = "LEVELGATE_CA")]
    ca: Option<PathBuf>,
    /// A PEM file with the certificate of this client, for an https URL of a daemon that gives roles by certificate
    #[arg(long, value_name = "FILE", env = "LEVELGATE_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// A PEM file with the private key of --cert
    #[arg(long, value_name = "FILE", env = "LEVELGATE_KEY", requires = "cert")]
    key: Option<PathBuf>,
}

/// The certificate chain of a client, and its key in PEM.
struct ClientPair {
    chain: Vec<CertificateDer<'static>>,
    key_pem: Vec<u8>,
}

impl ClientFiles {
    /// The token; `None`: the client has none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in crate::cli) fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let token = fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read the token file {}; name a file that contains an operator's token, and that you may read, by \
                 --token-file or LEVELGATE_TOKEN_FILE",
                file.display()
            )
        })?;
        Ok(Some(token.trim().to_owned()))
    }

    /// The settings of TLS for the HTTP client.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub(in crate::cli) fn tls_config(&self) -> anyhow::Result<TlsConfig> {
        // The HTTP client panics at a pair that does not match, so it is built by rustls before.
        self.rustls_config()?;
        let authorities = self.authorities()?;
        let roots = authorities.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        let client = match self.pair()? {
            None => None,
            Some(ClientPair { chain, key_pem }) => {
                let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
                Some(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(&key_pem)?))
            }
        };
        Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).client_cert(client).build())
    }

    /// The same for connections by rustls.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub(in crate::cli) fn rustls_config(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authorities = self.authorities()?;
        let (added, _unreadable) = roots.add_parsable_certificates(authorities);
        anyhow::ensure!(added > 0, "no certificate of an authority can be used");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let Some(ClientPair { chain, key_pem }) = self.pair()? else { return Ok(builder.with_no_client_auth()) };
        let key =
            PrivateKeyDer::from_pem_slice(&key_pem).context("the file of --key contains no private key in PEM")?;
        builder.with_client_auth_cert(chain, key).context("the file of --key does not belong to that of --cert")
    }

    /// The authorities of a file, else those that the machine trusts.
    fn authorities(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        if let Some(path) = &self.ca {
            return certificates(path, "--ca");
        }
        let trusted = rustls_native_certs::load_native_certs().certs;
        anyhow::ensure!(
            !trusted.is_empty(),
            "this machine trusts no authority; name that of the daemon's certificate by --ca or LEVELGATE_CA"
        );
        Ok(trusted)
    }

    /// The certificate of the client; `None`: it has none.
    fn pair(&self) -> anyhow::Result<Option<ClientPair>> {
        let Some((cert, key)) = self.cert.as_ref().zip(self.key.as_ref()) else { return Ok(None) };
        let chain = certificates(cert, "--cert")?;
        let key_pem = fs::read(key).with_context(|| format!("cannot read {}, the file of --key", key.display()))?;
        Ok(Some(ClientPair { chain, key_pem }))
    }
}

/// The certificates of the file of an option.
fn certificates(path: &Path, option: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}, the file of {option}"))?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let read = read.with_context(|| format!("{shown}, the file of {option}, is no PEM"))?;
    anyhow::ensure!(!read.is_empty(), "{shown}, the file of {option}, contains no certificate in PEM");
    Ok(read)
}
