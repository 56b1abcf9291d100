//! Files that vanish under a running journal, and files that another process has.

use crate::storage::{
    fs::{disk::Disk, memory::Memory, store::Store},
    journal::{
        log::Journal,
        model::{error::OpenError, ids::Lsn, options::Sync},
        tests::{ID, open, options},
    },
    keys::customer_keys::Keys,
};
use std::{fs, path::Path, sync::Arc};

type Spoil = fn(&Path);

fn newest(folder: &Path) -> std::path::PathBuf {
    let names = fs::read_dir(folder.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap()
}

/// A change to a folder, and the words that must name it.
const SPOILS: [(Spoil, &str); 7] = [
    (|folder| fs::remove_dir_all(folder).unwrap(), "the data folder "),
    (|folder| fs::rename(folder, folder.with_extension("old")).unwrap(), "the data folder "),
    (
        |folder| {
            fs::rename(folder, folder.with_extension("old")).unwrap();
            fs::create_dir(folder).unwrap();
        },
        "the data folder ",
    ),
    (|folder| fs::remove_file(newest(folder)).unwrap(), "journal/"),
    (|folder| fs::rename(folder.join("journal"), folder.join("elsewhere")).unwrap(), "journal/"),
    (
        |folder| {
            let keys = fs::read(folder.join("keys")).unwrap();
            fs::remove_file(folder.join("keys")).unwrap();
            fs::write(folder.join("keys"), keys).unwrap();
        },
        "/keys ",
    ),
    (|folder| fs::remove_file(folder.join("synced")).unwrap(), "/synced "),
];

#[tokio::test]
async fn a_journal_whose_files_are_gone_fails_by_itself_and_acknowledges_nothing_after_a_sync() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        for (spoil, named) in SPOILS {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("data");
            let disk: Arc<dyn Store> = Arc::new(Disk::open(&folder).unwrap());
            let keys = Arc::new(Keys::open(&*disk, ID.0).unwrap());
            let replay = &mut |_: &crate::storage::journal::model::record::Record<'_>| Ok(());
            let journal = Journal::open(disk, ID, options(sync), Some(keys as _), Lsn(0), Lsn(0), replay).unwrap().0;
            let kept = journal.append(1, b"kept").lsn;
            journal.committed(kept).await.unwrap();
            spoil(&folder);
            if sync == Sync::Always {
                let lsn = journal.append(1, b"lost").lsn;
                journal.committed(lsn).await.unwrap_err();
            }
            // With no traffic too.
            let failed = journal.when_failed().await.to_string();
            assert!(failed.contains(named) && failed.contains("then start again"), "{sync:?}: {failed}");
            assert!(journal.sync().is_err());
        }
    }
}

#[test]
fn a_segment_that_is_sealed_and_archived_meanwhile_is_not_missed() {
    let store = Memory::new();
    let opened = open(&store, Sync::Interval).unwrap();
    for owner in 0..20 {
        opened.journal.append(owner, b"events");
        opened.journal.rotate().unwrap();
        let sealed = opened.journal.segments().into_iter().rfind(|segment| segment.sealed).unwrap();
        opened.journal.archive(sealed.first_lsn).unwrap();
        opened.journal.check_presence().unwrap();
    }
}

#[test]
fn a_segment_that_another_handle_has_locked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = || -> Arc<dyn Store> { Arc::new(Disk::open_unlocked(folder.path())) };
    let open = || {
        let replay = &mut |_: &crate::storage::journal::model::record::Record<'_>| Ok(());
        Journal::open(disk(), ID, options(Sync::Interval), None, Lsn(0), Lsn(0), replay)
    };
    let journal = open().unwrap().0;
    let refused = |opened: Result<_, OpenError>| match opened {
        Ok(_) => panic!("it was opened twice"),
        Err(error) => error.to_string(),
    };
    for _ in 0..3 {
        let error = refused(open().map(drop));
        assert!(error.contains(".log is held by ") && error.contains("process"), "{error}");
        journal.append(1, b"carried along at a rotation");
        journal.rotate().unwrap();
    }
    journal.close().unwrap();
    drop(journal);
    open().unwrap();
}
