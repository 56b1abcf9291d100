//! The file of the synced number: what it adds to what the journal itself says, and how it is torn.

use crate::storage::{
    fs::{
        memory::{Keep, Memory},
        store::Store,
    },
    journal::{
        format::{
            segment_reader::{SegmentReader, Step},
            synced_file::{self, PATH},
        },
        log::Journal,
        model::{
            error::OpenError,
            ids::{JournalId, Lsn},
            options::Sync,
        },
        tests::{ID, Opened, Workload, live, open},
    },
};

const SLOT_BYTES: usize = 64;
const SECOND: usize = 4096;

/// A journal that was stopped in order; its last segment, and where each record of that begins.
fn stopped(sync: Sync) -> (Memory, Workload, String, Vec<(u64, Lsn)>) {
    let (store, mut workload) = (Memory::new(), Workload::default());
    let Opened { journal, .. } = open(&store, sync).unwrap();
    live(&journal, &mut workload, 5, 40);
    let last = workload.append(&journal, 9, b"the last one");
    workload.commit(&journal, last);
    journal.close().unwrap();
    journal.mark_clean_stop().unwrap();
    drop(journal);
    let mut names = store.list("journal").unwrap();
    names.retain(|name| name.ends_with(".log"));
    let path = names.pop().map(|name| format!("journal/{name}")).unwrap();
    let mut reader = SegmentReader::open(&store, &path).unwrap();
    let mut begins = Vec::new();
    while let Step::Record(located) = reader.step().unwrap() {
        begins.push((located.offset, located.framed.head.lsn));
    }
    (store.kill_image(), workload, path, begins)
}

fn refusal(store: &Memory, sync: Sync) -> Option<OpenError> {
    open(store, sync).err()
}

#[test]
fn after_a_clean_stop_a_cut_at_every_record_and_a_flip_in_every_byte_of_the_last_is_corruption() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let (store, workload, path, begins) = stopped(sync);
        assert!(begins.len() > 1);
        let whole = store.bytes(&path).unwrap();
        for (offset, lsn) in &begins {
            let image = store.kill_image();
            image.put(&path, &whole[..usize::try_from(*offset).unwrap()]);
            let refused = refusal(&image, sync).unwrap_or_else(|| panic!("{sync:?}: cut before record {lsn}"));
            assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
            assert!(refused.to_string().contains("stopped in order"), "{refused}");
        }
        let from = usize::try_from(begins.last().unwrap().0).unwrap();
        for at in from..whole.len() {
            let image = store.kill_image();
            assert!(image.flip_bit(&path, at, u8::try_from(at % 8).unwrap()));
            let refused = refusal(&image, sync).unwrap_or_else(|| panic!("{sync:?}: byte {at} is flipped"));
            assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
        }
        let opened = open(&store, sync).unwrap();
        workload.agrees(&opened, workload.steps.last().unwrap().lsn, "unchanged");
    }
}

#[test]
fn a_slot_that_is_torn_leaves_the_other_and_two_that_are_damaged_are_refused() {
    let (store, workload, ..) = stopped(Sync::Always);
    let last = workload.steps.last().unwrap().lsn;
    let whole = store.bytes(PATH).unwrap();
    assert_eq!(whole.len(), SECOND + SLOT_BYTES);
    for slot in [0, SECOND] {
        for at in slot..slot + SLOT_BYTES {
            for bit in 0..8 {
                let image = store.kill_image();
                assert!(image.flip_bit(PATH, at, bit));
                let mark = synced_file::read(&image, ID).unwrap().unwrap();
                assert_eq!((mark.lsn, mark.is_clean_stop), (last, true), "byte {at}, bit {bit}");
                workload.agrees(&open(&image, Sync::Always).unwrap(), last, "one slot is damaged");
            }
        }
    }
    let damaged = store.kill_image();
    damaged.flip_bit(PATH, 3, 1);
    damaged.flip_bit(PATH, SECOND + 50, 1);
    let zeroes = vec![0; whole.len()];
    for bytes in [&damaged.bytes(PATH).unwrap()[..], &[], &whole[1..], &zeroes] {
        let image = store.kill_image();
        image.put(PATH, bytes);
        assert!(matches!(refusal(&image, Sync::Always), Some(OpenError::SyncedFile)), "{} bytes", bytes.len());
        assert_eq!(image.bytes(PATH).unwrap(), bytes, "nothing is changed");
    }
    let foreign = synced_file::read(&store, JournalId([1; 16]));
    assert!(matches!(foreign, Err(OpenError::Foreign { .. })), "{foreign:?}");
    // Without the file only the journal gives the synced number, as in older versions.
    store.remove(PATH).unwrap();
    workload.agrees(&open(&store, Sync::Always).unwrap(), last, "no file");
    assert!(store.bytes(PATH).is_some(), "it is made again");
}

/// A stop that is cut short at each of its calls, in every way in which a medium may have taken its writes.
#[test]
fn a_stop_that_is_cut_short_leaves_a_mark_that_is_true() {
    let ways: [&dyn Fn() -> Keep; 5] =
        [&|| Keep::Nothing, &|| Keep::All, &|| Keep::Prefix(20), &|| Keep::Prefix(63), &|| Keep::Length];
    for call in 1..40 {
        let (store, mut workload) = (Memory::new(), Workload::default());
        let Opened { journal, .. } = open(&store, Sync::Always).unwrap();
        let lsn = workload.append(&journal, 1, b"acknowledged");
        workload.commit(&journal, lsn);
        journal.stop_threads();
        store.freeze_at(store.calls() + call);
        let stopped = journal.mark_clean_stop();
        drop(journal);
        for way in ways {
            let image = store.crash_image(&mut |_| way());
            let opened = open(&image, Sync::Always).unwrap_or_else(|error| panic!("call {call}: {error}"));
            workload.agrees(&opened, workload.committed, &format!("call {call}"));
        }
        assert!(stopped.is_ok() || call < 10, "call {call}");
    }
}

/// The mark is written while the journal runs, by a thread that no caller waits for.
#[test]
fn the_synced_number_reaches_its_file_while_the_journal_runs() {
    let store = Memory::new();
    let Opened { journal, .. } = open(&store, Sync::Always).unwrap();
    let lsn = journal.append(1, b"one").lsn;
    journal.commit(lsn).unwrap();
    let written = || synced_file::read(&store, ID).unwrap().unwrap();
    while written().lsn < lsn {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!written().is_clean_stop);
    // Killed: what is damaged at or below the mark is corruption, though no batch header says that it was synced.
    let image = store.kill_image();
    let path = "journal/00000000000000000001.log";
    let end = image.bytes(path).unwrap().len();
    assert!(image.flip_bit(path, end - 6, 0));
    assert!(matches!(refusal(&image, Sync::Always), Some(OpenError::Corrupt { .. })));
    assert_eq!(Journal::in_memory().mark_clean_stop(), Ok(()));
}
