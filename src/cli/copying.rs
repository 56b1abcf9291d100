//! Copies files into a folder: checks the space before and while it writes, and removes what it made if it fails.

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

/// A copy that is being made. Dropping it removes every file and folder that it made; [`Copying::finish`] keeps them.
pub(super) struct Copying {
    headroom: Headroom,
    /// Whether `min_free_bytes` stays free; otherwise the copy only has to fit.
    keeps_free: bool,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    is_finished: bool,
}

impl Copying {
    /// Begins a copy into an empty folder, which is made where it is missing. If it is on the file system of `served`, a
    /// data folder, `min_free_bytes` stay free there.
    ///
    /// # Errors
    /// The folder cannot be made, or is not empty.
    pub(super) fn into(folder: &Path, served: Option<&Path>, min_free_bytes: Option<u64>) -> anyhow::Result<Self> {
        let headroom = Headroom::of_path(folder.to_owned());
        headroom.keep_free(min_free_bytes);
        let mut copying =
            Self { headroom, keeps_free: false, files: Vec::new(), folders: Vec::new(), is_finished: false };
        copying.folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        anyhow::ensure!(fs::read_dir(folder)?.next().is_none(), "{} is not empty", folder.display());
        let device = fs::metadata(folder)?.dev();
        copying.keeps_free = served.is_some_and(|served| fs::metadata(served).is_ok_and(|found| found.dev() == device));
        Ok(copying)
    }

    /// Refuses a copy of so many bytes if there is no room for it.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn expect(&self, bytes: u64) -> anyhow::Result<()> {
        const WHAT: &str = "the copy";
        let checked =
            if self.keeps_free { self.headroom.check(WHAT, bytes) } else { self.headroom.check_fits(WHAT, bytes) };
        Ok(checked?)
    }

    /// Takes a file that another has made in the copy as one of its own, which goes if the copy is not finished.
    pub(super) fn owns(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Makes a folder and those above it, where they are missing.
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = folder.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        missing.retain(|part| !part.exists());
        fs::create_dir_all(folder)?;
        self.folders.extend(missing.into_iter().rev().map(Path::to_owned));
        Ok(())
    }

    /// Copies a file to a path that no file has, and makes the copy durable. Says whether the file was there.
    ///
    /// # Errors
    /// It cannot be copied, or there is no room for it.
    pub(super) fn file(&mut self, from: &Path, to: &Path) -> anyhow::Result<bool> {
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            self.folder(folder)?;
        }
        let source = match fs::File::open(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.with_context(|| format!("cannot copy {}", from.display()))?,
        };
        let words = || format!("cannot copy {} to {}", from.display(), to.display());
        // A segment that is written to grows; its start is what is copied.
        let mut left = source.metadata().with_context(words)?.len();
        let mut copy = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).with_context(words)?;
        self.files.push(to.to_owned());
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            self.expect(piece).with_context(words)?;
            let copied = io::copy(&mut (&source).take(piece), &mut copy).with_context(words)?;
            left = if copied == 0 { 0 } else { left.saturating_sub(copied) };
        }
        copy.sync_all().with_context(words)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(true)
    }

    /// Copies a file to a path outside of the folder, in place of a file that has it. That one stays until the copy is
    /// whole.
    ///
    /// # Errors
    /// It cannot be copied.
    pub(super) fn file_beside(&mut self, from: &Path, to: &Path) -> anyhow::Result<()> {
        let mut partial = to.as_os_str().to_owned();
        partial.push(".part");
        let partial = PathBuf::from(partial);
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        anyhow::ensure!(self.file(from, &partial)?, "there is no file {}", from.display());
        let is_new = !to.exists();
        fs::rename(&partial, to)?;
        self.files.pop();
        if is_new {
            self.files.push(to.to_owned());
        }
        Ok(())
    }

    /// Keeps what was copied.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        for file in &self.files {
            let _removed = fs::remove_file(file);
        }
        // Only empty folders go: what others put there meanwhile stays.
        for folder in self.folders.iter().rev() {
            let _removed = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_fails_leaves_nothing_and_one_that_is_finished_stays() {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name);
        fs::create_dir(path("data")).unwrap();
        fs::write(path("data/one"), vec![b'x'; 5 << 20]).unwrap();
        fs::write(path("keys"), b"older").unwrap();
        let begin = |min_free| Copying::into(&path("new/copy"), Some(&path("data")), min_free).unwrap();
        let mut copying = begin(Some(0));
        assert!(copying.file(&path("data/one"), &path("new/copy/journal/one")).unwrap());
        assert!(!copying.file(&path("data/two"), &path("new/copy/journal/two")).unwrap());
        copying.file_beside(&path("data/one"), &path("elsewhere")).unwrap();
        drop(copying);
        assert!(!path("new").exists() && !path("elsewhere").exists());
        // The data folder is on this file system, whose journal keeps its space.
        let mut copying = begin(Some(1 << 50));
        let refused = format!("{:#}", copying.file(&path("data/one"), &path("new/copy/one")).unwrap_err());
        assert!(refused.contains("min_free_bytes") && refused.contains("4096 KiB"), "{refused}");
        assert!(copying.file_beside(&path("data/one"), &path("keys")).is_err());
        drop(copying);
        assert!(!path("new").exists() && fs::read(path("keys")).unwrap() == b"older");
        assert!(begin(Some(0)).expect(1 << 50).is_ok(), "the check is switched off");
        let elsewhere = Copying::into(&path("new/copy"), None, None).unwrap();
        let refused = elsewhere.expect(1 << 60).unwrap_err().to_string();
        assert!(!refused.contains("min_free_bytes"), "{refused}");
        drop(elsewhere);
        let mut copying = begin(Some(0));
        copying.file(&path("data/one"), &path("new/copy/one")).unwrap();
        copying.finish();
        assert_eq!(fs::metadata(path("new/copy/one")).unwrap().len(), 5 << 20);
        assert!(Copying::into(&path("new/copy"), None, None).is_err(), "not empty");
        assert!(path("new/copy/one").exists());
    }
}
