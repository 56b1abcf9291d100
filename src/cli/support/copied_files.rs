//! The files of a data folder that a backup copies.

use crate::{
    cli::support::folder_copy::FolderCopy,
    daemon::data_folder::{CONFIGURATION, SNAPSHOTS},
    storage::{
        fs::{Store, disk::Disk},
        jobs,
        journal::{ARCHIVE, FOLDER, FOLLOWING, Instance, synced_file},
    },
};
use anyhow::Context;
use std::{collections::BTreeSet, fs, path::Path};

/// How often the file `synced` is read again if a daemon writes it during the copy.
const SYNCED_ATTEMPTS_MAX: usize = 5;

/// The files of jobs that have begun or ended.
pub(in crate::cli) fn job_files(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = Disk::open_unlocked(folder).list(jobs::FOLDER)?;
    names.retain(|name| name.ends_with(jobs::BEGUN) || name.ends_with(jobs::ENDED));
    Ok(names.into_iter().collect())
}

/// The bytes of the files that a copy of the folder contains at this moment.
pub(in crate::cli) fn copied_bytes(folder: &Path) -> anyhow::Result<u64> {
    let disk = Disk::open_unlocked(folder);
    let mut bytes = 0_u64;
    for part in [FOLDER, ARCHIVE, jobs::FOLDER, SNAPSHOTS] {
        for name in disk.list(part)? {
            let is_copied = [".log", ".snap", jobs::BEGUN, jobs::ENDED].iter().any(|end| name.ends_with(end));
            // A daemon may remove a file after it was listed; such a file is not copied.
            let len = fs::metadata(folder.join(part).join(&name)).map_or(0, |file| file.len());
            bytes = bytes.saturating_add(if is_copied { len } else { 0 });
        }
    }
    Ok(bytes)
}

/// Copies `synced`, `configuration`, `following`, the snapshots, the segments and the jobs, in this order. A request that was acknowledged before the
/// segments were listed is in the listed segments. The segments are listed once: a second list may contain a segment
/// whose predecessor was copied before its last records were written, and the copy would have a gap. Returns the number
/// of files.
///
/// # Errors
/// A file cannot be copied, or a daemon removed a segment during the copy.
pub(in crate::cli) fn copy_all(copy: &mut FolderCopy, from: &Path, to: &Path) -> anyhow::Result<usize> {
    let (source, mut files) = (Disk::open_unlocked(from), usize::from(copy_synced(copy, from, to)?));
    files += usize::from(copy_path(copy, from, to, CONFIGURATION)?);
    // It comes before the segments, because recovery reads their end by it.
    files += usize::from(copy_path(copy, from, to, FOLLOWING)?);
    for name in source.list(SNAPSHOTS)?.into_iter().filter(|name| name.ends_with(".snap")) {
        // A snapshot that was removed after it was listed has a newer one, whose records are in the journal.
        files += usize::from(copy_path(copy, from, to, &format!("{SNAPSHOTS}/{name}"))?);
    }
    let mut names = BTreeSet::new();
    for folder in [FOLDER, ARCHIVE] {
        names.extend(source.list(folder)?.into_iter().filter(|name| name.ends_with(".log")));
    }
    for name in names {
        // A daemon may move a segment to the archive; it never moves one back.
        let is_copied = copy_path(copy, from, to, &format!("{FOLDER}/{name}"))?
            || copy_path(copy, from, to, &format!("{ARCHIVE}/{name}"))?;
        anyhow::ensure!(
            is_copied,
            "{name} was removed while the folder was copied: a daemon started there, or deleted segments older than \
             archive_days; copy the folder again"
        );
        files += 1;
    }
    // After the journal: a job that has a step in the copied journal began before this list.
    for name in job_files(from)? {
        files += usize::from(copy_path(copy, from, to, &format!("{}/{name}", jobs::FOLDER))?);
    }
    Ok(files)
}

/// Copies the file that contains the last synced record. It is copied before the segments, so that the copied segments
/// contain that record.
fn copy_synced(copy: &mut FolderCopy, from: &Path, to: &Path) -> anyhow::Result<bool> {
    let id = Instance::known(&Disk::open_unlocked(to))?.context("the copy has no file `instance`")?.id;
    for _ in 0..SYNCED_ATTEMPTS_MAX {
        if !copy_path(copy, from, to, synced_file::PATH)? {
            return Ok(false);
        }
        // A daemon may have written both slots during the copy.
        if synced_file::read(&Disk::open_unlocked(to), id).is_ok() {
            return Ok(true);
        }
    }
    synced_file::read(&Disk::open_unlocked(to), id)?;
    Ok(true)
}

/// Copies a file of the folder; returns whether it exists.
///
/// # Errors
/// The file cannot be copied.
pub(in crate::cli) fn copy_path(copy: &mut FolderCopy, from: &Path, to: &Path, path: &str) -> anyhow::Result<bool> {
    copy.copy_file(&from.join(path), &to.join(path))
}
