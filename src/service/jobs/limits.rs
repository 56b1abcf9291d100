//! The limits of jobs: how many are active, in all and of one merchant, and how many bytes uploads occupy.
//!
//! An upload counts for its merchant from its first byte on. It takes a slot only when its body is complete, so a caller
//! that stops sending blocks no other merchant.

use crate::{domain::vocabulary::names::Name, service::error::ServiceError};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

/// The most jobs that are active at a time; each has a slot.
const ACTIVE_MAX: usize = 8;
/// The most uploads that arrive or wait for a slot.
const ARRIVING_MAX: usize = 32;
/// The most uploads and bulk changes of one merchant that arrive, wait or are active.
const JOBS_PER_MERCHANT_MAX: usize = 4;
/// How long an upload that has arrived waits for a slot.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(60);

/// The most bytes of one table.
pub(crate) const TABLE_BYTES_MAX: u64 = 1 << 30;
/// The most bytes that uploads occupy until their jobs end, of one merchant and in all.
const BYTES_PER_MERCHANT_MAX: u64 = TABLE_BYTES_MAX;
const BYTES_MAX: u64 = 4 * TABLE_BYTES_MAX;

/// The limits and what counts in them.
pub(crate) struct JobLimits {
    usage: Mutex<LimitUsage>,
    slots: Arc<Semaphore>,
}

#[derive(Default)]
struct LimitUsage {
    arriving: usize,
    bytes: u64,
    /// Only merchants with jobs.
    merchants: HashMap<Name, MerchantUsage>,
}

#[derive(Default)]
struct MerchantUsage {
    jobs: usize,
    bytes: u64,
}

/// A job that counts in the limits until the permit is dropped.
pub(crate) struct JobPermit {
    limits: Arc<JobLimits>,
    merchant: Name,
    is_arriving: bool,
    bytes: u64,
    slot: Option<OwnedSemaphorePermit>,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self { usage: Mutex::default(), slots: Arc::new(Semaphore::new(ACTIVE_MAX)) }
    }
}

fn limit_reached(detail: String) -> ServiceError {
    metrics::counter!("levelgate_jobs_turned_away_total").increment(1);
    ServiceError::too_many_jobs(detail)
}

impl JobLimits {
    /// Admits an upload that begins to arrive.
    pub(crate) fn arrive(self: &Arc<Self>, merchant: Name) -> Result<JobPermit, ServiceError> {
        self.enter(merchant, true)
    }

    /// Admits a job whose body has arrived already, and gives it a slot.
    pub(crate) fn work_at_once(self: &Arc<Self>, merchant: Name) -> Result<JobPermit, ServiceError> {
        let mut permit = self.enter(merchant, false)?;
        permit.slot = Some(Arc::clone(&self.slots).try_acquire_owned().map_err(|_| no_slot())?);
        Ok(permit)
    }

    fn enter(self: &Arc<Self>, merchant: Name, is_arriving: bool) -> Result<JobPermit, ServiceError> {
        let mut usage = self.usage.lock();
        if is_arriving && usage.arriving >= ARRIVING_MAX {
            return Err(limit_reached(format!("{ARRIVING_MAX} uploads arrive or wait, the most in all")));
        }
        let jobs = usage.merchants.get(&merchant).map_or(0, |merchant_usage| merchant_usage.jobs);
        if jobs >= JOBS_PER_MERCHANT_MAX {
            return Err(limit_reached(format!(
                "merchant {merchant} has {jobs} jobs under way, the most of one merchant"
            )));
        }
        usage.merchants.entry(merchant).or_default().jobs += 1;
        usage.arriving += usize::from(is_arriving);
        Ok(JobPermit { limits: Arc::clone(self), merchant, is_arriving, bytes: 0, slot: None })
    }
}

fn no_slot() -> ServiceError {
    limit_reached(format!("{ACTIVE_MAX} jobs are under way, the most in all"))
}

impl JobPermit {
    /// Counts more bytes of the upload.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), ServiceError> {
        let too_many = |whose: &str, most: u64| {
            limit_reached(format!("the uploads under way {whose} hold {} MiB, the most there may be", most >> 20))
        };
        if self.bytes.saturating_add(bytes) > TABLE_BYTES_MAX {
            return Err(ServiceError::table_too_large(TABLE_BYTES_MAX));
        }
        let mut usage = self.limits.usage.lock();
        let all = usage.bytes.saturating_add(bytes);
        let merchant_usage = usage.merchants.entry(self.merchant).or_default();
        let of_merchant = merchant_usage.bytes.saturating_add(bytes);
        if of_merchant > BYTES_PER_MERCHANT_MAX {
            return Err(too_many(&format!("of merchant {}", self.merchant), BYTES_PER_MERCHANT_MAX));
        }
        if all > BYTES_MAX {
            return Err(too_many("in all", BYTES_MAX));
        }
        merchant_usage.bytes = of_merchant;
        usage.bytes = all;
        self.bytes += bytes;
        show_bytes(all);
        Ok(())
    }

    /// Waits for a slot, for a bounded time and not longer than until the daemon stops.
    pub(crate) async fn work(&mut self, mut stopping: watch::Receiver<bool>) -> Result<(), ServiceError> {
        let slot = tokio::select! {
            slot = timeout(SLOT_WAIT_MAX, Arc::clone(&self.limits.slots).acquire_owned()) => slot,
            _ = stopping.wait_for(|stop| *stop) => return Err(no_slot()),
        };
        self.slot = Some(slot.map_err(|_| no_slot())?.map_err(|_| no_slot())?);
        self.arrived();
        Ok(())
    }

    fn arrived(&mut self) {
        if std::mem::take(&mut self.is_arriving) {
            let mut usage = self.limits.usage.lock();
            usage.arriving = usage.arriving.saturating_sub(1);
        }
    }
}

