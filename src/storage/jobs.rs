//! Jobs: what many steps must do, wholly or not at all. This file keeps what is to be done until it is; it knows no step.
//!
//! A job's content is written down first, sealed, as it comes. Until it is [begun](Draft::begin) a crash leaves nothing of
//! it. From then on it is a commitment: whoever finds it at a start finishes it. The steps themselves are records of the
//! journal like any others; doing one twice must change nothing.
//!
//! **How far it is** is said by a mark behind each step, which names the number of the journal's last record then. A mark
//! holds only if the journal still has that record: what a kill or a power cut has taken from the journal is done again,
//! and nothing else is, but for a step whose mark was being written.
//!
//! **What is personal in it.** Everything but marks is sealed with a key of the job's own in the file of [`Keys`], under
//! a number that no customer has. When the job ends its file is removed and its key erased, so that copies of the
//! file are of no use either. What stays is a small file that says how it ended, in clear, of numbers and names of
//! merchants and tokens alone.
//!
//! # The files
//!
//! `jobs/<number>.new` is a draft, `.job` a job that has begun, `.done` what says how one has ended (`.end` before it is
//! whole). Little-endian: "LGJOB\0\0\0",
//! the format (4 bytes), the journal's id (16), CRC-32C of these; then frames, each a length (of its body), CRC-32C of
//! kind and body, the kind, and the body.
//!
//! | Kind | Body |
//! |---|---|
//! | 1 piece | sealed: the next bytes of the content |
//! | 2 begun | sealed: what the job is; no piece follows |
//! | 3 mark | steps done (8), the journal's last record then (8), and what whoever does the steps keeps |
//! | 4 ended | how it ended; the only frame of its file |
//!
//! Everything up to the second kind was synced before the file got its name: damage there is corruption, and the start
//! is refused. Marks are not synced: they end where one is damaged.

mod frames;
mod judge;
mod reader;
#[cfg(test)]
mod tests;

pub use crate::storage::fs::headroom::is_full;
pub use crate::storage::jobs::frames::JobError;
use crate::storage::jobs::frames::{Frames, frame, header, kind};
pub use crate::storage::jobs::reader::Reader;
use crate::storage::{
    journal::{JournalId, Lsn},
    keys::{Keys, KeysError, Unsealed},
};
use crate::{
    domain::vocabulary::time::Millis,
    storage::fs::{
        File, Store,
        headroom::{Headroom, Room},
        unfinished::Unfinished,
    },
};
use parking_lot::Mutex;
use std::{
    io::{self, Write},
    sync::Arc,
};

/// The folder of jobs.
pub const FOLDER: &str = "jobs";
/// What the file's name of a job ends with that has begun.
pub const BEGUN: &str = ".job";
/// What the file's name of a job ends with that has ended.
pub const ENDED: &str = ".done";
const DRAFT: &str = ".new";
/// What is about to say how a job ended.
const ENDING: &str = ".end";

/// Bytes of the content that are sealed together.
const PIECE_BYTES: usize = 64 * 1024;
/// Numbers from here on are no customer's.
const OWNERS: u64 = 1 << 63;

/// Where jobs are kept.
pub struct Shelf {
    /// `None`: nothing outlives the process.
    store: Option<Arc<dyn Store>>,
    keys: Arc<Keys>,
    id: JournalId,
    /// Keeps space for the journal.
    headroom: Arc<Headroom>,
    /// The last number that was given.
    last: Mutex<u64>,
}

/// What a start finds.
#[derive(Default)]
pub struct Found {
    /// Begun and not ended, the oldest first.
    pub unfinished: Vec<Job>,
    /// How others ended, the oldest first.
    pub ended: Vec<(u64, Vec<u8>)>,
    /// Whose keys are erased though nothing says how they ended: never promised, or copied while they ended.
    pub keyless: Vec<u64>,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// How many of its steps are done.
    pub done: u64,
    /// What was kept with it.
    pub kept: Vec<u8>,
}

/// A job's content while it comes. One that is dropped leaves nothing.
pub struct Draft {
    shelf: Arc<Shelf>,
    number: u64,
    file: Arc<dyn File>,
    held: Vec<u8>,
    at: u64,
    room: Room,
    is_begun: bool,
}

/// A job that has begun.
pub struct Job {
    shelf: Arc<Shelf>,
    number: u64,
    file: Arc<dyn File>,
    /// Behind the last whole frame.
    at: u64,
    /// What it is.
    pub what: Vec<u8>,
    /// How far it was when it was found.
    pub mark: Mark,
}

fn path_of(number: u64, end: &str) -> String {
    format!("{FOLDER}/{number:020}{end}")
}

