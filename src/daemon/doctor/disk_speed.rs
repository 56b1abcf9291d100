//! The speed of the disk: how long a small write takes until it is on the medium.

use crate::{
    config::{Store, StoreKind, Sync},
    daemon::doctor::{finding::Finding, folder::existing},
};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

const TOPIC: &str = "disk";
/// The writes that are measured, and the longest time for all of them.
const WRITES: usize = 100;
const TIME_MAX: Duration = Duration::from_secs(3);
/// The bytes of a write: some records of a busy second.
const WRITE_BYTES: usize = 4_096;
/// From this median on the disk is slow for `sync = "always"`.
const SLOW_MEDIAN: Duration = Duration::from_millis(10);
/// A single sync of this time delays answers that wait for it.
const SLOW_SYNC: Duration = Duration::from_millis(250);
/// With this median no setting helps.
const UNUSABLE_MEDIAN: Duration = Duration::from_secs(1);

/// Measures the disk of the data folder with a file that has no name.
pub(super) fn examine_disk(store: &Store) -> Option<Finding> {
    if store.kind == StoreKind::Memory {
        return None;
    }
    let folder = existing(&store.path);
    Some(match measure(&folder) {
        Ok(times) => judge(&times, store.sync),
        Err(error) => Finding::error(TOPIC, format!("no file can be written in {}: {error}", folder.display())),
    })
}

/// The times of the writes with their sync, ascending.
fn measure(folder: &Path) -> io::Result<Vec<Duration>> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let (began, block) = (Instant::now(), [0x5a; WRITE_BYTES]);
    let mut times = Vec::with_capacity(WRITES);
    while times.len() < WRITES && (times.is_empty() || began.elapsed() < TIME_MAX) {
        let started = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn judge(times: &[Duration], sync: Sync) -> Finding {
    let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) else {
        return Finding::error(TOPIC, "nothing was measured");
    };
    let text = format!(
        "fdatasync takes {} us (median of {}), at most {} us",
        median.as_micros(),
        times.len(),
        longest.as_micros()
    );
    match () {
        () if *median >= UNUSABLE_MEDIAN => {
            Finding::error(TOPIC, format!("{text}: the journal cannot keep up; use another disk"))
        }
        () if sync == Sync::Always && *median >= SLOW_MEDIAN => Finding::warning(
            TOPIC,
            format!(
                "{text}: with sync = \"always\" each answer waits for it; use a faster disk, or sync = \"interval\""
            ),
        ),
        () if *longest >= SLOW_SYNC => {
            Finding::warning(TOPIC, format!("{text}: some syncs are slow; see what else uses this disk"))
        }
        () => Finding::fine(TOPIC, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::doctor::finding::Verdict;

    #[test]
    fn the_verdict_follows_median_longest_and_sync_mode() {
        let ms = |times: &[u64]| times.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        for (times, sync, verdict) in [
            (ms(&[1, 1, 2]), Sync::Always, Verdict::Fine),
            (ms(&[1, 20, 20]), Sync::Interval, Verdict::Fine),
            (ms(&[1, 20, 20]), Sync::Always, Verdict::Warning),
            (ms(&[1, 1, 400]), Sync::Interval, Verdict::Warning),
            (ms(&[1_000, 2_000]), Sync::Never, Verdict::Error),
            (ms(&[]), Sync::Never, Verdict::Error),
        ] {
            assert_eq!(judge(&times, sync).verdict, verdict, "{times:?}");
        }
    }

    #[test]
    fn a_measurement_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let times = measure(folder.path()).unwrap();
        assert!(!times.is_empty() && times.len() <= WRITES && times.is_sorted());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(measure(&folder.path().join("nowhere")).is_err());
    }
}
