//! The thread of a standby: it follows the stream until it takes over, is stopped, or cannot go on.

use crate::{
    config::{OnOutage, Redis, RedisFiles, Settings},
    daemon::{
        control::ControlledParts,
        data_folder::CopiedParts,
        redis_copy::RedisCopy,
        standby::{
            follower::{Follower, StandbyError},
            lease_watch::{LeaseWatch, SeenLease},
            take_over::{TakeOverError, TakeOverOrder, TakeOverParts},
        },
        take_over_calls::{TakeOverCall, TakeOverReceiver},
    },
    replication::{
        CopyEraser, Fence, Head, RedisStore, ShippingState, StandbyState, StreamError, StreamRead, StreamReader,
        format::WrappingKey,
    },
    service::{error::ServiceError, payments::PaymentService},
    storage::journal::Lsn,
};
use anyhow::Context;
use std::{
    sync::{Arc, OnceLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// The pause after a read that found nothing new.
const POLL_PAUSE: Duration = Duration::from_millis(10);
/// The pause after a read that failed. The connection adds its own, which grows.
const FAILURE_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two reads of the head, which tell of erased keys.
const HEAD_INTERVAL: Duration = Duration::from_secs(1);
/// While reads fail or a take-over is not possible, one line is logged for each such time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The parts of a standby.
pub(crate) struct StandbyParts {
    pub(crate) settings: Settings,
    pub(crate) redis: (Redis, RedisFiles),
    pub(crate) copied: CopiedParts,
    pub(crate) payments: Arc<PaymentService>,
    pub(crate) control: Arc<ControlledParts>,
    pub(crate) state: Arc<StandbyState>,
    pub(crate) shipping: Arc<ShippingState>,
    pub(crate) calls: TakeOverReceiver,
    /// This process.
    pub(crate) owner: String,
    /// Whether it takes over as soon as it has the whole stream.
    pub(crate) takes_over: bool,
    /// Receives the eraser of the copy at the take-over.
    pub(crate) eraser: Arc<OnceLock<CopyEraser>>,
}

/// The running thread.
pub(crate) struct StandbyThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Option<RedisCopy>>,
}

impl StandbyThread {
    /// Starts to follow.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(parts: StandbyParts) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the thread of the standby")?;
        let builder = std::thread::Builder::new().name("standby".to_owned());
        let run = move || {
            let (state, eraser) = (Arc::clone(&parts.state), Arc::clone(&parts.eraser));
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = follow(parts) => ended,
                    _ = stopped => Ok(None),
                }
            });
            match ended {
                Ok(copy) => {
                    // It is set once: a daemon takes over once.
                    copy.iter().for_each(|copy| _ = eraser.set(copy.eraser()));
                    copy
                }
                Err(cause) => {
                    tracing::error!("standby: following has ended, and the daemon stops: {cause:#}");
                    state.fail(format!("the standby cannot go on: {cause:#}"));
                    None
                }
            }
        };
        let thread = builder.spawn(run).context("cannot start the thread of the standby")?;
        Ok(Self { stop, thread })
    }

    /// Ends following. Blocks. Returns the copy in Redis if the standby has taken over.
    pub(crate) fn stop(self) -> Option<RedisCopy> {
        // A thread that has taken over or failed has ended.
        let _ = self.stop.send(());
        self.thread.join().ok().flatten()
    }
}

/// What a standby knows between two reads.
struct Watch {
    lease: LeaseWatch,
    head: Option<(Instant, Head)>,
    /// The erased keys in Redis that are erased here.
    erased: Option<u64>,
    logged: Option<Instant>,
    has_followed: bool,
    /// The highest fence that was seen.
    highest_fence: Fence,
}

impl Watch {
    fn is_logged(&mut self) -> bool {
        let is_due = self.logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
        if is_due {
            self.logged = Some(Instant::now());
        }
        is_due
    }
}

