//! Connections of several requests, with a clock that stands still.

use super::*;
use crate::config::Http;
use crate::service::access::peer::Peer;
use axum::routing::{get, post};
use h2::client::{Builder, SendRequest};
use std::{io, time::Duration};
use tokio::{
    io::DuplexStream,
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::sleep,
};

const LIMITS: RequestLimits = RequestLimits {
    header_bytes_max: 16_384,
    header_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(30),
};
/// The time of a request to `/long`.
const LONG: Duration = Duration::from_secs(10_000);

/// A client of a server, and the state of both.
struct Pair {
    requests: SendRequest<Bytes>,
    client: JoinHandle<Result<(), h2::Error>>,
    server: JoinHandle<()>,
    capacity: Arc<Capacity>,
    stop: watch::Sender<bool>,
}

/// A connection to a server with so many permits beyond the one of the connection.
async fn pair(permits: usize) -> Pair {
    let much = || async {
        let bytes = Bytes::from(vec![b'x'; 1 << 16]);
        Body::from_stream(tokio_stream::iter((0..64).map(move |_| Ok::<_, io::Error>(bytes.clone()))))
    };
    let routes = Router::new()
        .route("/long", get(|| async { sleep(LONG).await }))
        .route("/large", get(|| async { vec![b'x'; 1 << 20] }))
        .route("/much", get(much))
        .route("/echo", post(|body: Bytes| async { body }));
    let overflow = Router::new().fallback(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE });
    let capacity = Arc::new(Capacity::new(&Http::default(), permits, 0));
    let (io, served) = tokio::io::duplex(1 << 16);
    let (stop, is_stopping) = watch::channel(false);
    let shared = Arc::clone(&capacity);
    let server = tokio::spawn(async move {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let connection: Connection<DuplexStream> = Connection::new(served, LIMITS, permit);
        let answering = Http2Routes { routes: &routes, overflow: Some(&overflow), capacity: &shared, limits: LIMITS };
        let client = Client { peer: Peer::Unix, certificate: None };
        serve(connection, answering, &client, &mut StopSignal::new(&is_stopping)).await;
    });
    let (requests, connection) = Builder::new().handshake::<_, Bytes>(io).await.unwrap();
    Pair { requests, client: tokio::spawn(connection), server, capacity, stop }
}

impl Pair {
    /// Sends a request without a body.
    fn get(&mut self, path: &str) -> h2::client::ResponseFuture {
        let request = Request::get(format!("https://localhost{path}")).body(()).unwrap();
        self.requests.send_request(request, true).unwrap().0
    }
}

/// The bytes of an answer, which are read as they come.
async fn read(mut body: h2::RecvStream) -> Result<usize, h2::Error> {
    let mut bytes = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        bytes += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    Ok(bytes)
}

#[tokio::test(start_paused = true)]
async fn requests_share_a_connection_and_answers_are_whole() {
    let mut pair = pair(100).await;
    let long = pair.get("/long");
    for (path, bytes) in [("/large", 1 << 20), ("/much", 64 << 16)] {
        let answer = pair.get(path).await.unwrap();
        assert_eq!(read(answer.into_body()).await.unwrap(), bytes, "{path}");
    }
    let request = Request::post("https://localhost/echo").body(()).unwrap();
    let (answer, mut body) = pair.requests.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"one"), false).unwrap();
    body.send_data(Bytes::from_static(b"two"), true).unwrap();
    assert_eq!(read(answer.await.unwrap().into_body()).await.unwrap(), 6);
    assert_eq!(long.await.unwrap().status(), 200, "the connection waits for a long request");
    assert_eq!(pair.capacity.connections.available_permits(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_the_connections_is_refused_and_the_first_of_a_connection_is_not() {
    let mut pair = pair(1).await;
    let (first, second) = (pair.get("/long"), pair.get("/long"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pair.get("/large").await.unwrap().status(), 503);
    assert_eq!(
        (first.await.unwrap().status(), second.await.unwrap().status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pair.capacity.connections.available_permits(), 1);
    assert_eq!(pair.get("/large").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_cancelled_and_others_go_on() {
    for path in ["/large", "/much"] {
        let mut pair = pair(100).await;
        let long = pair.get("/long");
        let unread = pair.get(path).await.unwrap().into_body();
        sleep(IDLE_MAX * 3).await;
        assert!(read(unread).await.is_err(), "{path} is reset");
        assert_eq!(long.await.unwrap().status(), 200);
        assert_eq!(pair.capacity.connections.available_permits(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_frames_and_no_request_is_disconnected() {
    let mut pair = pair(100).await;
    assert_eq!(read(pair.get("/large").await.unwrap().into_body()).await.unwrap(), 1 << 20);
    let Pair { requests: _requests, mut client, server, .. } = pair;
    let began = Instant::now();
    drop(server.await);
    let took = began.elapsed();
    assert!(took >= IDLE_MAX && took < IDLE_MAX * 2, "{took:?}");
    drop((&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_refused_and_the_connection_stays() {
    let mut pair = pair(100).await;
    let request = Request::post("https://localhost/echo").body(()).unwrap();
    let (answer, mut body) = pair.requests.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"one"), false).unwrap();
    let began = Instant::now();
    // The extractor of this route answers 400; the daemon's own answer 408.
    assert!(answer.await.unwrap().status().is_client_error());
    let took = began.elapsed();
    assert!(took >= LIMITS.body_timeout && took < LIMITS.body_timeout * 2, "{took:?}");
    assert_eq!(pair.get("/large").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_the_requests_that_have_begun() {
    let mut pair = pair(100).await;
    let long = pair.get("/long");
    sleep(Duration::from_secs(1)).await;
    pair.stop.send_replace(true);
    assert_eq!(long.await.unwrap().status(), 200);
    drop(pair.requests);
    pair.server.await.unwrap();
}
