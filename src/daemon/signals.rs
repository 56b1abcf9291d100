//! Signals of the operating system: SIGHUP reloads, SIGTERM and SIGINT stop.

use crate::{daemon::service_manager, domain::customer::audit::Author, http::AppState, scheduling::background};
use anyhow::Context;
use std::sync::Arc;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Receives a signal from now on, instead of the system's default action.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn receive(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot install a signal handler")
}

/// The signals that stop the daemon.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Receives SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn receive() -> anyhow::Result<Self> {
        Ok(Self { terminate: receive(SignalKind::terminate())?, interrupt: receive(SignalKind::interrupt())? })
    }

    /// Sets `stop` at the first signal and `force` at the second.
    pub(crate) async fn forward(mut self, stop: watch::Sender<bool>, force: watch::Sender<bool>) {
        let steps = [
            (stop, "stopping: running requests are answered first; a second signal closes their connections"),
            (force, "stopping at once: a second signal came"),
        ];
        for (step, message) in steps {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            tracing::info!("{message}");
            service_manager::notify_stopping();
            step.send_replace(true);
        }
    }
}

/// Reloads the configuration at each hangup.
pub(crate) async fn reload_on_hangup(mut hangups: Signal, daemon: Arc<AppState>) {
    while hangups.recv().await.is_some() {
        let daemon = Arc::clone(&daemon);
        // The problems of a refused configuration are logged and shown in the status.
        let _ = background::run(move || daemon.control.reload(Author::SYSTEM)).await;
    }
}

/// Waits until a flag is true. A sender that is gone counts as true.
pub(crate) async fn wait_until_true(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|is_true| *is_true).await;
}
