//! `[redis]`: the server that gets a copy of the journal.

use crate::config::daemon::redis_url::RedisUrl;
use crate::domain::vocabulary::words::words;
use std::{fmt, path::PathBuf};

words! {
    /// What happens while Redis is unavailable.
    OnOutage {
        /// Decisions continue, and the journal is sent to Redis later.
        Continue = "continue",
        /// Writes get 503.
        Refuse = "refuse",
    }
}

/// When an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// After the local journal has the records.
    Local,
    /// After Redis has the records too.
    Redis,
    /// After Redis and this many of its replicas have the records too.
    Replicas(u32),
}

impl Ack {
    /// The most replicas.
    pub const REPLICAS_MAX: u32 = 100;

    /// Reads `local`, `redis` or `redis+N`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "local" => Some(Self::Local),
            "redis" => Some(Self::Redis),
            _ => {
                let digits = text.strip_prefix("redis+").filter(|digits| !digits.starts_with(['0', '+']))?;
                let replicas = digits.parse().ok()?;
                (replicas <= Self::REPLICAS_MAX).then_some(Self::Replicas(replicas))
            }
        }
    }

    /// The replicas that must confirm; `None`: no answer waits for Redis.
    #[must_use]
    pub fn replicas(self) -> Option<u32> {
        match self {
            Self::Local => None,
            Self::Redis => Some(0),
            Self::Replicas(count) => Some(count),
        }
    }
}

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Redis => f.write_str("redis"),
            Self::Replicas(count) => write!(f, "redis+{count}"),
        }
    }
}

/// The time limits of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisTimeouts {
    /// For finding the master and connecting to it, in milliseconds.
    pub connect_ms: u64,
    /// From the sending of a command to the end of its answer, in milliseconds.
    pub response_ms: u64,
    /// For everything together, in milliseconds. After this time without an answer the outage is established.
    pub total_ms: u64,
}

impl Default for RedisTimeouts {
    fn default() -> Self {
        Self { connect_ms: 1_000, response_ms: 1_000, total_ms: 3_000 }
    }
}

/// The Redis server that gets a copy of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Its address.
    pub url: RedisUrl,
    /// When an answer is sent.
    pub ack: Ack,
    /// The behaviour while Redis is unavailable.
    pub on_outage: OnOutage,
    /// How long the lease lasts without a renewal.
    pub lease_ms: u64,
    /// How often the lease is renewed.
    pub renew_ms: u64,
    /// What all keys begin with, in braces.
    pub prefix: String,
    /// How often a snapshot is sent.
    pub snapshot_interval_s: u64,
    /// The file with the 32 bytes that wrap the customers' keys and the digest secret.
    pub key_file: PathBuf,
    /// The file with the password; `None`: the one in `url`, if there is one.
    pub password_file: Option<PathBuf>,
    /// The file with the authorities of the server's certificate, in PEM; `None`: those of the operating system.
    pub ca: Option<PathBuf>,
    /// The time limits.
    pub timeouts: RedisTimeouts,
}

impl Redis {
    /// The default of `lease_ms`.
    pub const LEASE_MS: u64 = 3_000;
    /// The default of `renew_ms`.
    pub const RENEW_MS: u64 = 500;

    /// The settings of an address and a key file, with the defaults of everything else.
    #[must_use]
    pub fn new(url: RedisUrl, key_file: PathBuf) -> Self {
        Self {
            url,
            ack: Ack::Local,
            on_outage: OnOutage::Continue,
            lease_ms: Self::LEASE_MS,
            renew_ms: Self::RENEW_MS,
            prefix: "levelgate".to_owned(),
            snapshot_interval_s: 300,
            key_file,
            password_file: None,
            ca: None,
            timeouts: RedisTimeouts::default(),
        }
    }
}
