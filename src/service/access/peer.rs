//! Where a connection comes from.

use crate::service::access::client_certificate::ClientCertificate;
use axum::http::Request;
use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// The client of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    /// The verified certificate that it has shown in its TLS handshake; in the extensions of each of its requests.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

impl Client {
    /// Puts the client into the extensions of one of its requests.
    pub(crate) fn describe<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.peer);
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
    }
}

/// The other end of a connection, in the extensions of each of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A TCP connection from this address.
    Tcp(SocketAddr),
    /// The Unix socket: all its callers count as one address.
    Unix,
    /// Not known: the request came by no connection.
    Unknown,
}

impl Peer {
    /// What counts as one address: an address without its port; of IPv6 the network of 64 bits, because every host has a
    /// whole one.
    pub(crate) fn without_port(self) -> Self {
        let Self::Tcp(address) = self else {
            return self;
        };
        let ip = match address {
            SocketAddr::V4(address) => (*address.ip()).into(),
            SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(mapped) => mapped.into(),
                None => Ipv6Addr::from_bits(address.ip().to_bits() >> 64 << 64).into(),
            },
        };
        Self::Tcp(SocketAddr::new(ip, 0))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.ip().fmt(f),
            Self::Unix => f.write_str("the Unix socket"),
            Self::Unknown => f.write_str("an unknown address"),
        }
    }
}
