//! Checks that the parts of a data folder belong together, before anything is created in it.
//!
//! A part that is missing would be created anew, and the folder would begin again without its state.

use crate::{
    daemon::data_folder::{configuration_file, snapshot_files::SNAPSHOTS},
    storage::{
        fs::Store,
        jobs,
        journal::{ARCHIVE, FOLDER, Instance, synced_file},
        keys,
    },
};

/// A keys file without a customer's key is shorter.
const KEYS_WITH_ENTRY_BYTES: u64 = 65;

/// Refuses a folder that misses a part that its other parts need.
///
/// # Errors
/// A part is missing, or belongs to another folder; the message names the remedy.
pub(super) fn check_parts(store: &dyn Store) -> anyhow::Result<()> {
    let names = store.list("")?;
    let has = |name: &str| names.iter().any(|known| known == name);
    let has_records = has_file(store, FOLDER, ".log")? || has_file(store, ARCHIVE, ".log")?;
    let Some(instance) = Instance::known(store)? else {
        // With records, `Instance::open` refuses.
        let left = [keys::PATH, synced_file::PATH, configuration_file::PATH].into_iter().find(|name| has(name));
        let left = match left {
            None if has_file(store, SNAPSHOTS, ".snap")? => Some(SNAPSHOTS),
            None if has_file(store, jobs::FOLDER, jobs::BEGUN)? => Some(jobs::FOLDER),
            left => left,
        };
        let Some(left) = left.filter(|_| !has_records) else { return Ok(()) };
        anyhow::bail!(
            "the parts of the data folder do not belong together: it has `{left}`, but no journal and no file `instance`; \
             bring the missing files back from a backup of this folder, or name an empty folder to begin anew"
        );
    };
    let remembered = configuration_file::read(store, Some(instance.id))?;
    if has_records {
        return Ok(());
    }
    let synced = synced_file::read(store, instance.id)?.unwrap_or_default().lsn;
    // A power cut may take unsynced records of customers whose keys were synced.
    let has_keys = !store.may_have_lost_power() && has(keys::PATH) && {
        let file = store.open(keys::PATH)?;
        file.len()? >= KEYS_WITH_ENTRY_BYTES
    };
    let left = match () {
        () if has_file(store, SNAPSHOTS, ".snap")? => "snapshots".to_owned(),
        () if synced.0 > 0 => format!("a file `synced` that names record {synced}"),
        () if has_keys => "keys of customers".to_owned(),
        () if remembered.is_some_and(|prior| prior.merchants.values().any(|merchant| merchant.has_state)) => {
            "a file `configuration` that names merchants with customers".to_owned()
        }
        () => return Ok(()),
    };
    anyhow::bail!(
        "the parts of the data folder do not belong together: it has `instance` and {left}, but its journal is gone; bring \
         the folders `journal` and `archive` back from a backup of this folder, or restore the backup, or name an empty \
         folder to begin anew"
    );
}

fn has_file(store: &dyn Store, folder: &str, ending: &str) -> anyhow::Result<bool> {
    Ok(store.list(folder)?.iter().any(|name| name.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::Memory;

    #[test]
    fn a_folder_that_misses_a_part_is_refused() {
        let fresh = Memory::new();
        assert!(check_parts(&fresh).is_ok(), "an empty folder is a first start");
        Instance::open(&fresh).unwrap();
        assert!(check_parts(&fresh).is_ok(), "a first start that was cut short");
        fresh.put("keys", &[0; 32]);
        assert!(check_parts(&fresh).is_ok());
        fresh.put("snapshots/1.snap", b"x");
        let refused = check_parts(&fresh).unwrap_err().to_string();
        assert!(refused.contains("its journal is gone") && refused.contains("from a backup"), "{refused}");
        fresh.put("journal/1.log", b"x");
        assert!(check_parts(&fresh).is_ok(), "the segment itself is checked later");
        for left in ["keys", "synced", "configuration", "snapshots/1.snap", "jobs/1.job"] {
            let store = Memory::new();
            store.put(left, b"x");
            let refused = check_parts(&store).unwrap_err().to_string();
            assert!(refused.contains("no file `instance`"), "{left}: {refused}");
            assert_eq!(store.paths(), [left], "nothing was created");
        }
    }
}
