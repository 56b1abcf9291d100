//! What the tasks of the replication thread share, and what they need of the daemon.

use crate::{
    config,
    replication::{
        boot_time::RenewalTime,
        format::WrappingKey,
        model::{
            answers::ReplacedOwner,
            error::RedisError,
            head::{Fence, Head},
        },
        redis_store::RedisStore,
        shipping_state::ShippingState,
    },
    storage::{
        journal::{Instance, Journal, Lsn},
        keys::Keys,
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// A fence and who took it. After Redis has lost a fence, another daemon may get the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FenceHolder {
    /// The number.
    pub fence: Fence,
    /// CRC-32C of the name of the process that took it.
    pub owner: u32,
}

/// The fence that this data folder took last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFence {
    /// The fence.
    pub taken: FenceHolder,
    /// The fence of another process that it replaced. A failover that loses the acquisition brings it back.
    pub replaced: Option<FenceHolder>,
    /// Whether it was taken in this very folder. A copy of a folder that runs elsewhere contains a fence that is not its own.
    pub is_here: bool,
    /// Whether its lease never expires (`on_outage = "continue"`), so that another daemon has taken over only if a person
    /// said so.
    pub is_permanent: bool,
}

/// Keeps the fence across starts.
pub trait FenceMemory: Send + Sync + 'static {
    /// The fence that was taken last; `None`: this folder never took one.
    fn known(&self) -> Option<KnownFence>;

    /// Whether a person restored this folder from the copy, and no daemon has taken the fence since. Then the lease of an
    /// owner that does not renew it any more is no obstacle.
    fn is_restored(&self) -> bool {
        false
    }

    /// Keeps a fence.
    ///
    /// # Errors
    /// It is not durable.
    fn keep(&self, fence: KnownFence) -> io::Result<()>;
}

/// Receives a part of a snapshot.
pub type SnapshotSink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// The state of the daemon, as the sender of snapshots needs it. Its methods block.
pub trait SnapshotSource: Send + Sync + 'static {
    /// Writes a snapshot that contains all records up to `begin` in pieces. Returns the last record that a piece may
    /// contain.
    ///
    /// # Errors
    /// The sink has failed.
    fn write(&self, begin: Lsn, sink: &mut SnapshotSink<'_>) -> io::Result<Lsn>;

    /// The last record that may leave the stream: a snapshot in Redis contains all records up to `contained`, every record
    /// up to the result is older than the retention, and no transaction in memory needs one of them. The stream begins
    /// with `stream_begin`. `None`: no record may leave.
    ///
    /// # Errors
    /// A segment cannot be read, or the journal cannot be written.
    fn trimmable(&self, contained: Lsn, stream_begin: Lsn) -> anyhow::Result<Option<Lsn>>;
}

/// What the tasks share.
pub struct ReplicationParts {
    /// The journal that is shipped.
    pub journal: Arc<Journal>,
    /// The customers' keys.
    pub keys: Arc<Keys>,
    /// The identity of the data folder.
    pub instance: Instance,
    /// `[redis]`.
    pub settings: config::Redis,
    /// The contents of its files.
    pub files: config::RedisFiles,
    /// The state that the threads of requests read.
    pub state: Arc<ShippingState>,
    /// This process: host, process, start time.
    pub owner: String,
    /// Whether this start takes the fence although another daemon has a lease.
    pub takes_over: bool,
    /// Keeps the fence across starts.
    pub fence_memory: Arc<dyn FenceMemory>,
    /// Snapshots and compaction.
    pub snapshots: Arc<dyn SnapshotSource>,
}

impl FenceHolder {
    /// A fence, and the name of the process that took it.
    #[must_use]
    pub fn new(fence: Fence, owner: &str) -> Self {
        Self { fence, owner: crc32c::crc32c(owner.as_bytes()) }
    }
}

impl KnownFence {
    /// A fence that this process has taken from `replaced`. `before` is what the folder knew.
    #[must_use]
    pub fn new(taken: FenceHolder, replaced: Option<&ReplacedOwner>, before: Option<Self>, is_permanent: bool) -> Self {
        let replaced = replaced.map(|replaced| FenceHolder::new(replaced.fence, &replaced.owner));
        // A process that takes the fence again replaces itself.
        let replaced = match replaced {
            Some(replaced) if replaced.owner == taken.owner => {
                before.filter(|before| before.taken == replaced).and_then(|before| before.replaced)
            }
            replaced => replaced,
        };
        Self { taken, replaced, is_here: true, is_permanent }
    }

