//! HTTP/2: several requests at a time on one connection, within the limits that HTTP/1.1 has.
//!
//! | Limit | Here |
//! |---|---|
//! | `max_connections` | A request takes a permit of a connection unless it is the only one of its connection, which has one. Without a permit it is answered as on a connection beyond the limit. |
//! | `max_header_bytes` | The list of headers; the library answers 431. |
//! | `header_timeout_s` | The daemon does not see a head before it is complete: a connection without a request in flight is closed after [`IDLE_MAX`]; other frames do not extend that. |
//! | `body_timeout_s` | A timer for each request ([`track_stream`](super::in_flight::track_stream)). |
//! | A client that does not read | A request is cancelled when its client has taken nothing of the answer for [`IDLE_MAX`]. |
//! | Bytes that wait for the daemon | The windows below. |
//! | Bytes that wait for the client | Answers are handed over in pieces, each when the client has room. |

use crate::http::server::{
    capacity::Capacity,
    connection::{Connection, IDLE_MAX, RequestLimits},
    fast_path::FastPath,
    in_flight::{self, ResponseTerms},
    stop_signal::StopSignal,
};
use crate::service::access::peer::Client;
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::Request,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http2,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The most requests at a time on one connection.
const STREAMS_MAX: u32 = 64;
/// The most bytes of one request's body that wait for its handler.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The most bytes of all bodies of a connection that wait.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// The most bytes of an answer that wait for the client in the library, and the most of one piece.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// What answers the requests of a connection.
pub(crate) struct Http2Routes<'r> {
    pub(crate) routes: &'r Router,
    /// The routes of a request that has no permit; `None`: the connection is beyond the limit itself.
    pub(crate) overflow: Option<&'r Router>,
    pub(crate) capacity: &'r Arc<Capacity>,
    pub(crate) limits: RequestLimits,
}

/// Answers the requests of a connection until it closes or the daemon stops.
pub(crate) async fn serve<I>(mut io: Connection<I>, answering: Http2Routes<'_>, client: &Client, stop: &mut StopSignal)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Http2Routes { routes, overflow, capacity, limits } = answering;
    io.multiplex();
    let in_flight = io.in_flight().clone();
    let service = service_fn(|request: Request<Incoming>| {
        let (mut answering, mut permit) = (routes, None);
        if let (Some(overflow), false) = (overflow, in_flight.is_idle()) {
            match Arc::clone(&capacity.connections).try_acquire_owned() {
                Ok(taken) => permit = Some(taken),
                Err(_) => {
                    metrics::counter!("levelgate_connections_refused_total").increment(1);
                    answering = overflow;
                }
            }
        }
        let (mut request, guard) = in_flight::track_stream(&in_flight, request, limits.body_timeout);
        client.describe(&mut request);
        let terms = ResponseTerms::of(&request, FastPath::is_payment(request.uri().path()));
        let response = TowerToHyperService::new(answering.clone()).call(request);
        let capacity = Arc::clone(capacity);
        async move {
            let response = in_flight::track_response(response.await?, guard, &capacity, terms);
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, permit)))
        }
    });
    let mut serving = http2::Builder::new(StreamTasks::default());
    serving
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(PIECE_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    let mut served = pin!(serving.serve_connection(TokioIo::new(io), service));
    let mut is_stopping = false;
    let ended = poll_fn(|context| {
        if let Poll::Ready(ended) = served.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        if !is_stopping && stop.poll(context).is_ready() {
            is_stopping = true;
            served.as_mut().graceful_shutdown();
            return served.as_mut().poll(context);
        }
        Poll::Pending
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, peer = ?client.peer, "a connection ended early");
    }
}

tokio::task_local! {
    /// The client of the request that the task answers, as a reader of the answer.
    static READER: Arc<Reader>;
}

/// Since when a client has taken nothing of an answer that is ready; `None`: the daemon works on it.
#[derive(Debug, Default)]
struct Reader(Mutex<Option<Instant>>);

impl Reader {
    /// Waits until the client has taken nothing for [`IDLE_MAX`].
    async fn overdue(&self) {
        loop {
            let since = *self.0.lock();
            sleep_until(since.unwrap_or_else(Instant::now) + IDLE_MAX).await;
            if self.0.lock().is_some_and(|since| since + IDLE_MAX <= Instant::now()) {
                return;
            }
        }
    }
}

/// The tasks of the requests of one connection. They end with the connection.
#[derive(Debug, Clone, Default)]
struct StreamTasks(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let reader = Arc::new(Reader::default());
        let answers = READER.scope(Arc::clone(&reader), stream);
        let mut tasks = self.0.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // A request that is dropped is reset.
            tokio::select! {
                () = answers => {}
                () = reader.overdue() => tracing::debug!("a client of HTTP/2 did not read its answer"),
            }
        });
    }
}

/// The body of an answer, in pieces, with the permit of its request.
struct AnswerBody {
    body: Body,
    /// The bytes of the next pieces.
    rest: Bytes,
    reader: Option<Arc<Reader>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    /// Called by the task of the request.
    fn new(body: Body, permit: Option<OwnedSemaphorePermit>) -> Self {
        let reader = READER.try_with(Arc::clone).ok();
        let new = Self { body, rest: Bytes::new(), reader, _permit: permit };
        new.set_waiting(Some(Instant::now()));
        new
    }

    fn set_waiting(&self, since: Option<Instant>) {
        if let Some(reader) = &self.reader {
            *reader.0.lock() = since;
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The client has room for a piece.
        self.set_waiting(None);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let bytes = self.rest.len().min(PIECE_BYTES_MAX);
        let piece = self.rest.split_to(bytes);
        self.set_waiting(Some(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(rest));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
