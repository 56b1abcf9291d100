//! `levelgate backup` and `levelgate restore`: a data folder copied whole, also while it is served.
//!
//! Snapshots and sealed segments never change, and the last segment only grows: a copy taken in order is what a power
//! cut would have left. Customers' keys are left out unless asked for, so that erasing a customer reaches the copies.

use crate::cli::copying::Copying;
use crate::{
    config,
    storage::{
        fs::{
            Store,
            disk::{Disk, LOCK},
        },
        jobs,
        journal::{ARCHIVE, FOLDER, Instance, Keys, synced_file},
        keys,
    },
};
use anyhow::Context;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What `backup` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The data folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Where the copy goes; the folder is made
    #[arg(value_name = "COPY")]
    copy: PathBuf,
    /// Copy the customers' keys too, to this file; keep it apart from the copy, and not for long
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Bytes that stay free for the journal where the copy is on its file system [default: 1 GiB, or a tenth of it]
    #[arg(long, value_name = "BYTES")]
    min_free_bytes: Option<u64>,
}

/// What `restore` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The copy
    #[arg(value_name = "COPY")]
    copy: PathBuf,
    /// The data folder that it becomes; it must not exist, or be empty
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The customers' keys
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Bring the state back from it once, as the daemon would, and say what it holds
    #[arg(long)]
    verify: bool,
}

