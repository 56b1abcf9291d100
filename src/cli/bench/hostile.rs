//! Hostile clients next to the load: heads that never end, requests that never complete, bodies that are too long, invalid
//! JSON, and floods of TLS handshakes. Each kind shows what such clients cost the payments.

use crate::cli::bench::{
    connection::{ServerAddress, TlsClient},
    disturbance::DisturbanceReport,
    requests::Endpoint,
};
use anyhow::Context;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

/// What hostile clients do, each over its own connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum HostileKind {
    /// Heads, a byte at a time, that do not end
    SlowHead,
    /// Requests whose second half never comes
    HalfOpen,
    /// Bodies of a gibibyte
    BigBody,
    /// Payments that are not JSON
    BadJson,
    /// TLS handshakes, each on a new connection; only for an https URL
    HandshakeFlood,
}

impl HostileKind {
    /// The name in arguments and tables.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::SlowHead => "slow-head",
            Self::HalfOpen => "half-open",
            Self::BigBody => "big-body",
            Self::BadJson => "bad-json",
            Self::HandshakeFlood => "handshake-flood",
        }
    }
}

/// How many hostile clients there are, and how fast they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostileSizes {
    /// The clients of a kind, each with one connection at a time.
    pub(super) clients: u32,
    /// The bytes, requests or handshakes that all clients of a kind send in a second.
    pub(super) rate: u32,
}

/// The length that the head of a body names.
const BIG_BODY_BYTES: u64 = 1 << 30;
/// The bytes of one write of such a body.
const PIECE_BYTES: usize = 64 << 10;
/// How long a client waits for the end of a connection that it has stopped using.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// The pause after the daemon has refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

/// Clients that attack a daemon until they are stopped.
pub(super) struct HostileClients {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<DisturbanceReport>>,
}

impl HostileClients {
    /// Starts the clients of a kind on another thread.
    ///
    /// # Errors
    /// The kind needs TLS, and the daemon has none.
    pub(super) fn start(kind: HostileKind, sizes: HostileSizes, endpoint: &Endpoint) -> anyhow::Result<Self> {
        anyhow::ensure!(
            kind != HostileKind::HandshakeFlood || endpoint.address.tls.is_some(),
            "--hostile handshake-flood needs a daemon with TLS: --url https://HOST:PORT"
        );
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            kind,
            pause: Duration::from_secs(1) * sizes.clients / sizes.rate.max(1),
            address: endpoint.address.clone(),
            head: head(endpoint),
            counts: Counts::default(),
        });
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || run(&shared, sizes.clients, &stopping));
        Ok(Self { stop, thread })
    }

    /// Stops the clients. Returns how many attempts ended, and how long all of them took.
    ///
    /// # Errors
    /// The runtime of the clients cannot start.
    pub(super) fn stop(self) -> anyhow::Result<DisturbanceReport> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the hostile clients panicked"))?
    }
}

/// The attempts that ended: the daemon answered, or closed the connection.
#[derive(Debug, Default)]
struct Counts {
    finished: AtomicU64,
    milliseconds: AtomicU64,
}

/// What the clients of a kind have in common.
#[derive(Debug)]
struct Shared {
    kind: HostileKind,
    /// Between two steps of one client.
    pause: Duration,
    address: ServerAddress,
    head: String,
    counts: Counts,
}

/// The head of a payment without the length of its body and its last line.
fn head(Endpoint { address, merchant, token, .. }: &Endpoint) -> String {
    let token = token.as_ref().map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    format!(
        "POST /v1/merchants/{merchant}/transactions HTTP/1.1\r\nhost: {}\r\n{token}content-type: application/json\r\n",
        address.host_port
    )
}

/// Runs the clients on a runtime of this thread until they are stopped.
fn run(shared: &Arc<Shared>, clients: u32, stop: &AtomicBool) -> anyhow::Result<DisturbanceReport> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let shared = Arc::clone(shared);
            tasks.spawn(async move { shared.attack().await });
        }
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
        tasks.shutdown().await;
    });
    let Counts { finished, milliseconds } = &shared.counts;
    let (finished, milliseconds) = (finished.load(Ordering::Relaxed), milliseconds.load(Ordering::Relaxed));
    Ok(DisturbanceReport { finished, milliseconds })
}

/// A connection, plain or with TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Shared {
    /// Repeats the attempts of one client.
    async fn attack(&self) {
        loop {
            let began = Instant::now();
            match self.attempt().await {
                Ok(()) => {
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or_default();
                    self.counts.finished.fetch_add(1, Ordering::Relaxed);
                    self.counts.milliseconds.fetch_add(ms, Ordering::Relaxed);
                    sleep(self.pause).await;
                }
                Err(_) => sleep(REFUSED_PAUSE).await,
            }
        }
    }

    /// One attempt: from a new connection to its end. An error: no connection was opened.
    async fn attempt(&self) -> io::Result<()> {
        let mut stream = self.connect().await?;
        match self.kind {
            HostileKind::SlowHead => self.send_head_slowly(&mut *stream).await,
            HostileKind::HalfOpen => {
                let half = format!("{}content-length: 200\r\n\r\n{{\"transaction_id\": \"half", self.head);
                if stream.write_all(half.as_bytes()).await.is_ok() {
                    read_to_end(&mut *stream).await;
                }
            }
            HostileKind::BigBody => self.send_big_body(&mut *stream).await,
            HostileKind::BadJson => self.send_bad_json(&mut *stream).await,
            HostileKind::HandshakeFlood => {}
        }
        Ok(())
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect(&self.address.host_port).await?;
        tcp.set_nodelay(true)?;
        let Some(TlsClient { config, name }) = &self.address.tls else { return Ok(Box::new(tcp)) };
        Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name.clone(), tcp).await?))
    }

    /// Sends a head byte by byte until the daemon ends it.
    async fn send_head_slowly(&self, stream: &mut dyn Stream) {
        let endless = self.head.bytes().chain(std::iter::repeat_n(b'x', 1 << 20));
        for byte in endless {
            let mut byte_read = [0; 512];
            tokio::select! {
                // An answer, or the end.
                _ = stream.read(&mut byte_read) => return,
                () = sleep(self.pause) => {}
            }
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    }

    /// Sends a body until the daemon answers or closes the connection.
    async fn send_big_body(&self, stream: &mut dyn Stream) {
        let head = format!("{}content-length: {BIG_BODY_BYTES}\r\n\r\n", self.head);
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        let piece = vec![b' '; PIECE_BYTES];
        loop {
            let mut answer = [0; 512];
            tokio::select! {
                _ = stream.read(&mut answer) => return,
                () = sleep(self.pause) => {}
            }
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
    }

    /// Sends broken payments, each when the one before is answered.
    async fn send_bad_json(&self, stream: &mut dyn Stream) {
        const BODY: &str = "{\"transaction_id\": \"bad\", \"amount\": 1.00.00, \"currency\": [[[[[[[[";
        let request = format!("{}content-length: {}\r\n\r\n{BODY}", self.head, BODY.len());
        let mut answer = [0; 4_096];
        loop {
            if stream.write_all(request.as_bytes()).await.is_err() {
                return;
            }
            // The answer is short, and comes at once.
            if !matches!(stream.read(&mut answer).await, Ok(1..)) {
                return;
            }
            self.counts.finished.fetch_add(1, Ordering::Relaxed);
            sleep(self.pause).await;
        }
    }
}

/// Reads until the daemon closes the connection.
async fn read_to_end(stream: &mut dyn Stream) {
    let mut rest = [0; 1_024];
    let reading = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    // The daemon closes it long before.
    let _ = timeout(WAIT_MAX, reading).await;
}
