//! Taking over: the fence, the rest of the stream, a new epoch, and the services of a primary.

use crate::{
    config::{OnOutage, Redis, RedisFiles, Settings},
    daemon::{
        redis_copy::{CopyStart, RedisCopy, keep_fence, known_fence},
        standby::follower::{Follower, StandbyError},
    },
    replication::{
        AcquireRequest, Acquired, EstablishError, ExpectedCopy, Fence, FenceHolder, KnownFence, RedisError, Replaces,
        ShippingState, StreamReader, Tip,
        format::{WrappingKey, random_nonce, wrap_secret},
    },
    service::daemon_status::TakeOverReport,
    storage::journal::Lsn,
    telemetry::traces::Span,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The pause after a command that Redis did not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What a take-over needs besides the follower.
pub(super) struct TakeOverParts {
    pub(super) settings: Settings,
    pub(super) redis: Redis,
    pub(super) files: RedisFiles,
    pub(super) shipping: Arc<ShippingState>,
    pub(super) owner: String,
}

/// How a standby takes over.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakeOverOrder {
    /// Whether another daemon may have a lease.
    pub(super) forced: bool,
    /// The highest fence that this standby has seen. A failover may have lost it, and its owner may live.
    pub(super) highest_fence: Fence,
    /// The last record of the stream, as this standby has read it.
    pub(super) tip: Option<Tip>,
}

/// The fence above which a standby takes its own: each one that it knows of.
fn fence_above(known: Option<KnownFence>, in_redis: Fence, highest: Fence) -> Fence {
    known.map_or(in_redis, |known| known.taken.fence.max(in_redis)).max(highest)
}

/// Why a standby has not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeOverError {
    /// Nothing was changed: the daemon is still a standby.
    #[error("{0}")]
    NotNow(String),
    /// The fence is taken, and the daemon cannot be a primary.
    #[error("the take-over failed: {0:#}")]
    Failed(anyhow::Error),
}

impl From<StandbyError> for TakeOverError {
    fn from(error: StandbyError) -> Self {
        Self::Failed(error.into())
    }
}

fn not_now(error: &dyn std::fmt::Display) -> TakeOverError {
    TakeOverError::NotNow(error.to_string())
}

impl Follower {
    /// Takes over.
    ///
    /// # Errors
    /// See [`TakeOverError`].
    pub(super) async fn take_over(
        &mut self,
        reader: &mut StreamReader,
        parts: &TakeOverParts,
        order: TakeOverOrder,
    ) -> Result<(RedisCopy, TakeOverReport), TakeOverError> {
        let span = Span::begin("take_over");
        let taken = self.take_over_in_steps(reader, parts, order).await;
        span.note(&taken);
        taken
    }

