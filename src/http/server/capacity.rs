//! What callers may use at a time: bytes in memory, batches, downloads, connections. Beyond a limit the caller gets 503
//! and a metric moves.

use crate::config::Http;
use crate::http::dto::problem::Problem;
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
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
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// A body or an answer of up to this many bytes is not counted: it is bounded by the number of connections, and a payment
/// is never refused because others send or read much.
pub(crate) const UNCOUNTED_BYTES_MAX: usize = 16 * 1024;
/// Tables on their way out at a time; each has a thread.
const DOWNLOADS_MAX: usize = 16;

/// The limits that all requests share, and what is used of them.
#[derive(Debug)]
pub struct Capacity {
    bytes: Arc<ByteBudget>,
    batches: Arc<Semaphore>,
    batches_max: usize,
    batch_bytes: usize,
    downloads: Arc<Semaphore>,
    /// The places of the main listeners.
    pub(crate) connections: Arc<Semaphore>,
    connections_max: usize,
    /// The places of those who come when all places are taken.
    pub(crate) overflow: Arc<Semaphore>,
    pub(crate) overflow_max: usize,
    body_timeout: Duration,
    upload_bytes_per_s_min: u64,
}

impl Capacity {
    /// The capacity that `[http]` describes, with as many connections, and connections beyond them, as descriptors allow.
    #[must_use]
    pub fn new(http: &Http, connections_max: usize, overflow_max: usize) -> Self {
        Self {
            bytes: Arc::new(ByteBudget { max: http.max_inflight_bytes, used: AtomicUsize::new(0) }),
            batches: Arc::new(Semaphore::new(http.max_batches)),
            batches_max: http.max_batches,
            batch_bytes: http.inflight_bytes_needed(),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            connections: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            overflow: Arc::new(Semaphore::new(overflow_max)),
            overflow_max,
            body_timeout: Duration::from_secs(http.body_timeout_s),
            upload_bytes_per_s_min: http.min_upload_bytes_per_s,
        }
    }

    /// The bytes that bodies and answers may have in memory.
    pub(crate) fn bytes(&self) -> &Arc<ByteBudget> {
        &self.bytes
    }

    /// A place for one more batch.
    ///
    /// # Errors
    /// As many run as may, or too many bytes are in memory: `overloaded`.
    pub(crate) fn batch(&self) -> Result<BatchPlace, Problem> {
        let place = Arc::clone(&self.batches).try_acquire_owned();
        let place = place.map_err(|_| Problem::overloaded("batches", "max_batches"))?;
        let bytes = self.bytes.reserve(self.batch_bytes)?;
        Ok(BatchPlace { _place: place, _bytes: bytes })
    }

    /// A place for one more table on its way out.
    ///
    /// # Errors
    /// As many are on their way as may: `overloaded`.
    pub(crate) fn download(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.downloads).try_acquire_owned().map_err(|_| Problem::overloaded_by_downloads(DOWNLOADS_MAX))
    }

    /// The time that the sender of a line of a batch has.
    pub(crate) fn line_pace(&self) -> Pace {
        Pace { left: self.body_timeout, most: self.body_timeout, bytes_per_s: None }
    }

    /// The time that the sender of a table has.
    pub(crate) fn upload_pace(&self) -> Pace {
        let bytes_per_s = Some(self.upload_bytes_per_s_min.max(1));
        Pace { left: self.body_timeout, most: self.body_timeout, bytes_per_s }
    }

    /// Shows what is used, and of how much.
    pub fn show(&self) {
        let show = |name: &'static str, value: usize| {
            metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
        };
        show("levelgate_connections", self.connections_max.saturating_sub(self.connections.available_permits()));
        show("levelgate_connections_max", self.connections_max);
        show("levelgate_batches", self.batches_max.saturating_sub(self.batches.available_permits()));
        show("levelgate_batches_max", self.batches_max);
        show("levelgate_inflight_bytes", self.bytes.used.load(Ordering::Relaxed));
        show("levelgate_inflight_bytes_max", self.bytes.max);
    }
}

/// The place of a batch, with the bytes that it may have in memory.
#[derive(Debug)]
pub(crate) struct BatchPlace {
    _place: OwnedSemaphorePermit,
    _bytes: ReservedBytes,
}

/// Bytes that may be in memory at a time.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    max: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// Takes bytes until the reservation is dropped.
    ///
    /// # Errors
    /// Too many bytes are in memory: `overloaded`.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<ReservedBytes, Problem> {
        let reserved = self.take(bytes);
        // What did not fit is given back by the drop.
        if self.used.load(Ordering::Relaxed) > self.max && bytes > 0 {
            return Err(Problem::overloaded("bytes", "max_inflight_bytes"));
        }
        Ok(reserved)
    }

    /// Takes bytes whether or not there is room: for an answer that must not be withheld.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> ReservedBytes {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        ReservedBytes { budget: Arc::clone(self), bytes }
    }
}

/// Bytes of a budget, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedBytes {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ReservedBytes {
    /// Takes further bytes.
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

/// Bytes, and what is given back when nobody holds them any more.
struct HeldBytes<B, G> {
    bytes: B,
    _guard: G,
}

impl<B: AsRef<[u8]>, G> AsRef<[u8]> for HeldBytes<B, G> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The same bytes with a guard that is dropped with the last copy of them: when they are written to the socket.
pub(crate) fn hold_bytes<B, G>(bytes: B, guard: G) -> Bytes
where
    B: AsRef<[u8]> + Send + 'static,
    G: Send + 'static,
{
    Bytes::from_owner(HeldBytes { bytes, _guard: guard })
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
            frame.map(|frame| frame.map_data(|bytes| hold_bytes(bytes, Arc::clone(reserved))))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How much time a caller who streams has left. Only the time in which the daemon waits for the caller counts.
#[derive(Debug)]
pub(crate) struct Pace {
    left: Duration,
    most: Duration,
    /// Bytes that earn another second.
    bytes_per_s: Option<u64>,
}

impl Pace {
    /// The next frame of a body; `is_patient` waits for as long as the connection lasts.
    ///
    /// # Errors
    /// The caller's time is over: `request_too_slow`.
    pub(crate) async fn next(
        &mut self,
        body: &mut Body,
        is_patient: bool,
    ) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, Problem> {
        if is_patient {
            return Ok(body.frame().await);
        }
        let asked = Instant::now();
        let frame = timeout(self.left, body.frame()).await.map_err(|_| {
            metrics::counter!("levelgate_requests_too_slow_total", "part" => "stream").increment(1);
            Problem::too_slow("body")
        })?;
        self.left = self.left.saturating_sub(asked.elapsed());
        if let (Some(bytes_per_s), Some(Ok(frame))) = (self.bytes_per_s, &frame) {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            let earned = Duration::from_millis(bytes.saturating_mul(1_000) / bytes_per_s);
            self.left = self.left.saturating_add(earned).min(self.most);
        }
        Ok(frame)
    }

    /// Gives the caller all the time again.
    pub(crate) fn restart(&mut self) {
        self.left = self.most;
    }
}
