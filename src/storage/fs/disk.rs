//! The store on a disk: a data folder that one process holds.
//!
//! Files are for the daemon's user alone, since what lies in them is of persons. The folder itself and its `lock` file
//! are locked for as long as the process lives, however it ends. The file names the process, and the boot of the machine
//! on which the folder was found whole last: a folder of this boot has seen no power cut since. A `lock` file that is
//! removed or replaced unlocks nothing. The journal locks its newest segment as well.

use crate::storage::fs::{File, FileId, Space, Store, folder_of};
use std::{
    fs::{self, DirBuilder, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The name of the lock file.
pub const LOCK: &str = "lock";

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has it.
    #[error(
        "{folder} is held by {holder}: two daemons cannot share a data folder; stop that one, or give this one \
         a folder of its own"
    )]
    Held {
        /// The data folder.
        folder: String,
        /// The process, as `process 12`, or what can be said instead.
        holder: String,
    },
    /// The folder or its lock file cannot be made or opened.
    #[error("{path} cannot be opened: {source}; the daemon needs a folder that it may write to")]
    Io {
        /// What was tried.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// A data folder on a disk, held until this is dropped.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// The lock goes with the last handle of the file.
    lock: Option<fs::File>,
    /// The folder itself, locked too.
    _folder: Option<fs::File>,
    /// The boot on which the folder was found whole last, as far as that is known.
    whole_on: String,
}

/// Names this boot of the machine; `None`: the system does not say.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The process that has a file locked, as the system's list of locks says; `None` where it does not.
fn holder(file: &fs::File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let of = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let kind = fields.next()?;
        let process = fields.nth(2)?;
        let (_, locked) = fields.next()?.rsplit_once(':')?;
        // A process that this one may not see is listed as 0 or -1.
        let is_seen = process.parse::<u32>().is_ok_and(|process| process > 0);
        (kind == "FLOCK" && locked == inode && is_seen).then(|| format!("process {process}"))
    };
    locks.lines().find_map(of)
}

fn id_of(metadata: &fs::Metadata) -> FileId {
    FileId { device: metadata.dev(), inode: metadata.ino(), links: metadata.nlink() }
}

/// Says in the lock file who holds it, and on which boot the folder was whole.
fn name_holder(mut lock: &fs::File, whole_on: &str) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    write!(lock, "{}\n{whole_on}\n", std::process::id())
}

impl Disk {
    /// Takes a data folder, which is made where it is missing.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be written to.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let root = root.into();
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| DiskError::Io { path, source }
        };
        make_folder(&root).map_err(failed(&root))?;
        let path = root.join(LOCK);
        let said = || fs::read_to_string(&path).unwrap_or_default();
        let held = |file: &fs::File| {
            let named = said().lines().next().filter(|named| !named.is_empty()).map(|named| format!("process {named}"));
            // The lock file may be another one by now; the system knows.
            let holder = holder(file).or(named).unwrap_or_else(|| "another process".to_owned());
            DiskError::Held { folder: root.display().to_string(), holder }
        };
        // The folder first: nothing is made in one that another process holds.
        let folder = fs::File::open(&root).map_err(failed(&root))?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&folder)),
            Err(TryLockError::Error(source)) => return Err(failed(&root)(source)),
        }
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = open.map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&lock)),
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        let whole_on = said().lines().nth(1).unwrap_or_default().to_owned();
        name_holder(&lock, &whole_on).map_err(failed(&path))?;
        Ok(Self { root, lock: Some(lock), _folder: Some(folder), whole_on })
    }

    /// A data folder to be looked at, whoever holds it: nothing is made there until somebody asks for it.
    #[must_use]
    pub fn look(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let said = fs::read_to_string(root.join(LOCK)).unwrap_or_default();
        let whole_on = said.lines().nth(1).unwrap_or_default().to_owned();
        Self { root, lock: None, _folder: None, whole_on }
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn make_folder_of(&self, path: &str) -> io::Result<()> {
        make_folder(&self.path(folder_of(path)))
    }
}

/// Makes a folder where it is missing, and makes that durable from the nearest folder that was there.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(parent)?.sync_all()
}

