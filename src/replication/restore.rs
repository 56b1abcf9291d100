//! Restores a data folder from the copy in Redis.
//!
//! The records are read before the keys: a key is in Redis before the first record that needs it. The head is read before
//! and after. If the copy has grown in between, the rest is read; if it has changed otherwise, the restore begins anew.

use crate::{
    replication::{
        copy_error::CopyError,
        copy_reader::{CopyReader, StreamPosition},
        format::{WrappingKey, unwrap_secret},
        model::head::{Head, SnapshotMark},
    },
    storage::{
        fs::Store,
        journal::{Instance, JournalId, Lsn},
        restored_folder::{IncompleteGroup, RestoreError, Restored, RestoredFolder},
    },
};
use std::{io, sync::Arc};

/// A restore of a copy that changes is begun anew this often.
const PASSES_MAX: u32 = 5;
/// While another daemon adds records, the rest is read this often.
const ROUNDS_MAX: u32 = 20;

/// The folder that is restored.
pub struct RestoreTarget {
    /// The folder. It is empty but for an archive, or a restore of it is not finished.
    pub store: Arc<dyn Store>,
    /// The length from which on a segment is full.
    pub segment_bytes: u64,
    /// The treatment of a group that has no end. With [`IncompleteGroup::LeaveOut`] another daemon may continue to write the
    /// copy: the folder contains what was there at some moment.
    pub group: IncompleteGroup,
}

/// A folder was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredCopy {
    /// The folder.
    pub folder: Restored,
    /// The instance.
    pub instance: JournalId,
    /// The first record that was read.
    pub first: Lsn,
    /// The snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// The keys, and the erased ones.
    pub keys: (usize, usize),
}

/// Restores a folder from a copy, whose head was read before.
///
/// # Errors
/// The key does not open the secret, the copy has gaps or is damaged, or the folder cannot be written. Nothing in Redis was
/// changed. No daemon starts on the folder, and the restore can be repeated.
pub fn restore(
    reader: &mut CopyReader,
    wrapping: &WrappingKey,
    target: &RestoreTarget,
) -> Result<RestoredCopy, CopyError> {
    let mut pass = 1;
    loop {
        match restore_once(reader, wrapping, target) {
            Err(CopyError::Changed(_)) if pass < PASSES_MAX => pass += 1,
            restored => return restored,
        }
    }
}

fn restore_once(
    reader: &mut CopyReader,
    wrapping: &WrappingKey,
    target: &RestoreTarget,
) -> Result<RestoredCopy, CopyError> {
    let head = reader.same_head()?;
    let secret = unwrap_secret(wrapping, head.instance, &head.secret).map_err(CopyError::Secret)?;
    let instance = Instance { id: head.instance, secret };
    let mut folder = RestoredFolder::begin(Arc::clone(&target.store), instance, target.segment_bytes)?;
    if let Some(snapshot) = head.snapshot {
        put_snapshot(reader, snapshot, &mut folder)?;
    }
    let mut position = StreamPosition::default();
    let mut round = 1;
    loop {
        reader.read_stream(&mut position, &mut |records, crc_before| Ok(folder.put_records(records, crc_before)?))?;
        let before = reader.same_head()?;
        reader.read_keys(Some(wrapping), &mut |keys| Ok(folder.put_keys(keys)?))?;
        let after = reader.same_head()?;
        if after.secret != head.secret {
            return Err(CopyError::Changed("it has another secret"));
        }
        // Another daemon continues to write: the keys were read after the records that need them.
        if target.group == IncompleteGroup::LeaveOut {
            break;
        }
        match check_again(&before, &after, position, &folder) {
            // The rest is short.
            Err(CopyError::Changed(_)) if round < ROUNDS_MAX => round += 1,
            checked => {
                checked?;
                break;
            }
        }
    }
    let counts = folder.key_counts();
    let restored = folder.finish(target.group)?;
    Ok(RestoredCopy {
        folder: restored,
        instance: head.instance,
        first: position.first,
        snapshot: head.snapshot,
        keys: (counts.live, counts.erased),
    })
}

fn put_snapshot(reader: &mut CopyReader, mark: SnapshotMark, folder: &mut RestoredFolder) -> Result<(), CopyError> {
    let mut failure = None;
    let put = {
        let mut chunks = reader.read_snapshot(mark).map(|chunk| {
            chunk.map_err(|error| {
                failure = Some(error);
                let source = io::Error::other("the snapshot in Redis cannot be read");
                RestoreError::Io { what: "reading the snapshot".to_owned(), source }
            })
        });
        folder.put_snapshot(mark.begin, &mut chunks)
    };
    match failure {
        Some(error) => Err(error),
        None => Ok(put?),
    }
}

/// Compares the head after the keys were read with the one before and with what was read.
fn check_again(
    before: &Head,
    after: &Head,
    position: StreamPosition,
    folder: &RestoredFolder,
) -> Result<(), CopyError> {
    if after.tip != position.tip {
        return Err(CopyError::Changed("records were added"));
    }
    if (after.keys, after.erased) != (before.keys, before.erased) {
        return Err(CopyError::Changed("keys were added or erased"));
    }
    let to_u64 = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let counts = folder.key_counts();
    let (found_live, found_erased) = (to_u64(counts.live), to_u64(counts.erased));
    if (after.keys, after.erased) != (found_live, found_erased) {
        return Err(CopyError::Keys { live: after.keys, erased: after.erased, found_live, found_erased });
    }
    Ok(())
}
