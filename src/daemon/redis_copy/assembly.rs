//! Starting and stopping the copy in Redis.

use crate::{
    clock::{Clock, Source},
    config::{self, Ack, OnOutage, Settings, StoreKind},
    daemon::{
        data_folder::CopiedParts,
        redis_copy::{fence_file::FenceFile, snapshots::RedisSnapshots, unshipped::report_unshipped},
    },
    replication::{
        CopyEraser, EstablishError, FenceMemory, KnownFence, ReplicationEnd, ReplicationParts, ReplicationThread,
        ShippingRules, ShippingState,
    },
    service::payments::PaymentService,
    storage::{fs::Store, journal::Journal},
};
use anyhow::Context;
use std::{sync::Arc, time::Duration};

/// At a stop, the rest of the journal is shipped within this time.
const SHIP_AT_STOP_MAX: Duration = Duration::from_secs(10);

/// Which answers wait for Redis, by the settings.
fn shipping_rules(settings: &config::Redis, store: StoreKind) -> ShippingRules {
    ShippingRules {
        waits_for_redis: settings.ack != Ack::Local,
        needs_lease: settings.on_outage == OnOutage::Refuse,
        // Without a disk there is no other copy.
        continues_without: settings.on_outage == OnOutage::Continue && store == StoreKind::Disk,
        outage_after: Duration::from_millis(settings.timeouts.total_ms),
    }
}

/// What the copy in Redis adds to what the daemon promises, in words.
pub(crate) fn redis_durability(redis: &config::Redis, store: StoreKind) -> String {
    let rules = shipping_rules(redis, store);
    let acknowledged = match redis.ack {
        Ack::Local => "Redis gets a copy later (ack = \"local\")".to_owned(),
        Ack::Redis => "an answer leaves after Redis has confirmed its records (ack = \"redis\")".to_owned(),
        Ack::Replicas(count) => {
            format!(
                "an answer leaves after Redis and {count} of its replicas have confirmed its records (ack = \"redis+{count}\")"
            )
        }
    };
    let outage = match (rules.continues_without, rules.needs_lease) {
        (true, _) => "while Redis is away, answers leave without it (on_outage = \"continue\")",
        (false, true) => "while Redis is away, writes are refused (on_outage = \"refuse\")",
        (false, false) => "while Redis is away, writes are refused, because there is no other copy (kind = \"memory\")",
    };
    format!("{acknowledged}; {outage}")
}

/// How the copy starts.
pub(crate) struct CopyStart {
    /// The state that the gate of the answers reads.
    pub(crate) state: Arc<ShippingState>,
    /// This process.
    pub(crate) owner: String,
    /// Whether this daemon replaces another one that has the lease.
    pub(crate) takes_over: bool,
}

/// The copy in Redis of a running daemon.
pub(crate) struct RedisCopy {
    thread: ReplicationThread,
    snapshots: Arc<RedisSnapshots>,
    journal: Arc<Journal>,
    store: Arc<dyn Store>,
}

impl RedisCopy {
    /// The state of shipping before the start.
    pub(crate) fn new_state(redis: &config::Redis, store: StoreKind) -> Arc<ShippingState> {
        Arc::new(ShippingState::new(shipping_rules(redis, store)))
    }

