//! What a start would say of a data folder, said without a start: the same code judges, and nothing is changed.
//!
//! It needs as much memory as a start, since it brings the state back to see that every record can be replayed.

use crate::daemon::data_folder::{keys_are_there, newest_snapshot};
use crate::storage::{
    fs::Store,
    jobs::Shelf,
    journal::{Instance, InstanceError, Keys, OpenError, archived},
    recovery::{self, Verdict},
};
use std::{io, sync::Arc};

/// How often a folder is looked at again whose files moved meanwhile, because it is being served.
const LOOKS_MAX: usize = 3;

/// Says what a start would do.
///
/// # Errors
/// The start would be refused, for this reason.
pub(crate) fn verdict(store: &Arc<dyn Store>) -> anyhow::Result<Verdict> {
    let mut looks = 1;
    loop {
        match look(store) {
            Err(error) if looks < LOOKS_MAX && has_moved(&error) => looks += 1,
            verdict => return verdict,
        }
    }
}

fn has_moved(error: &anyhow::Error) -> bool {
    let source = match error.downcast_ref::<OpenError>() {
        Some(OpenError::Io { source, .. }) => Some(source),
        _ => error.downcast_ref::<io::Error>(),
    };
    source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
}

fn look(store: &Arc<dyn Store>) -> anyhow::Result<Verdict> {
    let instance = Instance::known(&**store)?.ok_or(InstanceError::Missing)?;
    keys_are_there(&**store)?;
    let has_keys = store.list("")?.iter().any(|name| name == crate::storage::keys::PATH);
    // Opening keys that are not there would make them.
    let keys = if has_keys { Keys::open(&**store, instance.id.0)? } else { Keys::in_memory(instance.id.0) };
    let keys = Arc::new(keys);
    let (mut recovering, begin, end) = newest_snapshot(&**store, &instance, &keys)?;
    let verdict = recovery::verdict(&**store, instance.id, Some(&*keys), begin, end, &mut recovering)?;
    Shelf::new(Arc::clone(store), keys, instance.id).judge()?;
    Ok(verdict)
}

/// The listed segments of the archive whose files are not what they were, with what is wrong. Each file is read whole.
pub(crate) fn damaged_segments(store: &dyn Store, verdict: &Verdict) -> Vec<String> {
    let mut damaged = Vec::new();
    for listed in verdict.list.segments() {
        if verdict.lost.iter().any(|loss| loss.first.0 <= listed.first_lsn && listed.first_lsn <= loss.last.0) {
            continue;
        }
        let file = |folder: &str| format!("{folder}/{:020}.log", listed.first_lsn);
        let summed = [crate::storage::journal::ARCHIVE, crate::storage::journal::FOLDER].map(file).map(|path| {
            let sum = archived::Summing::open(store, &path).and_then(archived::Summing::finish);
            (path, sum)
        });
        let [in_archive, in_journal] = summed;
        let (path, sum) = if in_archive.1.is_ok() { in_archive } else { in_journal };
        let what = match sum {
            Ok(sum) => archived::differs(listed, sum),
            Err(error) => Some(error.to_string()),
        };
        damaged
            .extend(what.map(|what| format!("{path}: {what}; bring it back from a backup into the folder `archive`")));
    }
    damaged
}
