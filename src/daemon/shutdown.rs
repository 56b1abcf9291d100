//! The end of a clean stop: a snapshot, so that the next start reads no journal. It never delays a stop beyond its time,
//! and a second signal skips it.

use crate::daemon::maintenance::MaintenanceThread;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// How long a snapshot that is abandoned may take to remove its partial file.
const ABANDON_MAX: Duration = Duration::from_secs(5);

/// Takes a snapshot within a time; zero: none. It is skipped once `hurried` is on. Nothing that goes wrong here fails the stop: the journal has everything.
pub(crate) async fn last_snapshot(
    keeper: &Arc<MaintenanceThread>,
    within: Duration,
    mut hurried: watch::Receiver<bool>,
) {
    if within.is_zero() {
        return;
    }
    let is_cancelled = Arc::new(AtomicBool::new(false));
    let (done, mut written) = oneshot::channel();
    let (keeper, cancelled) = (Arc::clone(keeper), Arc::clone(&is_cancelled));
    let began = Instant::now();
    // A thread of its own: the end of the process waits for the runtime's threads, and is not to wait for this one.
    let thread = std::thread::Builder::new().name("last-snapshot".to_owned()).spawn(move || {
        // If nobody waits any more, the process ends.
        let _heard = done.send(keeper.last_snapshot(&|| cancelled.load(Ordering::Acquire)));
    });
    if let Err(error) = thread {
        tracing::warn!("no snapshot at the stop, because no thread can be started: {error}");
        return;
    }
    let why = tokio::select! {
        biased;
        _ = hurried.wait_for(|hurried| *hurried) => "a second signal came".to_owned(),
        outcome = &mut written => {
            match outcome {
                Ok(Some(Ok(taken))) => {
                    tracing::info!("snapshot at the stop: up to record {}, {} ms", taken.true_up_to, began.elapsed().as_millis());
                }
                Ok(Some(Err(error))) => {
                    tracing::warn!("no snapshot at the stop; the next start replays the journal: {error:#}");
                }
                Ok(None) => tracing::info!("no snapshot at the stop: nothing was recorded since the last one"),
                Err(_) => tracing::error!("the snapshot at the stop panicked; the next start replays the journal"),
            }
            return;
        }
        () = tokio::time::sleep(within) => format!("it took longer than stop_snapshot_s, {} s", within.as_secs()),
    };
    is_cancelled.store(true, Ordering::Release);
    tracing::warn!("the snapshot at the stop is abandoned: {why}; the next start replays the journal");
    if tokio::time::timeout(ABANDON_MAX, written).await.is_err() {
        tracing::warn!("the disk does not answer; the next start removes the partial snapshot");
    }
}
