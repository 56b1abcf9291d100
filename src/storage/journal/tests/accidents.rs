//! A power cut, a kill, a failing call: at every call, with many images each.

use crate::storage::{
    fs::memory::{EIO, ENOSPC, Fault, Keep, Memory, StalledCalls, Unsynced},
    journal::{
        model::{ids::Lsn, options::Sync},
        tests::{Opened, Random, Workload, live, open},
    },
};

const KINDS: [Sync; 3] = [Sync::Always, Sync::Interval, Sync::Never];
const STEPS: usize = 24;

/// What the client was promised to find after a power cut.
fn promised(workload: &Workload, sync: Sync) -> Lsn {
    if sync == Sync::Always { workload.committed.max(workload.synced) } else { workload.synced }
}

/// Runs a workload until the store fails. Returns its results.
fn run_workload(store: &Memory, sync: Sync, seed: u64) -> (Workload, Option<Opened>) {
    let mut workload = Workload::default();
    let Ok(opened) = open(store, sync) else { return (workload, None) };
    live(&opened.journal, &mut workload, seed, STEPS);
    if opened.journal.close().is_ok() {
        (workload.committed, workload.synced) = (opened.journal.last(), opened.journal.synced());
    }
    (workload, Some(opened))
}

/// Opens an image, compares it with the workload, continues, and opens it again.
fn check(image: &Memory, workload: &Workload, sync: Sync, least: Lsn, about: &str) {
    let opened = match open(image, sync) {
        Ok(opened) => opened,
        Err(error) => panic!("{about}: {error}"),
    };
    workload.agrees(&opened, least, about);
    let last = opened.recovery.last;
    let mut then = Workload { steps: workload.steps.clone(), committed: last, synced: last };
    then.steps.retain(|step| step.lsn <= last);
    live(&opened.journal, &mut then, 5, 4);
    then.sync(&opened.journal);
    drop(opened);
    // What the first start found and what it added survive a power cut now.
    let image = image.crash_image(&mut |_| Keep::Nothing);
    let again = match open(&image, sync) {
        Ok(again) => again,
        Err(error) => panic!("{about}, opened again: {error}"),
    };
    then.agrees(&again, then.synced, about);
    assert_eq!((again.recovery.cut_files, again.recovery.last), (0, then.synced), "{about}");
}

fn random(seed: u64) -> impl FnMut(Unsynced) -> Keep {
    let mut random = Random::new(seed);
    move |change| match (random.below(6), change) {
        (0, _) => Keep::Nothing,
        (1 | 2, _) => Keep::All,
        (3, Unsynced::Write { bytes, .. }) => Keep::Prefix(random.below(bytes + 1)),
        (4, _) => Keep::Sectors(random.next()),
        _ => Keep::Length,
    }
}

#[test]
fn a_crash_at_every_call_loses_nothing_that_was_promised() {
    for sync in KINDS {
        for seed in 1..4 {
            let whole = Memory::new();
            run_workload(&whole, sync, seed);
            for call in 1..=whole.calls() {
                let store = Memory::new();
                store.freeze_at(call);
                let (workload, opened) = run_workload(&store, sync, seed);
                drop(opened);
                let about = |image: &str| format!("{sync:?}, seed {seed}, frozen at call {call}, {image}");
                let least = promised(&workload, sync);
                check(&store.kill_image(), &workload, sync, workload.committed, &about("killed"));
                for keep in [Keep::Nothing, Keep::All, Keep::Length] {
                    let image = store.crash_image(&mut |_| keep);
                    check(&image, &workload, sync, least, &about(&format!("{keep:?}")));
                }
                for image_seed in 0..4 {
                    let image = store.crash_image(&mut random(call * 100 + image_seed));
                    check(&image, &workload, sync, least, &about(&format!("image {image_seed}")));
                }
            }
        }
    }
}

#[test]
fn the_last_write_is_torn_at_every_byte() {
    for sync in KINDS {
        let (store, mut workload) = (Memory::new(), Workload::default());
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut workload, 9, 10);
        workload.sync(&opened.journal);
        let synced = workload.synced;
        workload.append(&opened.journal, 1, b"one");
        workload.append_group(&opened.journal, &[(1, b"two".to_vec()), (2, b"three".to_vec())]);
        let last = workload.append(&opened.journal, 1, b"four");
        // The write happens, its sync does not.
        store.fail_at(store.calls() + 2, Fault::Short(EIO));
        if sync == Sync::Always {
            opened.journal.commit(last).unwrap_err();
        } else {
            opened.journal.commit(last).unwrap();
        }
        let path = opened.journal.segments().last().unwrap().path.clone();
        drop(opened);
        let sizes = |keep| store.crash_image(&mut |_| keep).bytes(&path).map_or(0, |bytes| bytes.len());
        let (before, after) = (sizes(Keep::Nothing), sizes(Keep::All));
        for cut in 0..=after.saturating_sub(before) {
            // A failed sync has no unsynced bytes any more; then the live bytes are cut by hand.
            let image = Memory::new();
            for path in store.paths() {
                image.put(&path, &store.bytes(&path).unwrap());
            }
            let bytes = store.bytes(&path).unwrap();
            image.put(&path, &bytes[..bytes.len() - cut.min(bytes.len())]);
            check(&image, &workload, sync, synced, &format!("{sync:?}, {cut} bytes missing"));
        }
    }
}