async fn follow(parts: StandbyParts) -> anyhow::Result<Option<RedisCopy>> {
    let StandbyParts { settings, redis: (redis, files), copied, payments, control, state, shipping, .. } = parts;
    let TakeOverReceiver(mut calls) = parts.calls;
    let store = RedisStore::new(&redis, &files, &parts.owner);
    let journal = Arc::clone(&copied.journal);
    let mut reader = StreamReader::new(store, copied.instance, WrappingKey(files.wrapping_key), &journal)?;
    let mut follower = Follower::new(copied, payments, control, Arc::clone(&state));
    let mut watch = Watch {
        lease: LeaseWatch::new(redis.lease_ms),
        head: None,
        erased: None,
        logged: None,
        has_followed: false,
        highest_fence: Fence(0),
    };
    let take_over = TakeOverParts { settings, redis, files, shipping, owner: parts.owner };
    let mut takes_over = parts.takes_over;
    loop {
        let began = Instant::now();
        let read = match read(&mut follower, &mut reader, &mut watch).await {
            Ok(read) => read,
            Err(StandbyError::Stream(error)) if error.is_outage() => {
                note_outage(&state, &mut watch, &error);
                refuse_call(&mut calls, &error);
                tokio::time::sleep(FAILURE_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let tip = read.tip.map_or(Lsn::NONE, |tip| tip.lsn);
        let is_up_to_date = tip <= reader.last();
        state.note_read(began, tip, reader.last().min(tip));
        let call = calls.try_recv().ok();
        watch.highest_fence = watch.highest_fence.max(read.fence);
        let is_free = watch.lease.is_free(began, &SeenLease::of(&read));
        let on_outage = watch.head.as_ref().map(|(_, head)| head.on_outage);
        let by_itself = is_free && is_up_to_date && on_outage == Some(OnOutage::Refuse);
        if call.is_some() || by_itself || (takes_over && is_up_to_date) {
            let forced = call.is_some() || takes_over;
            if let Some(seen_at) = watch.lease.seen_at().filter(|_| !forced) {
                tracing::info!("standby: no lease is there; one was seen {} ms ago", seen_at.elapsed().as_millis());
            }
            let order = TakeOverOrder { forced, highest_fence: watch.highest_fence, tip: read.tip };
            match follower.take_over(&mut reader, &take_over, order).await {
                Ok((copy, report)) => {
                    // The caller may have given up.
                    call.iter().for_each(|call| _ = call.try_send(Ok(report)));
                    return Ok(Some(copy));
                }
                Err(TakeOverError::NotNow(cause)) => {
                    let error = ServiceError::take_over_failed(cause.clone());
                    call.iter().for_each(|call| _ = call.try_send(Err(error.clone())));
                    if watch.is_logged() {
                        tracing::warn!("standby: a take-over is not possible now: {cause}");
                    }
                    takes_over &= call.is_none();
                }
                Err(TakeOverError::Failed(cause)) => {
                    let error = ServiceError::take_over_failed(format!("{cause:#}"));
                    call.iter().for_each(|call| _ = call.try_send(Err(error.clone())));
                    return Err(cause);
                }
            }
        }
        if read.batches.is_empty() {
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }
}

/// Reads and applies what is new.
async fn read(
    follower: &mut Follower,
    reader: &mut StreamReader,
    watch: &mut Watch,
) -> Result<StreamRead, StandbyError> {
    if watch.head.as_ref().is_none_or(|(at, _)| at.elapsed() >= HEAD_INTERVAL) {
        let head = reader.head().await?;
        if watch.erased != Some(head.erased) {
            let erased = reader.erased_keys().await?;
            follower.erase_keys(&erased)?;
            watch.erased = Some(head.erased);
        }
        if !watch.has_followed {
            tracing::info!(
                "standby: following {}; the stream ends with record {}, and this daemon has records up to {}",
                head.owner,
                head.tip.map_or(Lsn::NONE, |tip| tip.lsn),
                reader.last()
            );
            watch.has_followed = true;
        }
        watch.head = Some((Instant::now(), head));
    }
    let journal = Arc::clone(&follower.parts.journal);
    let read = reader.read(&journal).await?;
    for batch in &read.batches {
        follower.apply(batch, reader).await?;
    }
    if follower.state.failure().is_some() {
        tracing::info!("standby: Redis answers again");
        watch.logged = None;
    }
    Ok(read)
}

fn note_outage(state: &StandbyState, watch: &mut Watch, error: &StreamError) {
    watch.head = None;
    state.note_failure(error.to_string());
    if watch.is_logged() {
        tracing::warn!("standby: the stream cannot be read: {error}; reads are answered, and the lag grows");
    }
}

/// A person cannot take over while Redis does not answer.
fn refuse_call(calls: &mut mpsc::Receiver<TakeOverCall>, error: &StreamError) {
    if let Ok(call) = calls.try_recv() {
        // The caller may have given up.
        let _ = call.try_send(Err(ServiceError::take_over_failed(error.to_string())));
    }
}
