//! The limits that all requests share: bytes in memory, batches, downloads, connections. A request beyond a limit is
//! answered with 503 and counted.

use crate::config::Http;
use crate::http::dto::problem::Problem;
use crate::service::access::rate_limit::{LimitedBatch, RateLimit};
use crate::service::monitoring::settings::LimitUse;
use crate::service::sender_pace::{SenderPace, UploadLimits};
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body or an answer of up to this many bytes is not counted: the number of connections bounds them, and a payment is
/// never refused because of large requests of others.
pub(crate) const UNCOUNTED_BYTES_MAX: usize = 16 * 1024;
/// The most tables that are downloaded at a time; each has a thread.
const DOWNLOADS_MAX: usize = 16;

/// The limits that all requests share, and their use.
#[derive(Debug)]
pub struct Capacity {
    bytes: Arc<ByteBudget>,
    batches: Arc<Semaphore>,
    batches_max: usize,
    /// The batches of all tokens with a limit on their requests: half of all.
    limited_batches: Arc<Semaphore>,
    batch_bytes: usize,
    downloads: Arc<Semaphore>,
    /// The connections of the main listeners.
    pub(crate) connections: Arc<Semaphore>,
    connections_max: usize,
    /// The connections beyond them.
    pub(crate) overflow: Arc<Semaphore>,
    pub(crate) overflow_max: usize,
    upload_limits: UploadLimits,
}

impl Capacity {
    /// The capacity that `[http]` configures, with the numbers of connections that descriptors allow.
    #[must_use]
    pub fn new(http: &Http, connections_max: usize, overflow_max: usize) -> Self {
        Self {
            bytes: Arc::new(ByteBudget { max: http.max_inflight_bytes, used: AtomicUsize::new(0) }),
            batches: Arc::new(Semaphore::new(http.max_batches)),
            batches_max: http.max_batches,
            limited_batches: Arc::new(Semaphore::new(http.max_batches.div_ceil(2))),
            batch_bytes: http.inflight_bytes_needed(),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            connections: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            overflow: Arc::new(Semaphore::new(overflow_max)),
            overflow_max,
            upload_limits: UploadLimits {
                body_timeout: Duration::from_secs(http.body_timeout_s),
                bytes_per_s_min: http.min_upload_bytes_per_s,
            },
        }
    }

    /// The bytes of bodies and answers in memory.
    pub(crate) fn bytes(&self) -> &Arc<ByteBudget> {
        &self.bytes
    }

    /// A permit for one more batch of a token with this limit. Lines beyond the limit wait, so such a batch may last for
    /// hours: a token with a limit has at most a quarter of all batches, and all such tokens together half of them.
    ///
    /// # Errors
    /// `max_batches`, or the token's share of them, run, or too many bytes are in memory: `overloaded`.
    pub(crate) fn batch(&self, limit: Option<&RateLimit>) -> Result<BatchPermit, Problem> {
        let of_limit = |limit: &RateLimit| {
            let of_token = limit.begin_batch(self.batches_max.div_ceil(4))?;
            Some((of_token, Arc::clone(&self.limited_batches).try_acquire_owned().ok()?))
        };
        let of_limit = limit.map(|limit| {
            let permits = of_limit(limit);
            permits.ok_or_else(|| Problem::overloaded("limited_batches", "max_batches"))
        });
        let limited = of_limit.transpose()?;
        let permit = Arc::clone(&self.batches).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::overloaded("batches", "max_batches"))?;
        let bytes = self.bytes.reserve(self.batch_bytes)?;
        Ok(BatchPermit { _permit: permit, _limited: limited, _bytes: bytes })
    }

    /// A permit for one more download of a table.
    ///
    /// # Errors
    /// As many downloads run as may: `overloaded`.
    pub(crate) fn download(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.downloads).try_acquire_owned().map_err(|_| Problem::overloaded_by_downloads(DOWNLOADS_MAX))
    }

    /// The time limit of one line of a batch.
    pub(crate) fn line_pace(&self) -> SenderPace {
        SenderPace::of_line(self.upload_limits.body_timeout)
    }

    /// The time limits of an uploaded table.
    #[must_use]
    pub fn upload_limits(&self) -> UploadLimits {
        self.upload_limits
    }

    /// The permits of downloads, for the pages of the console.
    #[must_use]
    pub fn downloads(&self) -> Arc<Semaphore> {
        Arc::clone(&self.downloads)
    }

    /// The limits and their use.
    pub(crate) fn limits(&self) -> [LimitUse; 3] {
        let limit = |limit, used: usize, max: usize| LimitUse { limit, used: used as u64, max: max as u64 };
        [
            limit(
                "connections",
                self.connections_max.saturating_sub(self.connections.available_permits()),
                self.connections_max,
            ),
            limit("batches", self.batches_max.saturating_sub(self.batches.available_permits()), self.batches_max),
            limit("inflight_bytes", self.bytes.used.load(Ordering::Relaxed), self.bytes.max),
        ]
    }

    /// Sets the gauges of the limits and their use.
    pub fn update_gauges(&self) {
        let set = |name: &'static str, value: usize| {
            metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
        };
        set("levelgate_connections", self.connections_max.saturating_sub(self.connections.available_permits()));
        set("levelgate_connections_max", self.connections_max);
        set("levelgate_batches", self.batches_max.saturating_sub(self.batches.available_permits()));
        set("levelgate_batches_max", self.batches_max);
        set("levelgate_inflight_bytes", self.bytes.used.load(Ordering::Relaxed));
        set("levelgate_inflight_bytes_max", self.bytes.max);
    }
}

