//! Whose silence it is: while a request is being worked on it is the daemon's, and its connection is not hung up on.
//!
//! A request is worked on from the end of its body to the end of its answer's. Before, the caller owes bytes; a caller
//! who does not take the answer owes reading, and that the connection sees for itself.

use crate::http::server::capacity::{Capacity, CountedAnswer, UNCOUNTED_BYTES_MAX};
use axum::{
    body::{Body, Bytes, HttpBody},
    http::{Method, Request},
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, Incoming, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

/// How far the requests of one connection are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Working(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// Requests whose head is complete.
    begun: AtomicU32,
    /// Those that are not both heard and answered to the end.
    open: AtomicU32,
    /// Those that are heard to the end, and not answered to the end.
    worked_on: AtomicU32,
    /// The request whose body has a time limit and is being read; 0: none.
    timed_body: AtomicU32,
}

impl Working {
    /// Whether any request is being worked on.
    pub(crate) fn is_any(&self) -> bool {
        self.0.worked_on.load(Ordering::Acquire) > 0
    }

    /// Whether no request is being read or answered: the next byte is one of a head.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.open.load(Ordering::Acquire) == 0
    }

    /// How many requests have come so far.
    pub(crate) fn begun(&self) -> u32 {
        self.0.begun.load(Ordering::Acquire)
    }

    /// The number of the request whose body is being read, where that has a time limit.
    pub(crate) fn timed_body(&self) -> Option<u32> {
        Some(self.0.timed_body.load(Ordering::Acquire)).filter(|number| *number != 0)
    }
}

const HEARD: u8 = 1;
const ANSWERED: u8 = 2;

/// One request: counted once it is heard to the end, until it is answered to the end or given up.
struct Task {
    working: Working,
    number: u32,
    state: AtomicU8,
}

