//! Examines the machine for a daemon: folder, disk, clock, limits of the process, Redis. Nothing is changed.

mod disk_speed;
mod finding;
mod folder;
mod machine;
mod redis;

use crate::{config::Loaded, domain::vocabulary::time::Millis};

pub(crate) use crate::daemon::doctor::finding::{Finding, Verdict};

/// Examines what the daemon of a configuration would use. `now` is the wall clock.
pub(crate) fn examine(loaded: &Loaded, now: Millis) -> Vec<Finding> {
    let settings = &loaded.settings;
    let mut findings = folder::examine_folder(&settings.store);
    findings.push(machine::examine_clock(&settings.store, now));
    findings.extend(disk_speed::examine_disk(&settings.store));
    findings.extend(machine::examine_limits(settings));
    findings.extend(redis::examine_redis(settings.redis.as_ref().zip(loaded.redis_files.as_ref())));
    findings
}
