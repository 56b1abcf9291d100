//! Listeners and their connections: so many at a time, none for ever. Health is answered also when all places are taken.

use crate::http::server::{
    capacity::Capacity,
    connection::{Connection, RequestLimits},
    in_flight,
};
use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use parking_lot::Mutex;
use std::{
    collections::VecDeque, convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

/// How long a connection may take that comes when all places are taken; its head may take half of it.
const OVERFLOW_TIME_MAX: Duration = Duration::from_secs(2);
/// The most bytes of its head; hyper takes no smaller limit.
const OVERFLOW_HEADER_BYTES_MAX: usize = 8 * 1024;
/// The pause after the system could not hand over a connection: there is no descriptor or no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Such failures are logged no more often than this.
const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(10);

/// Where connections come from.
pub trait Socket: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection, and says who calls where that is known.
    fn take(&self) -> impl Future<Output = io::Result<(Self::Io, Caller)>> + Send;
}

impl Socket for TcpListener {
    type Io = TcpStream;

    async fn take(&self) -> io::Result<(TcpStream, Caller)> {
        self.accept().await.map(|(io, address)| (io, Caller(Some(address))))
    }
}

impl Socket for UnixListener {
    type Io = UnixStream;

    async fn take(&self) -> io::Result<(UnixStream, Caller)> {
        self.accept().await.map(|(io, _)| (io, Caller(None)))
    }
}

/// The address of whoever calls, in the extensions of each request; `None` over a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(pub Option<SocketAddr>);

/// What serves the connections of listeners that share their places.
pub struct Server {
    routes: Router,
    /// The routes of connections beyond the places.
    overflow_routes: Router,
    limits: RequestLimits,
    capacity: Arc<Capacity>,
    /// The connections beyond the places, the longest connected first.
    overflow: Mutex<VecDeque<AbortHandle>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// A server of routes; `overflow_routes` answer those who come when all places are taken.
    #[must_use]
    pub fn new(
        (routes, overflow_routes): (Router, Router),
        limits: RequestLimits,
        capacity: Arc<Capacity>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { routes, overflow_routes, limits, capacity, overflow: Mutex::default(), stop })
    }

    /// Serves a listener until the daemon stops, and then those who are connected until they are answered. Dropping the
    /// future cuts them off.
    pub async fn serve(self: Arc<Self>, socket: impl Socket) {
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        let mut logged = None;
        loop {
            let taken = tokio::select! {
                taken = socket.take() => taken,
                Some(_) = connections.join_next() => continue,
                // An error means that the sender is gone, which is a stop as well.
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match taken {
                Ok((io, caller)) => self.admit(io, caller, &mut connections),
                // The caller went away before it was taken.
                Err(error) if is_of_one_caller(&error) => {}
                Err(error) => {
                    metrics::counter!("levelgate_accept_errors_total").increment(1);
                    if logged.is_none_or(|at: Instant| at.elapsed() >= ACCEPT_LOG_EVERY) {
                        logged = Some(Instant::now());
                        tracing::error!(
                            "a connection cannot be accepted: {error}; new callers wait. Raise the limit on open files \
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

    /// Gives a connection its place, or one of those that serve health alone. If these are taken too, the longest connected
    /// one is closed.
    fn admit<I>(self: &Arc<Self>, io: I, caller: Caller, connections: &mut JoinSet<()>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = Arc::clone(self);
        if let Ok(place) = Arc::clone(&self.capacity.connections).try_acquire_owned() {
            connections.spawn(async move {
                let limits = server.limits;
                server.converse(&server.routes, (io, caller), limits, place, true).await;
            });
            return;
        }
        metrics::counter!("levelgate_connections_refused_total").increment(1);
        let places_max = self.capacity.overflow_max;
        let mut overflow = self.overflow.lock();
        overflow.retain(|connection| !connection.is_finished());
        if overflow.len() >= places_max {
            // The longest connected one gives way: a caller who asks for health sends its request at once, and one that
            // has said nothing by now blocks no one.
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
            let answering = async {
                // One that gave way leaves its place as soon as its task ends.
                if let Ok(place) = Arc::clone(&server.capacity.overflow).acquire_owned().await {
                    server.converse(&server.overflow_routes, (io, caller), limits, place, false).await;
                }
            };
            // A caller who says nothing in this time is hung up on.
            let _ = timeout(OVERFLOW_TIME_MAX, answering).await;
        }));
    }

    /// Answers the requests of one connection.
    async fn converse<I>(
        &self,
        routes: &Router,
        (io, caller): (I, Caller),
        limits: RequestLimits,
        place: OwnedSemaphorePermit,
        keep_alive: bool,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = Connection::new(io, limits, place);
        let working = io.working().clone();
        let routes = TowerToHyperService::new(routes.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let (mut request, answering) = in_flight::begin(&working, request);
            request.extensions_mut().insert(caller);
            let may_withhold = in_flight::may_withhold(&request);
            let answer = routes.call(request);
            async move {
                let response = answer.await?;
                Ok::<_, Infallible>(in_flight::answer(response, answering, &self.capacity, may_withhold))
            }
        });
        let mut serving = http1::Builder::new();
        // What a head may have is refused by the connection, in words; this is the bound of what hyper keeps of it.
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
                        tracing::debug!(%error, ?caller, "a connection ended early");
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

/// Whether a failure to accept is of one caller alone, and the next one can be taken at once.
fn is_of_one_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
