//! The copy in Redis, for `/metrics` and `/readyz`.

use crate::{replication::ShippingState, service::monitoring::lag_records, storage::journal::Journal};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

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
