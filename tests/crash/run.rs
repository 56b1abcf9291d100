//! One life of a daemon over a store that may die at any call, and what was promised until then.

use crate::harness::Stage;
use crate::workload::{Act, Story};
use levelgate::journal::Sync;
use levelgate::store::memory::Memory;
use std::ops::Range;
use std::path::Path;

/// What a client knows when the daemon is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promised {
    /// The record up to which answers were let out.
    pub committed: u64,
    /// The record up to which the journal was reported as synced.
    pub synced: u64,
    /// How many steps were begun.
    pub begun: usize,
    /// Whether the journal said that it had failed.
    pub failed: bool,
}

impl Promised {
    /// The last record that must be found again.
    pub fn least(&self, sync: Sync, killed: bool) -> u64 {
        if killed || sync == Sync::Always { self.committed.max(self.synced) } else { self.synced }
    }
}

/// Plays some steps; ends where the store no longer lets them be done.
pub fn live(
    story: &Story,
    steps: Range<usize>,
    store: &Memory,
    index: &Path,
    sync: Sync,
    about: &str,
) -> (Promised, Option<Stage>) {
    let Range { start: from, end: to } = steps;
    let mut promised = Promised { begun: from, ..Promised::default() };
    let before = from.checked_sub(1).and_then(|n| story.steps.get(n));
    let clock = |n: Option<usize>| n.and_then(|n| story.steps.get(n)).map(|step| step.clock).filter(|c| *c > i64::MIN);
    promised.committed = before.map_or(0, |step| step.last);
    let Ok(mut stage) = Stage::open(store, index, sync, &story.form(from).rules, clock(from.checked_sub(1))) else {
        return (promised, None);
    };
    for (n, step) in story.steps.iter().enumerate().take(to).skip(from) {
        promised.begun = n + 1;
        match &step.act {
            Act::Line(_) | Act::Signal { .. } | Act::Staff { .. } => {
                let want = step.said.as_ref().expect("an answer");
                let mut said = stage.act(&step.act);
                if said.text != want.text {
                    // A fact could not be read; the repeated request is answered once the disk reads again.
                    assert!(said.refused && said.text.contains("503"), "{about}, operation {n}: {step:#?}\n{said:#?}");
                    said = stage.act(&step.act);
                }
                if said.text != want.text {
                    assert!(said.refused && said.text.contains("503"), "{about}, operation {n}: {step:#?}\n{said:#?}");
                    break;
                }
                assert_eq!((said.replay, said.refused), (want.replay, want.refused), "{about}, operation {n}");
                if step.waits && stage.journal().commit(said.rests_on).is_ok() {
                    promised.committed = promised.committed.max(said.rests_on.0);
                }
            }
            Act::Keep { archives, retires } => {
                // The daemon logs that it could not, and goes on.
                let _tried = stage.keep(*archives, *retires);
            }
            Act::Reload(form) => stage.reload(form),
            Act::Sync => _ = stage.journal().sync(),
            Act::Restart => {
                if stage.journal().close().is_ok() {
                    promised.committed = promised.committed.max(stage.journal().last().0);
                }
                promised.synced = promised.synced.max(stage.journal().synced().0);
                if stage.journal().failed() {
                    break;
                }
                drop(stage);
                match Stage::open(store, index, sync, &story.form(n).rules, clock(Some(n))) {
                    Ok(opened) => stage = opened,
                    Err(_) => return (promised, None),
                }
            }
        }
        promised.synced = promised.synced.max(stage.journal().synced().0);
        if stage.journal().failed() {
            break;
        }
        assert_eq!(stage.journal().last().0, step.last, "{about}, operation {n}: {step:#?}");
    }
    promised.failed = stage.journal().failed();
    if promised.failed {
        let last = stage.journal().last();
        let kept = stage.journal().is_committed(last);
        assert!(kept || stage.journal().commit(last).is_err(), "{about}: a journal that has failed stays so");
    }
    (promised, Some(stage))
}
