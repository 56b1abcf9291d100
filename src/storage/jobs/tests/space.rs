//! Tests of jobs on a disk that fails once or is full: no partial file is left, and the keys for the journal are written.

use super::*;
use crate::storage::fs::memory::{EIO, ENOSPC, Fault};

/// The files of drafts and of unfinished results.
fn partial(store: &Memory) -> Vec<String> {
    let is_partial = |path: &String| path.ends_with(DRAFT) || path.ends_with(ENDING);
    store.paths().into_iter().filter(is_partial).collect()
}

#[test]
fn a_job_that_fails_at_any_call_leaves_no_partial_file() {
    for fault in [Fault::Error(EIO), Fault::Error(ENOSPC), Fault::Short(ENOSPC)] {
        for call in 1.. {
            let store = Memory::new();
            store.fail_at(call, fault);
            let outcome = run_job(&store);
            // A removal that fails itself leaves its file until the next start.
            let about = format!("{fault:?} at call {call}: {outcome:?}");
            if outcome.is_err() {
                assert_eq!(partial(&store), Vec::<String>::new(), "{about}");
            }
            let next = store.kill_image();
            open_twice(&next, Lsn(10));
            assert_eq!(partial(&next), Vec::<String>::new(), "{about}");
            if outcome.is_ok() && store.calls() < call {
                break;
            }
        }
    }
}

#[test]
fn a_draft_stops_before_the_space_of_the_journal_and_gives_back_its_own() {
    let store = Memory::new();
    let job_store = job_store(&store);
    let used = store.used_bytes();
    store.set_capacity(Some(used + (64 << 20)));
    job_store.headroom().keep_free(Some(16 << 20));
    let mut draft = job_store.draft(Millis(5)).unwrap();
    let piece = vec![b'x'; 1 << 20];
    let mut written = 0_u64;
    let refused = loop {
        match draft.write_all(&piece) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(is_full(&refused) && refused.to_string().contains("min_free_bytes"), "{refused}");
    assert!((40..=48).contains(&written), "{written} MiB");
    // A draft whose caller has stalled leaves the journal its space; one that is dropped gives back all of it.
    assert!(store.space().unwrap().unwrap().free >= 16 << 20);
    drop(draft);
    assert_eq!(partial(&store), Vec::<String>::new());
    assert!(store.used_bytes() < used + 1_000, "but for a key that is erased");
    store.set_capacity(Some(store.used_bytes() + (16 << 20) - 1));
    let refused = job_store.draft(Millis(6)).err().unwrap();
    assert!(refused.is_full(), "{refused}");
    assert_eq!(partial(&store), Vec::<String>::new());
    // Nothing of it keeps the journal from writing its keys.
    job_store.keys.write().unwrap();
    job_store.keys.sync().unwrap();
}

#[test]
fn a_job_whose_steps_need_more_than_is_free_is_refused_before_it_begins() {
    let store = Memory::new();
    let job_store = job_store(&store);
    store.set_capacity(Some(8 << 20));
    job_store.headroom().keep_free(Some(1 << 20));
    let draft = write_draft(&job_store).unwrap();
    draft.check_room(1 << 20).unwrap();
    assert!(draft.check_room(7 << 20).unwrap_err().is_full());
}

#[test]
fn a_full_disk_without_headroom_refuses_the_draft_and_removes_it() {
    let store = Memory::new();
    let job_store = job_store(&store);
    store.set_capacity(Some(store.used_bytes() + 100_000));
    let refused = write_draft(&job_store).err().unwrap();
    assert!(refused.is_full(), "{refused}");
    assert_eq!(partial(&store), Vec::<String>::new());
    job_store.keys.write().unwrap();
}