impl Task {
    fn heard(&self) {
        let progress = &self.working.0;
        let _ = progress.timed_body.compare_exchange(self.number, 0, Ordering::AcqRel, Ordering::Relaxed);
        match self.state.fetch_or(HEARD, Ordering::AcqRel) {
            0 => _ = progress.worked_on.fetch_add(1, Ordering::AcqRel),
            ANSWERED => _ = progress.open.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
    }

    fn answered(&self) {
        let progress = &self.working.0;
        if self.state.fetch_or(ANSWERED, Ordering::AcqRel) == HEARD {
            progress.worked_on.fetch_sub(1, Ordering::AcqRel);
            progress.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Tells of the end of a request's body, or that nobody wants the rest of it.
struct Hearing(Arc<Task>);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.heard();
    }
}

/// Tells of the end of an answer, or that nobody wants the rest of it.
pub(crate) struct Answering(Arc<Task>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// A body, and who is told of its end.
struct Until<B, G> {
    body: B,
    told: Option<G>,
}

impl<B: HttpBody<Data = Bytes> + Unpin, G: Unpin> HttpBody for Until<B, G> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.told = None;
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

/// Whether a path takes a body of any length, whose pace its handler watches.
fn takes_a_stream(path: &str) -> bool {
    path == "/v1/batch" || path.ends_with("/customers.csv")
}

/// Counts a request that has come by a connection until its answer is over.
pub(crate) fn begin(working: &Working, request: Request<Incoming>) -> (Request<Body>, Answering) {
    let progress = &working.0;
    progress.open.fetch_add(1, Ordering::AcqRel);
    // A number of its own for each: 0 stands for none, and is skipped by the very few that get so far.
    let number = progress.begun.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    let task = Arc::new(Task { working: working.clone(), number, state: AtomicU8::new(0) });
    let answering = Answering(Arc::clone(&task));
    let hearing = Hearing(task);
    if request.body().is_end_stream() {
        drop(hearing);
        return (request.map(Body::new), answering);
    }
    if !takes_a_stream(request.uri().path()) {
        progress.timed_body.store(number, Ordering::Release);
    }
    (request.map(|body| Body::new(Until { body, told: Some(hearing) })), answering)
}

/// Whether the answer to a request may be replaced by a refusal when too many bytes are in memory: one that only reads,
/// and is not about the health of the daemon.
pub(crate) fn may_withhold(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && !crate::http::is_health(request.uri().path())
}

/// Counts an answer until it is over, and its bytes until they are written to the socket.
pub(crate) fn answer(response: Response, answering: Answering, capacity: &Capacity, may_withhold: bool) -> Response {
    let Some(bytes) = response.body().size_hint().exact() else {
        return response.map(|body| Body::new(Until { body, told: Some(answering) }));
    };
    // An answer that is there whole takes nothing but its reading.
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
        connection::{RequestLimits, SILENCE_MAX},
        listen::{Caller, Server, Socket},
    };
    use axum::{
        Router,
        routing::{get, post},
    };
    use std::{io, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::{Mutex, mpsc, watch},
        time::{Instant, sleep},
    };

    const LIMITS: RequestLimits = RequestLimits {
        header_bytes_max: 16_384,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
    };

    /// Takes the other ends of pipes.
    struct Pipes(Mutex<mpsc::Receiver<DuplexStream>>);

    impl Socket for Pipes {
        type Io = DuplexStream;

        async fn take(&self) -> io::Result<(DuplexStream, Caller)> {
            match self.0.lock().await.recv().await {
                Some(io) => Ok((io, Caller(None))),
                None => std::future::pending().await,
            }
        }
    }

    /// A caller of a daemon that works for as long as it is told, in silence.
    async fn caller() -> DuplexStream {
        const LONG: Duration = Duration::from_secs(10_000);
        let piece = |n: u32| async move {
            sleep(SILENCE_MAX * 2).await;
            (n < 3).then(|| (Ok::<_, io::Error>(Bytes::from("piece")), n + 1))
        };
        let pieces = move || async move {
            let (out, taken) = mpsc::channel(1);
            tokio::spawn(async move {
                let mut n = 0;
                while let Some((said, next)) = piece(n).await {
                    n = next;
                    if out.send(said).await.is_err() {
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
            .route("/unheard", post(|| async { sleep(LONG).await }))
            .route("/pieces", get(pieces))
            .route("/much", get(much))
            .route("/echo", post(|_: Bytes| async {}));
        let (send, taken) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let capacity = Arc::new(Capacity::new(&Http::default(), 1, 1));
        let server = Server::new((routes, Router::new()), LIMITS, capacity, stopped);
        tokio::spawn(server.serve(Pipes(Mutex::new(taken))));
        let (ours, theirs) = tokio::io::duplex(4_096);
        send.send(theirs).await.unwrap();
        // The listener goes on to wait for the next one, and nothing is stopped.
        std::mem::forget((send, stop));
        ours
    }

    async fn heard(caller: &mut DuplexStream, until: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(until) {
            let mut piece = [0; 4_096];
            let read = caller.read(&mut piece).await.unwrap();
            assert!(read > 0, "hung up on behind {:?}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(text).unwrap()
    }

    /// How long it takes until nothing more comes.
    async fn hung_up_after(caller: &mut DuplexStream) -> Duration {
        let begun = Instant::now();
        let mut rest = Vec::new();
        // A pipe that is cut in the middle is at an end as well.
        let _ = caller.read_to_end(&mut rest).await;
        begun.elapsed()
    }

    fn about(waited: Duration, bound: Duration) {
        assert!(waited >= bound && waited < bound + Duration::from_secs(1), "{waited:?} for {bound:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_an_answer_is_not_hung_up_on_however_long_it_takes() {
        let mut caller = caller().await;
        for path in ["/long", "/unheard", "/long"] {
            let request = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
            caller.write_all(request.as_bytes()).await.unwrap();
            assert!(heard(&mut caller, "\r\n\r\n").await.starts_with("HTTP/1.1 200"), "{path}");
            // Some of the silence that is the caller's own.
            sleep(SILENCE_MAX / 2).await;
        }
        caller.write_all(b"GET /pieces HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        assert_eq!(heard(&mut caller, "\r\n0\r\n\r\n").await.matches("piece").count(), 3);
        about(hung_up_after(&mut caller).await, SILENCE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_sending_is_hung_up_on() {
        let half = "POST /long HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo";
        for (begun, most) in [("", SILENCE_MAX), ("POST /lo", LIMITS.header_timeout), (half, LIMITS.body_timeout)] {
            let mut caller = caller().await;
            caller.write_all(begun.as_bytes()).await.unwrap();
            about(hung_up_after(&mut caller).await, most);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_reading_is_hung_up_on_and_whoever_reads_slowly_is_not() {
        let mut slow = caller().await;
        slow.write_all(b"GET /much HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let (mut read, mut piece) = (0, [0; 65_536]);
        while read < 64 << 16 {
            // Each takes what the pipe holds.
            sleep(SILENCE_MAX / 2).await;
            let more = slow.read(&mut piece).await.unwrap();
            assert!(more > 0, "hung up on behind {read} bytes");
            read += more;
        }
        let mut stuck = caller().await;
        stuck.write_all(b"GET /much HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        heard(&mut stuck, "\r\n\r\n").await;
        sleep(SILENCE_MAX + Duration::from_secs(1)).await;
        let mut rest = Vec::new();
        let _ = stuck.read_to_end(&mut rest).await;
        assert!(rest.len() <= 2 * 4_096, "what the pipe held, and no more: {}", rest.len());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_drips_a_body_has_the_time_of_a_whole_body_and_each_request_anew() {
        let mut caller = caller().await;
        for _ in 0..3 {
            caller.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n").await.unwrap();
            for _ in 0..4 {
                sleep(LIMITS.body_timeout / 5).await;
                caller.write_all(b"x").await.unwrap();
            }
            assert!(heard(&mut caller, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        }
        caller.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 400\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        let answer = loop {
            // One byte a second, which no silence would end.
            let _ = caller.write_all(b"x").await;
            match tokio::time::timeout(Duration::from_secs(1), heard(&mut caller, "\r\n\r\n")).await {
                Ok(answer) => break answer,
                Err(_) => assert!(begun.elapsed() < LIMITS.body_timeout * 2, "it is never cut off"),
            }
        };
        assert!(answer.starts_with("HTTP/1.1 400"), "the body is broken for whoever reads it: {answer}");
        about(begun.elapsed(), LIMITS.body_timeout);
    }
}
