//! Taking the fence: the checks of a start, before anything in Redis changes.

use crate::{
    config::OnOutage,
    replication::{
        format::{Batch, WrapError, decode_batch, random_nonce, unwrap_secret, wrap_secret},
        model::{
            answers::{Acquired, HeldLease},
            error::RedisError,
            head::{Fence, Head, Tip},
            requests::AcquireRequest,
        },
        redis_store::RedisStore,
        shared::{KnownFence, Shared},
    },
    storage::journal::{FollowError, Journal, JournalId, Lsn, RawRecords, ReadError},
};
use std::{io, time::Instant};

/// The fence was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Established {
    /// The fence.
    pub(super) fence: Fence,
    /// The last record of the stream, which the local journal has; `None`: the stream has none.
    pub(super) tip: Option<Tip>,
}

/// Why the fence was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EstablishError {
    /// Redis does not answer, or refuses the command.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The copy belongs to another instance.
    #[error(
        "Redis has the data of another instance ({found}), and this data folder is instance {local}; name another `prefix` \
         or another server, or restore into an empty folder with `levelgate serve --restore`"
    )]
    OtherInstance {
        /// The instance in Redis.
        found: JournalId,
        /// The instance of the data folder.
        local: JournalId,
    },
    /// The wrapped secret does not open.
    #[error("the digest secret in Redis: {0}")]
    Secret(#[from] WrapError),
    /// The wrapped secret is another one.
    #[error(
        "the digest secret in Redis is not that of the data folder, although the instance is the same; nothing was changed"
    )]
    OtherSecret,
    /// The stream ends with a record that the local journal does not have.
    #[error(
        "Redis has record {} of epoch {}, which this data folder does not have; {}; another daemon continued from there, or \
         this folder is an older copy; nothing was changed; to continue with what Redis has, restore into an empty folder \
         with `levelgate serve --restore`; to give up what Redis has, run `levelgate redis discard INSTANCE` and start again",
        .tip.lsn, .tip.epoch, CommonWords(*.common)
    )]
    NotLocal {
        /// The last record of the stream.
        tip: Tip,
        /// The last record that both have; `None`: they have none in common.
        common: Option<Lsn>,
    },
    /// Another daemon has a lease.
    #[error(
        "another daemon has the lease: {}, fence {}{}; stop it, or, if it is certain that it does not run any more, start \
         with `levelgate serve --take-over`",
        .0.owner, .0.fence, Expiry(.0.expires_in_ms)
    )]
    Held(HeldLease),
    /// The fence could not be kept in the data folder.
    #[error("the file `fence` cannot be written: {0}")]
    Memory(io::Error),
    /// The local journal cannot be read.
    #[error("the journal cannot be compared with Redis: {0}")]
    Journal(#[from] ReadError),
    /// The local journal does not have the records that the stream needs.
    #[error("the journal cannot be shipped: {0}")]
    Follow(#[from] FollowError),
}

struct CommonWords(Option<Lsn>);

impl std::fmt::Display for CommonWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(common) => write!(f, "the last record that both have is {common}"),
            None => f.write_str("they have no record in common that Redis still has"),
        }
    }
}

struct Expiry(Option<u64>);

impl std::fmt::Display for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(ms) => write!(f, ", which expires in {ms} ms unless it is renewed"),
            None => f.write_str(", which never expires"),
        }
    }
}

