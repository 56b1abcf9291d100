//! The daemon's sockets, and the thread of the admin listener.

use crate::{config::Http, daemon::passed_sockets::PassedSockets, http::Server};
use anyhow::Context;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    fs::Permissions,
    io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};

/// The file with the kernel's limit on a listener's queue.
const BACKLOG_MAX_FILE: &str = "/proc/sys/net/core/somaxconn";

/// Listens on a TCP address, with the socket of the service manager if it has passed one. Accepted sockets inherit the
/// options.
///
/// # Errors
/// The system refuses the address.
pub(crate) fn tcp(address: SocketAddr, backlog: u32, passed: &mut PassedSockets) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok::<_, std::io::Error>(socket)
    };
    let mut listen = || {
        let socket = passed.take_tcp(address).map_or_else(bind, |passed| Ok(passed.into()))?;
        // Nagle's algorithm would delay small answers by milliseconds.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        // A socket that listens already gets the backlog of the configuration.
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into())
    };
    let listener = listen().with_context(|| format!("cannot listen on {address}"))?;
    warn_of_short_queue(backlog);
    Ok(listener)
}

/// Listens on a Unix socket, with that of the service manager if it has passed one; `None`: no path is configured.
///
/// # Errors
/// The system refuses the path.
pub(crate) fn unix(http: &Http, passed: &mut PassedSockets) -> anyhow::Result<Option<UnixSocket>> {
    let Some(path) = http.unix_socket.as_deref() else { return Ok(None) };
    let cannot_listen = || format!("cannot listen on {}", path.display());
    if let Some(passed) = passed.take_unix(path) {
        passed.set_nonblocking(true).with_context(cannot_listen)?;
        let listener = UnixListener::from_std(passed).with_context(cannot_listen)?;
        tracing::info!("listening on unix:{}, a socket of the service manager", path.display());
        return Ok(Some(UnixSocket { listener, file: None }));
    }
    // A killed process leaves its socket file.
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
    let listen = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Before it listens, so that no caller connects without the right.
        std::fs::set_permissions(path, Permissions::from_mode(http.unix_socket_mode))?;
        socket.listen(i32::try_from(http.listen_backlog).unwrap_or(i32::MAX))?;
        Ok::<_, io::Error>((UnixListener::from_std(socket.into())?, SocketFile::of(path)?))
    };
    let (listener, file) = listen().with_context(cannot_listen)?;
    tracing::info!("listening on unix:{}", path.display());
    Ok(Some(UnixSocket { listener, file: Some(file) }))
}

/// A Unix socket that the daemon listens on.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    /// Its file, if the daemon has made it.
    pub(crate) file: Option<SocketFile>,
}

/// The file of a Unix socket. It is removed when this is dropped, if it is still that of this socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The device and the number of the file.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

/// The device and the number of a file.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The kernel's limit on a listener's queue; `None`: it is not known.
pub(crate) fn backlog_of_kernel() -> Option<u32> {
    std::fs::read_to_string(BACKLOG_MAX_FILE).ok()?.trim().parse().ok()
}

/// Warns if the kernel's limit is below the configured queue.
fn warn_of_short_queue(backlog: u32) {
    if let Some(most) = backlog_of_kernel().filter(|most| *most < backlog) {
        tracing::warn!(
            "[http] listen_backlog = {backlog} is reduced to {most} by the kernel: raise the limit with \
             `sysctl net.core.somaxconn={backlog}`"
        );
    }
}

/// The thread of the admin listener. It has a separate runtime, so that it answers even if all other threads block.
pub(crate) struct AdminThread {
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl AdminThread {
    /// Listens on the address and starts the thread.
    ///
    /// # Errors
    /// The system refuses the address or the thread.
    pub(crate) fn start(
        (address, backlog): (SocketAddr, u32),
        passed: &mut PassedSockets,
        server: impl FnOnce(watch::Receiver<bool>) -> Arc<Server>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the admin listener")?;
        let listener = {
            let _entered = runtime.enter();
            tcp(address, backlog, passed).context("[admin] listen")?
        };
        let address = listener.local_addr().context("the admin listener has no address")?;
        let (end, mut is_ended) = watch::channel(false);
        let server = server(is_ended.clone());
        let serve = move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = server.serve(listener, None) => {}
                    // An error means that the sender is gone, which also ends the thread.
                    _ = is_ended.wait_for(|ended| *ended) => {}
                }
            });
        };
        let builder = std::thread::Builder::new().name("admin".to_owned());
        let thread = builder.spawn(serve).context("cannot start the thread of the admin listener")?;
        tracing::info!("admin: health, metrics and status on http://{address}");
        Ok(Self { end, thread })
    }

    /// Ends the thread. It answers until then, also while the daemon drains.
    pub(crate) fn end(self) {
        self.end.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the admin listener panicked");
        }
    }
}