    /// Whether the owner in Redis is the process that took this fence, or the one from which it took it. A lower fence of any
    /// other process is another daemon: Redis had lost several acquisitions when it took it.
    pub(super) fn covers(&self, head: &Head) -> bool {
        let holder = FenceHolder::new(head.fence, &head.owner);
        self.is_here && (self.taken == holder || self.replaced == Some(holder))
    }
}

/// The parts, and the fence in force.
pub(super) struct Shared {
    pub(super) parts: ReplicationParts,
    /// The key of `key_file`.
    pub(super) wrapping: WrappingKey,
    fence: AtomicU64,
    /// The first slot whose key the shipper has not sent.
    sent_slots: AtomicU32,
    /// The last record that Redis has now. The watermark of the journal never goes back; this one does, when Redis loses
    /// records.
    confirmed: watch::Sender<Lsn>,
    /// Whether a folder can be restored from the copy: its stream begins with record 1, or a snapshot has what is before.
    is_whole: AtomicBool,
}

impl Shared {
    pub(super) fn new(parts: ReplicationParts) -> Self {
        let wrapping = WrappingKey(parts.files.wrapping_key);
        let (fence, sent_slots) = (AtomicU64::new(0), AtomicU32::new(0));
        let (confirmed, is_whole) = (watch::Sender::new(Lsn::NONE), AtomicBool::new(false));
        Self { parts, wrapping, fence, sent_slots, confirmed, is_whole }
    }

    /// The fence that this process has taken; `None`: it has taken none yet.
    pub(super) fn fence(&self) -> Option<Fence> {
        Some(Fence(self.fence.load(Ordering::Acquire))).filter(|fence| *fence != Fence(0))
    }

    pub(super) fn set_fence(&self, fence: Fence) {
        self.fence.store(fence.0, Ordering::Release);
    }

    /// The first slot whose key the shipper has not sent.
    pub(super) fn sent_slots(&self) -> u32 {
        self.sent_slots.load(Ordering::Acquire)
    }

    pub(super) fn set_sent_slots(&self, slots: u32) {
        self.sent_slots.store(slots, Ordering::Release);
    }

    /// The last record that Redis has, as far as the shipper knows.
    pub(super) fn confirmed(&self) -> Lsn {
        *self.confirmed.borrow()
    }

    /// Notes what Redis has, also when it has lost records.
    pub(super) fn set_confirmed(&self, lsn: Lsn) {
        self.confirmed.send_replace(lsn);
    }

    /// Waits until Redis has a record.
    pub(super) async fn when_confirmed(&self, lsn: Lsn) {
        // The sender is a field of this value.
        let _ = self.confirmed.subscribe().wait_for(|confirmed| *confirmed >= lsn).await;
    }

    /// Whether a folder can be restored from the copy.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }

    pub(super) fn set_whole(&self, is_whole: bool) {
        self.is_whole.store(is_whole, Ordering::Release);
        // A stop waits for both.
        self.confirmed.send_modify(|_| {});
    }

    /// Waits until Redis has a record and can restore a folder with it.
    pub(super) async fn when_restorable(&self, lsn: Lsn) {
        // The sender is a field of this value.
        let _ = self.confirmed.subscribe().wait_for(|confirmed| *confirmed >= lsn && self.is_whole()).await;
    }

    /// Ends this daemon if a refusal of Redis says that another one has taken over: see [`is_taken_over`].
    pub(super) fn end_if_replaced(&self, error: &RedisError) {
        let Some(own) = self.fence().filter(|_| !self.parts.state.is_fenced_out()) else { return };
        match error {
            RedisError::FencedOut { fence, owner } if is_taken_over((own, &self.parts.owner), (*fence, owner)) => {
                tracing::error!("fenced out: {owner} has taken over with fence {fence}");
            }
            RedisError::OtherInstance(_) => tracing::error!("fenced out: {error}"),
            _ => return,
        }
        self.parts.state.fence_out();
    }

