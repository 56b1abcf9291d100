//! What the daemon itself goes by, and the defaults.

use crate::domain::{
    rules::configuration::words,
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

words! {
    /// What the bearer of a token may do.
    Role {
        /// The hot path.
        Gateway = "gateway",
        /// Everything.
        Operator = "operator",
        /// Reads.
        Viewer = "viewer",
    }
}
words! {
    /// Where the time comes from.
    ClockSource {
        /// The machine.
        System = "system",
        /// The newest `occurred_at` seen: for drills and tests against history.
        Request = "request",
    }
}
words! {
    /// Where the journal lies.
    StoreKind {
        /// In files.
        Disk = "disk",
        /// In memory alone.
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
        /// When the operating system likes.
        Never = "never",
    }
}
words! {
    /// When an answer leaves.
    Ack {
        /// Once the local journal has the facts.
        Local = "local",
        /// Once Redis has them too.
        Redis = "redis",
    }
}
words! {
    /// What happens while Redis is away.
    OnOutage {
        /// Decisions go on; the journal is shipped later.
        Continue = "continue",
        /// Writes get 503.
        Refuse = "refuse",
    }
}

/// The daemon's own settings; paths are as written, relative to where the daemon was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where it listens.
    pub http: Http,
    /// Where health and metrics are served beside that.
    pub admin: Admin,
    /// Who may call.
    pub auth: Auth,
    /// What time it is.
    pub clock: Clock,
    /// Where the journal lies.
    pub store: Store,
    /// What is held in memory.
    pub memory: Memory,
    /// Minor units that differ from ISO 4217.
    pub currencies: BTreeMap<Currency, u8>,
    /// Where the journal is shipped to; `None`: nowhere.
    pub redis: Option<Redis>,
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The TCP address.
    pub listen: SocketAddr,
    /// A Unix socket beside it.
    pub unix_socket: Option<PathBuf>,
    /// TLS on the TCP address.
    pub tls: Option<Tls>,
    /// The most bytes of a body; of a line, in a batch.
    pub max_body_bytes: usize,
    /// The most connections at a time, over all listeners but that of `[admin]`.
    pub max_connections: usize,
    /// Connections that the kernel holds until the daemon takes them.
    pub listen_backlog: u32,
    /// The most bytes of a request's head: its line and its headers.
    pub max_header_bytes: usize,
    /// From the first byte of a head to its last, in seconds.
    pub header_timeout_s: u64,
    /// From the end of a head to the end of the body, in seconds; for a line, in a batch.
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
    /// Answers of one batch that wait for a slow reader, in bytes; further ones are not made.
    pub const BATCH_ANSWER_BYTES_MAX: usize = 256 << 10;

    /// What one batch takes of `max_inflight_bytes`: its answers, a line, and the bytes of the line that come next.
    #[must_use]
    pub fn inflight_bytes_needed(&self) -> usize {
        Self::BATCH_ANSWER_BYTES_MAX + 2 * self.max_body_bytes
    }
}

/// The listener for health and metrics alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admin {
    /// The TCP address; `None`: there is no such listener.
    pub listen: Option<SocketAddr>,
}

/// The files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Where client certificates are wanted: who issues them.
    pub client_ca: Option<PathBuf>,
}

/// Who may call; no tokens: everybody, on loopback only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// In the order of the file.
    pub tokens: Vec<Token>,
}

/// One bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who calls with it, as the history shows it; unique. By default the stem of its file.
    pub name: Name,
    /// What its bearer may do.
    pub role: Role,
    /// The file that holds the token itself.
    pub token_file: PathBuf,
    /// For which merchants; `None`: for all.
    pub merchants: Option<Vec<Name>>,
    /// From when on it is refused, by the wall clock; `None`: never.
    pub expires: Option<Millis>,
}

/// What time it is, and how far from it a payment may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Where the time comes from.
    pub source: ClockSource,
    /// How far back `occurred_at` may lie, in milliseconds.
    pub max_past_ms: i64,
    /// How far ahead it may lie, in milliseconds.
    pub max_future_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { source: ClockSource::System, max_past_ms: 300_000, max_future_ms: 5_000 }
    }
}

/// Where the journal lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Files or memory.
    pub kind: StoreKind,
    /// The folder.
    pub path: PathBuf,
    /// When it is synced.
    pub sync: Sync,
    /// The time between two syncs, in milliseconds.
    pub sync_interval_ms: u64,
    /// The time between two snapshots, in seconds.
    pub snapshot_interval_s: u64,
    /// Records behind a snapshot from which on the next is taken, however young the last one is.
    pub snapshot_records: u64,
    /// Bytes of a segment of the journal from which on the next begins.
    pub segment_bytes: u64,
    /// Bytes of the file system that snapshots, uploads and jobs leave free for the journal; 0: any; `None`: a gibibyte,
    /// or a tenth of the file system if that is less.
    pub min_free_bytes: Option<u64>,
    /// How long the snapshot at a stop may take, in seconds; 0: none is taken.
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

/// What is held in memory, and for how long beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// For how long a transaction stays at least, in days.
    pub retention_days: i64,
    /// The most transactions held; at the limit new reserves get 503.
    pub max_transactions: u64,
    /// For how long the archive is kept, in days.
    pub archive_days: i64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { retention_days: 40, max_transactions: 100_000_000, archive_days: 400 }
    }
}

/// Where the journal is shipped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is.
    pub url: RedisUrl,
    /// When an answer leaves.
    pub ack: Ack,
    /// What happens while it is away.
    pub on_outage: OnOutage,
}

/// The address of a Redis, which may hold a password: it is never shown whole.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(pub(in crate::config) String);

impl RedisUrl {
    /// The address as it is written, password included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::config::parse::source::covered(&self.0))
    }
}
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
