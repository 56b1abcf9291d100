//! Listeners and their connections. Their number and duration are bounded; beyond the bound, health is still answered.

use crate::http::server::{
    capacity::Capacity,
    connection::{Connection, RequestLimits},
    fast_path::{Ended, FastPath},
    http2::{self, Http2Routes},
    in_flight::{self, ResponseTerms},
    stop_signal::StopSignal,
    tls::{AcceptedTls, TlsAcceptor},
};
use crate::http::state::AppState;
use crate::service::access::peer::{Client, Peer};
use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};
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
    client: Client,
    limits: RequestLimits,
    permit: OwnedSemaphorePermit,
    keep_alive: bool,
}

/// What answers the requests of a server.
pub struct Routes {
    /// The routes of connections within the limit.
    pub main: Router,
    /// The routes of connections beyond it.
    pub overflow: Router,
    /// The daemon whose payments are answered without the routes; `None`: the routes answer all requests.
    pub fast_path: Option<Arc<AppState>>,
}

/// Serves the connections of listeners that share one limit of connections.
pub struct Server {
    routes: Router,
    /// Answers payments of connections within the limit.
    fast_path: Option<FastPath>,
    /// The routes of connections beyond the limit.
    overflow_routes: Router,
    limits: RequestLimits,
    capacity: Arc<Capacity>,
    /// The connections beyond the limit, the oldest first.
    overflow: Mutex<VecDeque<AbortHandle>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// A server of these routes.
    #[must_use]
    pub fn new(
        routes: Routes,
        limits: RequestLimits,
        capacity: Arc<Capacity>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let Routes { main, overflow, fast_path } = routes;
        Arc::new(Self {
            routes: main,
            fast_path: fast_path.map(FastPath::new),
            overflow_routes: overflow,
            limits,
            capacity,
            overflow: Mutex::default(),
            stop,
        })
    }

