//! Listeners and their connections. Their number and duration are bounded; beyond the bound, health is still answered.

use crate::http::server::{
    capacity::Capacity,
    connection::{Connection, RequestLimits},
    in_flight,
    peer::Peer,
};
use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use parking_lot::Mutex;
use std::{collections::VecDeque, convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

/// The longest time of a connection beyond `max_connections`; its head may take half of it.
const OVERFLOW_TIME_MAX: Duration = Duration::from_secs(2);
/// The most bytes of its head; hyper takes no smaller limit.
const OVERFLOW_HEADER_BYTES_MAX: usize = 8 * 1024;
/// The pause after the system could not accept a connection, for want of a descriptor or of memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two log lines about such failures.
const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(10);

/// A listener.
pub trait Socket: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection.
    fn accept_connection(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl Socket for TcpListener {
    type Io = TcpStream;

    async fn accept_connection(&self) -> io::Result<(TcpStream, Peer)> {
        self.accept().await.map(|(io, address)| (io, Peer::Tcp(address)))
    }
}

impl Socket for UnixListener {
    type Io = UnixStream;

    async fn accept_connection(&self) -> io::Result<(UnixStream, Peer)> {
        self.accept().await.map(|(io, _)| (io, Peer::Unix))
    }
}

/// A connection that is accepted.
struct Accepted<I> {
    io: I,
    peer: Peer,
    limits: RequestLimits,
    permit: OwnedSemaphorePermit,
    keep_alive: bool,
}

/// Serves the connections of listeners that share one limit of connections.
pub struct Server {
    routes: Router,
    /// The routes of connections beyond the limit.
    overflow_routes: Router,
    limits: RequestLimits,
    capacity: Arc<Capacity>,
    /// The connections beyond the limit, the oldest first.
    overflow: Mutex<VecDeque<AbortHandle>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// A server of routes; `overflow_routes` answer connections beyond the limit.
    #[must_use]
    pub fn new(
        (routes, overflow_routes): (Router, Router),
        limits: RequestLimits,
        capacity: Arc<Capacity>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { routes, overflow_routes, limits, capacity, overflow: Mutex::default(), stop })
    }

    /// Accepts connections until the daemon stops, and then answers the open ones. Dropping the future closes them.
    pub async fn serve(self: Arc<Self>, socket: impl Socket) {
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        let mut logged = None;
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept_connection() => accepted,
                Some(_) = connections.join_next() => continue,
                // An error means that the sender is gone, which is a stop as well.
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((io, peer)) => self.admit(io, peer, &mut connections),
                // The client disconnected before its connection was accepted.
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    metrics::counter!("levelgate_accept_errors_total").increment(1);
                    if logged.is_none_or(|at: Instant| at.elapsed() >= ACCEPT_LOG_EVERY) {
                        logged = Some(Instant::now());
                        tracing::error!(
                            "a connection cannot be accepted: {error}; new connections wait. Raise the limit on open files \
                             (LimitNOFILE) or lower [http] max_connections"
                        );
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        while connections.join_next().await.is_some() {}
    }

    /// Serves a connection within the limit, or beyond it with health alone. If there are too many connections beyond it as
    /// well, the oldest of them is closed.
    fn admit<I>(self: &Arc<Self>, io: I, peer: Peer, connections: &mut JoinSet<()>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = Arc::clone(self);
        if let Ok(permit) = Arc::clone(&self.capacity.connections).try_acquire_owned() {
            connections.spawn(async move {
                let limits = server.limits;
                server.serve_connection(&server.routes, Accepted { io, peer, limits, permit, keep_alive: true }).await;
            });
            return;
        }
        metrics::counter!("levelgate_connections_refused_total").increment(1);
        let overflow_max = self.capacity.overflow_max;
        let mut overflow = self.overflow.lock();
        overflow.retain(|connection| !connection.is_finished());
        if overflow.len() >= overflow_max {
            // A client that asks for health sends its request at once, so the oldest connection is the least useful one.
            metrics::counter!("levelgate_connections_dropped_total").increment(1);
            match overflow.pop_front() {
                Some(oldest) => oldest.abort(),
                None => return,
            }
        }
        overflow.push_back(connections.spawn(async move {
            let limits = RequestLimits {
                header_bytes_max: OVERFLOW_HEADER_BYTES_MAX,
                header_timeout: OVERFLOW_TIME_MAX / 2,
                body_timeout: OVERFLOW_TIME_MAX / 2,
            };
            let serving = async {
                // A connection that was closed returns its permit when its task ends.
                if let Ok(permit) = Arc::clone(&server.capacity.overflow).acquire_owned().await {
                    let accepted = Accepted { io, peer, limits, permit, keep_alive: false };
                    server.serve_connection(&server.overflow_routes, accepted).await;
                }
            };
            // A client that sends nothing in this time is disconnected.
            let _ = timeout(OVERFLOW_TIME_MAX, serving).await;
        }));
    }

    /// Answers the requests of one connection.
    async fn serve_connection<I>(&self, routes: &Router, accepted: Accepted<I>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Accepted { io, peer, limits, permit, keep_alive } = accepted;
        let io = Connection::new(io, limits, permit);
        let in_flight = io.in_flight().clone();
        let routes = TowerToHyperService::new(routes.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let (mut request, guard) = in_flight::track_request(&in_flight, request);
            request.extensions_mut().insert(peer);
            let may_withhold = in_flight::may_withhold(&request);
            let response = routes.call(request);
            async move {
                let response = response.await?;
                Ok::<_, Infallible>(in_flight::track_response(response, guard, &self.capacity, may_withhold))
            }
        });
        let mut serving = http1::Builder::new();
        // The connection refuses a head that is too long with a problem document; this bounds what hyper buffers of it.
        serving.max_buf_size(2 * limits.header_bytes_max).keep_alive(keep_alive);
        let mut served = pin!(serving.serve_connection(TokioIo::new(io), service));
        let mut stop = self.stop.clone();
        let mut stopped = pin!(async move {
            let _ = stop.wait_for(|stop| *stop).await;
        });
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, ?peer, "a connection ended early");
                    }
                    return;
                }
                () = &mut stopped, if !is_stopping => {
                    is_stopping = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Whether a failure to accept concerns one client alone, so that the next connection can be accepted at once.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
