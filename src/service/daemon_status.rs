//! What the daemon reports of its configuration, its snapshots and its archive.

use crate::{
    config::schema::texts::SentenceText,
    domain::vocabulary::time::Millis,
    service::{
        configuration::reload::{RefusedReload, ReloadReport},
        documents::as_text::AsText,
    },
    storage::{archive_list::AcceptedLoss, journal::Lsn},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::{sync::Arc, time::Duration};

/// A snapshot that was taken.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct SnapshotReport {
    /// The last record that the snapshot contains; later ones are in the journal.
    #[serde(serialize_with = "as_number")]
    #[schemars(with = "u64")]
    pub true_up_to: Lsn,
    /// The length of its file.
    pub bytes: u64,
    /// How long it took to write, in milliseconds.
    pub milliseconds: u64,
    /// How much longer the call took, in milliseconds: it waits for an earlier snapshot and for the work after one.
    pub waited_milliseconds: u64,
}

impl SnapshotReport {
    /// The same report for a call that took so long in all.
    #[must_use]
    pub fn for_call(self, took: Duration) -> Self {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { waited_milliseconds: took.saturating_sub(self.milliseconds), ..self }
    }
}

fn as_number<S: Serializer>(lsn: &Lsn, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(lsn.0)
}

/// The state of snapshots.
#[derive(Debug, Clone, Default)]
pub struct SnapshotState {
    /// When the newest was taken.
    pub last_at: Option<Millis>,
    /// Since when none could be taken.
    pub failed_since: Option<Millis>,
    /// Why the last try failed or was skipped.
    pub reason: Option<String>,
}

/// The configuration in force, and what is wrong with a newer one.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationHealth {
    /// When the configuration in force was applied.
    pub applied_at: Millis,
    /// Since when a newer one is refused, and the newest refusal.
    pub failed: Option<(Millis, Arc<RefusedReload>)>,
    /// The newest reload that took effect; `None`: there was none since the start.
    pub last_reload: Option<Arc<ReloadReport>>,
}

/// The archive's files and its index.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ArchiveHealth {
    /// How many segments are listed.
    pub segments: usize,
    /// `ready`, or `rebuilding`: ids that memory does not know may be refused with 503 until it is ready.
    #[schemars(extend("enum" = ["ready", "rebuilding"]))]
    pub index: &'static str,
    /// Files whose check failed, and what is wrong with each.
    #[schemars(with = "Vec<SentenceText>")]
    pub damaged: Vec<String>,
    /// Losses that an operator has accepted.
    #[serde(rename = "lost", serialize_with = "accepted_losses")]
    #[schemars(with = "Vec<LossDocument>")]
    pub accepted_losses: Vec<AcceptedLoss>,
}

/// Records that are lost.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AcceptedLoss")]
struct LossDocument {
    /// The first lost record.
    first_record: u64,
    /// The last lost record.
    last_record: u64,
    /// When an operator accepted the loss.
    accepted_at: AsText<Millis>,
}

fn accepted_losses<S: Serializer>(losses: &[AcceptedLoss], serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_seq(Some(losses.len()))?;
    for loss in losses {
        let accepted_at = AsText(loss.at);
        out.serialize_element(&LossDocument { first_record: loss.first.0, last_record: loss.last.0, accepted_at })?;
    }
    out.end()
}

/// A take-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, JsonSchema)]
pub struct TakeOverReport {
    /// The fence of this daemon.
    pub fence: u64,
    /// The last record of the former primary.
    pub last_lsn: u64,
    /// From the decision to take over until writes were answered.
    pub milliseconds: u64,
}
