//! Messages to the service manager (sd_notify(3)), where the environment names its socket: the daemon is ready, reloads,
//! stops, or lives. Without such a socket nothing is sent.

use sd_notify::NotifyState;
use std::time::Duration;

/// Sends a message. A service manager that does not take it is logged, and the daemon goes on.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager takes no message ({error}); check NotifyAccess in the unit");
    }
}

/// The daemon answers requests.
pub(crate) fn notify_ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("answers requests")]);
}

/// The daemon stops.
pub(crate) fn notify_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stops")]);
}

/// A reload; when it is dropped, the daemon is ready again.
#[derive(Debug)]
pub(crate) struct ReloadNotice(());

impl ReloadNotice {
    /// The daemon begins to reload. The message has the time of the monotonic clock, by which the service manager knows that
    /// it belongs to the signal before it.
    pub(crate) fn begin() -> Self {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now, NotifyState::Status("reloads the configuration")]),
            Err(error) => tracing::warn!("the service manager is not told of a reload: no monotonic clock: {error}"),
        }
        Self(())
    }
}

impl Drop for ReloadNotice {
    fn drop(&mut self) {
        notify_ready();
    }
}

/// Sends signs of life, twice as often as the service manager demands. The task runs on the threads that answer requests: if
/// these are blocked, the signs end, and the service manager restarts the daemon.
pub(crate) async fn send_signs_of_life() {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) else { return };
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}
