//! The settings in force without secrets, and the limits and the memory of the process.

use crate::{
    config::schema::texts::SentenceText,
    service::{daemon_control::DaemonControl, payments::PaymentService},
};
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

/// The settings in force, the limits and the memory.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SettingsInForce")]
pub(crate) struct SettingsDocument {
    /// The settings, in the order of `levelgate.toml`. Those of tokens and merchants are elsewhere.
    settings: Vec<SettingInForce>,
    /// The limits and their use.
    limits: Vec<LimitUse>,
    /// The memory of the process.
    memory: ProcessMemory,
}

impl SettingsDocument {
    /// The settings of a daemon.
    pub(crate) fn of(control: &dyn DaemonControl, payments: &PaymentService) -> Self {
        let mut limits = control.limits();
        let used = payments.ledger.journal().backlog_bytes();
        limits.push(LimitUse { limit: "journal_backlog_bytes", used, max: crate::storage::journal::BACKLOG_BYTES_MAX });
        Self { settings: control.settings(), limits, memory: control.memory() }
    }
}
