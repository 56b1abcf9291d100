//! One life of a daemon over a store that may die at any call, and what was promised until then.

use crate::harness::Harness;
use crate::workload::{Action, Workload};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use std::ops::Range;
use std::path::Path;

/// The knowledge of a client when the daemon is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The record up to which answers were let out.
    pub committed: u64,
    /// The record up to which the journal was reported as synced.
    pub synced: u64,
    /// How many steps were begun.
    pub begun: usize,
    /// Whether the journal said that it had failed.
    pub failed: bool,
}

impl Progress {
    /// The last record that must be found again.
    pub fn least(&self, sync: Sync, killed: bool) -> u64 {
        if killed || sync == Sync::Always { self.committed.max(self.synced) } else { self.synced }
    }
}

/// Plays some steps; ends where the store no longer lets them be done.
pub fn run_steps(
    workload: &Workload,
    steps: Range<usize>,
    store: &Memory,
    index: &Path,
    sync: Sync,
    about: &str,
) -> (Progress, Option<Harness>) {
    run_steps_with(workload, steps, (store, index, sync), about, &mut |_| {})
}

/// The same, and calls a function after each step.
pub fn run_steps_with(
    workload: &Workload,
    steps: Range<usize>,
    (store, index, sync): (&Memory, &Path, Sync),
    about: &str,
    after_each: &mut dyn FnMut(&Harness),
) -> (Progress, Option<Harness>) {
    let Range { start: from, end: to } = steps;
    let mut progress = Progress { begun: from, ..Progress::default() };
    let before = from.checked_sub(1).and_then(|n| workload.steps.get(n));
    let clock =
        |n: Option<usize>| n.and_then(|n| workload.steps.get(n)).map(|step| step.clock).filter(|c| *c > i64::MIN);
    progress.committed = before.map_or(0, |step| step.last);
    let Ok(mut harness) =
        Harness::open(store, index, sync, &workload.configuration(from).rules, clock(from.checked_sub(1)))
    else {
        return (progress, None);
    };
    for (n, step) in workload.steps.iter().enumerate().take(to).skip(from) {
        progress.begun = n + 1;
        match &step.act {
            Action::Line(_) | Action::Signal { .. } | Action::Staff { .. } => {
                let want = step.reply.as_ref().expect("an answer");
                let mut reply = harness.act(&step.act);
                if reply.text != want.text {
                    // A fact could not be read; the repeated request is answered once the disk reads again.
                    assert!(
                        reply.refused && reply.text.contains("503"),
                        "{about}, operation {n}: {step:#?}\n{reply:#?}"
                    );
                    reply = harness.act(&step.act);
                }
                if reply.text != want.text {
                    assert!(
                        reply.refused && reply.text.contains("503"),
                        "{about}, operation {n}: {step:#?}\n{reply:#?}"
                    );
                    break;
                }
                assert_eq!((reply.replay, reply.refused), (want.replay, want.refused), "{about}, operation {n}");
                if step.waits && harness.journal().commit(reply.depends_on_lsn).is_ok() {
                    progress.committed = progress.committed.max(reply.depends_on_lsn.0);
                }
            }
            Action::Keep { archives, retires } => {
                // The daemon logs that it could not, and goes on.
                let _tried = harness.keep(*archives, *retires);
            }
            Action::Reload(configuration) => harness.reload(configuration),
            Action::Sync => _ = harness.journal().sync(),
            Action::Restart => {
                if harness.journal().close().is_ok() {
                    progress.committed = progress.committed.max(harness.journal().last().0);
                }
                progress.synced = progress.synced.max(harness.journal().synced().0);
                if harness.journal().failed() {
                    break;
                }
                drop(harness);
                match Harness::open(store, index, sync, &workload.configuration(n).rules, clock(Some(n))) {
                    Ok(opened) => harness = opened,
                    Err(_) => return (progress, None),
                }
            }
        }
        after_each(&harness);
        progress.synced = progress.synced.max(harness.journal().synced().0);
        if harness.journal().failed() {
            break;
        }
        assert_eq!(harness.journal().last().0, step.last, "{about}, operation {n}: {step:#?}");
    }
    progress.failed = harness.journal().failed();
    if progress.failed {
        let last = harness.journal().last();
        let kept = harness.journal().is_committed(last);
        assert!(kept || harness.journal().commit(last).is_err(), "{about}: a journal that has failed stays so");
    }
    (progress, Some(harness))
}
