//! Tests of jobs on a disk that stops, tears and flips bits at every call and byte.

use super::{
    frames::{frame, header, kind},
    paths::{DRAFT, ENDING, PIECE_BYTES, path_of},
    *,
};
use crate::storage::fs::{
    memory::{Keep, Memory},
    store::read_full,
};
use crate::{
    domain::vocabulary::time::Millis,
    storage::{
        fs::store::Store,
        journal::model::ids::{JournalId, Lsn},
        keys::Keys,
    },
};
use std::io::Read;
use std::{io::Write, sync::Arc};

mod space;

const ID: JournalId = JournalId([7; 16]);
const PERSONAL: &[u8] = b"anna.secret@example.com";

fn job_store(store: &Memory) -> Arc<JobStore> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let keys = Arc::new(Keys::open(&*store, ID.0).unwrap());
    Arc::new(JobStore::new(store, keys, ID))
}

fn content() -> Vec<u8> {
    // More than one piece; the last one is short.
    PERSONAL.iter().copied().cycle().take(2 * PIECE_BYTES + 100).collect()
}

fn write_draft(job_store: &Arc<JobStore>) -> Result<Draft, JobError> {
    let mut draft = job_store.draft(Millis(5))?;
    for piece in content().chunks(10_000) {
        draft.write_all(piece)?;
    }
    draft.flush()?;
    Ok(draft)
}

