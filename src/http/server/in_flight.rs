//! The requests in flight on a connection: while the daemon works on one, the connection's idle timer is paused.
//!
//! The daemon works on a request from the end of the request's body to the end of the response's body. Before that, the
//! client owes bytes. A client that does not read its response is seen by the connection itself, whose writes wait.

use crate::http::{
    operations::operation::{has_streamed_body, is_always_available},
    safe_headers::with_safe_headers,
    server::capacity::{Capacity, CountedAnswer, UNCOUNTED_BYTES_MAX},
};
use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    http::{Method, Request},
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, Incoming, SizeHint};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// The requests in flight on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests whose head is complete, since the connection began.
    begun: AtomicU32,
    /// Requests that are not both received and answered completely.
    open: AtomicU32,
    /// Requests that are received completely, and not answered completely.
    worked_on: AtomicU32,
    /// The number of the request whose body has a time limit and is being received; 0: none.
    timed_body: AtomicU32,
    /// The number of the last request whose body was read to its end.
    read_to_end: AtomicU32,
    /// Whether a write waits for the client to read.
    is_write_blocked: AtomicBool,
}

impl InFlight {
    /// Whether the daemon works on a request.
    pub(crate) fn is_working(&self) -> bool {
        self.0.worked_on.load(Ordering::Acquire) > 0
    }

    /// Whether no request is being received or answered: the next byte belongs to a head.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.open.load(Ordering::Acquire) == 0
    }

    /// The number of requests whose head is complete.
    pub(crate) fn begun(&self) -> u32 {
        self.0.begun.load(Ordering::Acquire)
    }

    /// The number of the request whose body is being received, where that has a time limit.
    pub(crate) fn timed_body(&self) -> Option<u32> {
        Some(self.0.timed_body.load(Ordering::Acquire)).filter(|number| *number != 0)
    }
}

impl InFlight {
    /// Notes whether a write waits for the client to read. Returns whether the write before it did.
    pub(crate) fn set_write_blocked(&self, is_blocked: bool) -> bool {
        let was_blocked = self.is_write_blocked();
        if was_blocked != is_blocked {
            self.0.is_write_blocked.store(is_blocked, Ordering::Release);
        }
        was_blocked
    }

    /// Whether a write waits for the client to read.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.0.is_write_blocked.load(Ordering::Acquire)
    }

    /// Whether every request was read to its end, answered, and its answer was written.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.is_idle() && self.is_read_to_end() && !self.is_write_blocked()
    }

    /// Whether the last request was read to its end.
    pub(crate) fn is_read_to_end(&self) -> bool {
        self.0.read_to_end.load(Ordering::Acquire) == self.begun()
    }
}

const RECEIVED: u8 = 1;
const ANSWERED: u8 = 2;

/// One request: the daemon works on it once it is received completely, until it is answered completely or dropped.
struct TrackedRequest {
    in_flight: InFlight,
    number: u32,
    state: AtomicU8,
}

