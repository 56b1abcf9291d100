//! What the tasks of the replication thread share, and what they need of the daemon.

use crate::{
    config,
    replication::{
        format::WrappingKey,
        model::head::{Fence, Head},
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
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The fence that this data folder took last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFence {
    /// Its number.
    pub fence: Fence,
    /// CRC-32C of the name of the process that took it. After Redis has lost a fence, another daemon may get the same number.
    pub owner: u32,
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

impl KnownFence {
    /// A fence that this process has taken.
    #[must_use]
    pub fn new(fence: Fence, owner: &str, is_permanent: bool) -> Self {
        Self { fence, owner: crc32c::crc32c(owner.as_bytes()), is_here: true, is_permanent }
    }

    /// Whether the owner in Redis is the process that took this fence, or one that it replaced.
    pub(super) fn covers(&self, head: &Head) -> bool {
        let is_same = head.fence == self.fence && crc32c::crc32c(head.owner.as_bytes()) == self.owner;
        self.is_here && (head.fence < self.fence || is_same)
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
}

impl Shared {
    pub(super) fn new(parts: ReplicationParts) -> Self {
        let wrapping = WrappingKey(parts.files.wrapping_key);
        let (fence, sent_slots) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { parts, wrapping, fence, sent_slots, confirmed: watch::Sender::new(Lsn::NONE) }
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
    pub(super) fn note_lease(&self, asked_at: Instant) {
        if self.parts.state.rules().needs_lease {
            let lease = Duration::from_millis(self.parts.settings.lease_ms);
            self.parts.state.set_lease(asked_at + lease - lease / 10);
        }
    }
}