#[test]
fn a_segment_that_lost_its_name_is_kept_aside() {
    let sync = Sync::Interval;
    let (store, mut workload) = (Memory::new(), Workload::default());
    let opened = open(&store, sync).unwrap();
    let journal = &opened.journal;
    workload.append(journal, 1, b"synced");
    workload.sync(journal);
    workload.append(journal, 1, &[1; 600]);
    workload.commit(journal, journal.last());
    // As a task does it: the thread rotates, and no sync follows in time.
    let (before, stall) = (journal.last(), store.stall(StalledCalls::Syncs("journal")));
    journal.pace.rotation_is_due.store(true, std::sync::atomic::Ordering::Release);
    assert!(journal.lead_and_rotate().unwrap());
    workload.append(journal, 2, b"in a segment whose name is lost");
    let last_lsn = workload.steps.last().unwrap().lsn;
    assert_eq!(journal.try_lead(last_lsn), Some(Ok(())));
    let mut names = 0;
    let image = store.crash_image(&mut |change| {
        // The creation is kept, the rename is not.
        names += usize::from(change == Unsynced::Name);
        if change == Unsynced::Name && names > 1 { Keep::Nothing } else { Keep::All }
    });
    assert!(image.bytes("journal/next.new").unwrap().len() > 60, "{:?}", image.paths());
    let found = open(&image.kill_image(), sync).unwrap();
    assert_eq!((found.recovery.last, found.recovery.cut_files), (before, 1), "{sync:?}");
    drop(found);
    check(&image, &workload, sync, workload.synced, &format!("{sync:?}, a name is lost"));
    check(&store.kill_image(), &workload, sync, last_lsn, &format!("{sync:?}, killed"));
    drop(stall);
}

#[test]
fn a_crash_during_a_start_is_found_again() {
    for sync in KINDS {
        let store = Memory::new();
        let mut workload = Workload::default();
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut workload, 4, 25);
        drop(opened);
        for first in 0..4 {
            let torn = store.crash_image(&mut random(first));
            let whole = torn.kill_image();
            let Ok(opened) = open(&whole, sync) else { panic!("{sync:?}, image {first}") };
            let expected = opened.recovery.last;
            drop(opened);
            for call in 1..=whole.calls() {
                for second in 0..2 {
                    let half = torn.kill_image();
                    half.freeze_at(call);
                    drop(open(&half, sync));
                    let about = format!("{sync:?}, image {first}, start frozen at {call}, then {second}");
                    let image = half.crash_image(&mut random(second));
                    check(&image, &workload, sync, expected, &about);
                    check(&half.kill_image(), &workload, sync, expected, &about);
                }
            }
        }
    }
}

#[test]
fn every_failing_call_fails_the_journal_and_a_restart_tells_the_truth() {
    for sync in KINDS {
        for fault in [Fault::Error(EIO), Fault::Error(ENOSPC), Fault::Short(ENOSPC)] {
            let whole = Memory::new();
            run_workload(&whole, sync, 2);
            for call in 1..=whole.calls() {
                let store = Memory::new();
                store.fail_at(call, fault);
                let (workload, opened) = run_workload(&store, sync, 2);
                let about = format!("{sync:?}, {fault:?} at call {call}");
                if let Some(opened) = &opened {
                    // Only that the next segment's file is not there yet fails nothing.
                    if !opened.journal.failed() && opened.journal.rotations_postponed() == 1 {
                        assert_eq!(
                            (workload.committed, workload.synced),
                            (opened.journal.last(), opened.journal.last())
                        );
                        continue;
                    }
                    assert!(opened.journal.failed(), "{about}");
                    assert!(opened.journal.commit(opened.journal.append(1, b"x").lsn).is_err(), "{about}");
                }
                drop(opened);
                check(&store.kill_image(), &workload, sync, workload.committed, &about);
                for seed in 0..4 {
                    let image = store.crash_image(&mut random(seed));
                    check(&image, &workload, sync, promised(&workload, sync), &about);
                }
            }
        }
    }
}