    /// Accepts connections until the daemon stops, and then answers the open ones. Dropping the future closes them. With
    /// `tls` a connection begins with its handshake.
    pub async fn serve(self: Arc<Self>, socket: impl Socket, tls: Option<Arc<TlsAcceptor>>) {
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
                Ok((io, peer)) => self.admit((io, peer), tls.as_ref(), &mut connections),
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
    fn admit<I>(self: &Arc<Self>, (io, peer): (I, Peer), tls: Option<&Arc<TlsAcceptor>>, connections: &mut JoinSet<()>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = Arc::clone(self);
        let client = Client { peer, certificate: None };
        let tls = tls.cloned();
        if let Ok(permit) = Arc::clone(&self.capacity.connections).try_acquire_owned() {
            connections.spawn(async move {
                let accepted = Accepted { io, client, limits: server.limits, permit, keep_alive: true };
                server.begin_connection(&server.routes, server.fast_path.as_ref(), accepted, tls).await;
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
                    let accepted = Accepted { io, client, limits, permit, keep_alive: false };
                    server.begin_connection(&server.overflow_routes, None, accepted, tls).await;
                }
            };
            // A client that sends nothing in this time is disconnected.
            let _ = timeout(OVERFLOW_TIME_MAX, serving).await;
        }));
    }

    /// Does the handshake of a connection with TLS, and answers its requests.
    async fn begin_connection<I>(
        &self,
        routes: &Router,
        fast_path: Option<&FastPath>,
        accepted: Accepted<I>,
        tls: Option<Arc<TlsAcceptor>>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(tls) = tls else {
            return self.serve_connection(routes, fast_path, accepted).await;
        };
        let Accepted { io, client, limits, permit, keep_alive } = accepted;
        let mut stop = self.stop.clone();
        let handshake = tokio::select! {
            handshake = tls.accept(io, client.peer, limits.header_timeout) => handshake,
            // No request has begun.
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(AcceptedTls { io, certificate, is_http2 }) = handshake else {
            return;
        };
        let client = Client { certificate, ..client };
        if is_http2 {
            let overflow = keep_alive.then_some(&self.overflow_routes);
            let answering = Http2Routes { routes, overflow, capacity: &self.capacity, limits };
            let (io, mut stop) = (Connection::new(io, limits, permit), StopSignal::new(&self.stop));
            // Boxed: most connections do not need it, and each would have its size.
            Box::pin(http2::serve(io, answering, &client, &mut stop)).await;
        } else {
            self.serve_connection(routes, fast_path, Accepted { io, client, limits, permit, keep_alive }).await;
        }
    }

    /// Answers the requests of one connection: payments by the fast path, all others by the routes.
    async fn serve_connection<I>(&self, routes: &Router, fast_path: Option<&FastPath>, accepted: Accepted<I>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Accepted { io, client, limits, permit, keep_alive } = accepted;
        let mut io = Connection::new(io, limits, permit);
        let mut stop = StopSignal::new(&self.stop);
        loop {
            if let Some(fast_path) = fast_path
                && fast_path.serve(&mut io, &client, &mut stop).await == Ended::Closed
            {
                return;
            }
            let by_routes =
                RoutedConnection { routes, limits, client: &client, keep_alive, returns: fast_path.is_some() };
            // Boxed: most connections need it seldom, and each would have its size.
            match Box::pin(self.serve_by_routes(by_routes, io, &mut stop)).await {
                Some(returned) => io = returned,
                None => return,
            }
        }
    }

    /// Answers requests by the routes. Returns the connection after a payment, if the fast path is to have it; `None`: it is
    /// closed.
    async fn serve_by_routes<I>(
        &self,
        connection: RoutedConnection<'_>,
        io: Connection<I>,
        stop: &mut StopSignal,
    ) -> Option<Connection<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let RoutedConnection { routes, limits, client, keep_alive, returns } = connection;
        let in_flight = io.in_flight().clone();
        let routes = TowerToHyperService::new(routes.clone());
        let is_payment = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            let is_payment_path = FastPath::is_payment(request.uri().path());
            is_payment.store(is_payment_path, Ordering::Relaxed);
            let (mut request, guard) = in_flight::track_request(&in_flight, request);
            client.describe(&mut request);
            let terms = ResponseTerms::of(&request, is_payment_path);
            let response = routes.call(request);
            async move {
                let response = response.await?;
                Ok::<_, Infallible>(in_flight::track_response(response, guard, &self.capacity, terms))
            }
        });
        let mut serving = http1::Builder::new();
        // The connection refuses a head that is too long with a problem document; this bounds what hyper buffers of it.
        serving.max_buf_size(2 * limits.header_bytes_max).keep_alive(keep_alive);
        let mut served = serving.serve_connection(TokioIo::new(io), service);
        let mut is_stopping = false;
        let ended = poll_fn(|context| {
            if let Poll::Ready(ended) = Pin::new(&mut served).poll(context) {
                return Poll::Ready(Some(ended));
            }
            if !is_stopping && stop.poll(context).is_ready() {
                is_stopping = true;
                Pin::new(&mut served).graceful_shutdown();
                if let Poll::Ready(ended) = Pin::new(&mut served).poll(context) {
                    return Poll::Ready(Some(ended));
                }
            }
            // The connection is returned with the bytes of the next request that hyper has read.
            let may_return = returns && !is_stopping && is_payment.load(Ordering::Relaxed);
            if may_return && in_flight.is_between_requests() { Poll::Ready(None) } else { Poll::Pending }
        });
        match ended.await {
            None => {
                let parts = served.into_parts();
                let mut io = parts.io.into_inner();
                let mut received = parts.read_buf.to_vec();
                received.extend_from_slice(&io.take_unread());
                io.put_back(received);
                Some(io)
            }
            Some(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = ?client.peer, "a connection ended early");
                }
                None
            }
        }
    }
}

/// A connection whose requests go to routes.
struct RoutedConnection<'r> {
    routes: &'r Router,
    limits: RequestLimits,
    client: &'r Client,
    keep_alive: bool,
    /// Whether the fast path has the connection back after a payment.
    returns: bool,
}

/// Whether a failure to accept concerns one client alone, so that the next connection can be accepted at once.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