impl Shelf {
    /// The shelf of a data folder.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>, id: JournalId) -> Self {
        let headroom = Arc::new(Headroom::of(Arc::clone(&store)));
        Self { store: Some(store), keys, id, headroom, last: Mutex::new(0) }
    }

    /// One that keeps nothing beyond the process: what is on it lies sealed in files without names, its keys in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        let headroom = Arc::new(Headroom::of_path(std::env::temp_dir()));
        let keys = Arc::new(Keys::in_memory([0; 16]));
        Self { store: None, keys, id: JournalId::default(), headroom, last: Mutex::new(0) }
    }

    /// The space that files of jobs, and other secondary files, leave for the journal.
    #[must_use]
    pub fn headroom(&self) -> &Arc<Headroom> {
        &self.headroom
    }

    /// Finds what is there: at a start, while the journal's last record is still `last`. What was only a draft is
    /// removed, and so is what is left of a job that has ended.
    ///
    /// # Errors
    /// A file is damaged, foreign or newer, or the folder cannot be read or written.
    pub fn open(self: &Arc<Self>, last: Lsn) -> Result<Found, JobError> {
        let Some(store) = &self.store else { return Ok(Found::default()) };
        let mut found = Found::default();
        let names = store.list(FOLDER)?;
        let numbered = |name: &str, end: &str| name.strip_suffix(end)?.parse::<u64>().ok();
        let has_ended = |number: u64| names.iter().any(|name| numbered(name, ENDED) == Some(number));
        for name in &names {
            let path = format!("{FOLDER}/{name}");
            if let Some(number) = numbered(name, ENDED) {
                let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
                let ended = frames.next(&[kind::ENDED])?.ok_or_else(|| frames.damaged())?;
                found.ended.push((number, ended.1));
                self.met(number);
                if !self.keys.is_erased(OWNERS | number) {
                    self.keys.erase(OWNERS | number)?;
                }
            } else if numbered(name, BEGUN)
                .is_some_and(|number| !has_ended(number) && self.keys.is_erased(OWNERS | number))
            {
                found.keyless.extend(numbered(name, BEGUN));
                store.remove(&path)?;
                store.sync_folder(FOLDER)?;
            } else if let Some(number) = numbered(name, BEGUN).filter(|number| !has_ended(*number)) {
                self.met(number);
                let file = store.open(&path)?;
                found.unfinished.push(self.begun(number, &path, file, last)?);
            } else {
                // A draft, or one that was cut off while it ended.
                store.remove(&path)?;
                store.sync_folder(FOLDER)?;
                if let Some(number) = numbered(name, DRAFT) {
                    self.met(number);
                    self.keys.erase(OWNERS | number)?;
                }
            }
        }
        Ok(found)
    }

    fn met(&self, number: u64) {
        let mut last = self.last.lock();
        *last = number.max(*last);
    }

    fn begun(self: &Arc<Self>, number: u64, path: &str, file: Arc<dyn File>, last: Lsn) -> Result<Job, JobError> {
        let mut frames = Frames::open(path, Arc::clone(&file), self.id)?;
        let what = loop {
            let (kind, body) = frames.next(&[kind::PIECE, kind::BEGUN])?.ok_or_else(|| frames.damaged())?;
            if kind == kind::BEGUN {
                break self.unsealed(number, &body)?;
            }
        };
        let mut mark = Mark::default();
        let mut at = frames.at;
        // A mark that is not whole was never needed; one that names a record which the journal lost says too much.
        while let Ok(Some((_, body))) = frames.next(&[kind::MARK]) {
            let Some((words, kept)) = body.split_at_checked(16) else { break };
            let word = |at: usize| words[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
            if word(8) > last.0 {
                break;
            }
            (mark, at) = (Mark { done: word(0), kept: kept.to_vec() }, frames.at);
        }
        if file.len()? > at {
            file.truncate(at)?;
            // Numbers of records that were lost are given again: what names them must not come back.
            file.sync()?;
        }
        Ok(Job { shelf: Arc::clone(self), number, file, at, what, mark })
    }

    fn sealed(&self, number: u64, plain: &[u8]) -> Result<Vec<u8>, KeysError> {
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        if self.keys.seal(OWNERS | number, plain, &mut sealed)? {
            return Ok(sealed);
        }
        // Numbers are given once, so its key is erased only when it ends.
        Err(KeysError::Io(io::Error::other("the job has ended")))
    }

    fn unsealed(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, KeysError> {
        match self.keys.unseal(OWNERS | number, sealed)? {
            Unsealed::Plain(plain) => Ok(plain),
            Unsealed::Erased => Err(KeysError::Io(io::Error::other(format!("job {number} has ended")))),
        }
    }

    /// Begins to write down a job's content. Its number is the time in milliseconds, or the next that nobody had.
    ///
    /// # Errors
    /// Its file cannot be made, or there is no room for it.
    pub fn draft(self: &Arc<Self>, now: Millis) -> Result<Draft, JobError> {
        let (head, mut room) = (header(self.id), self.headroom.watch("the file of a job"));
        room.take(head.len() as u64)?;
        let number = {
            let mut last = self.last.lock();
            let mut number = u64::try_from(now.0).unwrap_or(0).max(last.saturating_add(1)) & !OWNERS;
            while self.keys.is_erased(OWNERS | number) {
                number += 1;
            }
            *last = number;
            number
        };
        let file = match &self.store {
            Some(store) => store.create(&path_of(number, DRAFT))?,
            None => crate::storage::fs::disk::unnamed()?,
        };
        let mut draft = Draft { shelf: Arc::clone(self), number, file, held: Vec::new(), at: 0, room, is_begun: false };
        draft.file.write_at(&head, 0)?;
        draft.at = head.len() as u64;
        Ok(draft)
    }

    /// Removes what says how a job ended.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget(&self, number: u64) -> io::Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        match store.remove(&path_of(number, ENDED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => store.sync_folder(FOLDER),
        }
    }
}

