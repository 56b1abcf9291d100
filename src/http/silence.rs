//! Whose silence it is: while a request is being worked on it is the daemon's, and its connection is not hung up on.
//!
//! A request is worked on from the end of its body to the end of its answer's. Before, the caller owes bytes; a caller
//! who does not take the answer owes reading, and that the connection sees for itself.

use super::{
    failures::Peer,
    listen::{Bounded, Connection},
};
use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::Next,
    response::Response,
    serve::{IncomingStream, Listener},
};
use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio_stream::Stream;

/// How many requests of one connection are being worked on, and where the connection comes from.
#[derive(Debug, Clone)]
pub struct Working(Arc<AtomicUsize>, Peer);

impl Default for Working {
    fn default() -> Self {
        Self(Arc::default(), Peer::Unknown)
    }
}

/// An address that a listener gives to a connection.
pub trait Address {
    /// Where the connection comes from; `None`: the listener is no TCP listener.
    fn ip(&self) -> Option<IpAddr>;
}

impl Address for std::net::SocketAddr {
    fn ip(&self) -> Option<IpAddr> {
        Some(Self::ip(self))
    }
}

impl Address for tokio::net::unix::SocketAddr {
    fn ip(&self) -> Option<IpAddr> {
        None
    }
}

impl Working {
    /// Whether any is.
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl<L: Listener<Addr: Address>> Connected<IncomingStream<'_, Bounded<L>>> for Working {
    fn connect_info(stream: IncomingStream<'_, Bounded<L>>) -> Self {
        let peer = stream.remote_addr().ip().map_or(Peer::Unix, Peer::Ip);
        Self(Arc::clone(&Connection::working(stream.io()).0), peer)
    }
}

const HEARD: u8 = 1;
const ANSWERED: u8 = 2;

/// One request: counted once it is heard to the end, until it is answered to the end or given up.
struct Task {
    working: Working,
    state: AtomicU8,
}

impl Task {
    fn heard(&self) {
        if self.state.fetch_or(HEARD, Ordering::AcqRel) == 0 {
            self.working.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn answered(&self) {
        if self.state.fetch_or(ANSWERED, Ordering::AcqRel) == HEARD {
            self.working.0.fetch_sub(1, Ordering::AcqRel);
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
struct Answering(Arc<Task>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// A body, and who is told of its end.
struct Until<G> {
    body: BodyDataStream,
    told: Option<G>,
}

impl<G: Unpin> Stream for Until<G> {
    type Item = <BodyDataStream as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.told = None;
        }
        next
    }
}

fn until<G: Unpin + Send + 'static>(body: Body, told: G) -> Body {
    Body::from_stream(Until { body: body.into_data_stream(), told: Some(told) })
}

/// Counts a request while it is worked on, for the connection that it came by.
pub(crate) async fn count(mut request: Request, next: Next) -> Response {
    let Some(ConnectInfo(working)) = request.extensions_mut().remove::<ConnectInfo<Working>>() else {
        return next.run(request).await;
    };
    request.extensions_mut().insert(working.1);
    let task = Arc::new(Task { working, state: AtomicU8::new(0) });
    let answering = Answering(Arc::clone(&task));
    let hearing = Hearing(task);
    let request = if request.body().is_end_stream() {
        drop(hearing);
        request
    } else {
        request.map(|body| until(body, hearing))
    };
    let response = next.run(request).await;
    // An answer that is there whole takes nothing but its reading.
    if response.body().size_hint().exact().is_some() { response } else { response.map(|body| until(body, answering)) }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounded, SILENCE_MAX};
    use super::*;
    use axum::{
        Router,
        body::Bytes,
        middleware,
        routing::{get, post},
    };
    use std::{io, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::{Semaphore, mpsc},
        time::{Instant, sleep},
    };

    impl Address for () {
        fn ip(&self) -> Option<IpAddr> {
            None
        }
    }

    /// Takes the other ends of pipes.
    struct Pipes(mpsc::Receiver<DuplexStream>);

    impl Listener for Pipes {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.recv().await {
                Some(io) => (io, ()),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
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
            .layer(middleware::from_fn(count));
        let (send, taken) = mpsc::channel(1);
        let listener = Bounded::new(Pipes(taken), Arc::new(Semaphore::new(1)));
        tokio::spawn(
            async move { axum::serve(listener, routes.into_make_service_with_connect_info::<Working>()).await },
        );
        let (ours, theirs) = tokio::io::duplex(4_096);
        send.send(theirs).await.unwrap();
        // The listener goes on to wait for the next one.
        std::mem::forget(send);
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
        for begun in ["", "POST /lo", "POST /long HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo"] {
            let mut caller = caller().await;
            caller.write_all(begun.as_bytes()).await.unwrap();
            about(hung_up_after(&mut caller).await, SILENCE_MAX);
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
}
