//! Taking the fence: the checks of a start, before anything in Redis changes.

use crate::{
    config::OnOutage,
    replication::{
        boot_time::RenewalTime,
        format::{Batch, WrapError, decode_batch, random_nonce, unwrap_secret, wrap_secret},
        model::{
            answers::{Acquired, HeldLease},
            error::RedisError,
            head::{Fence, Head, Tip},
            requests::{AcquireRequest, ExpectedCopy, Replaces},
        },
        owner_watch::OwnerWatch,
        redis_store::RedisStore,
        shared::{FenceHolder, KnownFence, Shared},
    },
    storage::journal::{FollowError, Journal, JournalId, Lsn, RawRecords, ReadError},
};
use std::{
    io,
    time::{Duration, Instant},
};

/// How often the fence is tried while the stream changes.
const TRIES_MAX: u32 = 5;
/// How often it is looked whether another daemon renews its lease.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

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
    /// The stream changed each time between the comparison with the journal and the acquisition.
    #[error("another daemon appends to the stream while this one compares it with its journal; nothing was changed")]
    Moved,
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

/// Checks that Redis has a copy of this journal or none, and takes the fence. Waits for an owner whose lease a failover may
/// have lost.
///
/// # Errors
/// See [`EstablishError`]. Nothing was changed, except after [`EstablishError::Memory`].
pub(super) async fn establish(shared: &Shared, store: &mut RedisStore) -> Result<Established, EstablishError> {
    let mut watch = OwnerWatch::new(shared.parts.settings.lease_ms);
    let (mut is_logged, mut tries) = (false, 0);
    loop {
        let head = store.head().await?;
        if let Some(head) = &head {
            check_head(shared, store, head).await?;
        }
        let replaces = replaced_owner(shared, head.as_ref());
        if replaces == Replaces::Nobody
            && may_miss_lease(shared, head.as_ref())
            && let Some(rest) = watch.look(Instant::now(), store.connection(), head.as_ref())
        {
            if !is_logged {
                tracing::info!(
                    "redis: no lease is there, and a failover may have lost the lease of a daemon that still answers ({}): \
                     this daemon waits {} ms",
                    head.as_ref().map_or("Redis has no data", |head| &head.owner),
                    rest.as_millis()
                );
                is_logged = true;
            }
            tokio::time::sleep(rest.min(LOOK_INTERVAL)).await;
            continue;
        }
        if let Some(established) = acquire(shared, store, head.as_ref(), replaces).await? {
            return Ok(established);
        }
        // A record was added since the comparison. It may be one of this journal: a command that was late.
        tries += 1;
        if tries == TRIES_MAX {
            return Err(EstablishError::Moved);
        }
    }
}

/// Takes the fence if the stream still ends as `head` says. `None`: it does not, and nothing was changed.
async fn acquire(
    shared: &Shared,
    store: &mut RedisStore,
    head: Option<&Head>,
    replaces: Replaces<'_>,
) -> Result<Option<Established>, EstablishError> {
    let parts = &shared.parts;
    let known = parts.fence_memory.known();
    let secret = wrap_secret(&shared.wrapping, parts.instance.id, parts.instance.secret, random_nonce()?);
    let above = known.map_or(Fence(0), |known| known.taken.fence).max(shared.fence().unwrap_or_default());
    let request = AcquireRequest {
        secret: &secret,
        replaces,
        expected: head.map_or(ExpectedCopy::Nothing, |head| ExpectedCopy::EndsWith(head.tip)),
        above,
        on_outage: parts.settings.on_outage,
        lease_ms: parts.settings.lease_ms,
    };
    let asked_at = RenewalTime::now();
    let (fence, tip, replaced) = match store.acquire(request).await? {
        Acquired::Yes { fence, tip, replaced, .. } => (fence, tip, replaced),
        Acquired::Held(lease) => return Err(EstablishError::Held(lease)),
        Acquired::Moved(_) => return Ok(None),
    };
    let is_permanent = parts.settings.on_outage == OnOutage::Continue;
    let taken = KnownFence::new(FenceHolder::new(fence, &parts.owner), replaced.as_ref(), known, is_permanent);
    parts.fence_memory.keep(taken).map_err(EstablishError::Memory)?;
    shared.set_fence(fence);
    shared.note_lease(asked_at);
    Ok(Some(Established { fence, tip }))
}

/// The owner that this daemon replaces although it has a lease.
fn replaced_owner<'a>(shared: &Shared, head: Option<&'a Head>) -> Replaces<'a> {
    let parts = &shared.parts;
    // A person's word is for one acquisition: a daemon that takes over later must not be replaced.
    if parts.takes_over && shared.fence().is_none() {
        return Replaces::Anybody;
    }
    // The lock of the data folder excludes that the process which took this fence still runs.
    let is_own = |head: &Head| parts.fence_memory.known().is_some_and(|known| known.covers(head));
    match head {
        Some(head) if is_own(head) || is_replaced(shared, head) => {
            Replaces::Owner { fence: head.fence, owner: &head.owner }
        }
        _ => Replaces::Nobody,
    }
}

/// Whether Redis may have lost a lease on which another daemon still counts.
fn may_miss_lease(shared: &Shared, head: Option<&Head>) -> bool {
    let parts = &shared.parts;
    match head {
        Some(head) => {
            head.lease.is_none() && head.on_outage == OnOutage::Refuse && !head.is_released && head.owner != parts.owner
        }
        // A folder that never had a fence has no other daemon. While the lease of this one lasts, no other has one.
        None => {
            let may_have_other = parts.settings.on_outage == OnOutage::Refuse && parts.fence_memory.known().is_some();
            may_have_other && !parts.state.holds_lease(Instant::now())
        }
    }
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