/// The space of a path's file system; `None` if the file system does not tell.
///
/// # Errors
/// The path cannot be asked about.
pub fn space_of(path: &Path) -> io::Result<Option<Space>> {
    let told = match rustix::fs::statvfs(path) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => return Ok(None),
        told => told?,
    };
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    let space = Space { free: bytes(told.f_bavail), total: bytes(told.f_blocks) };
    // Some network file systems answer zeroes.
    Ok((space.total > 0).then_some(space))
}

impl Store for Disk {
    fn space(&self) -> io::Result<Option<Space>> {
        space_of(&self.root)
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn may_have_lost_power(&self) -> bool {
        boot().is_none_or(|boot| boot != self.whole_on)
    }

    fn is_whole(&self) -> io::Result<()> {
        match (&self.lock, boot()) {
            (Some(lock), Some(boot)) => name_holder(lock, &boot),
            _ => Ok(()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A name that is not text is none that this daemon has given.
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OnDisk(OpenOptions::new().read(true).write(true).open(self.path(path))?)))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.make_folder_of(path)?;
        let mut options = OpenOptions::new();
        Ok(Arc::new(OnDisk(options.read(true).write(true).create_new(true).mode(0o600).open(self.path(path))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.make_folder_of(to)?;
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        match fs::File::open(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened?.sync_all(),
        }
    }

    fn id(&self, path: &str) -> io::Result<Option<FileId>> {
        Ok(Some(id_of(&fs::metadata(self.path(path))?)))
    }

    fn full_path(&self, path: &str) -> String {
        let path = if path.is_empty() { self.root.clone() } else { self.path(path) };
        std::path::absolute(&path).unwrap_or(path).display().to_string()
    }
}

/// A file without a name, which is gone with its last handle.
///
/// # Errors
/// The system's folder for such files cannot be written to.
pub fn unnamed() -> io::Result<Arc<dyn File>> {
    Ok(Arc::new(OnDisk(tempfile::tempfile()?)))
}

struct OnDisk(fs::File);

impl File for OnDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(Some(id_of(&self.0.metadata()?)))
    }

    fn try_lock(&self) -> io::Result<()> {
        match self.0.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&self.0).unwrap_or_else(|| "another process".to_owned());
                Err(io::Error::new(io::ErrorKind::WouldBlock, holder))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = Disk::open(folder.path().join("data")).unwrap();
        let refused = Disk::open(folder.path().join("data")).unwrap_err().to_string();
        assert!(refused.contains(&format!("held by process {}", std::process::id())), "{refused}");
        drop(held);
        assert_eq!(Disk::open(folder.path().join("data")).unwrap().root(), folder.path().join("data"));
    }

    #[test]
    fn a_lock_file_that_was_removed_or_replaced_unlocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Disk::open(folder.path()).unwrap();
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        let refused = Disk::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("is held by ") && refused.contains("process"), "{refused}");
        assert!(!folder.path().join(LOCK).exists(), "nothing is made in a folder that is held");
        fs::write(folder.path().join(LOCK), "").unwrap();
        assert!(Disk::open(folder.path()).is_err());
    }

    #[test]
    fn a_file_is_known_again_until_another_has_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let file = disk.create("a/f").unwrap();
        let id = || (file.id().unwrap().unwrap(), disk.id("a/f").unwrap().unwrap());
        assert!(id().0.is_same(id().1) && id().0.links == 1);
        disk.rename("a/f", "a/g").unwrap();
        let other = disk.create("a/f").unwrap();
        assert!(!id().0.is_same(id().1));
        file.try_lock().unwrap();
        assert_eq!(disk.open("a/g").unwrap().try_lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        other.try_lock().unwrap();
        disk.remove("a/g").unwrap();
        assert_eq!((file.id().unwrap().unwrap().links, disk.id("a/g").is_err()), (0, true));
    }

    #[test]
    fn files_are_made_read_renamed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let space = disk.space().unwrap().unwrap();
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
        assert_eq!(disk.place(), folder.path().display().to_string());
        crate::storage::fs::memory::tests::behaves_like_a_store(&disk);
    }
}
