//! `levelgate restore`: makes a data folder from a copy.

use crate::{
    cli::support::{
        copied_files::{copied_bytes, copy_all, copy_path},
        folder_copy::FolderCopy,
        print::print_line,
    },
    config::{Settings, Store as StoreSettings},
    daemon::data_folder::{self, ArchiveLosses},
    storage::{
        fs::{
            Store,
            disk::{Disk, LOCK},
        },
        journal::{Instance, Keys},
        keys,
    },
};
use anyhow::Context;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The arguments of `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The copy
    #[arg(value_name = "COPY")]
    copy: PathBuf,
    /// The new data folder; it is created, or must be empty
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The customers' keys
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Recover the state from the folder, as the daemon does, and print its size
    #[arg(long)]
    verify: bool,
}

/// Makes the data folder.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(options.copy.join("instance").is_file(), "{} is no copy of a data folder", options.copy.display());
    let in_copy = options.copy.join(keys::PATH);
    let keys_file = options.keys.clone().or_else(|| in_copy.is_file().then_some(in_copy));
    let keys_file =
        keys_file.context("the copy has no keys, without which no daemon starts on it; name their file with --keys")?;
    anyhow::ensure!(keys_file.is_file(), "there is no file {}", keys_file.display());
    let mut copy = FolderCopy::create(&options.folder, None, None)?;
    // The lock prevents a daemon from starting on the incomplete folder.
    let disk = Disk::open(&options.folder)?;
    copy.own_file(options.folder.join(LOCK));
    copy.check_space(copied_bytes(&options.copy)?)?;
    copy_path(&mut copy, &options.copy, &options.folder, "instance")?;
    // The keys come first: wrong keys are refused before large files are copied.
    copy_keys(&mut copy, &keys_file, &options.folder)?;
    let files = copy_all(&mut copy, &options.copy, &options.folder)?;
    // No power cut made this folder: a start must refuse keys that do not match.
    disk.note_files_are_whole()?;
    copy.finish();
    drop(disk);
    print_line!("restored {files} files to {}", options.folder.display());
    if options.verify {
        verify(&options.folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies keys into a folder that has the file `instance`. Refuses the keys of another data folder.
fn copy_keys(copy: &mut FolderCopy, from: &Path, folder: &Path) -> anyhow::Result<()> {
    copy.copy_file(from, &folder.join(keys::PATH))?;
    let disk = Disk::open_unlocked(folder);
    let opened = Instance::known(&disk)?.map(|instance| Keys::open(&disk, instance.id.0));
    opened
        .transpose()
        .with_context(|| format!("{} does not go with this copy; nothing was restored", from.display()))?;
    Ok(())
}

fn verify(folder: &Path) -> anyhow::Result<()> {
    let settings = Settings {
        store: StoreSettings { path: folder.to_owned(), ..StoreSettings::default() },
        ..Settings::default()
    };
    let opened = data_folder::open(&settings, None, ArchiveLosses::Refuse)?;
    let ledger = &opened.ledger;
    print_line!(
        "verified: {} customers, {} transactions in memory, records up to {}",
        ledger.customers_len(),
        ledger.transactions_len(),
        ledger.journal().last()
    );
    Ok(())
}