/// Copies a folder.
pub(super) fn backup(options: &Backup) -> anyhow::Result<ExitCode> {
    let mut copying = Copying::into(&options.copy, Some(&options.folder), options.min_free_bytes)?;
    anyhow::ensure!(
        options.folder.join("instance").is_file(),
        "{} is no data folder: it has no file `instance`",
        options.folder.display()
    );
    if options.copy.canonicalize()?.starts_with(options.folder.canonicalize()?) {
        anyhow::bail!("{} lies in the folder that it is to be a copy of", options.copy.display());
    }
    options.keys.as_deref().map_or(Ok(()), |keys| apart(keys, &options.copy))?;
    copying.expect(bytes_of(&options.folder)?)?;
    copy_file(&mut copying, &options.folder, &options.copy, "instance")?;
    let jobs = jobs_of(&options.folder)?;
    let files = copy_all(&mut copying, &options.folder, &options.copy)?;
    // The keys come last: whatever the copied records are sealed with is written before they are.
    if let Some(file) = &options.keys {
        copying.file_beside(&options.folder.join(keys::PATH), file)?;
    }
    // Of a job that ended meanwhile the copy may have some steps and not the rest, and no key to go on with.
    let ended = |jobs: &BTreeSet<String>| jobs.iter().filter(|name| name.ends_with(jobs::ENDED)).count();
    let now = jobs_of(&options.folder)?;
    anyhow::ensure!(
        ended(&now) == ended(&jobs) && jobs.is_subset(&now),
        "a table or a bulk change ended while the folder was copied; copy it again"
    );
    copying.finish();
    super::say!("copied {files} files to {}", options.copy.display());
    if options.keys.is_none() {
        super::say!("the customers' keys are not in it: without them a restore refuses; copy them with --keys FILE");
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a data folder of a copy.
pub(super) fn restore(options: &Restore) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(options.copy.join("instance").is_file(), "{} is no copy of a data folder", options.copy.display());
    let beside = options.copy.join(keys::PATH);
    let from = options.keys.clone().or_else(|| beside.is_file().then_some(beside));
    let from =
        from.context("the copy has no keys, without which no daemon starts on it; name their file with --keys")?;
    anyhow::ensure!(from.is_file(), "there is no file {}", from.display());
    let mut copying = Copying::into(&options.folder, None, None)?;
    // No daemon starts on the folder while it is filled.
    let disk = Disk::open(&options.folder)?;
    copying.owns(options.folder.join(LOCK));
    copying.expect(bytes_of(&options.copy)?)?;
    copy_file(&mut copying, &options.copy, &options.folder, "instance")?;
    // First, so that keys of something else are refused before anything large is copied.
    bring_keys(&mut copying, &from, &options.folder)?;
    let files = copy_all(&mut copying, &options.copy, &options.folder)?;
    // A copy is what it is by no power cut: keys that do not fit are another backup's.
    disk.is_whole()?;
    copying.finish();
    drop(disk);
    super::say!("restored {files} files to {}", options.folder.display());
    if options.verify {
        let settings = config::Settings {
            store: config::Store { path: options.folder.clone(), ..config::Store::default() },
            ..config::Settings::default()
        };
        let opened = crate::daemon::data_folder::open(&settings, super::bounds(&settings), None)?;
        let ledger = &opened.ledger;
        super::say!(
            "verified: {} customers, {} transactions in memory, records up to {}",
            ledger.customers_len(),
            ledger.transactions_len(),
            ledger.journal().last()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies keys into a folder whose `instance` is there, and refuses such as do not belong to it.
fn bring_keys(copying: &mut Copying, from: &Path, folder: &Path) -> anyhow::Result<()> {
    copying.file(from, &folder.join(keys::PATH))?;
    let disk = Disk::look(folder);
    let known = Instance::known(&disk)?.map(|instance| Keys::open(&disk, instance.id.0));
    let of = || format!("{} does not go with this copy; nothing was restored", from.display());
    known.transpose().with_context(of)?;
    Ok(())
}

/// The jobs that have begun or ended.
fn jobs_of(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = Disk::look(folder).list(jobs::FOLDER)?;
    names.retain(|name| name.ends_with(jobs::BEGUN) || name.ends_with(jobs::ENDED));
    Ok(names.into_iter().collect())
}

/// Whoever has the copy is not to have the keys with it.
fn apart(keys: &Path, copy: &Path) -> anyhow::Result<()> {
    let folder = keys.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().with_context(|| format!("cannot copy the keys to {}", keys.display()))?;
    anyhow::ensure!(
        !folder.starts_with(copy.canonicalize()?),
        "{} lies in the copy: whoever got that could read what is sealed in it; keep the keys apart",
        keys.display()
    );
    Ok(())
}

/// Bytes of the files that a copy of a folder holds, as far as they are there now.
fn bytes_of(folder: &Path) -> anyhow::Result<u64> {
    let disk = Disk::look(folder);
    let mut bytes = 0_u64;
    for part in [FOLDER, ARCHIVE, jobs::FOLDER, crate::daemon::data_folder::SNAPSHOTS] {
        for name in disk.list(part)? {
            let is_copied = [".log", ".snap", jobs::BEGUN, jobs::ENDED].iter().any(|end| name.ends_with(end));
            // A file that went away meanwhile is not copied.
            let len = fs::metadata(folder.join(part).join(&name)).map_or(0, |file| file.len());
            bytes = bytes.saturating_add(if is_copied { len } else { 0 });
        }
    }
    Ok(bytes)
}

/// Copies what says how far the journal was synced: before the segments, so that they hold at least as much.
fn copy_synced(copying: &mut Copying, from: &Path, to: &Path) -> anyhow::Result<bool> {
    let id = Instance::known(&Disk::look(to))?.context("the copy has no file `instance`")?.id;
    for _ in 0..5 {
        if !copy_file(copying, from, to, synced_file::PATH)? {
            return Ok(false);
        }
        // A daemon may have been writing to both slots, one after the other.
        if synced_file::read(&Disk::look(to), id).is_ok() {
            return Ok(true);
        }
    }
    synced_file::read(&Disk::look(to), id)?;
    Ok(true)
}

/// Copies snapshots first and then the segments that one look finds behind them. What was answered before is in these;
/// a second look could find a segment whose forerunner was copied before its end, and the copy would have a gap.
fn copy_all(copying: &mut Copying, from: &Path, to: &Path) -> anyhow::Result<usize> {
    let (source, mut files) = (Disk::look(from), usize::from(copy_synced(copying, from, to)?));
    for name in source.list(crate::daemon::data_folder::SNAPSHOTS)?.into_iter().filter(|name| name.ends_with(".snap")) {
        // One that is removed meanwhile has a newer one, whose records the journal holds.
        files +=
            usize::from(copy_file(copying, from, to, &format!("{}/{name}", crate::daemon::data_folder::SNAPSHOTS))?);
    }
    let mut names = BTreeSet::new();
    for folder in [FOLDER, ARCHIVE] {
        names.extend(source.list(folder)?.into_iter().filter(|name| name.ends_with(".log")));
    }
    for name in names {
        // A segment may move to the archive meanwhile; it never moves back.
        let copied = copy_file(copying, from, to, &format!("{FOLDER}/{name}"))?
            || copy_file(copying, from, to, &format!("{ARCHIVE}/{name}"))?;
        anyhow::ensure!(
            copied,
            "{name} went away while the folder was copied: a daemon started there, or deleted what is older than \
             archive_days; copy it again"
        );
        files += 1;
    }
    // Jobs come behind the journal: one that has a step there has begun before.
    for name in jobs_of(from)? {
        files += usize::from(copy_file(copying, from, to, &format!("{}/{name}", jobs::FOLDER))?);
    }
    Ok(files)
}

/// Copies a file and makes the copy durable; says whether it was there.
fn copy_file(copying: &mut Copying, from: &Path, to: &Path, path: &str) -> anyhow::Result<bool> {
    copying.file(&from.join(path), &to.join(path))
}