impl Draft {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads what has been written and flushed.
    pub fn reader(&self) -> Reader {
        self.shelf.reader(self.number, &self.file, self.at)
    }

    fn put(&mut self, kind: u8, plain: &[u8]) -> Result<(), JobError> {
        let sealed = self.shelf.sealed(self.number, plain)?;
        let bytes = frame(kind, &sealed)?;
        self.room.take(bytes.len() as u64)?;
        self.file.write_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Refuses a job whose steps need so many more bytes of the disk, in marks and in the journal.
    ///
    /// # Errors
    /// There is no room; the draft is to be dropped.
    pub fn check_room(&self, bytes: u64) -> Result<(), JobError> {
        Ok(self.shelf.headroom.check("the steps of a job", bytes)?)
    }

    /// Commits to the job: when this returns, it is on the medium with all of its content, whatever happens next. `what`
    /// says what it is to whoever finds it.
    ///
    /// # Errors
    /// Nothing is left of it.
    pub fn begin(mut self, what: &[u8]) -> Result<Job, JobError> {
        self.flush()?;
        self.put(kind::BEGUN, what)?;
        if let Some(store) = self.shelf.store.clone() {
            // What is sealed is of no use without its key.
            self.shelf.keys.write()?;
            self.shelf.keys.sync()?;
            self.file.sync()?;
            store.rename(&path_of(self.number, DRAFT), &path_of(self.number, BEGUN))?;
            store.sync_folder(FOLDER)?;
        }
        self.is_begun = true;
        let (shelf, number, file) = (Arc::clone(&self.shelf), self.number, Arc::clone(&self.file));
        Ok(Job { shelf, number, file, at: self.at, what: what.to_vec(), mark: Mark::default() })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(()) } else { Ok(self.put(kind::PIECE, &held)?) }
    }
}

impl Drop for Draft {
    /// Whatever cannot be removed here is at the next start; nothing was promised of it.
    fn drop(&mut self) {
        if self.is_begun {
            return;
        }
        if let Some(store) = &self.shelf.store {
            for end in [DRAFT, BEGUN] {
                let _gone = store.remove(&path_of(self.number, end));
            }
            let _gone = store.sync_folder(FOLDER);
        }
        let _erased = self.shelf.keys.erase(OWNERS | self.number);
    }
}

impl Job {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads its content from the start.
    pub fn reader(&self) -> Reader {
        self.shelf.reader(self.number, &self.file, u64::MAX)
    }

    /// Says how far it is: what is done is in the journal up to `last`.
    ///
    /// # Errors
    /// It cannot be written; the job is where it was.
    pub fn mark(&mut self, mark: &Mark, last: Lsn) -> io::Result<()> {
        if self.shelf.store.is_none() {
            return Ok(());
        }
        let mut body = Vec::with_capacity(16 + mark.kept.len());
        body.extend_from_slice(&mark.done.to_le_bytes());
        body.extend_from_slice(&last.0.to_le_bytes());
        body.extend_from_slice(&mark.kept);
        let bytes = frame(kind::MARK, &body)?;
        self.file.write_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Ends it, once the medium has all of its steps: keeps how it ended, removes its content and erases the key.
    ///
    /// # Errors
    /// It is done again by whoever finds it, or ended already; either changes nothing.
    pub fn end(self, how: &[u8]) -> Result<(), JobError> {
        let owner = OWNERS | self.number;
        if let Some(store) = &self.shelf.store {
            let (ending, ended) = (path_of(self.number, ENDING), path_of(self.number, ENDED));
            let mut bytes = header(self.shelf.id);
            bytes.extend_from_slice(&frame(kind::ENDED, how)?);
            let unfinished = Unfinished::create(&**store, &ending)?;
            unfinished.file().write_at(&bytes, 0)?;
            unfinished.finish(&ended)?;
            store.remove(&path_of(self.number, BEGUN))?;
            store.sync_folder(FOLDER)?;
        }
        self.shelf.keys.erase(owner)?;
        Ok(())
    }
}
