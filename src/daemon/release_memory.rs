//! Gives memory that a flood of requests used back to the system.
//!
//! The allocator keeps freed blocks in lists of the thread that allocated them. It returns their pages to the system when
//! that thread asks for blocks of the same size class again and its lists are empty. A worker thread that has nothing to
//! do never asks. So after memory has grown, this task lets the workers allocate and free blocks of the size classes that
//! connections, bodies and answers use.

use std::{fs, hint::black_box, time::Duration};
use tokio::{runtime::Handle, time::interval};

/// Time between two looks at the memory of the process.
const INTERVAL: Duration = Duration::from_secs(5);
/// Growth that makes a release worthwhile, and the gain that makes another one worthwhile, in bytes.
const WORTHWHILE_BYTES: u64 = 8 * 1024 * 1024;
/// Tasks for each worker thread: the scheduler does not let a task choose its thread.
const TASKS_A_WORKER: usize = 4;
/// Blocks of one size class that a task holds at a time; more than a page of the allocator has in most classes.
const BLOCKS: usize = 256;
/// The size classes: multiples of this many bytes, up to `SIZE_STEPS` of them.
const SIZE_STEP_BYTES: usize = 512;
const SIZE_STEPS: usize = 20;

/// When memory is released: a function of the resident memory at each look.
#[derive(Debug, Default)]
struct ReleasePolicy {
    /// The resident memory that the last release left, or less where it has shrunk since, in bytes.
    floor: u64,
    /// The resident memory at the last release, in bytes, if the last look released.
    released_at: Option<u64>,
}

impl ReleasePolicy {
    /// Whether to release now, with this many bytes resident. After a release the next look decides by the gain.
    fn is_due(&mut self, resident: u64) -> bool {
        let is_due = match self.released_at.take() {
            Some(before) => {
                let has_gained = before.saturating_sub(resident) >= WORTHWHILE_BYTES;
                if !has_gained {
                    self.floor = resident;
                }
                has_gained
            }
            None => resident >= self.floor.saturating_add(WORTHWHILE_BYTES),
        };
        self.floor = self.floor.min(resident);
        self.released_at = is_due.then_some(resident);
        is_due
    }
}

/// Starts the task on a runtime that has this many worker threads.
pub(crate) fn start(runtime: &Handle, workers: usize) {
    runtime.spawn(async move {
        let mut policy = ReleasePolicy::default();
        let mut looks = interval(INTERVAL);
        loop {
            looks.tick().await;
            if resident_bytes().is_some_and(|resident| policy.is_due(resident)) {
                (0..workers.saturating_mul(TASKS_A_WORKER)).for_each(|_| _ = tokio::spawn(use_size_classes()));
            }
        }
    });
}

/// Allocates and frees blocks of each size class, and lets other tasks run in between.
async fn use_size_classes() {
    for step in 1..=SIZE_STEPS {
        let blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| Vec::with_capacity(step * SIZE_STEP_BYTES)).collect();
        black_box(&blocks);
        drop(blocks);
        tokio::task::yield_now().await;
    }
}

/// The memory of the process that is in RAM, in bytes; `None` where the system does not report it.
fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn memory_is_released_after_growth_and_as_long_as_it_gains() {
        let mut policy = ReleasePolicy { floor: 40 * MIB, released_at: None };
        let looks = [
            (41, false),
            (47, false),
            (200, true),
            (120, true),
            (60, true),
            (58, false),
            (58, false),
            (65, false),
            (73, true),
            (73, false),
        ];
        for (mib, due) in looks {
            assert_eq!(policy.is_due(mib * MIB), due, "at {mib} MiB");
        }
    }

    #[test]
    fn the_resident_memory_is_known() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > MIB));
    }
}
