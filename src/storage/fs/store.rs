//! The interface of a disk: stores of files, and open files.
//!
//! # What is assumed of a disk
//!
//! - Written bytes are readable at once by this machine. They are on the medium only after [`File::sync`] returned.
//! - Until then a power cut may keep any part of them: whole writes in any order, pieces of one write, or only the new
//!   length with zeroes in it. Bytes that were synced before and not written since stay as they were.
//! - A failed sync leaves the state of the file unknown. A later sync that succeeds says nothing about the bytes that the
//!   failed one lost.
//! - The name of a file that was created, renamed or removed is on the medium only after [`Store::sync_folder`]. A rename
//!   is atomic: after a power cut the file has its old or its new name, never none.
//! - Bits may rot. Readers verify checksums.

use std::{io, sync::Arc};

/// The size of a file system and the part of it that this process may still use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free bytes, without those reserved for the system.
    pub free: u64,
    /// All bytes, used and free.
    pub total: u64,
}

/// Identifies a file or a folder on its file system while it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// The number of the file system.
    pub device: u64,
    /// The number of the inode.
    pub inode: u64,
    /// How many names it has. 0: it ends with its last handle.
    pub links: u64,
}

impl FileId {
    /// Whether both identify the same file.
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Files in folders. A path is `folder/name`; folders do not nest.
pub trait Store: Send + Sync + 'static {
    /// Whether the power may have been cut since the files were last known to be whole. Unsynced writes to several files
    /// may then be lost in some of them.
    fn may_have_lost_power(&self) -> bool {
        true
    }

    /// Notes that the files are whole: a start has found or repaired them.
    ///
    /// # Errors
    /// The note cannot be written. The next start then assumes a power cut.
    fn note_files_are_whole(&self) -> io::Result<()> {
        Ok(())
    }

    /// The space of the file system that holds the files; `None` if the file system does not report it.
    ///
    /// # Errors
    /// The file system cannot be queried.
    fn space(&self) -> io::Result<Option<Space>> {
        Ok(None)
    }

    /// The path of the files, for messages.
    fn location(&self) -> String {
        "the data folder".to_owned()
    }

    /// The names of the files of a folder, sorted. A missing folder has none.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// It does not exist or cannot be opened.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Creates a file, and its folder if it is missing. The folder is durable on return, the file's name only after
    /// [`Store::sync_folder`].
    ///
    /// # Errors
    /// The file exists already or cannot be created.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another path and creates the folder of that path if it is missing. A file at that path is replaced.
    ///
    /// # Errors
    /// The file does not exist or cannot be moved.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Open handles of it stay readable.
    ///
    /// # Errors
    /// It does not exist or cannot be removed.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes the names of a folder's files durable. A missing folder is a no-op.
    ///
    /// # Errors
    /// The names that are durable are unknown.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// The file at a path now. The empty path is the store's own folder. `None`: this store cannot identify files.
    ///
    /// # Errors
    /// No file has the path, or it cannot be queried.
    fn id(&self, _path: &str) -> io::Result<Option<FileId>> {
        Ok(None)
    }

    /// The absolute path, for an operator.
    fn full_path(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// One open file. It stays the same file when its path changes.
pub trait File: Send + Sync {
    /// The number of bytes in the file.
    ///
    /// # Errors
    /// The file cannot be queried.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// The file cannot be queried.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from an offset and returns the number of bytes read. It may be less than the buffer; it is 0 at or after the
    /// end of the file.
    ///
    /// # Errors
    /// The bytes cannot be read.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at an offset. A file that ends before the offset is filled with zeroes.
    ///
    /// # Errors
    /// Some or all of the bytes were not written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it with zeroes, to a length.
    ///
    /// # Errors
    /// The length was not changed.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes all written bytes and the length durable.
    ///
    /// # Errors
    /// The bytes that are durable are unknown, and a second sync does not find out.
    fn sync(&self) -> io::Result<()>;

    /// Identifies the file. `None`: its store cannot identify files.
    ///
    /// # Errors
    /// The file cannot be queried.
    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(None)
    }

    /// Locks the file for this handle until the handle is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: another handle holds the lock. The error's text names the process, such as
    /// `process 12`.
    fn try_lock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends, and returns the number of bytes read.
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

/// The folder of a path; empty for a file in no folder.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
