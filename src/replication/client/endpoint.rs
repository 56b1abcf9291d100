//! How to open a connection to one server of the configured address.

use crate::{
    config::{HostPort, Redis, RedisFiles},
    replication::model::error::RedisError,
};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates, io::tcp::TcpSettings,
};
use std::{fmt, path::Path, time::Duration};

/// What all connections have in common: login, TLS, and time limits.
#[derive(Clone)]
pub(super) struct Endpoint {
    is_tls: bool,
    ca: Option<Vec<u8>>,
    user: Option<String>,
    password: Option<String>,
    database: u16,
    response_ms: u64,
}

/// The role of a server, which decides about its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerRole {
    /// It has data.
    Data,
    /// A Sentinel, which needs no login.
    Sentinel,
    /// A Sentinel that needs the password.
    SentinelWithPassword,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("is_tls", &self.is_tls).finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(settings: &Redis, files: &RedisFiles) -> Self {
        Self {
            is_tls: settings.url.is_tls,
            ca: files.ca.clone(),
            user: settings.url.user.clone(),
            password: files.password.clone(),
            database: settings.url.database,
            response_ms: settings.timeouts.response_ms,
        }
    }

    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// A client for a TCP address.
    pub(super) fn tcp(&self, at: &HostPort, role: ServerRole) -> Result<Client, RedisError> {
        let (host, port) = (at.host.clone(), at.port);
        let address = match self.is_tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        };
        let info = self.info(address, role)?;
        let client = match self.is_tls {
            true => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: self.ca.clone() }),
            false => Client::open(info),
        };
        client.map_err(|error| RedisError::Refused(error.to_string()))
    }

    /// A client for a Unix socket.
    pub(super) fn unix(&self, path: &Path) -> Result<Client, RedisError> {
        let info = self.info(ConnectionAddr::Unix(path.to_owned()), ServerRole::Data)?;
        Client::open(info).map_err(|error| RedisError::Refused(error.to_string()))
    }

    fn info(&self, address: ConnectionAddr, role: ServerRole) -> Result<ConnectionInfo, RedisError> {
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        if role == ServerRole::Data {
            login = login.set_db(i64::from(self.database));
            if let Some(user) = &self.user {
                login = login.set_username(user);
            }
        }
        if let Some(password) = self.password.as_ref().filter(|_| role != ServerRole::Sentinel) {
            login = login.set_password(password);
        }
        let info = address.into_connection_info().map_err(|error| RedisError::Refused(error.to_string()))?;
        Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)).set_redis_settings(login))
    }

    /// The options of a connection that must be open after `connect_ms`.
    pub(super) fn options(&self, connect_ms: u64) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(connect_ms)))
            .set_response_timeout(Some(Duration::from_millis(self.response_ms)))
    }
}