/// A permit for a batch, with the bytes that it may have in memory.
#[derive(Debug)]
pub(crate) struct BatchPermit {
    _permit: OwnedSemaphorePermit,
    /// Of a token with a limit.
    _limited: Option<(LimitedBatch, OwnedSemaphorePermit)>,
    _bytes: ReservedBytes,
}

/// A bound on the bytes in memory.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    max: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// Reserves bytes until the reservation is dropped.
    ///
    /// # Errors
    /// Too many bytes are in memory: `overloaded`.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<ReservedBytes, Problem> {
        let reserved = self.take(bytes);
        // On an error the drop of `reserved` releases the bytes.
        if self.used.load(Ordering::Relaxed) > self.max && bytes > 0 {
            return Err(Problem::overloaded("bytes", "max_inflight_bytes"));
        }
        Ok(reserved)
    }

    /// Reserves bytes even beyond the bound: for an answer that must not be withheld.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> ReservedBytes {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        ReservedBytes { budget: Arc::clone(self), bytes }
    }
}

/// Reserved bytes of a budget, released when dropped.
#[derive(Debug)]
pub(crate) struct ReservedBytes {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ReservedBytes {
    /// Reserves further bytes.
    ///
    /// # Errors
    /// Too many bytes are in memory: `overloaded`.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let mut more = self.budget.reserve(bytes)?;
        self.bytes += std::mem::take(&mut more.bytes);
        Ok(())
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes with a guard.
struct GuardedBytes<B, G> {
    bytes: B,
    _guard: G,
}

impl<B: AsRef<[u8]>, G> AsRef<[u8]> for GuardedBytes<B, G> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The same bytes with a guard that is dropped with their last copy: when they are written to the socket.
pub(crate) fn guard_bytes<B, G>(bytes: B, guard: G) -> Bytes
where
    B: AsRef<[u8]> + Send + 'static,
    G: Send + 'static,
{
    Bytes::from_owner(GuardedBytes { bytes, _guard: guard })
}

/// An answer of a known length whose bytes are counted until they are written to the socket.
pub(crate) struct CountedAnswer {
    body: Body,
    reserved: Arc<ReservedBytes>,
}

impl CountedAnswer {
    pub(crate) fn new(body: Body, reserved: ReservedBytes) -> Self {
        Self { body, reserved: Arc::new(reserved) }
    }
}

impl HttpBody for CountedAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let reserved = &self.reserved;
            frame.map(|frame| frame.map_data(|bytes| guard_bytes(bytes, Arc::clone(reserved))))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
