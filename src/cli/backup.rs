//! `levelgate backup`: copies a data folder, also while a daemon serves it.
//!
//! Snapshots and sealed segments never change, and the last segment only grows: a copy in this order is what a power cut
//! would leave. The keys of customers are copied only on request, so that erasing a customer also erases the copies.

use crate::{
    cli::support::{
        copied_files::{copied_bytes, copy_all, copy_path, job_files},
        folder_copy::FolderCopy,
        print::print_line,
    },
    daemon::data_folder::refuse_unfinished_import,
    storage::{fs::disk::Disk, jobs, keys, restored_folder::refuse_unfinished_restore},
};
use anyhow::Context;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The data folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The folder of the copy; it is created, or must be empty
    #[arg(value_name = "COPY")]
    copy: PathBuf,
    /// Also copy the customers' keys, to this file. Store it in another place than the copy, and delete it soon
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Bytes to leave free for the journal if the copy is on its file system [default: 1 GiB, or a tenth of the file
    /// system]
    #[arg(long, value_name = "BYTES")]
    min_free_bytes: Option<u64>,
}

/// Copies the folder.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut copy = FolderCopy::create(&options.copy, Some(&options.folder), options.min_free_bytes)?;
    anyhow::ensure!(
        options.folder.join("instance").is_file(),
        "{} is no data folder: it has no file `instance`",
        options.folder.display()
    );
    if options.copy.canonicalize()?.starts_with(options.folder.canonicalize()?) {
        anyhow::bail!(
            "{} is inside the folder that it is to be a copy of; name another folder",
            options.copy.display()
        );
    }
    options.keys.as_deref().map_or(Ok(()), |keys| check_keys_outside(keys, &options.copy))?;
    refuse_unfinished_import(&Disk::open_unlocked(&options.folder))?;
    refuse_unfinished_restore(&Disk::open_unlocked(&options.folder))?;
    copy.check_space(copied_bytes(&options.folder)?)?;
    copy_path(&mut copy, &options.folder, &options.copy, "instance")?;
    let jobs = job_files(&options.folder)?;
    let files = copy_all(&mut copy, &options.folder, &options.copy)?;
    // The keys come last: a key is written before the records that it seals.
    if let Some(file) = &options.keys {
        copy.replace_outside_file(&options.folder.join(keys::PATH), file)?;
    }
    // Of a job that ended during the copy, the copy may contain some steps only, and not the key that continues it.
    let ended = |jobs: &BTreeSet<String>| jobs.iter().filter(|name| name.ends_with(jobs::ENDED)).count();
    let jobs_after = job_files(&options.folder)?;
    anyhow::ensure!(
        ended(&jobs_after) == ended(&jobs) && jobs.is_subset(&jobs_after),
        "an import or a bulk change ended while the folder was copied; copy the folder again"
    );
    copy.finish();
    print_line!("copied {files} files to {}", options.copy.display());
    if options.keys.is_none() {
        print_line!("the copy does not contain the customers' keys, which a restore needs; copy them with --keys FILE");
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a keys file inside the copy: with it, the copy alone would reveal the sealed attributes.
fn check_keys_outside(keys: &Path, copy: &Path) -> anyhow::Result<()> {
    let folder = keys.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().with_context(|| format!("cannot copy the keys to {}", keys.display()))?;
    anyhow::ensure!(
        !folder.starts_with(copy.canonicalize()?),
        "{} is inside the copy: with the keys, the copy alone reveals the sealed attributes; name a file outside the copy",
        keys.display()
    );
    Ok(())
}
