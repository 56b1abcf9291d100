//! Copies files into a folder. The copy checks the free space before and during writing, and removes its files if it
//! fails.

use crate::storage::fs::Headroom;
use anyhow::Context;
use std::{
    fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The space is checked before each piece of this many bytes.
const PIECE_BYTES: u64 = 4 << 20;

/// An unfinished copy. Dropping it removes every file and folder that it created; [`FolderCopy::finish`] keeps them.
pub(in crate::cli) struct FolderCopy {
    headroom: Headroom,
    /// Whether `min_free_bytes` must stay free; otherwise the copy only has to fit.
    keeps_free: bool,
    /// The files that the copy created.
    files: Vec<PathBuf>,
    /// The folders that the copy created, the outer ones first.
    folders: Vec<PathBuf>,
    is_finished: bool,
}

impl FolderCopy {
    /// Begins a copy into an empty folder; a missing folder is created. `served` is a data folder: if the copy is on its
    /// file system, `min_free_bytes` stay free there.
    ///
    /// # Errors
    /// The folder cannot be created, or is not empty.
    pub(in crate::cli) fn create(
        folder: &Path,
        served: Option<&Path>,
        min_free_bytes: Option<u64>,
    ) -> anyhow::Result<Self> {
        let headroom = Headroom::of_path(folder.to_owned());
        headroom.keep_free(min_free_bytes);
        let mut copy = Self { headroom, keeps_free: false, files: Vec::new(), folders: Vec::new(), is_finished: false };
        copy.create_folder(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        anyhow::ensure!(fs::read_dir(folder)?.next().is_none(), "{} is not empty", folder.display());
        let device = fs::metadata(folder)?.dev();
        copy.keeps_free = served.is_some_and(|served| fs::metadata(served).is_ok_and(|served| served.dev() == device));
        Ok(copy)
    }

    /// Checks that the space suffices for this many bytes.
    ///
    /// # Errors
    /// The space is short.
    pub(in crate::cli) fn check_space(&self, bytes: u64) -> anyhow::Result<()> {
        const WHAT: &str = "the copy";
        let checked =
            if self.keeps_free { self.headroom.check(WHAT, bytes) } else { self.headroom.check_fits(WHAT, bytes) };
        Ok(checked?)
    }

    /// Adds a file that other code created to the files that a failed copy removes.
    pub(in crate::cli) fn own_file(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Creates a folder and its missing parents.
    fn create_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = folder.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        missing.retain(|part| !part.exists());
        fs::create_dir_all(folder)?;
        self.folders.extend(missing.into_iter().rev().map(Path::to_owned));
        Ok(())
    }

    /// Copies a file to a new path and makes the copy durable. Returns whether the file exists.
    ///
    /// # Errors
    /// The file cannot be copied, or the space is short.
    pub(in crate::cli) fn copy_file(&mut self, from: &Path, to: &Path) -> anyhow::Result<bool> {
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            self.create_folder(folder)?;
        }
        let source = match fs::File::open(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.with_context(|| format!("cannot copy {}", from.display()))?,
        };
        let cannot_copy = || format!("cannot copy {} to {}", from.display(), to.display());
        // A segment may grow during the copy; its length at the start is copied.
        let mut left = source.metadata().with_context(cannot_copy)?.len();
        let mut copy =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).with_context(cannot_copy)?;
        self.files.push(to.to_owned());
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            self.check_space(piece).with_context(cannot_copy)?;
            let copied = io::copy(&mut (&source).take(piece), &mut copy).with_context(cannot_copy)?;
            left = if copied == 0 { 0 } else { left.saturating_sub(copied) };
        }
        copy.sync_all().with_context(cannot_copy)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(true)
    }

    /// Copies a file to a path outside the folder. An existing file there is replaced when the copy is complete.
    ///
    /// # Errors
    /// The file does not exist or cannot be copied.
    pub(in crate::cli) fn replace_outside_file(&mut self, from: &Path, to: &Path) -> anyhow::Result<()> {
        let mut partial = to.as_os_str().to_owned();
        partial.push(".part");
        let partial = PathBuf::from(partial);
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        anyhow::ensure!(self.copy_file(from, &partial)?, "there is no file {}", from.display());
        let is_new = !to.exists();
        fs::rename(&partial, to)?;
        self.files.pop();
        if is_new {
            self.files.push(to.to_owned());
        }
        Ok(())
    }

    /// Keeps the copied files.
    pub(in crate::cli) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for FolderCopy {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        for file in &self.files {
            let _removed = fs::remove_file(file);
        }
        // Only empty folders are removed: files of other programs stay.
        for folder in self.folders.iter().rev() {
            let _removed = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_copy_leaves_no_file_and_a_finished_one_stays() {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name);
        fs::create_dir(path("data")).unwrap();
        fs::write(path("data/one"), vec![b'x'; 5 << 20]).unwrap();
        fs::write(path("keys"), b"older").unwrap();
        let begin = |min_free| FolderCopy::create(&path("new/copy"), Some(&path("data")), min_free).unwrap();
        let mut copy = begin(Some(0));
        assert!(copy.copy_file(&path("data/one"), &path("new/copy/journal/one")).unwrap());
        assert!(!copy.copy_file(&path("data/two"), &path("new/copy/journal/two")).unwrap());
        copy.replace_outside_file(&path("data/one"), &path("elsewhere")).unwrap();
        drop(copy);
        assert!(!path("new").exists() && !path("elsewhere").exists());
        // The copy and the data folder are on one file system, where space for the journal stays free.
        let mut copy = begin(Some(1 << 50));
        let refused = format!("{:#}", copy.copy_file(&path("data/one"), &path("new/copy/one")).unwrap_err());
        assert!(refused.contains("min_free_bytes") && refused.contains("4096 KiB"), "{refused}");
        assert!(copy.replace_outside_file(&path("data/one"), &path("keys")).is_err());
        drop(copy);
        assert!(!path("new").exists() && fs::read(path("keys")).unwrap() == b"older");
        assert!(begin(Some(0)).check_space(1 << 50).is_ok(), "the check is disabled");
        let elsewhere = FolderCopy::create(&path("new/copy"), None, None).unwrap();
        let refused = elsewhere.check_space(1 << 60).unwrap_err().to_string();
        assert!(!refused.contains("min_free_bytes"), "{refused}");
        drop(elsewhere);
        let mut copy = begin(Some(0));
        copy.copy_file(&path("data/one"), &path("new/copy/one")).unwrap();
        copy.finish();
        assert_eq!(fs::metadata(path("new/copy/one")).unwrap().len(), 5 << 20);
        assert!(FolderCopy::create(&path("new/copy"), None, None).is_err(), "not empty");
        assert!(path("new/copy/one").exists());
    }
}
