//! How many jobs may be under way, in all and of one merchant, and how many bytes uploads may hold.
//!
//! An upload counts for its merchant from its first byte on. It takes one of the places of jobs that work only once its
//! body is complete, so a caller that stops sending blocks no other merchant.

use crate::{domain::vocabulary::names::Name, http::dto::problem::Problem};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

/// The most jobs that work at a time.
const AT_ONCE_MAX: usize = 8;
/// The most uploads that arrive, or wait for one of these places.
const ARRIVING_MAX: usize = 32;
/// The most uploads and bulk changes of one merchant that arrive, wait or work.
const JOBS_PER_MERCHANT_MAX: usize = 4;
/// How long an upload that has arrived waits for a place.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The most bytes of one table.
pub(crate) const TABLE_BYTES_MAX: u64 = 1 << 30;
/// The most bytes that uploads hold until their jobs end, of one merchant and in all.
const BYTES_PER_MERCHANT_MAX: u64 = TABLE_BYTES_MAX;
const BYTES_MAX: u64 = 4 * TABLE_BYTES_MAX;

/// What counts in the limits.
pub(crate) struct Limits {
    held: Mutex<Held>,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Held {
    arriving: usize,
    bytes: u64,
    /// Of merchants that have any.
    merchants: HashMap<Name, Share>,
}

#[derive(Default)]
struct Share {
    jobs: usize,
    bytes: u64,
}

/// One job within the limits, until it is dropped.
pub(crate) struct Permit {
    limits: Arc<Limits>,
    merchant: Name,
    is_arriving: bool,
    bytes: u64,
    place: Option<OwnedSemaphorePermit>,
}

impl Default for Limits {
    fn default() -> Self {
        metrics::describe_counter!("levelgate_jobs_turned_away_total", "Uploads and bulk changes refused at a limit");
        metrics::describe_counter!(
            "levelgate_jobs_without_space_total",
            "Uploads and bulk changes the disk had no room for"
        );
        metrics::describe_gauge!("levelgate_upload_mebibytes", "MiB that uploads under way hold");
        Self { held: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

fn turned_away(detail: String) -> Problem {
    metrics::counter!("levelgate_jobs_turned_away_total").increment(1);
    Problem::too_many_jobs(detail)
}

impl Limits {
    /// Lets an upload begin to arrive.
    pub(crate) fn arrive(self: &Arc<Self>, merchant: Name) -> Result<Permit, Problem> {
        self.enter(merchant, true)
    }

    /// Lets a job work whose body has arrived already.
    pub(crate) fn work_at_once(self: &Arc<Self>, merchant: Name) -> Result<Permit, Problem> {
        let mut permit = self.enter(merchant, false)?;
        permit.place = Some(Arc::clone(&self.places).try_acquire_owned().map_err(|_| no_place())?);
        Ok(permit)
    }

    fn enter(self: &Arc<Self>, merchant: Name, is_arriving: bool) -> Result<Permit, Problem> {
        let mut held = self.held.lock();
        if is_arriving && held.arriving >= ARRIVING_MAX {
            return Err(turned_away(format!("{ARRIVING_MAX} uploads arrive or wait, the most in all")));
        }
        let jobs = held.merchants.get(&merchant).map_or(0, |share| share.jobs);
        if jobs >= JOBS_PER_MERCHANT_MAX {
            return Err(turned_away(format!(
                "merchant {merchant} has {jobs} jobs under way, the most of one merchant"
            )));
        }
        held.merchants.entry(merchant).or_default().jobs += 1;
        held.arriving += usize::from(is_arriving);
        Ok(Permit { limits: Arc::clone(self), merchant, is_arriving, bytes: 0, place: None })
    }
}

fn no_place() -> Problem {
    turned_away(format!("{AT_ONCE_MAX} jobs are under way, the most in all"))
}

impl Permit {
    /// Counts bytes that the upload holds from now on.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), Problem> {
        let too_many = |whose: &str, most: u64| {
            turned_away(format!("the uploads under way {whose} hold {} MiB, the most there may be", most >> 20))
        };
        if self.bytes.saturating_add(bytes) > TABLE_BYTES_MAX {
            return Err(Problem::table_too_large(TABLE_BYTES_MAX));
        }
        let mut held = self.limits.held.lock();
        let all = held.bytes.saturating_add(bytes);
        let share = held.merchants.entry(self.merchant).or_default();
        let of_merchant = share.bytes.saturating_add(bytes);
        if of_merchant > BYTES_PER_MERCHANT_MAX {
            return Err(too_many(&format!("of merchant {}", self.merchant), BYTES_PER_MERCHANT_MAX));
        }
        if all > BYTES_MAX {
            return Err(too_many("in all", BYTES_MAX));
        }
        share.bytes = of_merchant;
        held.bytes = all;
        self.bytes += bytes;
        show_bytes(all);
        Ok(())
    }

    /// Waits for a place among the jobs that work: for a bounded time, and not beyond the stop of the daemon.
    pub(crate) async fn work(&mut self, mut stopping: watch::Receiver<bool>) -> Result<(), Problem> {
        let place = tokio::select! {
            place = timeout(PLACE_WAIT_MAX, Arc::clone(&self.limits.places).acquire_owned()) => place,
            _ = stopping.wait_for(|stop| *stop) => return Err(no_place()),
        };
        self.place = Some(place.map_err(|_| no_place())?.map_err(|_| no_place())?);
        self.arrived();
        Ok(())
    }

    fn arrived(&mut self) {
        if std::mem::take(&mut self.is_arriving) {
            let mut held = self.limits.held.lock();
            held.arriving = held.arriving.saturating_sub(1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.arrived();
        let mut held = self.limits.held.lock();
        held.bytes = held.bytes.saturating_sub(self.bytes);
        show_bytes(held.bytes);
        let is_empty = held.merchants.get_mut(&self.merchant).is_some_and(|share| {
            (share.jobs, share.bytes) = (share.jobs.saturating_sub(1), share.bytes.saturating_sub(self.bytes));
            share.jobs == 0
        });
        if is_empty {
            held.merchants.remove(&self.merchant);
        }
    }
}

fn show_bytes(bytes: u64) {
    metrics::gauge!("levelgate_upload_mebibytes").set(f64::from(u32::try_from(bytes >> 20).unwrap_or(u32::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merchant(name: &str) -> Name {
        Name::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_merchant_sends_takes_no_place_of_another() {
        let limits = Arc::new(Limits::default());
        let (_stop, stopping) = watch::channel(false);
        let mut stalled: Vec<Permit> = (0..4).map(|_| limits.arrive(merchant("acme")).unwrap()).collect();
        let refused = |limits: &Arc<Limits>, name| limits.arrive(merchant(name)).err().unwrap();
        let problem = refused(&limits, "acme");
        assert_eq!((problem.status, problem.code.as_str()), (429, "too_many_jobs"));
        assert!(problem.detail.contains("merchant acme has 4"), "{}", problem.detail);
        assert!(limits.work_at_once(merchant("acme")).is_err(), "bulk changes count too");
        let mut other = limits.arrive(merchant("globex")).unwrap();
        other.work(stopping.clone()).await.unwrap();
        // The eight places are taken by those that work, and the ninth waits and is told.
        for permit in &mut stalled {
            permit.work(stopping.clone()).await.unwrap();
        }
        let mut more: Vec<Permit> = (0..3).map(|_| limits.work_at_once(merchant("initech")).unwrap()).collect();
        assert!(limits.work_at_once(merchant("hooli")).is_err());
        let mut ninth = limits.arrive(merchant("hooli")).unwrap();
        let problem = ninth.work(stopping.clone()).await.unwrap_err();
        assert!(problem.detail.contains("8 jobs are under way"), "{}", problem.detail);
        let (done, ()) = tokio::join!(ninth.work(stopping.clone()), async { drop(more.pop()) });
        done.unwrap();
        drop((stalled, other, more, ninth));
        let all: Vec<Permit> =
            (0..8).flat_map(|n| vec![merchant(&format!("m{n}")); 4]).map(|m| limits.arrive(m).unwrap()).collect();
        assert!(refused(&limits, "acme").detail.contains("32 uploads"));
        drop(all);
        let held = limits.held.lock();
        assert_eq!((held.arriving, held.bytes, held.merchants.len()), (0, 0, 0));
    }

    #[test]
    fn bytes_are_bounded_for_a_table_for_a_merchant_and_in_all() {
        let limits = Arc::new(Limits::default());
        let mut permits: Vec<Permit> = (0..5).map(|n| limits.arrive(merchant(&format!("m{n}"))).unwrap()).collect();
        let half = TABLE_BYTES_MAX / 2;
        permits[0].hold(half).unwrap();
        let mut second = limits.arrive(merchant("m0")).unwrap();
        second.hold(half).unwrap();
        let problem = second.hold(1).unwrap_err();
        assert_eq!((problem.status, problem.code.as_str()), (429, "too_many_jobs"));
        assert!(problem.detail.contains("of merchant m0 hold 1024 MiB"), "{}", problem.detail);
        for permit in &mut permits[1..4] {
            permit.hold(TABLE_BYTES_MAX).unwrap();
            assert_eq!(permit.hold(1).unwrap_err().status, 413);
        }
        assert!(permits[4].hold(1).unwrap_err().detail.contains("in all hold 4096 MiB"));
        drop(second);
        permits[4].hold(half).unwrap();
    }
}
