//! The settings of the daemon, with their defaults.

use crate::config::daemon::redis_settings::Redis;
use crate::domain::vocabulary::{money::Currency, names::Name, time::Millis, words::words};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

words! {
    /// The rights of a request with a token.
    Role {
        /// Payments.
        Gateway = "gateway",
        /// Everything.
        Operator = "operator",
        /// Reads.
        Viewer = "viewer",
    }
}
words! {
    /// The source of the time.
    ClockSource {
        /// The system clock.
        System = "system",
        /// The newest `occurred_at` of a request: for drills and tests against history.
        Request = "request",
    }
}
words! {
    /// The medium of the journal.
    StoreKind {
        /// In files.
        Disk = "disk",
        /// In memory only.
        Memory = "memory",
    }
}
words! {
    /// When the journal is synced to the disk.
    Sync {
        /// Before each answer.
        Always = "always",
        /// Every `sync_interval_ms`.
        Interval = "interval",
        /// When the operating system does it.
        Never = "never",
    }
}
words! {
    /// The least severity of the lines of the log.
    LogLevel {
        /// Failures.
        Error = "error",
        /// And what an operator should look at.
        Warn = "warn",
        /// And the steps of the daemon.
        Info = "info",
        /// And refused requests, and connections that ended early.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}
words! {
    /// The form of the lines of the log.
    LogFormat {
        /// For people.
        Text = "text",
        /// A JSON object a line.
        Json = "json",
    }
}
words! {
    /// A write of the console that can need a second person.
    FourEyesWrite {
        /// A change that lets a customer pay more: higher limits, or another level.
        RaiseLimit = "raise_limit",
        /// A change that ends a block.
        Unblock = "unblock",
        /// The erasure of a customer.
        Erase = "erase",
        /// A change of many customers.
        Bulk = "bulk",
    }
}
/// The settings of the daemon. Paths are as written; relative paths start at the working directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The main listener and its limits.
    pub http: Http,
    /// The additional listener for health and metrics.
    pub admin: Admin,
    /// The tokens.
    pub auth: Auth,
    /// The source of the time and its limits.
    pub clock: Clock,
    /// The data folder.
    pub store: Store,
    /// The limits of memory and archive.
    pub memory: Memory,
    /// The pages for staff.
    pub console: Console,
    /// The log.
    pub log: Log,
    /// The traces.
    pub telemetry: Telemetry,
    /// Minor units that differ from ISO 4217.
    pub currencies: BTreeMap<Currency, u8>,
    /// The Redis that receives a copy of the journal; `None`: no copy.
    pub redis: Option<Redis>,
}

/// The main listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The TCP address.
    pub listen: SocketAddr,
    /// An additional Unix socket.
    pub unix_socket: Option<PathBuf>,
    /// The mode of its file.
    pub unix_socket_mode: u32,
    /// TLS on the TCP address.
    pub tls: Option<Tls>,
    /// The most bytes of a body; in a batch, of a line.
    pub max_body_bytes: usize,
    /// The most connections at a time, without those of the admin listener.
    pub max_connections: usize,
    /// The most connections that wait in the kernel.
    pub listen_backlog: u32,
    /// The most bytes of a request line and its headers.
    pub max_header_bytes: usize,
    /// The time from the first byte of the headers to the last, in seconds.
    pub header_timeout_s: u64,
    /// The time from the end of the headers to the end of the body, in seconds; in a batch, for a line.
    pub body_timeout_s: u64,
    /// The least rate of an uploaded table, in bytes a second.
    pub min_upload_bytes_per_s: u64,
    /// The most bytes of bodies and answers that are in memory at a time.
    pub max_inflight_bytes: usize,
    /// The most batches at a time.
    pub max_batches: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            unix_socket: None,
            unix_socket_mode: 0o660,
            tls: None,
            max_body_bytes: 65_536,
            max_connections: 4_096,
            listen_backlog: 4_096,
            max_header_bytes: 16_384,
            header_timeout_s: 10,
            body_timeout_s: 30,
            min_upload_bytes_per_s: 1_024,
            max_inflight_bytes: 256 << 20,
            max_batches: 256,
        }
    }
}

impl Http {
    /// The most bytes of answers of a batch that wait for a slow client; the batch pauses at this limit.
    pub const BATCH_ANSWER_BYTES_MAX: usize = 256 << 10;

    /// The chunks of lines of a batch that are parsed, decided or rendered at a time.
    pub const BATCH_CHUNKS_MAX: usize = 3;

    /// The part of `max_inflight_bytes` that a batch needs: its answers, a line for each chunk, and the next bytes of the
    /// body.
    #[must_use]
    pub fn inflight_bytes_needed(&self) -> usize {
        Self::BATCH_ANSWER_BYTES_MAX + (Self::BATCH_CHUNKS_MAX + 1) * self.max_body_bytes
    }
}

/// The listener for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admin {
    /// The TCP address; `None`: there is no admin listener.
    pub listen: Option<SocketAddr>,
}

/// The pages for staff at `/console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// Whether the main listener answers them.
    pub enabled: bool,
    /// Whether browsers send the cookie of a session over TLS only. With `[http] tls` they always do.
    pub secure_cookie: bool,
    /// How a proxy names the people who act; `None`: they act under the names of their tokens.
    pub people: Option<ConsolePeople>,
    /// The writes that need a second person, each once.
    pub four_eyes: Vec<FourEyesWrite>,
}

