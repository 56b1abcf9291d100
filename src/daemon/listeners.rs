//! The daemon's sockets, and the thread of the admin listener.

use anyhow::Context;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    net::SocketAddr,
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};

use crate::http::Server;

/// Where the kernel names the longest queue of a listener.
const BACKLOG_MAX_FILE: &str = "/proc/sys/net/core/somaxconn";

/// Listens on a TCP address. Accepted sockets inherit the options.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) fn tcp(address: SocketAddr, backlog: u32) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        // Answers are small and waited for; a delay to fill packets would cost each of them milliseconds.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into())
    };
    let listener = listen().with_context(|| format!("cannot listen on {address}"))?;
    warn_of_short_queue(backlog);
    Ok(listener)
}

/// Listens on a Unix socket; `None` where there is no path.
///
/// # Errors
/// The path cannot be listened on.
pub(crate) fn unix(path: Option<&Path>, backlog: u32) -> anyhow::Result<Option<UnixListener>> {
    let Some(path) = path else { return Ok(None) };
    // A socket that nobody listens on any more is left behind by a killed process.
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
    let listen = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::from_std(socket.into())
    };
    let listener = listen().with_context(|| format!("cannot listen on {}", path.display()))?;
    tracing::info!("listening on unix:{}", path.display());
    Ok(Some(listener))
}

/// Says so where the kernel holds fewer connections than are asked for.
fn warn_of_short_queue(backlog: u32) {
    let kernel = std::fs::read_to_string(BACKLOG_MAX_FILE).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(most) = kernel.filter(|most| *most < backlog) {
        tracing::warn!(
            "[http] listen_backlog = {backlog} is cut to {most} by the kernel: raise it with \
             `sysctl net.core.somaxconn={backlog}`"
        );
    }
}

/// The thread that serves the admin listener; it has a runtime of its own, so that it answers even when all other
/// threads are stuck.
pub(crate) struct AdminThread {
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl AdminThread {
    /// Listens on the address and starts the thread.
    ///
    /// # Errors
    /// The address cannot be listened on, or no thread can be started.
    pub(crate) fn start(
        address: SocketAddr,
        backlog: u32,
        server: impl FnOnce(watch::Receiver<bool>) -> Arc<Server>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the admin listener")?;
        let listener = {
            let _inside = runtime.enter();
            tcp(address, backlog).context("[admin] listen")?
        };
        let address = listener.local_addr().context("the admin listener has no address")?;
        let (end, mut ends) = watch::channel(false);
        let server = server(ends.clone());
        let serve = move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = server.serve(listener) => {}
                    // An error means that the sender is gone, which is an end as well.
                    _ = ends.wait_for(|ends| *ends) => {}
                }
            });
        };
        let named = std::thread::Builder::new().name("admin".to_owned());
        let thread = named.spawn(serve).context("cannot start the thread of the admin listener")?;
        tracing::info!("admin: health, metrics and status on http://{address}");
        Ok(Self { end, thread })
    }

    /// Ends it. It answers until then, also while the daemon drains.
    pub(crate) fn end(self) {
        self.end.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the admin listener ended by a panic");
        }
    }
}
