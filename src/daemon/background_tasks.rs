//! Tasks of the runtime that run next to the requests: gauges, erasure of due customers, unfinished jobs.

use crate::{
    daemon::{redis_copy::erase_in_redis, reload::name_table::NameTableMonitor},
    http::AppState,
    ledger::EraseError,
    replication::CopyEraser,
    scheduling::background,
    service::jobs::resume::resume_unfinished,
    storage::keys::Keys,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The pause between two updates of the gauges.
const GAUGES_INTERVAL: Duration = Duration::from_secs(5);
/// The pause between two samples of the attempts at gates.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two attempts to read the time.
const TIME_RETRY: Duration = Duration::from_secs(1);
/// The most customers that one call erases.
const ERASED_MAX: usize = 1_000;

/// Updates the gauges every few seconds, keeps histograms small even if no client reads the metrics, and erases due
/// customers. `eraser` is empty without `[redis]`, and on a standby until it takes over.
pub(crate) async fn run_periodic(daemon: Arc<AppState>, eraser: Arc<OnceLock<CopyEraser>>) {
    let mut ticks = tokio::time::interval(GAUGES_INTERVAL);
    let mut names = NameTableMonitor::default();
    loop {
        ticks.tick().await;
        names.update();
        daemon.prometheus.run_upkeep();
        // The primary erases, and a standby follows.
        if daemon.payments.gate.standby().is_none() {
            erase_due_customers(&daemon, eraser.get()).await;
        }
        update_gauges(&daemon);
    }
}

/// Gives the attempts at gates to the seconds in which they were made, for the counts over time.
pub(crate) async fn sample_attempts(daemon: Arc<AppState>) {
    let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
    // A late sample does not bring the next ones forward.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let daemon = Arc::clone(&daemon);
        let sampling = background::run(move || daemon.payments.sample_attempts());
        // The runtime's hook logs a panic.
        let _ = sampling.await;
    }
}

fn update_gauges(daemon: &AppState) {
    let ledger = &daemon.payments.ledger;
    let journal = ledger.journal();
    let unsynced = journal.last().0.saturating_sub(journal.synced().0);
    metrics::gauge!("levelgate_transactions_held")
        .set(f64::from(u32::try_from(ledger.transactions_len()).unwrap_or(u32::MAX)));
    metrics::gauge!("levelgate_customers").set(f64::from(u32::try_from(ledger.customers_len()).unwrap_or(u32::MAX)));
    metrics::gauge!("levelgate_journal_records_unsynced").set(f64::from(u32::try_from(unsynced).unwrap_or(u32::MAX)));
    metrics::counter!("levelgate_journal_slow_writes_total").absolute(journal.slow_writes());
    metrics::counter!("levelgate_journal_rotations_total").absolute(journal.rotations());
    metrics::counter!("levelgate_journal_rotations_postponed_total").absolute(journal.rotations_postponed());
    metrics::gauge!("levelgate_journal_oldest_unwritten_seconds").set(journal.oldest_unwritten().as_secs_f64());
    metrics::counter!("levelgate_attributes_unsealed_total").absolute(ledger.unsealed_count());
    metrics::counter!("levelgate_levels_turned_away_total").absolute(ledger.levels_rejected());
}

/// Finishes the jobs that the last process left, as soon as the clock returns a time.
pub(crate) async fn finish_jobs(daemon: Arc<AppState>) {
    if let Some(standby) = daemon.payments.gate.standby() {
        standby.when_primary().await;
    }
    let now = loop {
        match daemon.payments.time() {
            Ok(now) => break now,
            Err(_) => tokio::time::sleep(TIME_RETRY).await,
        }
    };
    let finishing = background::run(move || {
        let payments = &daemon.payments;
        resume_unfinished(&daemon.jobs, &payments.ledger, &payments.rules.load(), now);
    });
    // The runtime's hook logs a panic.
    let _ = finishing.await;
}

/// Erases the attributes of customers whose deletion grace period is over.
async fn erase_due_customers(daemon: &Arc<AppState>, eraser: Option<&CopyEraser>) {
    let (daemon, eraser) = (Arc::clone(daemon), eraser.cloned());
    let erasing = background::run(move || {
        // Without an accepted clock no customer is erased. `now` also logs whether the clock is accepted.
        let Ok(now) = daemon.payments.clock.now(None) else { return };
        let erase_copies = |keys: &Keys, customer| match &eraser {
            None => Ok(()),
            Some(eraser) => {
                erase_in_redis(eraser, keys, customer).map_err(|error| EraseError::Copies(error.to_string()))
            }
        };
        let rules = daemon.payments.rules.load();
        match daemon.payments.ledger.erase_due_everywhere(&rules, now, ERASED_MAX, &erase_copies) {
            Ok(0) => {}
            Ok(erased) => tracing::info!("the personal attributes of {erased} customers were erased"),
            Err(EraseError::Copies(error)) => {
                tracing::warn!("the key of an erased customer is still in Redis; it is tried again: {error}");
            }
            Err(error) => tracing::error!("the key of a customer could not be erased; it is tried again: {error}"),
        }
    });
    // The runtime's hook logs a panic.
    let _ = erasing.await;
}