impl TrackedRequest {
    fn finish_request(&self) {
        let counts = &self.in_flight.0;
        let _ = counts.timed_body.compare_exchange(self.number, 0, Ordering::AcqRel, Ordering::Relaxed);
        match self.state.fetch_or(RECEIVED, Ordering::AcqRel) {
            0 => _ = counts.worked_on.fetch_add(1, Ordering::AcqRel),
            ANSWERED => _ = counts.open.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
    }

    fn finish_response(&self) {
        let counts = &self.in_flight.0;
        if self.state.fetch_or(ANSWERED, Ordering::AcqRel) == RECEIVED {
            counts.worked_on.fetch_sub(1, Ordering::AcqRel);
            counts.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Marks the request as received when its body ends or is dropped.
struct RequestGuard(Arc<TrackedRequest>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.finish_request();
    }
}

impl BodyGuard for RequestGuard {
    fn note_end(&self) {
        self.0.in_flight.0.read_to_end.store(self.0.number, Ordering::Release);
    }
}

/// Marks the request as answered when the response's body ends or is dropped.
pub(crate) struct ResponseGuard(Arc<TrackedRequest>);

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.finish_response();
    }
}

impl BodyGuard for ResponseGuard {}

/// What accompanies a body.
trait BodyGuard {
    /// Notes that the body was read to its end. A body that is dropped before has none.
    fn note_end(&self) {}
}

/// A body with a guard that is dropped at its end.
struct GuardedBody<B, G> {
    body: B,
    guard: Option<G>,
}

impl<B: HttpBody<Data = Bytes> + Unpin, G: BodyGuard + Unpin> HttpBody for GuardedBody<B, G> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        let is_end = matches!(next, Poll::Ready(None)) || (next.is_ready() && self.body.is_end_stream());
        if let (true, Some(guard)) = (is_end, &self.guard) {
            guard.note_end();
        }
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.guard = None;
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Tracks a request of a connection until its response is complete.
pub(crate) fn track_request(in_flight: &InFlight, request: Request<Incoming>) -> (Request<Body>, ResponseGuard) {
    let (request_guard, response_guard) = begin(in_flight);
    if request.body().is_end_stream() {
        request_guard.note_end();
        drop(request_guard);
        return (request.map(Body::new), response_guard);
    }
    if !has_streamed_body(request.uri().path()) {
        in_flight.0.timed_body.store(request_guard.0.number, Ordering::Release);
    }
    (request.map(|body| Body::new(GuardedBody { body, guard: Some(request_guard) })), response_guard)
}

fn begin(in_flight: &InFlight) -> (RequestGuard, ResponseGuard) {
    let counts = &in_flight.0;
    counts.open.fetch_add(1, Ordering::AcqRel);
    // The count wraps after 2^32 requests; the request that then gets the number 0 has no time limit for its body.
    let number = counts.begun.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    let tracked = Arc::new(TrackedRequest { in_flight: in_flight.clone(), number, state: AtomicU8::new(0) });
    (RequestGuard(Arc::clone(&tracked)), ResponseGuard(tracked))
}

/// Tracks a request that shares its connection with others. Its body has a separate time limit.
pub(crate) fn track_stream(
    in_flight: &InFlight,
    request: Request<Incoming>,
    body_timeout: Duration,
) -> (Request<Body>, ResponseGuard) {
    let (request_guard, response_guard) = begin(in_flight);
    if request.body().is_end_stream() {
        drop(request_guard);
        return (request.map(Body::new), response_guard);
    }
    let is_streamed = has_streamed_body(request.uri().path());
    let guarded = |body| {
        let body = GuardedBody { body, guard: Some(request_guard) };
        if is_streamed { Body::new(body) } else { Body::new(TimedBody::new(body, body_timeout)) }
    };
    (request.map(guarded), response_guard)
}

/// A body with a time limit.
struct TimedBody<B> {
    body: B,
    timer: Pin<Box<Sleep>>,
}

impl<B> TimedBody<B> {
    fn new(body: B, time_max: Duration) -> Self {
        Self { body, timer: Box::pin(sleep(time_max)) }
    }
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin> HttpBody for TimedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(next.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.timer.as_mut().poll(context));
        metrics::counter!("levelgate_requests_too_slow_total", "part" => "body").increment(1);
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the response to a request depends on besides its handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseTerms {
    /// Whether a refusal may replace the response when too many bytes are in memory: the request only reads, and does not
    /// ask for the health of the daemon.
    may_withhold: bool,
    /// Whether it is a payment: see [`with_safe_headers`].
    is_payment: bool,
}

impl ResponseTerms {
    /// Those of a request; `is_payment_path`: its path is that of a payment operation.
    pub(crate) fn of(request: &Request<Body>, is_payment_path: bool) -> Self {
        let method = request.method();
        let may_withhold = matches!(*method, Method::GET | Method::HEAD) && !is_always_available(request.uri().path());
        Self { may_withhold, is_payment: is_payment_path && *method == Method::POST }
    }
}

/// Tracks a response until it is complete, and counts its bytes until they are written to the socket.
pub(crate) fn track_response(
    response: Response,
    guard: ResponseGuard,
    capacity: &Capacity,
    terms: ResponseTerms,
) -> Response {
    let response = counted(response, guard, capacity, terms.may_withhold);
    if terms.is_payment { response } else { with_safe_headers(response) }
}

fn counted(response: Response, guard: ResponseGuard, capacity: &Capacity, may_withhold: bool) -> Response {
    let Some(bytes) = response.body().size_hint().exact() else {
        return response.map(|body| Body::new(GuardedBody { body, guard: Some(guard) }));
    };
    // A response of known length is in memory already: from here on only its reader takes time.
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes <= UNCOUNTED_BYTES_MAX {
        return response;
    }
    let budget = capacity.bytes();
    let reserved = if may_withhold { budget.reserve(bytes) } else { Ok(budget.take(bytes)) };
    match reserved {
        Ok(reserved) => response.map(|body| Body::new(CountedAnswer::new(body, reserved))),
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Http;
    use crate::http::server::{
        connection::{IDLE_MAX, RequestLimits},
        listen::{Routes, Server, Socket},
    };
    use crate::service::access::peer::Peer;
    use axum::{
        Router,
        routing::{get, post},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::{Mutex, mpsc, watch},
        time::Instant,
    };

    const LIMITS: RequestLimits = RequestLimits {
        header_bytes_max: 16_384,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
    };

    /// Accepts the other ends of pipes.
    struct Pipes(Mutex<mpsc::Receiver<DuplexStream>>);

    impl Socket for Pipes {
        type Io = DuplexStream;

        async fn accept_connection(&self) -> io::Result<(DuplexStream, Peer)> {
            match self.0.lock().await.recv().await {
                Some(io) => Ok((io, Peer::Unix)),
                None => std::future::pending().await,
            }
        }
    }

    /// A client of a server whose handlers take a long time.
    async fn client() -> DuplexStream {
        const LONG: Duration = Duration::from_secs(10_000);
        let piece = |n: u32| async move {
            sleep(IDLE_MAX * 2).await;
            (n < 3).then(|| (Ok::<_, io::Error>(Bytes::from("piece")), n + 1))
        };
        let pieces = move || async move {
            let (out, taken) = mpsc::channel(1);
            tokio::spawn(async move {
                let mut n = 0;
                while let Some((sent, next)) = piece(n).await {
                    n = next;
                    if out.send(sent).await.is_err() {
                        return;
                    }
                }
            });
            Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(taken))
        };
        let much = || async {
            let bytes = Bytes::from(vec![b'x'; 1 << 16]);
            Body::from_stream(tokio_stream::iter((0..64).map(move |_| Ok::<_, io::Error>(bytes.clone()))))
        };
        let routes = Router::new()
            .route("/long", post(|_: Bytes| async { sleep(LONG).await }))
            .route("/unread", post(|| async { sleep(LONG).await }))
            .route("/pieces", get(pieces))
            .route("/much", get(much))
            .route("/echo", post(|_: Bytes| async {}));
        let (send, taken) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let capacity = Arc::new(Capacity::new(&Http::default(), 1, 1));
        let routes = Routes { main: routes, overflow: Router::new(), fast_path: None };
        let server = Server::new(routes, LIMITS, capacity, stopped);
        tokio::spawn(server.serve(Pipes(Mutex::new(taken)), None));
        let (ours, theirs) = tokio::io::duplex(4_096);
        send.send(theirs).await.unwrap();
        // Without them the listener would stop.
        std::mem::forget((send, stop));
        ours
    }

    async fn read_until(client: &mut DuplexStream, until: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(until) {
            let mut piece = [0; 4_096];
            let read = client.read(&mut piece).await.unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(text).unwrap()
    }

    /// The time until the server closes the connection.
    async fn closed_after(client: &mut DuplexStream) -> Duration {
        let begun = Instant::now();
        let mut rest = Vec::new();
        // A pipe that is cut is at its end as well.
        let _ = client.read_to_end(&mut rest).await;
        begun.elapsed()
    }

    fn about(waited: Duration, bound: Duration) {
        assert!(waited >= bound && waited < bound + Duration::from_secs(1), "{waited:?} for {bound:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_for_a_slow_answer_stays_connected() {
        let mut client = client().await;
        for path in ["/long", "/unread", "/long"] {
            let request = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
            client.write_all(request.as_bytes()).await.unwrap();
            assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 200"), "{path}");
            // The idle timer runs between requests.
            sleep(IDLE_MAX / 2).await;
        }
        client.write_all(b"GET /pieces HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        assert_eq!(read_until(&mut client, "\r\n0\r\n\r\n").await.matches("piece").count(), 3);
        about(closed_after(&mut client).await, IDLE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_sending_is_disconnected() {
        let half = "POST /long HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo";
        for (begun, most) in [("", IDLE_MAX), ("POST /lo", LIMITS.header_timeout), (half, LIMITS.body_timeout)] {
            let mut client = client().await;
            client.write_all(begun.as_bytes()).await.unwrap();
            about(closed_after(&mut client).await, most);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_disconnected_and_a_slow_reader_is_not() {
        let mut slow = client().await;
        slow.write_all(b"GET /much HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let (mut read, mut piece) = (0, [0; 65_536]);
        while read < 64 << 16 {
            // Each read takes what the pipe contains.
            sleep(IDLE_MAX / 2).await;
            let more = slow.read(&mut piece).await.unwrap();
            assert!(more > 0, "closed after {read} bytes");
            read += more;
        }
        let mut stuck = client().await;
        stuck.write_all(b"GET /much HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        read_until(&mut stuck, "\r\n\r\n").await;
        sleep(IDLE_MAX + Duration::from_secs(1)).await;
        let mut rest = Vec::new();
        let _ = stuck.read_to_end(&mut rest).await;
        assert!(rest.len() <= 2 * 4_096, "only what the pipe contained: {}", rest.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_byte_by_byte_has_the_time_of_a_whole_body_for_each_request() {
        let mut client = client().await;
        for _ in 0..3 {
            client.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n").await.unwrap();
            for _ in 0..4 {
                sleep(LIMITS.body_timeout / 5).await;
                client.write_all(b"x").await.unwrap();
            }
            assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        }
        client.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 400\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        let answer = loop {
            // One byte a second, so that the idle timer never ends.
            let _ = client.write_all(b"x").await;
            match tokio::time::timeout(Duration::from_secs(1), read_until(&mut client, "\r\n\r\n")).await {
                Ok(answer) => break answer,
                Err(_) => assert!(begun.elapsed() < LIMITS.body_timeout * 2, "the connection is never closed"),
            }
        };
        assert!(answer.starts_with("HTTP/1.1 400"), "the handler gets a broken body: {answer}");
        about(begun.elapsed(), LIMITS.body_timeout);
    }
}
