//! TLS of a listener. A reload replaces the certificate: new connections use the new one, and open ones stay.

use crate::config::TlsFiles;
use crate::service::access::{client_certificate::ClientCertificate, peer::Peer};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// A connection after its handshake.
pub(crate) struct AcceptedTls<I> {
    pub(crate) io: Box<TlsStream<I>>,
    /// The verified certificate of the client; `None`: it has shown none.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// Whether client and daemon have agreed on HTTP/2.
    pub(crate) is_http2: bool,
}

/// Begins TLS on the connections of a listener.
#[derive(Debug)]
pub struct TlsAcceptor(ArcSwap<ServerConfig>);

impl TlsAcceptor {
    /// The acceptor of a start.
    #[must_use]
    pub fn new(files: &TlsFiles) -> Arc<Self> {
        show_expiry(files);
        Arc::new(Self(ArcSwap::new(Arc::clone(files.server()))))
    }

    /// Replaces the certificate, the key and the authority of clients for new connections.
    pub fn replace(&self, files: &TlsFiles) {
        show_expiry(files);
        self.0.store(Arc::clone(files.server()));
    }

    /// Does the handshake, and reads the certificate of the client; `None`: it failed, or took longer than `time_max`.
    pub(crate) async fn accept<I>(&self, io: I, peer: Peer, time_max: Duration) -> Option<AcceptedTls<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.0.load_full());
        // Boxed: a connection needs it once, and would have its size for its whole life.
        let (reason, error) = match timeout(time_max, Box::pin(acceptor.accept(io))).await {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let shown = session.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(|certificate| Arc::new(ClientCertificate::of(certificate)));
                let is_http2 = session.alpn_protocol() == Some(b"h2");
                return Some(AcceptedTls { io: Box::new(stream), certificate, is_http2 });
            }
            Ok(Err(error)) => ("failed", error.to_string()),
            Err(_) => ("timeout", format!("it took longer than {} s", time_max.as_secs())),
        };
        metrics::counter!("levelgate_tls_handshake_failures_total", "reason" => reason).increment(1);
        tracing::debug!(error, ?peer, "a TLS handshake failed");
        None
    }
}

fn show_expiry(files: &TlsFiles) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; seconds since 1970 fit it")]
    metrics::gauge!("levelgate_tls_certificate_expiry_timestamp_seconds").set((files.expires().0 / 1_000) as f64);
}