    /// Takes the fence, or finds out why that is not possible. Nothing is shipped before [`RedisCopy::proceed`].
    ///
    /// # Errors
    /// The start is refused: Redis has another instance, records that the journal does not have, or the lease of another
    /// daemon; or Redis does not answer and this daemon cannot know whether another one has taken over.
    pub(crate) fn start(
        settings: &Settings,
        (redis, files): (&config::Redis, config::RedisFiles),
        parts: CopiedParts,
        CopyStart { state, owner, takes_over }: CopyStart,
    ) -> anyhow::Result<Self> {
        let snapshots = Arc::new(RedisSnapshots::new(&parts, settings.memory.retention_days));
        // A store in memory keeps it until its process ends.
        let fence_memory: Arc<dyn FenceMemory> =
            Arc::new(FenceFile::open(Arc::clone(&parts.store), parts.instance.id)?);
        let known = fence_memory.known();
        let CopiedParts { store, instance, journal, keys, .. } = parts;
        let replication = ReplicationParts {
            journal: Arc::clone(&journal),
            keys,
            instance,
            settings: redis.clone(),
            files,
            state,
            owner,
            takes_over,
            fence_memory,
            snapshots: Arc::clone(&snapshots) as _,
        };
        let (thread, established) = ReplicationThread::start(replication).context("[redis]")?;
        match established.err() {
            None => {}
            Some(EstablishError::Redis(error)) if error.is_outage() => match redis.on_outage {
                OnOutage::Refuse => tracing::warn!(
                    "redis: {error}; the daemon answers no write until it has the lease, and is not ready"
                ),
                OnOutage::Continue => {
                    anyhow::ensure!(
                        known.is_some_and(|known| known.is_permanent && known.is_here)
                            && settings.store.kind == StoreKind::Disk,
                        "[redis] {error}; this data folder has no file `fence` of on_outage = \"continue\", so the daemon \
                         cannot know whether another one has taken over; start it when Redis answers"
                    );
                    tracing::warn!(
                        "redis: {error}; the daemon starts without it (on_outage = \"continue\"): this data folder had the \
                         newest fence, and another daemon can have taken over only by --take-over"
                    );
                }
            },
            Some(error @ EstablishError::Held(_)) if redis.on_outage == OnOutage::Refuse => {
                tracing::warn!("redis: {error}; the daemon waits until that lease expires, and is not ready");
            }
            Some(error) => anyhow::bail!("[redis] {error}"),
        }
        Ok(Self { thread, snapshots, journal, store })
    }

    /// The state for the threads that answer requests.
    pub(crate) fn state(&self) -> &Arc<ShippingState> {
        self.thread.state()
    }

    /// Erases keys in Redis.
    pub(crate) fn eraser(&self) -> CopyEraser {
        self.thread.eraser()
    }

    /// Begins to ship, with the snapshots of this state.
    pub(crate) fn proceed(&mut self, payments: &Arc<PaymentService>) {
        // It is set once: the daemon proceeds once.
        let _ = self.snapshots.payments.set(Arc::clone(payments));
        self.thread.proceed();
    }

    /// Ships the rest and releases the lease. Blocks. Returns whether another daemon has taken over.
    pub(crate) fn stop(self) -> bool {
        match self.thread.stop(SHIP_AT_STOP_MAX) {
            Some(ReplicationEnd::Shipped) => {
                tracing::info!("redis: every record is in Redis, and the lease is released");
                false
            }
            Some(ReplicationEnd::Incomplete(shipped)) => {
                tracing::warn!(
                    "redis: the daemon stops, and Redis lacks records {} to {}; the next start ships them",
                    shipped.0.saturating_add(1),
                    self.journal.last()
                );
                false
            }
            Some(ReplicationEnd::NoSnapshot) => {
                tracing::warn!(
                    "redis: the daemon stops, and Redis has no snapshot of the records before the stream: no folder can be \
                     restored from it; the next start sends one"
                );
                false
            }
            Some(ReplicationEnd::FencedOut(shipped)) => {
                report_unshipped(&self.journal, Some(&*self.store), shipped);
                true
            }
            None => {
                tracing::error!("redis: the thread of replication panicked; the next start ships the rest");
                false
            }
        }
    }
}

/// Notes a fence in the data folder.
///
/// # Errors
/// The file `fence` cannot be read or written.
pub(crate) fn keep_fence(parts: &CopiedParts, fence: KnownFence) -> anyhow::Result<()> {
    FenceFile::open(Arc::clone(&parts.store), parts.instance.id)?.keep(fence).context("the file `fence`")
}

/// The fence that the data folder had last.
///
/// # Errors
/// The file `fence` cannot be read.
pub(crate) fn known_fence(parts: &CopiedParts) -> anyhow::Result<Option<KnownFence>> {
    Ok(FenceFile::open(Arc::clone(&parts.store), parts.instance.id)?.known())
}

/// This process, for operators who look at the lease.
pub(crate) fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown host",
        host => host,
    };
    let started = Clock::new(Source::System).wall();
    format!("{host}, process {}, started {started}", std::process::id())
}
