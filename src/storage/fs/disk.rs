//! The store on a disk: a data folder that one process locks.
//!
//! Only the daemon's user can read the files, since they contain personal data. The folder and its `lock` file are locked
//! until the process ends, in any way. The `lock` file names the process, and the boot of the machine on which the folder
//! was last found whole: a folder of the current boot has seen no power cut since. Removing or replacing the `lock` file
//! unlocks nothing. The journal also locks its newest segment.

use crate::storage::fs::store::{File, FileId, Space, Store, folder_of};
use std::{
    fs::{self, DirBuilder, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The name of the lock file.
pub const LOCK: &str = "lock";

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has locked it.
    #[error(
        "{folder} is held by {holder}: two daemons cannot share a data folder; stop that one, or give this one \
         a folder of its own"
    )]
    Locked {
        /// The data folder.
        folder: String,
        /// The process, as `process 12`, or `another process` if it is unknown.
        holder: String,
    },
    /// The folder or its lock file cannot be created or opened.
    #[error("{path} cannot be opened: {source}; the daemon needs a data folder that it can write to")]
    Io {
        /// The folder or file.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
}

/// A data folder on a disk, locked until this is dropped.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// The lock ends with the last handle of the file.
    lock: Option<fs::File>,
    /// The folder itself, also locked.
    _folder: Option<fs::File>,
    /// The boot on which the folder was last found whole; empty if unknown.
    whole_on_boot: String,
}

/// The id of this boot of the machine; `None`: the system does not report it.
fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The process that has locked a file, by the system's list of locks; `None` if it is not listed.
fn lock_holder(file: &fs::File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let holder_in = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let kind = fields.next()?;
        let process = fields.nth(2)?;
        let (_, locked) = fields.next()?.rsplit_once(':')?;
        // A process that this process may not see is listed as 0 or -1.
        let is_visible = process.parse::<u32>().is_ok_and(|process| process > 0);
        (kind == "FLOCK" && locked == inode && is_visible).then(|| format!("process {process}"))
    };
    locks.lines().find_map(holder_in)
}

fn id_of(metadata: &fs::Metadata) -> FileId {
    FileId { device: metadata.dev(), inode: metadata.ino(), links: metadata.nlink() }
}

/// Writes this process, and the boot on which the folder was whole, into the lock file.
fn write_lock_file(mut lock: &fs::File, whole_on_boot: &str) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    write!(lock, "{}\n{whole_on_boot}\n", std::process::id())
}

impl Disk {
    /// Opens and locks a data folder, and creates it if it is missing.
    ///
    /// # Errors
    /// Another process has locked it, or it cannot be written to.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let root = root.into();
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| DiskError::Io { path, source }
        };
        create_folder(&root).map_err(failed(&root))?;
        let path = root.join(LOCK);
        let lock_text = || fs::read_to_string(&path).unwrap_or_default();
        let locked = |file: &fs::File| {
            let named =
                lock_text().lines().next().filter(|line| !line.is_empty()).map(|line| format!("process {line}"));
            // The lock file may have been replaced; the system's list names the true holder.
            let holder = lock_holder(file).or(named).unwrap_or_else(|| "another process".to_owned());
            DiskError::Locked { folder: root.display().to_string(), holder }
        };
        // The folder first: no file is created in a folder that another process has locked.
        let folder = fs::File::open(&root).map_err(failed(&root))?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(&folder)),
            Err(TryLockError::Error(source)) => return Err(failed(&root)(source)),
        }
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = open.map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(&lock)),
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        let whole_on_boot = lock_text().lines().nth(1).unwrap_or_default().to_owned();
        write_lock_file(&lock, &whole_on_boot).map_err(failed(&path))?;
        Ok(Self { root, lock: Some(lock), _folder: Some(folder), whole_on_boot })
    }

    /// Opens a data folder without a lock, to read it while another process may use it. Nothing is created in it.
    #[must_use]
    pub fn open_unlocked(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let lock_text = fs::read_to_string(root.join(LOCK)).unwrap_or_default();
        let whole_on_boot = lock_text.lines().nth(1).unwrap_or_default().to_owned();
        Self { root, lock: None, _folder: None, whole_on_boot }
    }

    /// The path of the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn create_folder_of(&self, path: &str) -> io::Result<()> {
        create_folder(&self.path(folder_of(path)))
    }
}

/// Creates a folder if it is missing, and syncs each folder in which a name was added.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(parent)?.sync_all()
}

/// The space of a path's file system; `None` if the file system does not report it.
///
/// # Errors
/// The path cannot be queried.
pub fn space_of(path: &Path) -> io::Result<Option<Space>> {
    let reported = match rustix::fs::statvfs(path) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => return Ok(None),
        reported => reported?,
    };
    let bytes = |blocks: u64| blocks.saturating_mul(reported.f_frsize);
    let space = Space { free: bytes(reported.f_bavail), total: bytes(reported.f_blocks) };
    // Some network file systems report zeroes.
    Ok((space.total > 0).then_some(space))
}

impl Store for Disk {
    fn space(&self) -> io::Result<Option<Space>> {
        space_of(&self.root)
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn may_have_lost_power(&self) -> bool {
        boot_id().is_none_or(|boot| boot != self.whole_on_boot)
    }

    fn note_files_are_whole(&self) -> io::Result<()> {
        match (&self.lock, boot_id()) {
            (Some(lock), Some(boot)) => write_lock_file(lock, &boot),
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
            // The daemon creates only names that are UTF-8.
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
        self.create_folder_of(path)?;
        let mut options = OpenOptions::new();
        Ok(Arc::new(OnDisk(options.read(true).write(true).create_new(true).mode(0o600).open(self.path(path))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.create_folder_of(to)?;
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

/// Creates a file without a name, which ends with its last handle.
///
/// # Errors
/// The system's folder for temporary files cannot be written to.
pub fn create_unnamed_file() -> io::Result<Arc<dyn File>> {
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
                let holder = lock_holder(&self.0).unwrap_or_else(|| "another process".to_owned());
                Err(io::Error::new(io::ErrorKind::WouldBlock, holder))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_with_the_process_that_locked_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Disk::open(folder.path().join("data")).unwrap();
        let refused = Disk::open(folder.path().join("data")).unwrap_err().to_string();
        assert!(refused.contains(&format!("held by process {}", std::process::id())), "{refused}");
        drop(first);
        assert_eq!(Disk::open(folder.path().join("data")).unwrap().root(), folder.path().join("data"));
    }

    #[test]
    fn removing_or_replacing_the_lock_file_unlocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Disk::open(folder.path()).unwrap();
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        let refused = Disk::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("is held by ") && refused.contains("process"), "{refused}");
        assert!(!folder.path().join(LOCK).exists(), "nothing is created in a locked folder");
        fs::write(folder.path().join(LOCK), "").unwrap();
        assert!(Disk::open(folder.path()).is_err());
    }

    #[test]
    fn a_file_keeps_its_id_until_another_file_has_its_path() {
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
    fn files_are_created_read_renamed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let space = disk.space().unwrap().unwrap();
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
        assert_eq!(disk.location(), folder.path().display().to_string());
        crate::storage::fs::memory::tests::check_store(&disk);
    }
}
