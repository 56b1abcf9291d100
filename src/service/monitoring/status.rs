//! The state of the daemon: versions, configuration, store, snapshots, archive, clock. A token for some merchants sees no
//! path of the machine and nothing of other merchants.

use crate::{
    config::{
        ProblemText, Severity,
        diff::Difference,
        schema::texts::{SentenceText, VersionText},
    },
    domain::vocabulary::{calendar::zone_data_version, names::Name, time::Millis},
    service::{
        access::access_tokens::AccessToken,
        clock::ClockDocument,
        configuration::reload::ReloadReport,
        daemon_control::DaemonControl,
        daemon_status::{ArchiveHealth, ConfigurationHealth, SnapshotState},
        documents::{
            as_text::AsText,
            configuration::differences::{DifferenceLists, first_lines},
        },
        monitoring::replication_status::{RedisDocument, StandbyDocument},
        payments::PaymentService,
    },
    storage::journal::Lsn,
};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use std::{sync::Arc, time::Instant};

/// The parts of the daemon that the status shows.
pub struct StatusSource {
    /// The rules, the state in memory and the clock.
    pub payments: Arc<PaymentService>,
    /// The state of the configuration.
    pub health: Arc<Mutex<ConfigurationHealth>>,
    /// The state of the archive.
    pub control: Arc<dyn DaemonControl>,
    /// The state of snapshots; `None`: the daemon has no data folder.
    pub snapshots: Option<Arc<Mutex<SnapshotState>>>,
    /// The durability that the daemon promises, in words.
    pub keeps: &'static str,
    /// The kind of the configured store.
    pub store: &'static str,
}

/// The configuration in force, and what is wrong with a newer one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConfigurationState")]
struct ConfigurationDocument {
    /// The version of the rules in force.
    #[schemars(with = "VersionText")]
    version: String,
    /// When they took effect.
    applied_at: AsText<Millis>,
    /// Since when reloads fail. `null`: the newest one took effect.
    failed_since: Option<AsText<Millis>>,
    /// The errors of the newest reload if it was refused.
    #[schemars(with = "Vec<SentenceText>")]
    problems: Vec<String>,
    /// The warnings of that reload.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// The newest reload that took effect. `null`: there was none since the start.
    last_reload: Option<ReloadDocument>,
}

/// A reload that took effect.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReloadOutcome")]
pub(crate) struct ReloadDocument {
    /// When it took effect.
    at: AsText<Millis>,
    /// The rules in force since then.
    #[schemars(with = "VersionText")]
    config_version: String,
    /// What it changed.
    #[serde(flatten)]
    differences: DifferenceLists,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// Settings whose new value takes effect at a restart. `null`: the token is for some merchants.
    #[schemars(with = "Option<Vec<SentenceText>>")]
    restart_needed: Option<Vec<String>>,
}

impl ReloadDocument {
    /// The part of a reload that a token may see.
    pub(crate) fn new(report: &ReloadReport, token: Option<&AccessToken>) -> Self {
        let is_of_all = token.is_none_or(|token| token.merchants.is_none());
        let differences = report.differences.iter();
        let visible: Vec<&Difference> =
            differences.filter(|difference| is_visible(difference.merchant, token)).collect();
        Self {
            at: AsText(report.at),
            config_version: report.version.clone(),
            differences: DifferenceLists::new(&visible),
            warnings: first_lines(visible_problems(report.warnings.iter(), token).into_iter()),
            restart_needed: is_of_all.then(|| report.restart_needed.clone()),
        }
    }
}

/// The snapshots.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SnapshotState")]
struct SnapshotDocument {
    /// When the newest was taken. `null`: none was.
    last_at: Option<AsText<Millis>>,
    /// Since when none could be taken. `null`: the newest try succeeded.
    failed_since: Option<AsText<Millis>>,
    /// Why the newest try failed. `null`: it did not.
    #[schemars(with = "Option<SentenceText>")]
    reason: Option<String>,
}

impl From<SnapshotState> for SnapshotDocument {
    fn from(state: SnapshotState) -> Self {
        let SnapshotState { last_at, failed_since, reason } = state;
        Self { last_at: last_at.map(AsText), failed_since: failed_since.map(AsText), reason }
    }
}

