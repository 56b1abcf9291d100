//! The copy in Redis, for `/metrics`, `/v1/status` and `/readyz`.

use crate::{
    config::schema::texts::SentenceText,
    replication::ShippingState,
    storage::journal::{Journal, Lsn},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// The copy in Redis, in `/v1/status`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RedisState")]
pub(crate) struct RedisDocument {
    /// The state of the copy.
    #[schemars(extend("enum" = ["shipping", "outage", "no_lease", "fenced_out"]))]
    state: &'static str,
    /// The last record that Redis has confirmed.
    shipped_lsn: u64,
    /// How many records Redis lacks.
    lag_records: u64,
    /// For how many seconds it has lacked records.
    lag_seconds: u64,
    /// The last record before the newest complete snapshot in Redis; `None`: there is none of this process.
    snapshot_lsn: Option<u64>,
    /// Since how many seconds Redis has confirmed nothing; `None`: it confirms.
    failing_seconds: Option<u64>,
    /// Why the last command failed. `null`: it did not.
    #[schemars(with = "Option<SentenceText>")]
    reason: Option<String>,
}

impl RedisDocument {
    pub(crate) fn new(shipping: &ShippingState, journal: &Journal) -> Self {
        let now = Instant::now();
        let outage = shipping.outage();
        Self {
            state: state_word(shipping, now),
            shipped_lsn: journal.shipped().0,
            lag_records: lag_records(journal),
            lag_seconds: shipping.lag(now).as_secs(),
            snapshot_lsn: Some(shipping.snapshot()).filter(|lsn| *lsn != Lsn::NONE).map(|lsn| lsn.0),
            failing_seconds: outage.as_ref().map(|outage| now.saturating_duration_since(outage.since).as_secs()),
            reason: outage.map(|outage| outage.cause),
        }
    }
}

fn state_word(shipping: &ShippingState, now: Instant) -> &'static str {
    if shipping.is_fenced_out() {
        "fenced_out"
    } else if shipping.rules().needs_lease && !shipping.holds_lease(now) {
        "no_lease"
    } else if shipping.is_outage(now) {
        "outage"
    } else {
        "shipping"
    }
}

fn lag_records(journal: &Journal) -> u64 {
    journal.last().0.saturating_sub(journal.shipped().0)
}

/// The line of `/readyz` about an outage during which the daemon continues; empty without one.
pub(crate) fn readiness_line(shipping: Option<&ShippingState>, journal: &Journal) -> String {
    let Some(shipping) = shipping else { return String::new() };
    let now = Instant::now();
    let lag = format!("lag of {} records, {} s", lag_records(journal), shipping.lag(now).as_secs());
    match shipping.is_outage(now) {
        true => format!("redis: unavailable; decisions continue from the journal; {lag}\n"),
        false => format!("redis: {lag}\n"),
    }
}

/// Sets the metrics of the copy.
pub(crate) fn update_redis_metrics(shipping: &ShippingState, journal: &Journal) {
    let now = Instant::now();
    let flag = |is_set: bool| if is_set { 1.0 } else { 0.0 };
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    metrics::gauge!("levelgate_redis_lag_records")
        .set(f64::from(u32::try_from(lag_records(journal)).unwrap_or(u32::MAX)));
    metrics::gauge!("levelgate_redis_lag_seconds").set(shipping.lag(now).as_secs_f64());
    metrics::gauge!("levelgate_redis_outage").set(flag(shipping.is_outage(now)));
    metrics::gauge!("levelgate_redis_fenced_out").set(flag(shipping.is_fenced_out()));
    metrics::counter!("levelgate_redis_batches_total").absolute(count(&shipping.counts.batches));
    metrics::counter!("levelgate_redis_bytes_total").absolute(count(&shipping.counts.bytes));
    metrics::counter!("levelgate_redis_failures_total").absolute(count(&shipping.counts.failures));
    metrics::counter!("levelgate_redis_snapshots_total").absolute(count(&shipping.counts.snapshots));
    metrics::counter!("levelgate_redis_snapshots_failed_total").absolute(count(&shipping.counts.snapshots_failed));
}
