//! The replication thread. Its runtime runs the shipper, the lease, the snapshots and the erasures.

use crate::{
    replication::{
        establish::{EstablishError, last_common},
        lease::keep_lease,
        model::{error::RedisError, requests::ErasedKey},
        redis_store::RedisStore,
        shared::{ReplicationParts, Shared},
        shipper::{Shipper, ShipperEnd},
        shipping_state::ShippingState,
        snapshot_sender::send_snapshots,
    },
    storage::journal::Lsn,
};
use std::{
    io,
    sync::{Arc, mpsc as blocking_mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How long blocking threads may take to end once replication has ended.
const THREADS_END_MAX: Duration = Duration::from_secs(1);

/// Keys to erase in Redis, and where the outcome goes.
struct Erasure {
    keys: Vec<ErasedKey>,
    done: blocking_mpsc::SyncSender<Result<(), RedisError>>,
}

/// The request that ends replication.
struct StopRequest {
    /// How long it may take to ship the rest.
    ship_max: Duration,
}

/// How replication has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationEnd {
    /// Redis has every record, and the lease is released.
    Shipped,
    /// Redis does not have the records after this one.
    Incomplete(Lsn),
    /// Redis has the stream, and no snapshot of the records before it.
    NoSnapshot,
    /// Another daemon has taken over. Redis does not have the records after this one.
    FencedOut(Lsn),
}

/// Erases keys in Redis.
#[derive(Clone)]
pub struct CopyEraser {
    erasures: mpsc::Sender<Erasure>,
    wait_max: Duration,
}

impl CopyEraser {
    /// Erases keys in Redis, and waits until it has confirmed. Blocks the thread.
    ///
    /// # Errors
    /// Redis did not confirm. Repeating the call is safe.
    pub fn erase(&self, keys: Vec<ErasedKey>) -> Result<(), RedisError> {
        let (done, outcome) = blocking_mpsc::sync_channel(1);
        let ended = || RedisError::Unreachable("replication has ended".to_owned());
        self.erasures.blocking_send(Erasure { keys, done }).map_err(|_| ended())?;
        let ms = u64::try_from(self.wait_max.as_millis()).unwrap_or(u64::MAX);
        outcome.recv_timeout(self.wait_max).map_err(|_| RedisError::TimedOut { what: "an erasure", ms })?
    }
}

/// The running thread.
pub struct ReplicationThread {
    state: Arc<ShippingState>,
    proceed: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<StopRequest>>,
    eraser: CopyEraser,
    thread: JoinHandle<ReplicationEnd>,
}

impl ReplicationThread {
    /// Starts the thread, which tries once to take the fence. Returns the outcome of that. Nothing is shipped before
    /// [`ReplicationThread::proceed`]. Blocks the thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(parts: ReplicationParts) -> io::Result<(Self, Result<(), EstablishError>)> {
        let state = Arc::clone(&parts.state);
        let wait_max = state.rules().outage_after;
        let (proceed, may_proceed) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (erasures, to_erase) = mpsc::channel(1);
        let (first, first_outcome) = blocking_mpsc::sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(parts));
        let connections = Connections {
            shipper: shared.connection(),
            lease: shared.connection(),
            snapshots: shared.connection(),
            erasures: shared.connection(),
        };
        let thread = std::thread::Builder::new().name("replication".to_owned()).spawn(move || {
            let _ends = EndNotice(Arc::clone(&shared.parts.state));
            let receivers = Receivers { may_proceed, stopped, to_erase, first };
            let end = runtime.block_on(run(&shared, connections, receivers));
            runtime.shutdown_timeout(THREADS_END_MAX);
            end
        })?;
        let ended = || io::Error::other("the thread of replication has ended");
        let outcome = first_outcome.recv().map_err(|_| ended())?;
        let eraser = CopyEraser { erasures, wait_max };
        Ok((Self { state, proceed: Some(proceed), stop: Some(stop), eraser, thread }, outcome))
    }

    /// Begins to ship. Without a fence, it first goes on trying to take it.
    pub fn proceed(&mut self) {
        if let Some(proceed) = self.proceed.take() {
            // A thread that has ended is noticed by its state.
            let _ = proceed.send(());
        }
    }

    /// The state for the threads that answer requests.
    #[must_use]
    pub fn state(&self) -> &Arc<ShippingState> {
        &self.state
    }

    /// Erases keys in Redis.
    #[must_use]
    pub fn eraser(&self) -> CopyEraser {
        self.eraser.clone()
    }

    /// Ships the rest within `ship_max`, releases the lease and ends the thread. Blocks. `None`: the thread panicked.
    #[must_use]
    pub fn stop(mut self, ship_max: Duration) -> Option<ReplicationEnd> {
        if let Some(stop) = self.stop.take() {
            // A thread that was fenced out has ended.
            let _ = stop.send(StopRequest { ship_max });
        }
        drop(self.proceed);
        self.thread.join().ok()
    }
}

