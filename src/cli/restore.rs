//! `levelgate restore`: makes a data folder from a copy in another folder, or from the copy in Redis.

use crate::{
    cli::support::{
        configuration::{default_folder, load_with_secrets, require_daemon_file},
        copied_files::{copied_bytes, copy_all, copy_path},
        folder_copy::FolderCopy,
        print::print_line,
    },
    config::{Settings, Store as StoreSettings, StoreKind},
    daemon::{
        data_folder::{self, ArchiveLosses},
        redis_copy::{Prepared, RestoreOrder, prepare_folder, restored_in_words},
    },
    storage::{
        fs::{
            Store,
            disk::{Disk, LOCK},
            ram::Ram,
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
    #[arg(value_name = "COPY", required_unless_present = "from_redis")]
    copy: Option<PathBuf>,
    /// The new data folder; it is created, or must be empty
    #[arg(value_name = "FOLDER", required_unless_present = "from_redis")]
    folder: Option<PathBuf>,
    /// The customers' keys
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Recover the state from the folder, as the daemon does, and print its size
    #[arg(long)]
    verify: bool,
    /// Restore the data folder of a configuration from Redis; see `levelgate serve --restore`
    #[arg(long, conflicts_with_all = ["copy", "folder", "keys"])]
    from_redis: bool,
    /// The configuration folder, with --from-redis
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = default_folder())]
    config: PathBuf,
    /// With --from-redis: restore although the daemon that writes the copy may live. Only if it is certain that it does not
    /// answer any more
    #[arg(long, requires = "from_redis")]
    take_over: bool,
}

/// Makes the data folder.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (Some(from), Some(folder)) = (&options.copy, &options.folder) else { return from_redis(options) };
    anyhow::ensure!(from.join("instance").is_file(), "{} is no copy of a data folder", from.display());
    let in_copy = from.join(keys::PATH);
    let keys_file = options.keys.clone().or_else(|| in_copy.is_file().then_some(in_copy));
    let keys_file =
        keys_file.context("the copy has no keys, without which no daemon starts on it; name their file with --keys")?;
    anyhow::ensure!(keys_file.is_file(), "there is no file {}", keys_file.display());
    let mut copy = FolderCopy::create(folder, None, None)?;
    // The lock prevents a daemon from starting on the incomplete folder.
    let disk = Disk::open(folder)?;
    copy.own_file(folder.join(LOCK));
    copy.check_space(copied_bytes(from)?)?;
    copy_path(&mut copy, from, folder, "instance")?;
    // The keys come first: wrong keys are refused before large files are copied.
    copy_keys(&mut copy, &keys_file, folder)?;
    let files = copy_all(&mut copy, from, folder)?;
    // No power cut made this folder: a start must refuse keys that do not match.
    disk.note_files_are_whole()?;
    copy.finish();
    drop(disk);
    print_line!("restored {files} files to {}", folder.display());
    if options.verify {
        verify(folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Restores the data folder of the configuration from Redis.
fn from_redis(options: &Options) -> anyhow::Result<ExitCode> {
    let loaded = load_with_secrets(&options.config)?;
    require_daemon_file(&loaded)?;
    let (Some(redis), Some(files)) = (&loaded.settings.redis, &loaded.redis_files) else {
        anyhow::bail!("there is no [redis] in the configuration in {}", options.config.display());
    };
    anyhow::ensure!(
        loaded.settings.store.kind == StoreKind::Disk,
        "[store] kind is \"memory\": there is no data folder; start with `levelgate serve --restore`"
    );
    let order = RestoreOrder { restores: true, takes_over: options.take_over };
    match prepare_folder(&loaded.settings, (redis, files), order, &Ram::new())? {
        Prepared::Restored(restored) => {
            print_line!("{}", restored_in_words(&restored));
        }
        Prepared::Unchanged | Prepared::NothingToRestore => {
            anyhow::bail!("Redis has no data under this prefix: nothing was restored")
        }
    }
    if options.verify {
        verify(&loaded.settings.store.path)?;
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
