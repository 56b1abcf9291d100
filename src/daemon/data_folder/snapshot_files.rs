//! The folder of snapshots: names, loading the newest snapshot, summaries, removal.

use crate::{
    domain::vocabulary::time::Millis,
    ledger::StateRecovery,
    storage::{
        fs::Store,
        journal::{Instance, Keys, Lsn},
        snapshot,
    },
};
use std::{io, sync::Arc};

/// The folder of snapshots.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// How many snapshots are kept: the newest, and one in case the newest cannot be read.
pub(super) const SNAPSHOTS_KEPT: usize = 2;

/// What a snapshot contains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotSummary {
    /// The last record that the snapshot contains.
    pub(crate) begin: Lsn,
    /// The journal was synced up to this record when the snapshot was written.
    pub(crate) end: Lsn,
    /// The number of customers.
    pub(crate) customers: u64,
    /// The number of transactions in memory.
    pub(crate) summaries: u64,
}

/// Reads a snapshot to its end.
///
/// # Errors
/// It is damaged, or it is not a snapshot of this journal.
pub(crate) fn verify_snapshot(store: &dyn Store, path: &str, instance: &Instance) -> anyhow::Result<SnapshotSummary> {
    let mut reader = snapshot::Reader::open(store.open(path)?, instance.id.0)?;
    let begin = Lsn(reader.header().begin_lsn);
    while let Some(piece) = reader.next_piece()? {
        if let snapshot::Piece::End { end_lsn, customers, summaries, .. } = piece {
            return Ok(SnapshotSummary { begin, end: Lsn(end_lsn), customers, summaries });
        }
    }
    Err(snapshot::SnapshotError::Unfinished.into())
}

/// The state of a snapshot, before the journal is replayed.
pub(super) struct LoadedSnapshot {
    pub(super) state: StateRecovery,
    /// The replay starts after this record.
    pub(super) begin: Lsn,
    /// The journal is known to be synced up to this record.
    pub(super) synced: Lsn,
}

/// Loads the newest snapshot that can be read; an empty state if there is none.
pub(super) fn load_newest(store: &dyn Store, instance: &Instance, keys: &Arc<Keys>) -> anyhow::Result<LoadedSnapshot> {
    for name in finished(store)?.iter().rev() {
        let path = format!("{SNAPSHOTS}/{name}");
        let mut state = StateRecovery::new(instance.secret, keys)?;
        match load(store, &path, instance, &mut state) {
            Ok((begin, synced)) => {
                tracing::info!("snapshot {name}: true up to record {begin}");
                return Ok(LoadedSnapshot { state, begin, synced });
            }
            Err(error) => tracing::error!("the snapshot {path} cannot be used; an older one is tried: {error:#}"),
        }
    }
    Ok(LoadedSnapshot { state: StateRecovery::new(instance.secret, keys)?, begin: Lsn::NONE, synced: Lsn::NONE })
}

/// Loads a snapshot into a state. Returns its last record, and up to which record the journal was synced.
fn load(store: &dyn Store, path: &str, instance: &Instance, state: &mut StateRecovery) -> anyhow::Result<(Lsn, Lsn)> {
    let mut reader = snapshot::Reader::open(store.open(path)?, instance.id.0)?;
    let begin = Lsn(reader.header().begin_lsn);
    let mut synced = None;
    while let Some(frame) = reader.next_frame()? {
        synced = synced.or(state.restore(&frame)?);
    }
    Ok((begin, synced.ok_or(snapshot::SnapshotError::Unfinished)?))
}

/// When the newest snapshot was created; `None`: there is none, or it cannot be read.
pub(super) fn newest_created_at(store: &dyn Store, instance: &Instance) -> Option<Millis> {
    let names = finished(store).ok()?;
    let file = store.open(&format!("{SNAPSHOTS}/{}", names.last()?)).ok()?;
    let reader = snapshot::Reader::open(file, instance.id.0).ok()?;
    Some(Millis(reader.header().created_at))
}

/// The names of finished snapshots, the oldest first.
fn finished(store: &dyn Store) -> io::Result<Vec<String>> {
    let mut names = store.list(SNAPSHOTS)?;
    names.retain(|name| name.ends_with(".snap"));
    Ok(names)
}

/// Removes unfinished snapshots, which a killed process leaves.
pub(super) fn remove_unfinished(store: &dyn Store) -> io::Result<()> {
    let unfinished = store.list(SNAPSHOTS)?.into_iter().filter(|name| !name.ends_with(".snap"));
    unfinished.into_iter().try_for_each(|name| store.remove(&format!("{SNAPSHOTS}/{name}")))
}

/// Removes all but the newest [`SNAPSHOTS_KEPT`] snapshots. A failure costs only space: the next snapshot tries again.
pub(super) fn remove_old(store: &dyn Store) {
    let remove = || -> io::Result<()> {
        let names = finished(store)?;
        let old = names.len().saturating_sub(SNAPSHOTS_KEPT);
        names.iter().take(old).try_for_each(|name| store.remove(&format!("{SNAPSHOTS}/{name}")))
    };
    if let Err(error) = remove() {
        tracing::warn!("an old snapshot could not be removed; the next snapshot tries again: {error}");
    }
}
