//! The file `fence`: the fence that a daemon of this data folder took last.
//!
//! With it a start knows its own lease, which the last process may not have released. With `on_outage = "continue"`
//! it also tells a start without Redis that no other daemon has taken over, unless a person said so.
//!
//! ```text
//!  0             8        12         28      36      40      48      49   52              60              64     68
//! +-------------+--------+----------+-------+-------+-------+-------+----+---------------+---------------+------+
//! | "LGFENCE\0" | format | instance | fence | owner | inode | state | 0  | fence before  | owner before  | CRC  |
//! +-------------+--------+----------+-------+-------+-------+-------+----+---------------+---------------+------+
//! ```
//!
//! The owner is CRC-32C of the name of the process that took the fence, as Redis has it. The
//! inode is that of the data folder, so that a copy of the folder does not take the lease for its own. The state is 1 if the
//! lease never expires, and 0 if it does. The fence and the owner before are those from which it was taken, or 0: a failover
//! that loses the acquisition brings them back. The CRC is CRC-32C of the bytes before it. Format 1 has no owner before, and
//! its CRC at 52.

use crate::{
    replication::{Fence, FenceHolder, FenceMemory, KnownFence},
    storage::{
        fs::{Store, Unfinished, read_full},
        journal::JournalId,
    },
};
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The file, in the data folder.
pub(crate) const PATH: &str = "fence";
/// Exists in a folder that was restored from Redis, until a daemon has taken the fence with it.
pub(super) const RESTORED: &str = "restored";
const UNFINISHED: &str = "fence.new";
const MAGIC: &[u8; 8] = b"LGFENCE\0";
const FORMAT: u32 = 2;
const BYTES: usize = 68;
/// The length of format 1.
const BYTES_1: usize = 56;

/// The file of a data folder.
pub(super) struct FenceFile {
    store: Arc<dyn Store>,
    instance: JournalId,
    /// The inode of the data folder; 0: its file system has none.
    inode: u64,
    known: Mutex<Option<KnownFence>>,
    is_restored: AtomicBool,
}

impl FenceFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, is damaged, newer, or belongs to another instance.
    pub(super) fn open(store: Arc<dyn Store>, instance: JournalId) -> anyhow::Result<Self> {
        let inode = store.id("")?.map_or(0, |id| id.inode);
        let known = match store.open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
            Ok(file) => {
                // A newer format may be longer.
                let mut bytes = [0; 4 * BYTES];
                let read = read_full(file.as_ref(), &mut bytes, 0)?;
                Some(decode(bytes.get(..read).unwrap_or_default(), instance, inode)?)
            }
        };
        let is_restored = AtomicBool::new(store.list("")?.iter().any(|name| name == RESTORED));
        Ok(Self { store, instance, inode, known: Mutex::new(known), is_restored })
    }
}

impl FenceMemory for FenceFile {
    fn known(&self) -> Option<KnownFence> {
        *self.known.lock()
    }

    fn is_restored(&self) -> bool {
        self.is_restored.load(Ordering::Relaxed)
    }

    fn keep(&self, fence: KnownFence) -> io::Result<()> {
        let mut known = self.known.lock();
        let unfinished = Unfinished::create(&*self.store, UNFINISHED)?;
        unfinished.file().write_at(&encode(fence, self.instance, self.inode), 0)?;
        unfinished.finish(PATH)?;
        *known = Some(fence);
        if self.is_restored.swap(false, Ordering::Relaxed) {
            self.store.remove(RESTORED)?;
            self.store.sync_folder("")?;
        }
        Ok(())
    }
}

