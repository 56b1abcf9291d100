//! Sockets that the service manager has opened and passes at the start (sd_listen_fds(3)). It keeps them open while the
//! daemon restarts, so that no connection is refused.

use anyhow::Context;
use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
};

/// The sockets that no listener has taken yet.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    tcp: Vec<(SocketAddr, TcpListener)>,
    unix: Vec<UnixListener>,
}

impl PassedSockets {
    /// The sockets that the environment names. It is read once, before the first thread starts.
    ///
    /// # Errors
    /// One of them is no socket that a daemon can listen on.
    pub(crate) fn of_environment() -> anyhow::Result<Self> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut sockets = Self::default();
        for place in 0..passed.len() {
            if let Ok(Some(socket)) = passed.take_unix_listener(place) {
                sockets.unix.push(socket);
                continue;
            }
            let socket = passed.take_tcp_listener(place).ok().flatten();
            let socket = socket.with_context(|| {
                format!("socket {} of the service manager is neither a TCP nor a Unix stream socket", place + 1)
            })?;
            let address = socket.local_addr().context("a socket of the service manager has no address")?;
            sockets.tcp.push((address, socket));
        }
        Ok(sockets)
    }

    /// Takes the socket of a TCP address.
    pub(crate) fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let place = self.tcp.iter().position(|(known, _)| *known == address)?;
        Some(self.tcp.swap_remove(place).1)
    }

    /// Takes the socket of a path.
    pub(crate) fn take_unix(&mut self, path: &Path) -> Option<UnixListener> {
        let is_it = |socket: &UnixListener| {
            socket.local_addr().is_ok_and(|address| address.as_pathname().is_some_and(|known| known == path))
        };
        let place = self.unix.iter().position(is_it)?;
        Some(self.unix.swap_remove(place))
    }

    /// Refuses sockets that no listener has taken, because nothing would answer their clients.
    ///
    /// # Errors
    /// There is one.
    pub(crate) fn refuse_rest(&self) -> anyhow::Result<()> {
        let tcp = self.tcp.iter().map(|(address, _)| address.to_string());
        let unix = self.unix.iter().map(|socket| {
            let address = socket.local_addr().ok();
            let path = address.as_ref().and_then(|address| address.as_pathname());
            path.map_or_else(|| "a Unix socket without a path".to_owned(), |path| path.display().to_string())
        });
        let rest: Vec<String> = tcp.chain(unix).collect();
        anyhow::ensure!(
            rest.is_empty(),
            "the service manager passes a socket that levelgate.toml does not name: {}; write the same address there ([http] \
             listen, [http] unix_socket, [admin] listen) and in the unit of the sockets",
            rest.join(", ")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_takes_the_socket_of_its_address_and_the_rest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let unix = UnixListener::bind(&path).unwrap();
        let mut passed = PassedSockets { tcp: vec![(address, tcp)], unix: vec![unix] };
        assert!(passed.take_tcp(SocketAddr::from(([127, 0, 0, 2], address.port()))).is_none());
        assert!(passed.take_unix(&folder.path().join("other")).is_none());
        let refused = passed.refuse_rest().unwrap_err().to_string();
        assert!(refused.contains(&address.to_string()) && refused.contains(path.to_str().unwrap()), "{refused}");
        assert!(passed.take_tcp(address).is_some() && passed.take_tcp(address).is_none());
        assert!(passed.take_unix(&path).is_some() && passed.take_unix(&path).is_none());
        assert!(passed.refuse_rest().is_ok());
    }
}