    async fn take_over_in_steps(
        &mut self,
        reader: &mut StreamReader,
        parts: &TakeOverParts,
        order: TakeOverOrder,
    ) -> Result<(RedisCopy, TakeOverReport), TakeOverError> {
        let began = Instant::now();
        self.control.reloader.check_overrides().map_err(|error| not_now(&error))?;
        let fence = self.acquire(reader, parts, order).await?;
        let acquired = began.elapsed();
        let last = self.read_to_tip(reader, parts, fence).await?;
        let read = began.elapsed();
        let copy = self.become_primary(parts).map_err(TakeOverError::Failed)?;
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            "standby: this daemon has taken over after record {last}, and answers writes: {milliseconds} ms, of which the \
             fence took {} ms and the rest of the stream {} ms",
            acquired.as_millis(),
            read.saturating_sub(acquired).as_millis()
        );
        Ok((copy, TakeOverReport { fence: fence.0, last_lsn: last.0, milliseconds }))
    }

    async fn acquire(
        &self,
        reader: &mut StreamReader,
        parts: &TakeOverParts,
        TakeOverOrder { forced, highest_fence, tip }: TakeOverOrder,
    ) -> Result<Fence, TakeOverError> {
        let head = reader.head().await.map_err(|error| not_now(&error))?;
        let known = known_fence(&self.parts).map_err(|error| not_now(&error))?;
        let instance = self.parts.instance;
        let nonce = random_nonce().map_err(|error| not_now(&error))?;
        let secret = wrap_secret(&WrappingKey(parts.files.wrapping_key), instance.id, instance.secret, nonce);
        let request = AcquireRequest {
            secret: &secret,
            replaces: if forced { Replaces::Anybody } else { Replaces::Nobody },
            // While a daemon appends, only a person's word replaces it.
            expected: if forced { ExpectedCopy::Any } else { ExpectedCopy::EndsWith(tip) },
            above: fence_above(known, head.fence, highest_fence),
            on_outage: parts.redis.on_outage,
            lease_ms: parts.redis.lease_ms,
        };
        tracing::warn!("standby: taking over from {}, which had fence {}", head.owner, head.fence);
        match reader.store().acquire(request).await {
            Ok(Acquired::Yes { fence, replaced, .. }) => {
                let is_permanent = parts.redis.on_outage == OnOutage::Continue;
                let holder = FenceHolder::new(fence, &parts.owner);
                let taken = KnownFence::new(holder, replaced.as_ref(), known, is_permanent);
                keep_fence(&self.parts, taken).map_err(TakeOverError::Failed)?;
                Ok(fence)
            }
            Ok(Acquired::Held(held)) => Err(not_now(&EstablishError::Held(held))),
            Ok(Acquired::Moved(_)) => Err(not_now(&EstablishError::Moved)),
            Err(error) => Err(not_now(&error)),
        }
    }

    /// Applies the rest of the stream, to which no other daemon appends any more. Returns its last record.
    async fn read_to_tip(
        &mut self,
        reader: &mut StreamReader,
        parts: &TakeOverParts,
        fence: Fence,
    ) -> Result<Lsn, TakeOverError> {
        let lease_ms = (parts.redis.on_outage == OnOutage::Refuse).then_some(parts.redis.lease_ms);
        let mut renewed_at = Instant::now();
        loop {
            if renewed_at.elapsed() >= Duration::from_millis(parts.redis.renew_ms) {
                match reader.store().renew(fence, lease_ms).await {
                    Ok(()) => renewed_at = Instant::now(),
                    Err(error @ RedisError::FencedOut { .. }) => return Err(TakeOverError::Failed(error.into())),
                    Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
                }
            }
            let journal = Arc::clone(&self.parts.journal);
            match reader.read(&journal).await {
                Ok(read) => {
                    for batch in &read.batches {
                        self.apply(batch, reader).await?;
                    }
                    if read.tip.is_none_or(|tip| tip.lsn <= reader.last()) {
                        break;
                    }
                }
                Err(error) if error.is_outage() => {
                    self.state.note_failure(error.to_string());
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error) => return Err(TakeOverError::Failed(error.into())),
            }
        }
        // A customer who was erased a moment ago is erased here too.
        loop {
            match reader.erased_keys().await {
                Ok(erased) => {
                    self.erase_keys(&erased)?;
                    return Ok(reader.last());
                }
                Err(error) if error.is_outage() => tokio::time::sleep(RETRY_PAUSE).await,
                Err(error) => return Err(TakeOverError::Failed(error.into())),
            }
        }
    }

    /// Makes the services those of a primary. Writes are answered on return.
    fn become_primary(&self, parts: &TakeOverParts) -> anyhow::Result<RedisCopy> {
        let (payments, journal) = (&self.payments, &self.parts.journal);
        payments.ledger.end_replication();
        journal.begin_epoch()?;
        // A start compares the clock of the machine with the newest record in the same way.
        if let Some(newest) = self.newest_time().filter(|newest| *newest > payments.clock.wall()) {
            payments.clock.resume(Some(newest));
        }
        let start = CopyStart { state: Arc::clone(&parts.shipping), owner: parts.owner.clone(), takes_over: false };
        let redis = (&parts.redis, parts.files.clone());
        let mut copy = RedisCopy::start(&parts.settings, redis, self.parts.clone(), start)?;
        self.control.reloader.begin_recording()?;
        copy.proceed(payments);
        self.state.take_over();
        Ok(copy)
    }
}
