//! Whether the daemon stops, as a connection watches it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::sync::watch;

/// The stop of the daemon, for the task of one connection. Watching costs one atomic load a poll: the task's waker is
/// registered once, and not at each poll under the lock that all connections share.
pub(crate) struct StopSignal {
    stop: watch::Receiver<bool>,
    is_set: bool,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    registered: Option<Waker>,
}

impl StopSignal {
    pub(crate) fn new(stop: &watch::Receiver<bool>) -> Self {
        let (stop, mut waits) = (stop.clone(), stop.clone());
        let is_set = *stop.borrow();
        // An error means that the sender is gone, which is a stop as well.
        let waiting = Box::pin(async move { _ = waits.wait_for(|stop| *stop).await });
        Self { stop, is_set, waiting, registered: None }
    }

    /// Whether the daemon stops.
    pub(crate) fn is_set(&self) -> bool {
        // The value changes once, from `false` to `true`.
        self.is_set || (self.stop.has_changed().unwrap_or(true) && *self.stop.borrow())
    }

    /// Waits until the daemon stops.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_set {
            return Poll::Ready(());
        }
        let is_registered = self.registered.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if is_registered && !self.stop.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        self.registered = Some(context.waker().clone());
        self.is_set = self.waiting.as_mut().poll(context).is_ready();
        if self.is_set { Poll::Ready(()) } else { Poll::Pending }
    }
}
