//! Restores the empty folder of a standby. While Redis has nothing to restore, the standby waits for its primary.

use crate::{
    config::{Redis, RedisFiles, Settings, StoreKind},
    replication::{CopyReader, Head, RedisError, RestoreTarget, format::WrappingKey, restore},
    storage::{
        fs::{Store, disk::Disk, ram::Ram},
        journal::Lsn,
        restored_folder::{IncompleteGroup, occupied_by},
    },
};
use anyhow::Context;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The pause between two looks at Redis.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// While the standby waits, one line is logged for each such time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Restores the data folder if it is empty or a restore of it was not finished. Waits until Redis has a copy. `ram` is the
/// folder of a daemon without a disk. Blocks, also inside of a runtime.
///
/// # Errors
/// The folder cannot be read or written, or the copy cannot be restored.
pub(crate) fn restore_if_empty(
    settings: &Settings,
    redis: (&Redis, &RedisFiles),
    owner: &str,
    ram: &Ram,
) -> anyhow::Result<()> {
    // The runtime of the reader needs another thread.
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("restore".to_owned());
        let restored = thread.spawn_scoped(scope, || restore_folder(settings, redis, owner, ram));
        let restored = restored.context("cannot start threads")?.join();
        restored.map_err(|_| anyhow::anyhow!("the thread of the restore panicked"))?
    })
}

fn restore_folder(
    settings: &Settings,
    (redis, files): (&Redis, &RedisFiles),
    owner: &str,
    ram: &Ram,
) -> anyhow::Result<()> {
    let path = &settings.store.path;
    let store: Arc<dyn Store> = match settings.store.kind {
        StoreKind::Disk => Arc::new(Disk::open(path).with_context(|| format!("the data folder {}", path.display()))?),
        StoreKind::Memory => Arc::new(ram.clone()),
    };
    if occupied_by(&*store)?.is_some() {
        return Ok(());
    }
    let mut reader = CopyReader::new(redis, files, owner)?;
    let target = RestoreTarget {
        store: Arc::clone(&store),
        segment_bytes: settings.store.segment_bytes,
        group: IncompleteGroup::LeaveOut,
    };
    let mut logged = None;
    let restored = loop {
        let cause = match restorable(reader.head()) {
            Ok(head) => {
                tracing::info!("standby: restoring instance {}, which {} writes", head.instance, head.owner);
                break restore(&mut reader, &WrappingKey(files.wrapping_key), &target)
                    .context("[redis] the restore is not finished")?;
            }
            Err(cause) => cause?,
        };
        if logged.is_none_or(|logged: Instant| logged.elapsed() >= LOG_INTERVAL) {
            tracing::warn!("standby: {cause}; this standby has no data, waits and does not listen yet");
            logged = Some(Instant::now());
        }
        thread::sleep(LOOK_PAUSE);
    };
    // No power cut made this folder: a start must refuse keys that do not match.
    store.note_files_are_whole().context("the restored folder cannot be marked")?;
    tracing::info!(
        "standby: the folder is restored: the last record is {}, {} keys, {} erased keys",
        restored.folder.last,
        restored.keys.0,
        restored.keys.1
    );
    Ok(())
}

/// The head, if a folder can be restored from the copy. Otherwise why the standby waits, or why it cannot go on.
fn restorable(head: Result<Option<Head>, RedisError>) -> Result<Head, anyhow::Result<String>> {
    match head {
        Ok(None) => Err(Ok("Redis has no data under this prefix: no primary has written any".to_owned())),
        Ok(Some(head)) if head.snapshot.is_none() && head.begin != Some(Lsn(1)) => {
            Err(Ok(format!("{} has not sent the first record or a snapshot yet", head.owner)))
        }
        Ok(Some(head)) => Ok(head),
        Err(error) if error.is_outage() => Err(Ok(error.to_string())),
        Err(error) => Err(Err(anyhow::Error::new(error).context("[redis]"))),
    }
}