/// The state of the daemon.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(crate) struct StatusDocument {
    /// The version of levelgate.
    #[schemars(with = "VersionText")]
    version: &'static str,
    /// The version of the time zone data.
    #[schemars(with = "VersionText")]
    zone_data_version: &'static str,
    /// The configuration.
    config: ConfigurationDocument,
    /// The version of the rates.
    #[schemars(with = "VersionText")]
    rates_version: String,
    /// The time of the rates. `null`: none is known.
    rates_as_of: Option<AsText<Millis>>,
    /// The kind of the store.
    #[schemars(extend("enum" = ["disk", "memory"]))]
    store: &'static str,
    /// The durability in words.
    #[schemars(with = "SentenceText")]
    keeps: &'static str,
    /// The last record. `null`: there is no journal, or the token is for some merchants.
    lsn: Option<u64>,
    /// The last record that is synced.
    synced_lsn: Option<u64>,
    /// For how many seconds Redis has lacked records. `null`: there is no copy in Redis.
    store_lag: Option<u64>,
    /// The snapshots. `null`: the daemon has no data folder.
    snapshot: Option<SnapshotDocument>,
    /// Whether the daemon answers writes.
    #[schemars(extend("enum" = ["primary", "standby"]))]
    role: &'static str,
    /// The standby. `null`: the daemon is a primary.
    standby: Option<StandbyDocument>,
    /// The copy in Redis. `null`: there is none.
    redis: Option<RedisDocument>,
    /// The customers in memory. Like the other figures of all merchants, it is `null` for a token for some merchants.
    customers: Option<u64>,
    /// The transactions in memory.
    transactions: Option<u64>,
    /// Levels that requests could not create.
    levels_turned_away: Option<u64>,
    /// The archive. `null`: there is none.
    archive: Option<ArchiveHealth>,
    /// The time, or the code of a problem.
    #[schemars(with = "SentenceText")]
    clock: String,
    /// The clock.
    clock_state: ClockDocument,
    /// Since when the daemon runs.
    uptime_seconds: i64,
}

/// Whether a token may see what concerns a merchant, or the daemon.
pub(super) fn is_visible(merchant: Option<Name>, token: Option<&AccessToken>) -> bool {
    match token.filter(|token| token.merchants.is_some()) {
        None => true,
        Some(token) => merchant.is_some_and(|merchant| token.reaches(merchant.as_str()).is_ok()),
    }
}

/// The problems that a token may see: those of the files of its merchants, without the paths of the machine. A file and its
/// name may contain anything.
pub(super) fn visible_problems<'p>(
    problems: impl Iterator<Item = &'p ProblemText>,
    token: Option<&AccessToken>,
) -> Vec<String> {
    let is_of_all = token.is_none_or(|token| token.merchants.is_none());
    let text = |problem: &ProblemText| if is_of_all { problem.text.clone() } else { problem.without_folder().into() };
    problems.filter(|problem| is_visible(problem.merchant, token)).map(text).collect()
}

impl StatusSource {
    /// The status for a token; `None`: the daemon has no tokens.
    pub(crate) fn document(&self, token: Option<&AccessToken>) -> StatusDocument {
        let (payments, rules) = (&self.payments, self.payments.rules());
        let health = self.health.lock().clone();
        let is_of_all = token.is_none_or(|token| token.merchants.is_none());
        let problems = |severity| {
            let refused = health.failed.as_ref().map(|(_, refused)| visible_problems(refused.of(severity), token));
            refused.unwrap_or_default()
        };
        let lsn = |lsn: Lsn| (is_of_all && self.snapshots.is_some()).then_some(lsn.0);
        let is_primary = payments.gate.standby().is_none();
        let shipping = payments.gate.shipping().filter(|_| is_of_all && is_primary);
        StatusDocument {
            version: env!("CARGO_PKG_VERSION"),
            zone_data_version: zone_data_version(),
            config: ConfigurationDocument {
                version: rules.version.clone(),
                applied_at: AsText(health.applied_at),
                failed_since: health.failed.as_ref().map(|(since, _)| AsText(*since)),
                problems: problems(Severity::Error),
                warnings: problems(Severity::Warning),
                last_reload: health.last_reload.as_ref().map(|report| ReloadDocument::new(report, token)),
            },
            rates_version: rules.rates.version.clone(),
            rates_as_of: rules.rates.as_of.map(AsText),
            store: self.store,
            keeps: self.keeps,
            lsn: lsn(payments.ledger.contained_lsn()),
            synced_lsn: lsn(payments.ledger.journal().synced()),
            store_lag: shipping.map(|shipping| shipping.lag(Instant::now()).as_secs()),
            snapshot: self.snapshots.as_ref().filter(|_| is_of_all).map(|state| state.lock().clone().into()),
            role: if payments.gate.standby().is_some() { "standby" } else { "primary" },
            standby: payments.gate.standby().filter(|_| is_of_all).map(|state| StandbyDocument::new(state)),
            redis: shipping.map(|shipping| RedisDocument::new(shipping, payments.ledger.journal())),
            customers: is_of_all.then(|| payments.ledger.customers_len()),
            transactions: is_of_all.then(|| payments.ledger.transactions_len()),
            levels_turned_away: is_of_all.then(|| payments.ledger.levels_rejected()),
            archive: if is_of_all { self.control.archive() } else { None },
            clock: match payments.time() {
                Ok(now) => now.to_string(),
                Err(error) => error.code.into_owned(),
            },
            clock_state: ClockDocument::of(&payments.clock),
            uptime_seconds: payments.clock.running_ms() / 1000,
        }
    }
}
