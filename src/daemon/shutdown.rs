//! The snapshot at the end of a clean stop, which spares the next start the replay of the journal. It delays the stop by
//! at most `stop_snapshot_s`, and a second signal skips it.

use crate::daemon::maintenance::MaintenanceThread;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// How long an abandoned snapshot may take to remove its partial file.
const ABANDON_MAX: Duration = Duration::from_secs(5);

/// Writes a snapshot within `duration_max`; zero: no snapshot. It is skipped once `is_forced` is true. A failure does not
/// fail the stop: the journal has all records.
pub(crate) async fn last_snapshot(
    maintenance: &Arc<MaintenanceThread>,
    duration_max: Duration,
    mut is_forced: watch::Receiver<bool>,
) {
    if duration_max.is_zero() {
        return;
    }
    let is_cancelled = Arc::new(AtomicBool::new(false));
    let (result_sender, mut result) = oneshot::channel();
    let (maintenance, cancelled) = (Arc::clone(maintenance), Arc::clone(&is_cancelled));
    let began = Instant::now();
    // Not a thread of the runtime: the process waits for the runtime's threads when it ends, and must not wait for this.
    let thread = std::thread::Builder::new().name("last-snapshot".to_owned()).spawn(move || {
        // If the receiver is gone, the process is ending.
        let _sent = result_sender.send(maintenance.last_snapshot(&|| cancelled.load(Ordering::Acquire)));
    });
    if let Err(error) = thread {
        tracing::warn!(
            "no snapshot at the stop: no thread can be started: {error}; the next start replays the journal"
        );
        return;
    }
    let reason = tokio::select! {
        biased;
        _ = is_forced.wait_for(|forced| *forced) => "a second signal came".to_owned(),
        outcome = &mut result => {
            match outcome {
                Ok(Some(Ok(snapshot))) => {
                    let milliseconds = began.elapsed().as_millis();
                    tracing::info!("snapshot at the stop: up to record {}, {milliseconds} ms", snapshot.true_up_to);
                }
                Ok(Some(Err(error))) => {
                    tracing::warn!("no snapshot at the stop; the next start replays the journal: {error:#}");
                }
                Ok(None) => tracing::info!("no snapshot at the stop: nothing was recorded since the last one"),
                Err(_) => tracing::error!("the snapshot at the stop panicked; the next start replays the journal"),
            }
            return;
        }
        () = tokio::time::sleep(duration_max) => {
            format!("it took longer than stop_snapshot_s, {} s", duration_max.as_secs())
        }
    };
    is_cancelled.store(true, Ordering::Release);
    tracing::warn!("the snapshot at the stop is abandoned: {reason}; the next start replays the journal");
    if tokio::time::timeout(ABANDON_MAX, result).await.is_err() {
        tracing::warn!("the disk does not answer; the next start removes the partial snapshot");
    }
}
