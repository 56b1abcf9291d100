//! Prepares a data folder before it is opened: restores an empty one from Redis, or refuses it while Redis has data.

use crate::{
    config::{self, RedisFiles, Settings, StoreKind},
    daemon::redis_copy::{assembly::owner, fence_file::RESTORED},
    replication::{CopyReader, Head, RestoreTarget, RestoredCopy, format::WrappingKey, restore},
    storage::{
        fs::{Store, disk::Disk, ram::Ram},
        journal::Lsn,
        restored_folder::{IncompleteGroup, occupied_by, refuse_unfinished_restore},
    },
};
use anyhow::Context;
use std::{io, sync::Arc, thread};

/// What a person orders at a start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RestoreOrder {
    /// An empty folder is restored.
    pub(crate) restores: bool,
    /// The owner of the copy is replaced, although it may live.
    pub(crate) takes_over: bool,
}

/// What was done with the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// Nothing: the folder has data, or the folder and Redis have none.
    Unchanged,
    /// It was to be restored, and Redis has no data either.
    NothingToRestore,
    /// It was restored.
    Restored(RestoredCopy),
}

/// A reader of the copy.
///
/// # Errors
/// There is no thread for the connection.
pub(crate) fn reader(redis: &config::Redis, files: &RedisFiles) -> anyhow::Result<CopyReader> {
    Ok(CopyReader::new(redis, files, &owner())?)
}

/// Restores an empty folder if that is ordered, and refuses it otherwise while Redis has data. `ram` is the folder of a
/// daemon without a disk. Blocks, also inside of a runtime.
///
/// # Errors
/// The folder has data and is to be restored; it is empty while Redis has data; Redis does not answer; the owner of the copy
/// lives; or the copy cannot be restored.
pub(crate) fn prepare_folder(
    settings: &Settings,
    redis: (&config::Redis, &RedisFiles),
    order: RestoreOrder,
    ram: &Ram,
) -> anyhow::Result<Prepared> {
    // A second runtime needs a second thread.
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("restore".to_owned());
        let prepared = thread.spawn_scoped(scope, || match order.restores {
            true => restore_folder(settings, redis, order.takes_over, ram),
            false => refuse_empty_folder(settings, redis).map(|()| Prepared::Unchanged),
        });
        let prepared = prepared.context("cannot start threads")?.join();
        prepared.map_err(|_| anyhow::anyhow!("the thread of the restore panicked"))?
    })
}

/// The file because of which nothing is restored; `None`: the folder is empty. Creates nothing.
fn occupied(settings: &Settings) -> anyhow::Result<Option<String>> {
    let path = &settings.store.path;
    if settings.store.kind == StoreKind::Memory || !path.exists() {
        return Ok(None);
    }
    Ok(occupied_by(&Disk::open_unlocked(path))?)
}

fn refuse_empty_folder(settings: &Settings, (redis, files): (&config::Redis, &RedisFiles)) -> anyhow::Result<()> {
    if occupied(settings)?.is_some() {
        return Ok(());
    }
    let path = &settings.store.path;
    if settings.store.kind == StoreKind::Disk && path.exists() {
        refuse_unfinished_restore(&Disk::open_unlocked(path))?;
    }
    let what = match settings.store.kind {
        StoreKind::Disk => format!("the data folder {} is empty", path.display()),
        StoreKind::Memory => "this daemon has no disk and begins empty (kind = \"memory\")".to_owned(),
    };
    match reader(redis, files)?.head() {
        Ok(None) => Ok(()),
        Ok(Some(head)) => anyhow::bail!(
            "[redis] {what}, and Redis has data under this prefix: instance {}, {}; to continue with them, start with \
             `levelgate serve --restore`; to begin anew, name another `prefix`, or give them up with `levelgate redis \
             discard {}`",
            head.instance,
            extent(&head),
            head.instance
        ),
        // With `refuse` too: the folder may have been lost, and a new instance would take its place.
        Err(error) if error.is_outage() => anyhow::bail!(
            "[redis] {error}; {what}, so the daemon cannot know whether another one has taken over, or whether Redis has \
             the data; start it when Redis answers"
        ),
        Err(error) => anyhow::bail!("[redis] {error}"),
    }
}

/// How far the copy reaches, in words.
fn extent(head: &Head) -> String {
    match head.tip {
        Some(tip) => format!("records {} to {}", head.begin.unwrap_or(Lsn(1)), tip.lsn),
        None => "no record yet".to_owned(),
    }
}

fn restore_folder(
    settings: &Settings,
    (redis, files): (&config::Redis, &RedisFiles),
    takes_over: bool,
    ram: &Ram,
) -> anyhow::Result<Prepared> {
    let path = &settings.store.path;
    if let Some(name) = occupied(settings)? {
        anyhow::bail!(
            "the data folder {} already has `{name}`, and --restore writes into an empty folder only: start without \
             --restore to continue with this folder, or name an empty one",
            path.display()
        );
    }
    let mut reader = reader(redis, files)?;
    let Some(head) = reader.head().context("[redis] nothing was restored")? else {
        tracing::warn!("redis: there is nothing to restore, because Redis has no data under this prefix either");
        return Ok(Prepared::NothingToRestore);
    };
    if !takes_over {
        reader.wait_for_owner(redis.lease_ms).context("[redis] nothing was restored")?;
    }
    let store: Arc<dyn Store> = match settings.store.kind {
        StoreKind::Disk => Arc::new(Disk::open(path)?),
        StoreKind::Memory => Arc::new(ram.clone()),
    };
    tracing::info!("redis: restoring instance {}, {}", head.instance, extent(&head));
    let target = RestoreTarget {
        store: Arc::clone(&store),
        segment_bytes: settings.store.segment_bytes,
        group: IncompleteGroup::Write,
    };
    let restored = restore(&mut reader, &WrappingKey(files.wrapping_key), &target);
    let restored = restored.context("[redis] the restore is not finished")?;
    mark_restored(&*store).context("the restored folder cannot be marked")?;
    tracing::info!("redis: {}", restored_in_words(&restored));
    Ok(Prepared::Restored(restored))
}

/// What was restored, in words.
pub(crate) fn restored_in_words(restored: &RestoredCopy) -> String {
    let snapshot = match restored.snapshot {
        Some(snapshot) => format!("the snapshot up to record {}", snapshot.begin),
        None => "no snapshot".to_owned(),
    };
    format!(
        "restored instance {}: the last record is {}, epoch {}; {snapshot}, records from {} on, {} keys, {} erased keys",
        restored.instance,
        restored.folder.last,
        restored.folder.epoch,
        restored.first,
        restored.keys.0,
        restored.keys.1
    )
}

/// Notes that a person restored the folder. The first daemon that takes the fence with it removes the note.
fn mark_restored(store: &dyn Store) -> io::Result<()> {
    let file = store.create(RESTORED)?;
    file.write_at(b"restored from Redis; the next start may take the fence of an owner that is silent\n", 0)?;
    file.sync()?;
    // No power cut made this folder: a start must refuse keys that do not match.
    store.note_files_are_whole()?;
    store.sync_folder("")
}