fn read(mut reader: Reader) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn bytes_of(store: &Memory, path: &str) -> Vec<u8> {
    let file = store.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    read_full(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// Runs a job from draft to end. An error has the number of the failed stage.
fn run_job(store: &Memory) -> Result<(), (u8, JobError)> {
    let at = |step: u8| move |error: JobError| (step, error);
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let keys = Keys::open(&*store, ID.0).map_err(|error| (0, error.into()))?;
    let job_store = Arc::new(JobStore::new(store, Arc::new(keys), ID));
    let draft = write_draft(&job_store).map_err(at(0))?;
    let mut job = draft.begin(b"what").map_err(at(1))?;
    job.write_mark(&JobProgress { steps_done: 3, data: b"three".to_vec() }, Lsn(10))
        .map_err(|error| (2, error.into()))?;
    job.write_mark(&JobProgress { steps_done: 4, data: b"four".to_vec() }, Lsn(20))
        .map_err(|error| (2, error.into()))?;
    job.end(b"how").map_err(at(3))
}

/// The descriptions and progress of unfinished jobs, and the results of ended ones.
type FoundJobs = (Vec<(Vec<u8>, JobProgress)>, Vec<Vec<u8>>);

/// The jobs that a start finds. Checks that the next start finds the same.
fn open_twice(store: &Memory, last: Lsn) -> FoundJobs {
    let look = || {
        let found = job_store(store).open(last).unwrap();
        for job in &found.unfinished {
            assert_eq!(read(job.reader()), content());
        }
        let unfinished = found.unfinished.into_iter().map(|job| (job.what, job.progress));
        (unfinished.collect::<Vec<_>>(), found.ended.into_iter().map(|(_, how)| how).collect::<Vec<_>>())
    };
    let first = look();
    assert_eq!(look(), first);
    first
}

#[test]
fn a_job_is_complete_or_absent_after_a_crash_at_any_call() {
    let mut counts = [0; 3];
    for call in 1.. {
        let store = Memory::new();
        store.freeze_at(call);
        let outcome = run_job(&store);
        for image in [store.kill_image(), store.crash_image(&mut |_| Keep::Nothing)] {
            let (unfinished, ended) = open_twice(&image, Lsn(10));
            match &outcome {
                Err((0, _)) => assert!(unfinished.is_empty() && ended.is_empty(), "call {call}: only a draft"),
                // If beginning failed, the job may exist or not.
                Err((1, _)) => assert!(unfinished.len() <= 1 && ended.is_empty(), "call {call}"),
                Err(_) => assert_eq!(unfinished.len() + ended.len(), 1, "call {call}: promised"),
                Ok(()) => assert_eq!((unfinished.len(), &ended[..]), (0, &[b"how".to_vec()][..])),
            }
            if let [(what, progress)] = &unfinished[..] {
                assert_eq!(what, b"what");
                assert!(
                    progress.steps_done == 0 || *progress == JobProgress { steps_done: 3, data: b"three".to_vec() },
                    "{progress:?}"
                );
            }
            counts[unfinished.len() + 2 * ended.len()] += 1;
        }
        if outcome.is_ok() {
            assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
            return;
        }
    }
}

/// A reader reads again after the end, when marks may follow the content.
#[test]
fn the_content_ends_at_the_same_place_when_marks_are_added() {
    for store in [Some(Memory::new()), None] {
        let job_store = store.as_ref().map_or_else(|| Arc::new(JobStore::in_memory()), job_store);
        let mut job = write_draft(&job_store).unwrap().begin(b"what").unwrap();
        let (mut reader, mut content) = (job.reader(), Vec::new());
        reader.read_to_end(&mut content).unwrap();
        assert!(!content.is_empty());
        for done in 1..3 {
            job.write_mark(&JobProgress { steps_done: done, data: b"data".to_vec() }, Lsn(10)).unwrap();
            assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
        }
    }
}

#[test]
fn a_mark_counts_while_the_journal_has_its_record() {
    for (last, done) in [(9, 0), (10, 3), (19, 3), (20, 4)] {
        let store = Memory::new();
        let mut job = write_draft(&job_store(&store)).unwrap().begin(b"what").unwrap();
        job.write_mark(&JobProgress { steps_done: 3, data: Vec::new() }, Lsn(10)).unwrap();
        job.write_mark(&JobProgress { steps_done: 4, data: Vec::new() }, Lsn(20)).unwrap();
        let mut again = job_store(&store).open(Lsn(last)).unwrap().unfinished;
        assert_eq!(again[0].progress.steps_done, done, "{last}");
        // A mark of a lost record does not return after the next mark.
        again[0].write_mark(&JobProgress { steps_done: 5, data: Vec::new() }, Lsn(11)).unwrap();
        let third = job_store(&store).open(Lsn(100)).unwrap().unfinished;
        assert_eq!(third[0].progress.steps_done, 5);
    }
}

#[test]
fn damage_of_the_content_is_refused_and_damage_of_a_mark_is_ignored() {
    let store = Memory::new();
    let mut job = write_draft(&job_store(&store)).unwrap().begin(b"what").unwrap();
    let content_end = usize::try_from(job.at).unwrap();
    job.write_mark(&JobProgress { steps_done: 3, data: b"three".to_vec() }, Lsn(10)).unwrap();
    let path = path_of(job.number(), BEGUN);
    let file = store.open(&path).unwrap();
    let bytes = bytes_of(&store, &path);
    // Every byte of headers, and some sealed bytes.
    let some = |at: &usize| *at < 64 || at.is_multiple_of(97) || *at > content_end - 100;
    for at in (0..bytes.len()).filter(some) {
        file.write_at(&[bytes[at] ^ 1], at as u64).unwrap();
        let found = job_store(&store).open(Lsn(10));
        match found {
            Ok(found) => assert!(at >= content_end && found.unfinished[0].progress.steps_done == 0, "byte {at}"),
            Err(error) => {
                assert!(at < content_end, "byte {at}: {error}");
                assert!(error.to_string().contains(&path), "byte {at}: {error}");
            }
        }
        file.truncate(0).unwrap();
        file.write_at(&bytes, 0).unwrap();
    }
    for len in 0..bytes.len() {
        if !some(&len) {
            continue;
        }
        file.truncate(len as u64).unwrap();
        assert_eq!(job_store(&store).open(Lsn(10)).is_ok(), len >= content_end, "{len} bytes");
        file.truncate(0).unwrap();
        file.write_at(&bytes, 0).unwrap();
    }
}

#[test]
fn no_file_reveals_the_content_and_a_copy_is_useless_after_the_end() {
    let store = Memory::new();
    let first = job_store(&store);
    let job = write_draft(&first).unwrap().begin(b"anna.secret@example.com was here").unwrap();
    let path = path_of(job.number(), BEGUN);
    let copy = bytes_of(&store, &path);
    assert!(!copy.windows(PERSONAL.len()).any(|part| part == PERSONAL));
    job.end(b"how").unwrap();
    assert!(store.open(&path).is_err());
    let number = 77_u64;
    store.put(&path_of(number, BEGUN), &copy);
    assert!(first.open(Lsn(10)).is_err(), "sealed for another job");
    let store = Memory::new();
    drop(write_draft(&job_store(&store)).unwrap());
    assert!(store.list(FOLDER).unwrap().is_empty(), "a dropped draft leaves nothing");
}

#[test]
fn a_job_in_memory_can_be_read_and_ended() {
    let job_store = Arc::new(JobStore::in_memory());
    let draft = write_draft(&job_store).unwrap();
    assert_eq!(read(draft.reader()), content());
    let job = draft.begin(b"what").unwrap();
    assert_eq!(read(job.reader()), content());
    job.end(b"how").unwrap();
    assert!(job_store.draft(Millis(1)).unwrap().number() > 5, "numbers are not reused");
}

#[test]
fn the_bytes_of_the_files_never_change() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&header(ID)), "4c474a4f4200000001000000070707070707070707070707070707076b7bd911");
    assert_eq!(hex(&frame(kind::ENDED, b"how").unwrap()), "03000000212082ef04686f77");
}