impl Default for Console {
    fn default() -> Self {
        Self { enabled: true, secure_cookie: false, people: None, four_eyes: Vec::new() }
    }
}

/// How a proxy names the people who act in the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePeople {
    /// The name of the header that contains a person's name, in lower case.
    pub user_header: String,
    /// Who may send the header; at least one.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The people who may act, with the most that each may do; `None`: all, with the rights of the token.
    pub users: Option<Vec<ConsoleUser>>,
}

/// Where a proxy connects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxy {
    /// The Unix socket.
    Unix,
    /// An address of this network: the first `bits` bits are those of `address`.
    Network {
        /// Its other bits are zero.
        address: IpAddr,
        /// 1 to 32, or to 128 for IPv6.
        bits: u8,
    },
}

/// A person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleUser {
    /// The name as the proxy sends it, in lower case.
    pub name: Name,
    /// The most that the person may do: `operator` or `viewer`.
    pub role: Role,
}

/// The log. Without a value the command line and the environment decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The least severity.
    pub level: Option<LogLevel>,
    /// The form of the lines.
    pub format: Option<LogFormat>,
}

/// The traces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telemetry {
    /// The address of the collector, `http://HOST:PORT` or `https://HOST:PORT`, with a path in front of `/v1/traces` or
    /// without; `None`: there are no traces.
    pub otlp_endpoint: Option<String>,
}

/// The files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of client certificates; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// The tokens, and the certificates of clients. Without both, every request from this machine is allowed, and the daemon
/// listens on loopback only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// In the order of the file.
    pub tokens: Vec<Token>,
    /// In the order of the file.
    pub certificates: Vec<CertificateRole>,
}

impl Auth {
    /// The number of tokens and of certificates.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.tokens.len() + self.certificates.len()
    }
}

/// The rights of a client by its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRole {
    /// The common name of the certificate's subject, which the history shows; no token has it as its name.
    pub common_name: Name,
    /// The rights of a request on a connection with the certificate.
    pub role: Role,
    /// The merchants that the certificate is valid for; `None`: all.
    pub merchants: Option<Vec<Name>>,
}

/// One bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The unique name that the history shows; by default the name of its file without extension.
    pub name: Name,
    /// The rights of a request with the token.
    pub role: Role,
    /// The file that contains the token.
    pub token_file: PathBuf,
    /// The merchants that the token is valid for; `None`: all.
    pub merchants: Option<Vec<Name>>,
    /// The token is refused from this wall clock time on; `None`: it never expires.
    pub expires: Option<Millis>,
    /// How many requests it may send; `None`: any number.
    pub rate: Option<RequestRate>,
}

/// A limit on the number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// The requests of a second, 1 or more.
    pub per_second: u32,
    /// The requests that may come at once after a pause, 1 or more.
    pub burst: u32,
}

impl RequestRate {
    /// The largest value of either number.
    pub const MAX: u32 = 1_000_000;
}

/// The source of the time, and how far from it the time of a payment may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The source.
    pub source: ClockSource,
    /// How far `occurred_at` may be in the past, in milliseconds.
    pub max_past_ms: i64,
    /// How far `occurred_at` may be in the future, in milliseconds.
    pub max_future_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { source: ClockSource::System, max_past_ms: 300_000, max_future_ms: 5_000 }
    }
}

/// The data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Files or memory.
    pub kind: StoreKind,
    /// The folder.
    pub path: PathBuf,
    /// When the journal is synced.
    pub sync: Sync,
    /// The time between two syncs, in milliseconds.
    pub sync_interval_ms: u64,
    /// The time between two snapshots, in seconds.
    pub snapshot_interval_s: u64,
    /// A snapshot is due after this many records, also before the interval has passed.
    pub snapshot_records: u64,
    /// The size of a segment in bytes; the journal starts the next segment when it is reached.
    pub segment_bytes: u64,
    /// The bytes of the file system that snapshots, uploads and jobs leave free for the journal; 0: no check; `None`: a
    /// gibibyte, or a tenth of the file system if that is less.
    pub min_free_bytes: Option<u64>,
    /// How long the snapshot at a stop may take, in seconds; 0: no snapshot.
    pub stop_snapshot_s: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Disk,
            path: PathBuf::from("data"),
            sync: Sync::Interval,
            sync_interval_ms: 100,
            snapshot_interval_s: 300,
            snapshot_records: 10_000_000,
            segment_bytes: 64 * 1024 * 1024,
            min_free_bytes: None,
            stop_snapshot_s: 60,
        }
    }
}

/// The limits of memory and archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The minimum time that a transaction stays in memory, in days.
    pub retention_days: i64,
    /// The most transactions in memory; at the limit new reserves get 503.
    pub max_transactions: u64,
    /// How long the archive keeps a segment, in days.
    pub archive_days: i64,
    /// Whether the kernel may give the daemon pages of 2 MiB.
    pub huge_pages: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { retention_days: 40, max_transactions: 100_000_000, archive_days: 400, huge_pages: true }
    }
}
