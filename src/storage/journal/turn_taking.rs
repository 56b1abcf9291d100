//! When a task that waits for a commit lets the other ready tasks of its thread append first.
//!
//! A yield costs a look at the sockets and may wake another worker. It saves the write of a record if another task appends a
//! record in the meantime. So a thread yields while its yields pay off, and tries one now and then while they do not.

use std::cell::Cell;
use tokio::task;

/// The score from which a thread yields.
const YIELDS_FROM: u8 = 4;
/// The highest score.
const SCORE_MAX: u8 = 8;
/// Below [`YIELDS_FROM`], one request of so many yields, to see whether it pays off.
const PROBE_EVERY: u8 = 8;

/// What the yields of a thread have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TurnTaking {
    /// The task that asked last.
    last: Option<task::Id>,
    /// One more for each yield that paid off, one less for each that did not.
    score: u8,
    /// The requests that did not yield since the last one that did.
    unyielded: u8,
}

thread_local!(static OF_THREAD: Cell<TurnTaking> = const { Cell::new(TurnTaking::NEW) });

impl TurnTaking {
    const NEW: Self = Self { last: None, score: SCORE_MAX, unyielded: 0 };

    /// Whether a task yields. A task that asks twice in a row is alone on its thread: it has nothing to wait for.
    fn yields(&mut self, current: Option<task::Id>) -> bool {
        if std::mem::replace(&mut self.last, current) == current {
            return false;
        }
        let yields = self.score >= YIELDS_FROM || self.unyielded + 1 >= PROBE_EVERY;
        self.unyielded = if yields { 0 } else { self.unyielded + 1 };
        yields
    }

    fn learn(&mut self, has_paid_off: bool) {
        self.score = if has_paid_off { (self.score + 1).min(SCORE_MAX) } else { self.score.saturating_sub(1) };
    }
}

/// Whether the current task yields before it writes its record.
pub(super) fn yields() -> bool {
    change(|turns| turns.yields(task::try_id()))
}

/// Notes whether a yield saved a write: another record was appended, or written, in the meantime.
pub(super) fn learn(has_paid_off: bool) {
    change(|turns| turns.learn(has_paid_off));
}

fn change<R>(change: impl FnOnce(&mut TurnTaking) -> R) -> R {
    let mut turns = OF_THREAD.get();
    let result = change(&mut turns);
    OF_THREAD.set(turns);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `requests` yield, from tasks that take turns, if a yield pays off or not.
    fn count_yields(turns: &mut TurnTaking, requests: u32, has_paid_off: bool) -> u32 {
        let mut yielded = 0;
        for _ in 0..requests {
            if turns.yields(Some(task_id())) {
                turns.learn(has_paid_off);
                yielded += 1;
            }
        }
        yielded
    }

    /// The id of a new task.
    fn task_id() -> task::Id {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { tokio::spawn(async { task::id() }).await.unwrap() })
    }

    #[test]
    fn a_thread_yields_while_it_pays_off_and_tries_again_later() {
        let mut turns = TurnTaking::NEW;
        assert_eq!(count_yields(&mut turns, 100, true), 100);
        // Five yields that do not pay off, then one of eight requests.
        assert_eq!(count_yields(&mut turns, 5, false), 5);
        assert_eq!(count_yields(&mut turns, 80, false), 10);
        assert_eq!(turns.score, 0);
        // Four of them that pay off, then all.
        assert_eq!(count_yields(&mut turns, 32, true), 4);
        assert_eq!(count_yields(&mut turns, 10, true), 10);
    }

    #[test]
    fn a_task_alone_does_not_yield() {
        let (mut turns, id) = (TurnTaking::NEW, task_id());
        assert!(turns.yields(Some(id)));
        assert!(!turns.yields(Some(id)));
        assert!(turns.yields(Some(task_id())));
    }
}