/// Checks that Redis has a copy of this journal or none, and takes the fence.
///
/// # Errors
/// See [`EstablishError`]. Nothing was changed, except after [`EstablishError::Memory`].
pub(super) async fn establish(shared: &Shared, store: &mut RedisStore) -> Result<Established, EstablishError> {
    let parts = &shared.parts;
    let head = store.head().await?;
    if let Some(head) = &head {
        check_head(shared, store, head).await?;
    }
    let known = parts.fence_memory.known();
    // The lock of the data folder excludes that the process which took this fence still runs.
    let is_own = |head: &Head| known.is_some_and(|known| known.covers(head));
    let secret = wrap_secret(&shared.wrapping, parts.instance.id, parts.instance.secret, random_nonce()?);
    let above = known.map_or(Fence(0), |known| known.fence).max(shared.fence().unwrap_or_default());
    let request = AcquireRequest {
        secret: &secret,
        // A person's word is for one acquisition: a daemon that takes over later must not be replaced.
        forced: (parts.takes_over && shared.fence().is_none())
            || head.as_ref().is_some_and(|head| is_own(head) || is_replaced(shared, head)),
        above,
        on_outage: parts.settings.on_outage,
        lease_ms: parts.settings.lease_ms,
    };
    let asked_at = Instant::now();
    let (fence, tip) = match store.acquire(request).await? {
        Acquired::Yes { fence, tip, .. } => (fence, tip),
        Acquired::Held(lease) => return Err(EstablishError::Held(lease)),
    };
    // Another daemon may have appended between the two commands.
    if let Some(tip) = tip
        && !has_record(&parts.journal, tip)?
    {
        let common = last_common(&parts.journal, parts.instance.id, store).await?;
        return Err(EstablishError::NotLocal { tip, common });
    }
    let is_permanent = parts.settings.on_outage == OnOutage::Continue;
    let taken = KnownFence::new(fence, &parts.owner, is_permanent);
    parts.fence_memory.keep(taken).map_err(EstablishError::Memory)?;
    shared.set_fence(fence);
    shared.note_lease(asked_at);
    Ok(Established { fence, tip })
}

/// Whether a person restored the folder, and the owner's lease never expires but its heartbeat is old.
fn is_replaced(shared: &Shared, head: &Head) -> bool {
    let parts = &shared.parts;
    let is_permanent = head.lease.is_some_and(|lease| lease.expires_in_ms.is_none());
    let is_silent = head.renewed_ago_ms.is_some_and(|age| age > parts.settings.lease_ms);
    let is_replaced = shared.fence().is_none() && parts.fence_memory.is_restored() && is_permanent && is_silent;
    if is_replaced {
        tracing::warn!(
            "redis: the fence of the former primary is taken ({}, which last renewed its lease {} ms ago); it may still \
             decide if it lives and is only cut off from Redis: see that it is stopped",
            head.owner,
            head.renewed_ago_ms.unwrap_or_default()
        );
    }
    is_replaced
}

async fn check_head(shared: &Shared, store: &mut RedisStore, head: &Head) -> Result<(), EstablishError> {
    let parts = &shared.parts;
    let local = parts.instance.id;
    if head.instance != local {
        return Err(EstablishError::OtherInstance { found: head.instance, local });
    }
    if unwrap_secret(&shared.wrapping, local, &head.secret)? != parts.instance.secret {
        return Err(EstablishError::OtherSecret);
    }
    match head.tip {
        Some(tip) if !has_record(&parts.journal, tip)? => {
            let common = last_common(&parts.journal, local, store).await?;
            Err(EstablishError::NotLocal { tip, common })
        }
        _ => Ok(()),
    }
}

/// Whether the local journal has a record.
pub(super) fn has_record(journal: &Journal, tip: Tip) -> Result<bool, ReadError> {
    let mark = journal.record_mark(tip.lsn)?;
    Ok(mark.is_some_and(|mark| (mark.epoch, mark.crc, mark.end) == (tip.epoch, tip.crc, tip.end)))
}

/// The last record that the stream and the local journal have in common, by the ends of batches. The batches before a
/// common record are common too, so the search halves its range with each read.
pub(super) async fn last_common(
    journal: &Journal,
    instance: JournalId,
    store: &mut RedisStore,
) -> Result<Option<Lsn>, EstablishError> {
    let page = store.read_stream(Lsn::NONE, 1, 1).await?;
    let (Some(begin), Some(tip)) = (page.begin, page.tip) else { return Ok(None) };
    let (mut common, mut low, mut high) = (None, begin.0.saturating_sub(1), tip.lsn.0);
    while low < high {
        let middle = low + (high - low) / 2;
        // The first batch that ends after `middle`.
        let page = store.read_stream(Lsn(middle), 1, 1).await?;
        let Some(entry) = page.entries.first() else { break };
        let mark = decode_batch(instance, &entry.frame).ok().map(|batch| last_of(&batch));
        if mark.is_some_and(|mark| has_record(journal, mark).unwrap_or(false)) {
            common = Some(entry.last);
            low = entry.last.0;
        } else {
            high = middle;
        }
    }
    Ok(common)
}

/// The last record of a batch.
fn last_of(batch: &Batch<'_>) -> Tip {
    let records = RawRecords::of(batch.epoch, (batch.first, batch.last), batch.begin, batch.bytes.to_vec());
    Tip { lsn: batch.last, epoch: batch.epoch, crc: records.last_crc, end: batch.end() }
}