    /// Notes in the data folder that another daemon has taken over, so that no later start goes on without Redis. The folder
    /// is as before once it takes the fence again.
    pub(super) fn note_replaced(&self) {
        let memory = &self.parts.fence_memory;
        // A copy of a folder must not begin to take the fence for its own. Its start needs Redis anyway.
        let Some(known) = memory.known().filter(|known| known.is_permanent && known.is_here) else { return };
        if let Err(error) = memory.keep(KnownFence { is_permanent: false, ..known }) {
            tracing::error!(
                "fenced out: the file `fence` cannot be written: {error}; do not start this data folder while Redis is away"
            );
        }
    }

    /// A separate connection.
    pub(super) fn connection(&self) -> RedisStore {
        let mut store = RedisStore::new(&self.parts.settings, &self.parts.files, &self.parts.owner);
        store.expect_instance(self.parts.instance.id);
        store
    }

    /// Notes the lease of a renewal that was sent at `asked_at`. A tenth is the margin for clocks of different speeds.
    pub(super) fn note_lease(&self, asked_at: RenewalTime) {
        if self.parts.state.rules().needs_lease {
            let lease = Duration::from_millis(self.parts.settings.lease_ms);
            self.parts.state.set_lease(asked_at, lease - lease / 10);
        }
    }
}

/// Whether the fence and the owner in Redis are those of another daemon that has replaced this one. A lower fence is none: a
/// failover has lost the acquisition, and the shipper takes the fence again where that is right. The same number with another
/// owner is another fence: Redis gave it a second time after it had lost the first one. A fence of this daemon never replaces
/// it: the shipper has taken it again, and the refused command still had the fence before.
fn is_taken_over((own, own_name): (Fence, &str), (fence, owner): (Fence, &str)) -> bool {
    own <= fence && owner != own_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::OnOutage, storage::journal::JournalId};

    #[test]
    fn only_another_daemon_takes_over() {
        for (fence, owner, is_over) in [
            (6, "other", false),
            (7, "other", true),
            (8, "other", true),
            (6, "own", false),
            (7, "own", false),
            (8, "own", false),
        ] {
            assert_eq!(is_taken_over((Fence(7), "own"), (Fence(fence), owner)), is_over, "{fence} of {owner}");
        }
    }

    fn head(fence: u64, owner: &str) -> Head {
        Head {
            format: 1,
            instance: JournalId([5; 16]),
            secret: Vec::new(),
            fence: Fence(fence),
            owner: owner.to_owned(),
            on_outage: OnOutage::Continue,
            tip: None,
            begin: None,
            snapshot: None,
            lease: None,
            is_released: false,
            batches: 0,
            keys: 0,
            erased: 0,
            renewed_ago_ms: None,
            renewed_at_ms: None,
        }
    }

    #[test]
    fn only_the_fence_of_this_folder_and_the_one_before_it_are_no_obstacle() {
        let replaced = |fence, owner: &str| Some(ReplacedOwner { fence: Fence(fence), owner: owner.to_owned() });
        let take = |fence, owner, replaced: Option<ReplacedOwner>, before| {
            KnownFence::new(FenceHolder::new(Fence(fence), owner), replaced.as_ref(), before, true)
        };
        let first = take(5, "this", replaced(4, "primary"), None);
        // A take-over takes the fence twice.
        let second = take(6, "this", replaced(5, "this"), Some(first));
        for (fence, owner, is_covered) in [
            (6, "this", true),
            (4, "primary", true),
            (6, "other", false),
            (5, "other", false),
            (4, "other", false),
            (3, "primary", false),
            (1, "other", false),
        ] {
            assert_eq!(second.covers(&head(fence, owner)), is_covered, "{fence} of {owner}");
        }
        assert!(!KnownFence { is_here: false, ..second }.covers(&head(6, "this")), "a copy of the folder");
        // Redis lost everything, and another daemon was first: its fence is not one of this folder.
        assert_eq!(take(7, "this", replaced(5, "this"), Some(second)).replaced, None);
        assert_eq!(take(7, "this", None, Some(second)).replaced, None);
    }
}
