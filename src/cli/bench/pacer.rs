//! Releases the requests of an open loop when they are due.
//!
//! A timer of the kernel (`timerfd`) fires once for each request. The timers of the runtime have a resolution of a
//! millisecond, which is more than the latency that is measured.

use anyhow::Context;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    os::fd::OwnedFd,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};
use tokio::io::unix::AsyncFd;

/// The shortest interval of the timer. Requests that are due at shorter intervals are released together.
const INTERVAL_MIN: Duration = Duration::from_micros(10);

/// Which requests are due.
#[derive(Debug)]
pub(super) struct Pacer {
    start: Instant,
    rate: u64,
    /// The number of requests that are due.
    released: Cell<u64>,
    /// The connections that wait, by their number.
    waiting: RefCell<Vec<Option<(u64, Waker)>>>,
    timer: AsyncFd<OwnedFd>,
}

impl Pacer {
    /// The pacer of this many requests a second. Call it on the runtime that will use it.
    ///
    /// # Errors
    /// The kernel has no timer.
    pub(super) fn new(start: Instant, rate: u64, connections: usize) -> anyhow::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .context("the kernel has no timer")?;
        #[allow(deprecated, reason = "its successor is unsafe; an owned descriptor stays open as long as both need it")]
        let timer = AsyncFd::new(timer)?;
        let waiting = RefCell::new(vec![None; connections]);
        Ok(Self { start, rate: rate.max(1), released: Cell::new(0), waiting, timer })
    }

    /// When a request is due.
    pub(super) fn due(&self, request: u64) -> Instant {
        let ns = u128::from(request) * 1_000_000_000 / u128::from(self.rate);
        self.start + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Waits until a request of a connection is due.
    pub(super) async fn wait_for(&self, request: u64, connection: usize) {
        poll_fn(|context| {
            if request < self.released.get() {
                return Poll::Ready(());
            }
            if let Some(waiting) = self.waiting.borrow_mut().get_mut(connection) {
                *waiting = Some((request, context.waker().clone()));
            }
            Poll::Pending
        })
        .await;
    }

    /// Releases requests until the task is aborted.
    pub(super) async fn run(self: Rc<Self>, interval: Duration) -> anyhow::Result<()> {
        let interval = timespec(interval.max(INTERVAL_MIN));
        let first = self.start.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let times = Itimerspec { it_interval: interval, it_value: timespec(first) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times).context("the timer cannot be set")?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
            if let Ok(read) = read {
                read.context("the timer cannot be read")?;
            }
            self.release(Instant::now());
        }
    }

    fn release(&self, now: Instant) {
        if now < self.start {
            return;
        }
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let due = u64::try_from(elapsed * u128::from(self.rate) / 1_000_000_000).unwrap_or(u64::MAX).saturating_add(1);
        let mut waiting = self.waiting.borrow_mut();
        let (from, connections) = (self.released.replace(due), waiting.len() as u64);
        // Each connection waits for one request at a time.
        for request in (from..due).take(waiting.len()) {
            let place = usize::try_from(request % connections).unwrap_or_default();
            if let Some(place) = waiting.get_mut(place)
                && place.as_ref().is_some_and(|(request, _)| *request < due)
                && let Some((_, waker)) = place.take()
            {
                waker.wake();
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
