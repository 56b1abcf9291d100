//! Checks a data folder as a start does, without changing anything.
//!
//! The check needs as much memory as a start, because it loads the state to verify that every record can be replayed.

use crate::{
    daemon::data_folder::{
        import_mark::refuse_unfinished_import, parts::check_parts, recover::check_keys_exist,
        snapshot_files::load_newest,
    },
    ledger::StateRecovery,
    storage::{
        fs::Store,
        jobs::JobStore,
        journal::{ARCHIVE, FOLDER, Instance, InstanceError, Keys, OpenError, archived},
        keys,
        recovery::{self, Verdict},
        restored_folder::refuse_unfinished_restore,
    },
};
use std::{io, sync::Arc};

/// How often a folder is read again if a running daemon moved its files during the check.
const ATTEMPTS_MAX: usize = 3;

/// A folder whose state was loaded.
pub(super) struct LoadedFolder {
    pub(super) verdict: Verdict,
    pub(super) instance: Instance,
    pub(super) keys: Arc<Keys>,
    pub(super) state: StateRecovery,
}

/// Returns what a start would do with the folder.
///
/// # Errors
/// A start would be refused, for this reason.
pub(crate) fn check_start(store: &Arc<dyn Store>) -> anyhow::Result<Verdict> {
    load_folder(store).map(|loaded| loaded.verdict)
}

/// Loads the state of a folder.
///
/// # Errors
/// A start would be refused, for this reason.
pub(super) fn load_folder(store: &Arc<dyn Store>) -> anyhow::Result<LoadedFolder> {
    let mut attempts = 1;
    loop {
        match try_load_folder(store) {
            Err(error) if attempts < ATTEMPTS_MAX && is_file_moved(&error) => attempts += 1,
            loaded => return loaded,
        }
    }
}

fn is_file_moved(error: &anyhow::Error) -> bool {
    let source = match error.downcast_ref::<OpenError>() {
        Some(OpenError::Io { source, .. }) => Some(source),
        _ => error.downcast_ref::<io::Error>(),
    };
    source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
}

fn try_load_folder(store: &Arc<dyn Store>) -> anyhow::Result<LoadedFolder> {
    refuse_unfinished_restore(&**store)?;
    check_parts(&**store)?;
    let instance = Instance::known(&**store)?.ok_or(InstanceError::Missing)?;
    refuse_unfinished_import(&**store)?;
    check_keys_exist(&**store)?;
    // `Keys::open` would create a missing file.
    let has_keys = store.list("")?.iter().any(|name| name == keys::PATH);
    let keys = if has_keys { Keys::open(&**store, instance.id.0)? } else { Keys::in_memory(instance.id.0) };
    let keys = Arc::new(keys);
    let mut snapshot = load_newest(&**store, &instance, &keys)?;
    let (begin, synced) = (snapshot.begin, snapshot.synced);
    let verdict = recovery::verdict(&**store, instance.id, Some(&*keys), begin, synced, &mut snapshot.state)?;
    JobStore::new(Arc::clone(store), Arc::clone(&keys), instance.id).check()?;
    Ok(LoadedFolder { verdict, instance, keys, state: snapshot.state })
}

/// Reads each listed segment of the archive. Returns a message for each segment that is damaged and not accepted as
/// lost.
pub(crate) fn damaged_segments(store: &dyn Store, checked: &Verdict) -> Vec<String> {
    let mut damaged = Vec::new();
    for listed in checked.list.segments() {
        if checked.losses.iter().any(|loss| loss.first.0 <= listed.first_lsn && listed.first_lsn <= loss.last.0) {
            continue;
        }
        let [in_archive, in_journal] = [ARCHIVE, FOLDER].map(|folder| {
            let path = format!("{folder}/{:020}.log", listed.first_lsn);
            let sum = archived::Summing::open(store, &path).and_then(archived::Summing::finish);
            (path, sum)
        });
        let (path, sum) = if in_archive.1.is_ok() { in_archive } else { in_journal };
        let damage = match sum {
            Ok(sum) => archived::differs(listed, sum),
            Err(error) => Some(error.to_string()),
        };
        let message = |damage| format!("{path}: {damage}; restore the file from a backup into the folder `archive`");
        damaged.extend(damage.map(message));
    }
    damaged
}
