//! Jobs on a disk that is cut off, torn and flipped at every call and byte.

use super::*;
use crate::storage::fs::{
    memory::{Keep, Memory},
    read_full,
};
use std::io::Read;

mod space;

const ID: JournalId = JournalId([7; 16]);
const TOLD: &[u8] = b"anna.secret@example.com";

fn shelf(store: &Memory) -> Arc<Shelf> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let keys = Arc::new(Keys::open(&*store, ID.0).unwrap());
    Arc::new(Shelf::new(store, keys, ID))
}

fn content() -> Vec<u8> {
    // More than one piece, the last one short.
    TOLD.iter().copied().cycle().take(2 * PIECE_BYTES + 100).collect()
}

fn drafted(shelf: &Arc<Shelf>) -> Result<Draft, JobError> {
    let mut draft = shelf.draft(Millis(5))?;
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

/// What a job lives through; says how far it came.
fn live(store: &Memory) -> Result<(), (u8, JobError)> {
    let at = |step: u8| move |error: JobError| (step, error);
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let keys = Keys::open(&*store, ID.0).map_err(|error| (0, error.into()))?;
    let shelf = Arc::new(Shelf::new(store, Arc::new(keys), ID));
    let draft = drafted(&shelf).map_err(at(0))?;
    let mut job = draft.begin(b"what").map_err(at(1))?;
    job.mark(&Mark { done: 3, kept: b"three".to_vec() }, Lsn(10)).map_err(|error| (2, error.into()))?;
    job.mark(&Mark { done: 4, kept: b"four".to_vec() }, Lsn(20)).map_err(|error| (2, error.into()))?;
    job.end(b"how").map_err(at(3))
}

/// The unfinished, and how others ended.
type Seen = (Vec<(Vec<u8>, Mark)>, Vec<Vec<u8>>);

/// What a start finds; and that it finds the same at the next one.
fn found(store: &Memory, last: Lsn) -> Seen {
    let look = || {
        let found = shelf(store).open(last).unwrap();
        for job in &found.unfinished {
            assert_eq!(read(job.reader()), content());
        }
        let unfinished = found.unfinished.into_iter().map(|job| (job.what, job.mark));
        (unfinished.collect::<Vec<_>>(), found.ended.into_iter().map(|(_, how)| how).collect::<Vec<_>>())
    };
    let first = look();
    assert_eq!(look(), first);
    first
}

#[test]
fn a_job_is_there_whole_or_not_at_all_wherever_it_is_cut_off() {
    let mut seen = [0; 3];
    for call in 1.. {
        let store = Memory::new();
        store.freeze_at(call);
        let lived = live(&store);
        for image in [store.kill_image(), store.crash_image(&mut |_| Keep::Nothing)] {
            let (unfinished, ended) = found(&image, Lsn(10));
            match &lived {
                Err((0, _)) => assert!(unfinished.is_empty() && ended.is_empty(), "call {call}: only a draft"),
                // Whoever was not told that it begun may find either.
                Err((1, _)) => assert!(unfinished.len() <= 1 && ended.is_empty(), "call {call}"),
                Err(_) => assert_eq!(unfinished.len() + ended.len(), 1, "call {call}: promised"),
                Ok(()) => assert_eq!((unfinished.len(), &ended[..]), (0, &[b"how".to_vec()][..])),
            }
            if let [(what, mark)] = &unfinished[..] {
                assert_eq!(what, b"what");
                assert!(mark.done == 0 || *mark == Mark { done: 3, kept: b"three".to_vec() }, "{mark:?}");
            }
            seen[unfinished.len() + 2 * ended.len()] += 1;
        }
        if lived.is_ok() {
            assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
            return;
        }
    }
}

/// Who reads a table asks once more behind its end, when marks may stand there already.
#[test]
fn the_end_of_the_content_stays_the_end_whatever_is_marked_behind_it() {
    for store in [Some(Memory::new()), None] {
        let shelf = store.as_ref().map_or_else(|| Arc::new(Shelf::in_memory()), shelf);
        let mut job = drafted(&shelf).unwrap().begin(b"what").unwrap();
        let (mut reader, mut content) = (job.reader(), Vec::new());
        reader.read_to_end(&mut content).unwrap();
        assert!(!content.is_empty());
        for done in 1..3 {
            job.mark(&Mark { done, kept: b"kept".to_vec() }, Lsn(10)).unwrap();
            assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
        }
    }
}

#[test]
fn a_mark_holds_while_the_journal_has_its_record() {
    for (last, done) in [(9, 0), (10, 3), (19, 3), (20, 4)] {
        let store = Memory::new();
        let mut job = drafted(&shelf(&store)).unwrap().begin(b"what").unwrap();
        job.mark(&Mark { done: 3, kept: Vec::new() }, Lsn(10)).unwrap();
        job.mark(&Mark { done: 4, kept: Vec::new() }, Lsn(20)).unwrap();
        let mut again = shelf(&store).open(Lsn(last)).unwrap().unfinished;
        assert_eq!(again[0].mark.done, done, "{last}");
        // What said too much does not come back behind the next mark.
        again[0].mark(&Mark { done: 5, kept: Vec::new() }, Lsn(11)).unwrap();
        let third = shelf(&store).open(Lsn(100)).unwrap().unfinished;
        assert_eq!(third[0].mark.done, 5);
    }
}

#[test]
fn damage_of_what_was_promised_is_told_and_of_a_mark_is_not() {
    let store = Memory::new();
    let mut job = drafted(&shelf(&store)).unwrap().begin(b"what").unwrap();
    let promised = usize::try_from(job.at).unwrap();
    job.mark(&Mark { done: 3, kept: b"three".to_vec() }, Lsn(10)).unwrap();
    let path = path_of(job.number(), BEGUN);
    let file = store.open(&path).unwrap();
    let bytes = bytes_of(&store, &path);
    // Every byte of heads, and some of the sealed ones.
    let some = |at: &usize| *at < 64 || at.is_multiple_of(97) || *at > promised - 100;
    for at in (0..bytes.len()).filter(some) {
        file.write_at(&[bytes[at] ^ 1], at as u64).unwrap();
        let found = shelf(&store).open(Lsn(10));
        match found {
            Ok(found) => assert!(at >= promised && found.unfinished[0].mark.done == 0, "byte {at}"),
            Err(error) => {
                assert!(at < promised, "byte {at}: {error}");
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
        assert_eq!(shelf(&store).open(Lsn(10)).is_ok(), len >= promised, "{len} bytes");
        file.truncate(0).unwrap();
        file.write_at(&bytes, 0).unwrap();
    }
}

#[test]
fn no_file_yields_the_content_and_a_copy_does_not_when_the_job_has_ended() {
    let store = Memory::new();
    let kept = shelf(&store);
    let job = drafted(&kept).unwrap().begin(b"anna.secret@example.com was here").unwrap();
    let path = path_of(job.number(), BEGUN);
    let copy = bytes_of(&store, &path);
    assert!(!copy.windows(TOLD.len()).any(|part| part == TOLD));
    job.end(b"how").unwrap();
    assert!(store.open(&path).is_err());
    let number = 77_u64;
    store.put(&path_of(number, BEGUN), &copy);
    assert!(kept.open(Lsn(10)).is_err(), "sealed for another");
    let store = Memory::new();
    drop(drafted(&shelf(&store)).unwrap());
    assert!(store.list(FOLDER).unwrap().is_empty(), "a draft that is given up leaves nothing");
}

#[test]
fn a_job_in_memory_is_read_and_ended() {
    let shelf = Arc::new(Shelf::in_memory());
    let draft = drafted(&shelf).unwrap();
    assert_eq!(read(draft.reader()), content());
    let job = draft.begin(b"what").unwrap();
    assert_eq!(read(job.reader()), content());
    job.end(b"how").unwrap();
    assert!(shelf.draft(Millis(1)).unwrap().number() > 5, "numbers are given once");
}

#[test]
fn the_bytes_of_the_files_are_these() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&header(ID)), "4c474a4f4200000001000000070707070707070707070707070707076b7bd911");
    assert_eq!(hex(&frame(kind::ENDED, b"how").unwrap()), "03000000212082ef04686f77");
}
