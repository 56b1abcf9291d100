//! The store on a disk: a data folder that one process holds.
//!
//! Files are for the daemon's user alone, since what lies in them is of persons. The folder's `lock` file is locked
//! for as long as the process lives, however it ends, and names it, and the boot of the machine on which the folder was
//! found whole last: a folder of this boot has seen no power cut since.

use super::{File, Store, folder_of};
use std::{
    fs::{self, DirBuilder, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
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
        "{folder} is held by process {holder}: two daemons cannot share a data folder; stop that one, or give this one \
         a folder of its own"
    )]
    Held {
        /// The data folder.
        folder: String,
        /// The process id, or what can be said instead.
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
    /// The boot on which the folder was found whole last, as far as that is known.
    whole_on: String,
}

/// Names this boot of the machine; `None`: the system does not say.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
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
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = open.map_err(failed(&path))?;
        let said = || fs::read_to_string(&path).unwrap_or_default();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let said = said();
                let holder = said.lines().next().filter(|holder| !holder.is_empty()).unwrap_or("(unknown)").to_owned();
                return Err(DiskError::Held { folder: root.display().to_string(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        let whole_on = said().lines().nth(1).unwrap_or_default().to_owned();
        name_holder(&lock, &whole_on).map_err(failed(&path))?;
        Ok(Self { root, lock: Some(lock), whole_on })
    }

    /// A data folder to be looked at, whoever holds it: nothing is made there until somebody asks for it.
    #[must_use]
    pub fn look(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let said = fs::read_to_string(root.join(LOCK)).unwrap_or_default();
        let whole_on = said.lines().nth(1).unwrap_or_default().to_owned();
        Self { root, lock: None, whole_on }
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

impl Store for Disk {
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
    fn files_are_made_read_renamed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        super::super::memory::tests::behaves_like_a_store(&disk);
    }
}
