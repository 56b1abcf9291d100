//! Where bytes lie: files in folders, named by short paths such as `journal/00000000000000000001.log`.
//!
//! This room knows bytes, and nothing of events, records or customers. The seam is as small as what the rooms above
//! need, so that [`memory::Memory`] can be a disk that loses, tears and refuses on demand, and a crash is one call.
//!
//! # What is assumed of a disk
//!
//! - What was written is readable at once by this machine, and is on the medium only after [`File::sync`] returned.
//! - Until then any part of it may be there: whole writes in any order, pieces of one write, or the length alone with
//!   zeroes in it. What was synced before and is not written again stays as it was.
//! - After a failed sync nothing is known, and a second sync that succeeds says nothing of what the first one lost.
//! - A file that was created, renamed or removed has that name on the medium only after [`Store::sync_folder`]. A
//!   rename is atomic: after a power cut the file has its old or its new name, never none.
//! - Bits may rot; readers have checksums.

pub mod disk;
pub mod headroom;
pub mod memory;
pub(crate) mod unfinished;

pub use crate::storage::fs::headroom::{Headroom, NoRoom, Room, is_full};
pub use crate::storage::fs::unfinished::Unfinished;

use std::{io, sync::Arc};

/// How large a file system is and how much of it this process may still use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free bytes, without those that are reserved for the system.
    pub free: u64,
    /// All bytes, used or not.
    pub total: u64,
}

/// Names a file or a folder on its file system, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// Which file system.
    pub device: u64,
    /// Which inode of it.
    pub inode: u64,
    /// How many names it has; 0: it is gone with its last handle.
    pub links: u64,
}

impl FileId {
    /// Whether both name the same file.
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Files in folders. A path is `folder/name`; folders do not nest.
pub trait Store: Send + Sync + 'static {
    /// Whether the power may have been cut since the files were last known to be whole. What was written to several of
    /// them and synced to none may then be lost in some.
    fn may_have_lost_power(&self) -> bool {
        true
    }

    /// The files were found whole, or made so.
    ///
    /// # Errors
    /// It cannot be noted; then it is believed of the power that it may have been cut.
    fn is_whole(&self) -> io::Result<()> {
        Ok(())
    }

    /// The space of the file system that holds the files; `None` if the file system does not tell.
    ///
    /// # Errors
    /// The file system cannot be asked.
    fn space(&self) -> io::Result<Option<Space>> {
        Ok(None)
    }

    /// Names the place of the files in messages: a path.
    fn place(&self) -> String {
        "the data folder".to_owned()
    }

    /// The names of the files of a folder, sorted; a folder that is missing has none.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// It does not exist or cannot be opened.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Makes a file that does not exist, and its folder where that is missing. The folder is durable on return, the
    /// file's name only after [`Store::sync_folder`].
    ///
    /// # Errors
    /// The file exists or cannot be made.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another path, and the folder of that where it is missing. A file that had that path is replaced.
    ///
    /// # Errors
    /// The file does not exist or cannot be moved.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Whoever has it open goes on reading.
    ///
    /// # Errors
    /// It does not exist or cannot be removed.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes durable which files the folder has; one that is missing has none to make durable.
    ///
    /// # Errors
    /// It is not known what is durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Which file a path leads to now; the empty path is the store's own folder. `None`: this store cannot tell.
    ///
    /// # Errors
    /// The path leads nowhere, or cannot be asked for.
    fn id(&self, _path: &str) -> io::Result<Option<FileId>> {
        Ok(None)
    }

    /// A path as an operator finds it.
    fn full_path(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// One open file. It stays the same file when its path changes.
pub trait File: Send + Sync {
    /// Bytes that it has.
    ///
    /// # Errors
    /// The file cannot be asked.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// The file cannot be asked.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from an offset, and says how many bytes: fewer than asked for at the end of the file or where the system
    /// gives fewer; 0 at or behind the end.
    ///
    /// # Errors
    /// The bytes cannot be read.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at an offset; a file that ends before it is filled up with zeroes.
    ///
    /// # Errors
    /// Some or all of the bytes were not written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeroes, to a length.
    ///
    /// # Errors
    /// The length was not changed.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes durable what was written, the length included.
    ///
    /// # Errors
    /// It is not known what is durable, and asking again would not tell.
    fn sync(&self) -> io::Result<()>;

    /// Which file it is. `None`: its store cannot tell.
    ///
    /// # Errors
    /// The file cannot be asked.
    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(None)
    }

    /// Locks the file for this handle until it is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: another handle has it; the error's text names the process, such as `process 12`.
    fn try_lock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads until the piece is full or the file ends, and says how many bytes.
///
/// # Errors
/// The bytes cannot be read.
pub fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The folder of a path; empty for a file that lies in none.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
