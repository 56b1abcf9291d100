//! The settings in force without secrets, and the limits and the memory of the process.

use crate::{
    service::{
        daemon_control::DaemonControl,
        monitoring::settings::{LimitUse, ProcessMemory, SettingInForce},
        payments::PaymentService,
    },
    storage::journal::BACKLOG_BYTES_MAX,
};
use schemars::JsonSchema;
use serde::Serialize;

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
        limits.push(LimitUse { limit: "journal_backlog_bytes", used, max: BACKLOG_BYTES_MAX });
        Self { settings: control.settings(), limits, memory: control.memory() }
    }
}
