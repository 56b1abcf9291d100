//! A power cut, a kill, a failing call: at every call, with many images each.

use crate::storage::journal::tests::{Chance, Opened, Story, live, open};
use crate::storage::{
    fs::memory::{EIO, ENOSPC, Fault, Keep, Memory, Stalls, Unsynced},
    journal::{Lsn, Sync},
};

const KINDS: [Sync; 3] = [Sync::Always, Sync::Interval, Sync::Never];
const STEPS: usize = 24;

/// What the client was promised to find after a power cut.
fn promised(story: &Story, sync: Sync) -> Lsn {
    if sync == Sync::Always { story.committed.max(story.synced) } else { story.synced }
}

/// Lives until the store fails, and says what was told.
fn life(store: &Memory, sync: Sync, seed: u64) -> (Story, Option<Opened>) {
    let mut story = Story::default();
    let Ok(opened) = open(store, sync) else { return (story, None) };
    live(&opened.journal, &mut story, seed, STEPS);
    if opened.journal.close().is_ok() {
        (story.committed, story.synced) = (opened.journal.last(), opened.journal.synced());
    }
    (story, Some(opened))
}

/// Opens an image, compares it with the story, goes on, and opens it once more.
fn check(image: &Memory, story: &Story, sync: Sync, least: Lsn, about: &str) {
    let opened = match open(image, sync) {
        Ok(opened) => opened,
        Err(error) => panic!("{about}: {error}"),
    };
    story.agrees(&opened, least, about);
    let last = opened.recovery.last;
    let mut then = Story { steps: story.steps.clone(), committed: last, synced: last };
    then.steps.retain(|step| step.lsn <= last);
    live(&opened.journal, &mut then, 5, 4);
    then.sync(&opened.journal);
    drop(opened);
    // What the first start found and what it added survive a power cut now.
    let image = image.crash_image(&mut |_| Keep::Nothing);
    let again = match open(&image, sync) {
        Ok(again) => again,
        Err(error) => panic!("{about}, once more: {error}"),
    };
    then.agrees(&again, then.synced, about);
    assert_eq!((again.recovery.cut_files, again.recovery.last), (0, then.synced), "{about}");
}

fn random(seed: u64) -> impl FnMut(Unsynced) -> Keep {
    let mut chance = Chance::new(seed);
    move |change| match (chance.below(6), change) {
        (0, _) => Keep::Nothing,
        (1 | 2, _) => Keep::All,
        (3, Unsynced::Write { bytes, .. }) => Keep::Prefix(chance.below(bytes + 1)),
        (4, _) => Keep::Sectors(chance.next()),
        _ => Keep::Length,
    }
}

#[test]
fn a_crash_at_every_call_loses_nothing_that_was_promised() {
    for sync in KINDS {
        for seed in 1..4 {
            let whole = Memory::new();
            life(&whole, sync, seed);
            for call in 1..=whole.calls() {
                let store = Memory::new();
                store.freeze_at(call);
                let (story, opened) = life(&store, sync, seed);
                drop(opened);
                let about = |image: &str| format!("{sync:?}, seed {seed}, frozen at call {call}, {image}");
                let least = promised(&story, sync);
                check(&store.kill_image(), &story, sync, story.committed, &about("killed"));
                for keep in [Keep::Nothing, Keep::All, Keep::Length] {
                    let image = store.crash_image(&mut |_| keep);
                    check(&image, &story, sync, least, &about(&format!("{keep:?}")));
                }
                for image_seed in 0..4 {
                    let image = store.crash_image(&mut random(call * 100 + image_seed));
                    check(&image, &story, sync, least, &about(&format!("image {image_seed}")));
                }
            }
        }
    }
}

#[test]
fn the_last_write_is_torn_at_every_byte() {
    for sync in KINDS {
        let (store, mut story) = (Memory::new(), Story::default());
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut story, 9, 10);
        story.sync(&opened.journal);
        let synced = story.synced;
        story.append(&opened.journal, 1, b"one");
        story.append_group(&opened.journal, &[(1, b"two".to_vec()), (2, b"three".to_vec())]);
        let last = story.append(&opened.journal, 1, b"four");
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
            check(&image, &story, sync, synced, &format!("{sync:?}, {cut} bytes missing"));
        }
    }
}

#[test]
fn a_segment_that_lost_its_name_is_kept_aside() {
    let sync = Sync::Interval;
    let (store, mut story) = (Memory::new(), Story::default());
    let opened = open(&store, sync).unwrap();
    let journal = &opened.journal;
    story.append(journal, 1, b"synced");
    story.sync(journal);
    story.append(journal, 1, &[1; 600]);
    story.commit(journal, journal.last());
    // As a task does it: the thread rotates, and no sync follows in time.
    let (before, stall) = (journal.last(), store.stall(Stalls::Syncs("journal")));
    journal.pace.rotation_is_due.store(true, std::sync::atomic::Ordering::Release);
    assert!(journal.lead_and_rotate().unwrap());
    story.append(journal, 2, b"in a segment whose name is lost");
    let lost = story.steps.last().unwrap().lsn;
    assert_eq!(journal.try_lead(lost), Some(Ok(())));
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
    check(&image, &story, sync, story.synced, &format!("{sync:?}, a name is lost"));
    check(&store.kill_image(), &story, sync, lost, &format!("{sync:?}, killed"));
    drop(stall);
}

#[test]
fn a_crash_during_a_start_is_found_again() {
    for sync in KINDS {
        let store = Memory::new();
        let mut story = Story::default();
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut story, 4, 25);
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
                    check(&image, &story, sync, expected, &about);
                    check(&half.kill_image(), &story, sync, expected, &about);
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
            life(&whole, sync, 2);
            for call in 1..=whole.calls() {
                let store = Memory::new();
                store.fail_at(call, fault);
                let (story, opened) = life(&store, sync, 2);
                let about = format!("{sync:?}, {fault:?} at call {call}");
                if let Some(opened) = &opened {
                    // Only that the next segment's file is not there yet fails nothing.
                    if !opened.journal.failed() && opened.journal.rotations_postponed() == 1 {
                        assert_eq!((story.committed, story.synced), (opened.journal.last(), opened.journal.last()));
                        continue;
                    }
                    assert!(opened.journal.failed(), "{about}");
                    assert!(opened.journal.commit(opened.journal.append(1, b"x").lsn).is_err(), "{about}");
                }
                drop(opened);
                check(&store.kill_image(), &story, sync, story.committed, &about);
                for seed in 0..4 {
                    let image = store.crash_image(&mut random(seed));
                    check(&image, &story, sync, promised(&story, sync), &about);
                }
            }
        }
    }
}