fn encode(fence: KnownFence, instance: JournalId, inode: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..28].copy_from_slice(&instance.0);
    bytes[28..36].copy_from_slice(&fence.taken.fence.0.to_le_bytes());
    bytes[36..40].copy_from_slice(&fence.taken.owner.to_le_bytes());
    bytes[40..48].copy_from_slice(&inode.to_le_bytes());
    bytes[48] = u8::from(fence.is_permanent);
    if let Some(replaced) = fence.replaced {
        bytes[52..60].copy_from_slice(&replaced.fence.0.to_le_bytes());
        bytes[60..64].copy_from_slice(&replaced.owner.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes[..BYTES - 4]);
    bytes[BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8], instance: JournalId, inode: u64) -> anyhow::Result<KnownFence> {
    const DAMAGED: &str =
        "the file `fence` of the data folder is damaged; remove it: the next start then waits for Redis";
    let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)) };
    let long = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)) };
    let damaged = || anyhow::anyhow!(DAMAGED);
    let format = word(8).filter(|_| bytes.starts_with(MAGIC)).ok_or_else(damaged)?;
    let length = if format == 1 { BYTES_1 } else { BYTES };
    // A newer format may be longer.
    anyhow::ensure!(bytes.len() == length || format > FORMAT, DAMAGED);
    let contents = bytes.get(..bytes.len().saturating_sub(4)).ok_or_else(damaged)?;
    anyhow::ensure!(word(contents.len()) == Some(crc32c::crc32c(contents)), DAMAGED);
    anyhow::ensure!(
        (1..=FORMAT).contains(&format),
        "the file `fence` of the data folder has format {format}, which is newer than this program; start the newer \
         levelgate"
    );
    anyhow::ensure!(
        bytes.get(12..28) == Some(&instance.0[..]),
        "the file `fence` belongs to another data folder; remove it: the next start then waits for Redis"
    );
    let holder = |at: usize| Some(FenceHolder { fence: Fence(long(at)?), owner: word(at + 8)? });
    let replaced = if format == 1 { None } else { holder(52).filter(|replaced| replaced.fence != Fence(0)) };
    Ok(KnownFence {
        taken: holder(28).ok_or_else(damaged)?,
        replaced,
        is_here: long(40) == Some(inode),
        is_permanent: bytes.get(48) == Some(&1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::Memory;

    const INSTANCE: JournalId = JournalId([5; 16]);
    const FENCE: KnownFence = KnownFence {
        taken: FenceHolder { fence: Fence(7), owner: 9 },
        replaced: Some(FenceHolder { fence: Fence(6), owner: 8 }),
        is_here: true,
        is_permanent: true,
    };

    #[test]
    fn a_fence_is_kept_across_starts() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let file = FenceFile::open(Arc::clone(&store), INSTANCE).unwrap();
        assert_eq!(file.known(), None);
        file.keep(KnownFence { is_permanent: false, ..FENCE }).unwrap();
        file.keep(FENCE).unwrap();
        assert_eq!(file.known(), Some(FENCE));
        assert_eq!(FenceFile::open(Arc::clone(&store), INSTANCE).unwrap().known(), Some(FENCE));
        assert!(FenceFile::open(store, JournalId([6; 16])).is_err(), "another folder");
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused() {
        let bytes = encode(FENCE, INSTANCE, 3);
        assert_eq!(decode(&bytes, INSTANCE, 3).unwrap(), FENCE);
        assert_eq!(decode(&bytes, INSTANCE, 4).unwrap(), KnownFence { is_here: false, ..FENCE }, "a copy");
        for at in 0..BYTES {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert!(decode(&damaged, INSTANCE, 3).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], INSTANCE, 3).is_err(), "{at} bytes");
        }
        assert!(decode(&[&bytes[..], &[0; 4]].concat(), INSTANCE, 3).is_err(), "more bytes");
    }

    #[test]
    fn the_first_format_is_read() {
        let mut bytes = encode(FENCE, INSTANCE, 3)[..BYTES_1].to_vec();
        bytes[8] = 1;
        let crc = crc32c::crc32c(&bytes[..BYTES_1 - 4]);
        bytes[BYTES_1 - 4..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&bytes, INSTANCE, 3).unwrap(), KnownFence { replaced: None, ..FENCE });
    }
}
