//! A setting in force, the use of a limit, the memory of the process.

use crate::config::schema::texts::SentenceText;
use schemars::JsonSchema;
use serde::Serialize;

/// A setting of the daemon.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SettingInForce {
    /// The section and the key, as `levelgate.toml` has them.
    #[schemars(with = "SentenceText")]
    pub name: String,
    /// The value. `null`: it has none, or it is secret.
    #[schemars(with = "Option<SentenceText>")]
    pub value: Option<String>,
    /// Whether it has a value that is not shown.
    pub is_secret: bool,
}

/// A limit and its use.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct LimitUse {
    /// What is limited.
    #[schemars(extend("enum" = ["connections", "batches", "inflight_bytes", "transactions", "journal_backlog_bytes"]))]
    pub limit: &'static str,
    /// The use now.
    pub used: u64,
    /// The most.
    pub max: u64,
}

/// The memory of the process.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
pub struct ProcessMemory {
    /// The bytes in memory now. `null`: the operating system does not say.
    pub resident_bytes: Option<u64>,
    /// The most bytes in memory since the start.
    pub resident_bytes_max: Option<u64>,
}