/// Notes that the thread has ended. After a panic nothing notices another daemon that takes over, so this one answers
/// nothing more and stops.
struct EndNotice(Arc<ShippingState>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("fenced out: the thread that sends to Redis has panicked; start the daemon again");
            self.0.fence_out();
        }
        self.0.note_end();
    }
}

struct Connections {
    shipper: RedisStore,
    lease: RedisStore,
    snapshots: RedisStore,
    erasures: RedisStore,
}

struct Receivers {
    may_proceed: oneshot::Receiver<()>,
    stopped: oneshot::Receiver<StopRequest>,
    to_erase: mpsc::Receiver<Erasure>,
    first: blocking_mpsc::SyncSender<Result<(), EstablishError>>,
}

async fn run(shared: &Arc<Shared>, connections: Connections, receivers: Receivers) -> ReplicationEnd {
    let journal = &shared.parts.journal;
    let state = &shared.parts.state;
    let Connections { shipper, lease, snapshots, erasures } = connections;
    let Receivers { may_proceed, mut stopped, to_erase, first } = receivers;
    let mut shipper = Shipper::new(Arc::clone(shared), shipper);
    let outcome = shipper.establish().await;
    if let Err(EstablishError::NotLocal { .. } | EstablishError::Held(_)) = &outcome {
        shared.note_replaced();
    }
    if first.send(outcome).is_err() || may_proceed.await.is_err() {
        return ReplicationEnd::Incomplete(shared.confirmed());
    }
    let mut release = lease.separate();
    let stop = {
        let mut shipping = std::pin::pin!(shipper.run());
        let mut others = std::pin::pin!(async {
            tokio::join!(
                keep_lease(shared, lease),
                send_snapshots(Arc::clone(shared), snapshots),
                erase_keys(shared, erasures, to_erase),
                state.watch_deadlines(),
            )
        });
        let end = tokio::select! {
            end = &mut shipping => Some(end),
            _ = &mut others => None,
            () = state.when_fenced_out() => Some(ShipperEnd::FencedOut),
            stop = &mut stopped => match stop {
                Err(_) => None,
                Ok(StopRequest { ship_max }) => {
                    let last = journal.last();
                    tokio::select! {
                        end = &mut shipping => Some(end),
                        _ = &mut others => None,
                        () = state.when_fenced_out() => Some(ShipperEnd::FencedOut),
                        _ = tokio::time::timeout(ship_max, shared.when_restorable(last)) => None,
                    }
                }
            },
        };
        end
    };
    match stop {
        Some(ShipperEnd::FencedOut) => {
            state.fence_out();
            shared.note_replaced();
            ReplicationEnd::FencedOut(last_in_redis(shared, &mut release).await)
        }
        Some(ShipperEnd::JournalFailed) => ReplicationEnd::Incomplete(shared.confirmed()),
        None => {
            let has_all = shared.confirmed() >= journal.last();
            let is_complete = has_all && shared.is_whole();
            state.end_lease();
            if let (true, Some(fence)) = (is_complete, shared.fence())
                && let Err(error) = release.release(fence).await
            {
                tracing::warn!("redis: the lease could not be released; a standby waits until it expires: {error}");
            }
            match (is_complete, has_all) {
                (true, _) => ReplicationEnd::Shipped,
                (false, true) => ReplicationEnd::NoSnapshot,
                (false, false) => ReplicationEnd::Incomplete(shared.confirmed()),
            }
        }
    }
}

/// The last record of this daemon from which the other one continued. A failover may have lost records that Redis had
/// confirmed, so Redis is asked; if it does not answer, it is the last confirmed record.
async fn last_in_redis(shared: &Shared, store: &mut RedisStore) -> Lsn {
    let parts = &shared.parts;
    let asking = last_common(&parts.journal, parts.instance.id, store);
    match tokio::time::timeout(parts.state.rules().outage_after, asking).await {
        Ok(Ok(Some(common))) => common,
        _ => shared.confirmed(),
    }
}

/// Erases keys in Redis, one request after another.
async fn erase_keys(shared: &Shared, mut store: RedisStore, mut erasures: mpsc::Receiver<Erasure>) {
    while let Some(Erasure { keys, done }) = erasures.recv().await {
        let outcome = match shared.fence() {
            Some(fence) => {
                let erased = store.erase_keys(fence, &keys).await;
                erased.as_ref().err().into_iter().for_each(|error| shared.end_if_replaced(error));
                erased
            }
            None => Err(RedisError::Unreachable("this daemon has no fence yet".to_owned())),
        };
        // The caller has stopped waiting; it tries again.
        let _ = done.try_send(outcome);
    }
    std::future::pending::<()>().await;
}