impl Drop for JobPermit {
    fn drop(&mut self) {
        self.arrived();
        let mut usage = self.limits.usage.lock();
        usage.bytes = usage.bytes.saturating_sub(self.bytes);
        show_bytes(usage.bytes);
        let is_empty = usage.merchants.get_mut(&self.merchant).is_some_and(|merchant_usage| {
            (merchant_usage.jobs, merchant_usage.bytes) =
                (merchant_usage.jobs.saturating_sub(1), merchant_usage.bytes.saturating_sub(self.bytes));
            merchant_usage.jobs == 0
        });
        if is_empty {
            usage.merchants.remove(&self.merchant);
        }
    }
}

fn show_bytes(bytes: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the sum needs no exact byte")]
    metrics::gauge!("levelgate_upload_bytes").set(bytes as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error::ErrorKind;

    fn merchant(name: &str) -> Name {
        Name::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn uploads_of_one_merchant_take_no_slot_of_another() {
        let limits = Arc::new(JobLimits::default());
        let (_stop, stopping) = watch::channel(false);
        let mut stalled: Vec<JobPermit> = (0..4).map(|_| limits.arrive(merchant("acme")).unwrap()).collect();
        let refused = |limits: &Arc<JobLimits>, name| limits.arrive(merchant(name)).err().unwrap();
        let problem = refused(&limits, "acme");
        assert_eq!((problem.kind, &*problem.code), (ErrorKind::TooMany, "too_many_jobs"));
        assert!(problem.detail.contains("merchant acme has 4"), "{}", problem.detail);
        assert!(limits.work_at_once(merchant("acme")).is_err(), "bulk changes count too");
        let mut other = limits.arrive(merchant("globex")).unwrap();
        other.work(stopping.clone()).await.unwrap();
        // Eight jobs have the slots. The ninth waits and is refused.
        for permit in &mut stalled {
            permit.work(stopping.clone()).await.unwrap();
        }
        let mut more: Vec<JobPermit> = (0..3).map(|_| limits.work_at_once(merchant("initech")).unwrap()).collect();
        assert!(limits.work_at_once(merchant("hooli")).is_err());
        let mut ninth = limits.arrive(merchant("hooli")).unwrap();
        let problem = ninth.work(stopping.clone()).await.unwrap_err();
        assert!(problem.detail.contains("8 jobs are under way"), "{}", problem.detail);
        let (done, ()) = tokio::join!(ninth.work(stopping.clone()), async { drop(more.pop()) });
        done.unwrap();
        drop((stalled, other, more, ninth));
        let all: Vec<JobPermit> =
            (0..8).flat_map(|n| vec![merchant(&format!("m{n}")); 4]).map(|m| limits.arrive(m).unwrap()).collect();
        assert!(refused(&limits, "acme").detail.contains("32 uploads"));
        drop(all);
        let usage = limits.usage.lock();
        assert_eq!((usage.arriving, usage.bytes, usage.merchants.len()), (0, 0, 0));
    }

    #[test]
    fn bytes_are_bounded_for_a_table_for_a_merchant_and_in_all() {
        let limits = Arc::new(JobLimits::default());
        let mut permits: Vec<JobPermit> = (0..5).map(|n| limits.arrive(merchant(&format!("m{n}"))).unwrap()).collect();
        let half = TABLE_BYTES_MAX / 2;
        permits[0].hold(half).unwrap();
        let mut second = limits.arrive(merchant("m0")).unwrap();
        second.hold(half).unwrap();
        let problem = second.hold(1).unwrap_err();
        assert_eq!((problem.kind, &*problem.code), (ErrorKind::TooMany, "too_many_jobs"));
        assert!(problem.detail.contains("of merchant m0 hold 1024 MiB"), "{}", problem.detail);
        for permit in &mut permits[1..4] {
            permit.hold(TABLE_BYTES_MAX).unwrap();
            assert_eq!(permit.hold(1).unwrap_err().kind, ErrorKind::TooLarge);
        }
        assert!(permits[4].hold(1).unwrap_err().detail.contains("in all hold 4096 MiB"));
        drop(second);
        permits[4].hold(half).unwrap();
    }
}
