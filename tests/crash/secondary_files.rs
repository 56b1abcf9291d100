//! Secondary files on a disk that fails or is full: snapshots and jobs leave no partial file, and the journal goes on.

use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use crate::regressions::{Rules, rules};
use levelgate::{
    domain::vocabulary::time::Millis,
    storage::{
        fs::{
            Store,
            memory::{EIO, ENOSPC, Fault, Memory},
        },
        jobs::JobProgress,
        journal::{Lsn, Sync},
    },
};
use std::io::Write;
use std::sync::Arc;

const AT: &str = "2026-03-10T12:00:00.000Z";

/// A stage on a store, and how many payments it has taken.
struct PaymentLoad {
    store: Memory,
    harness: Harness,
    paid: u32,
    _indexes: Indexes,
}

impl PaymentLoad {
    fn begin(rules: &Rules) -> Self {
        let (store, indexes) = (Memory::new(), Indexes::new());
        let harness = Harness::open(&store, &indexes.fresh(), Sync::Always, rules, None).expect("a start");
        let mut this = Self { store, harness, paid: 0, _indexes: indexes };
        this.pay("the first");
        this
    }

    /// A payment that must be kept.
    fn pay(&mut self, about: &str) {
        self.paid += 1;
        let mut line = instrument_model::line("payment", AT, "side", "anna", None);
        line.text("transaction_id", &format!("t{}", self.paid));
        let reply = self.harness.line(&line.line());
        assert!(!reply.refused, "{about}: {}", reply.text);
        self.harness.journal().commit(reply.depends_on_lsn).unwrap_or_else(|failed| panic!("{about}: {failed}"));
        self.harness.journal().sync().expect("all is synced");
    }

    fn partial(&self) -> Vec<String> {
        let ends = [".new", ".end"];
        let mut paths = self.store.paths();
        // The next segment of the journal is created ahead.
        paths.retain(|path| path != "journal/next.new" && ends.iter().any(|end| path.ends_with(end)));
        paths
    }

    fn snapshots(&self) -> usize {
        self.store.paths().iter().filter(|path| path.ends_with(".snap")).count()
    }

    fn snapshot(&self) -> anyhow::Result<u64> {
        Ok(self.harness.folder().snapshot(&self.harness.desk.ledger, 0)?.bytes)
    }

    fn used(&self) -> u64 {
        self.store.used_bytes()
    }
}

#[test]
fn a_snapshot_that_fails_at_any_call_leaves_no_partial_file_and_the_journal_goes_on() {
    let rules = rules();
    for fault in [Fault::Error(EIO), Fault::Error(ENOSPC), Fault::Short(ENOSPC)] {
        let mut paying = PaymentLoad::begin(&rules);
        let mut failed = 0;
        for call in 1.. {
            let about = format!("{fault:?} at call {call} of a snapshot");
            let at = paying.store.calls() + call;
            paying.store.fail_at(at, fault);
            failed += u32::from(paying.snapshot().is_err());
            let is_over = paying.store.calls() < at;
            if is_over {
                break;
            }
            assert_eq!(paying.partial(), Vec::<String>::new(), "{about}");
            paying.pay(&about);
            paying.snapshot().unwrap_or_else(|error| panic!("{about}, the next one: {error:#}"));
            assert!(paying.snapshots() <= 3, "{about}: one more than two, where one could not be removed");
            paying.pay(&about);
        }
        assert!(failed > 5, "{failed} calls failed a snapshot");
    }
}

#[test]
fn a_snapshot_is_refused_before_it_takes_the_space_of_the_journal() {
    let mut paying = PaymentLoad::begin(&rules());
    let folder = paying.harness.folder();
    folder.keep_free(Some(1_000_000));
    // The size of the first one is unknown; it is stopped while it is written.
    paying.store.set_capacity(Some(paying.used() + 1_000_010));
    let refused = paying.snapshot().expect_err("no room").to_string();
    assert!(refused.contains("a snapshot needs") && refused.contains("min_free_bytes"), "{refused}");
    assert_eq!((paying.partial(), paying.snapshots()), (Vec::new(), 0));
    paying.store.set_capacity(Some(paying.used() + 2_000_000));
    let bytes = paying.snapshot().expect("room");
    paying.pay("between");
    // From then on the last one tells.
    let (used, calls) = (paying.used(), paying.store.calls());
    paying.store.set_capacity(Some(used + bytes + 999_999));
    assert!(paying.snapshot().is_err());
    assert!(paying.store.calls() - calls < 8, "nothing was written");
    paying.store.set_capacity(Some(used + bytes + 1_000_000 + 100));
    paying.snapshot().expect("just enough room");
    // The journal goes on below the limit.
    paying.store.set_capacity(Some(paying.used() + 100_000));
    paying.pay("below the limit");
    assert!(paying.snapshot().is_err());
    paying.harness.folder().keep_free(Some(0));
    paying.snapshot().expect("the check is switched off");
}

#[test]
fn a_snapshot_is_abandoned_between_any_two_pieces() {
    let mut paying = PaymentLoad::begin(&rules());
    let mut asked_in_all = 0;
    for most in 0.. {
        let asked = std::cell::Cell::new(0);
        let is_cancelled = || {
            asked.set(asked.get() + 1);
            asked.get() > most
        };
        let taken = paying.harness.folder().snapshot_unless(&paying.harness.desk.ledger, 0, &is_cancelled);
        assert_eq!(paying.partial(), Vec::<String>::new(), "abandoned at the {most}th look");
        if taken.is_ok() {
            break;
        }
        assert_eq!(paying.snapshots(), 0);
        paying.pay("after an abandoned snapshot");
        asked_in_all = most;
    }
    assert!(asked_in_all >= 3, "it is looked at {asked_in_all} times");
    assert_eq!(paying.snapshots(), 1);
}

/// What a job lives through.
fn job(paying: &PaymentLoad, now: i64) -> std::io::Result<()> {
    let mut draft = paying.harness.folder().job_store().draft(Millis(now))?;
    draft.write_all(&[b'x'; 200_000])?;
    let mut job = draft.begin(b"what")?;
    job.write_mark(&JobProgress { steps_done: 1, data: Vec::new() }, Lsn(1))?;
    Ok(job.end(b"how")?)
}

#[test]
fn a_job_that_fails_at_any_call_leaves_no_partial_file_and_the_journal_goes_on() {
    let rules = rules();
    for fault in [Fault::Error(EIO), Fault::Error(ENOSPC), Fault::Short(ENOSPC)] {
        let (mut paying, mut stopped) = (PaymentLoad::begin(&rules), 0);
        for call in 1.. {
            let about = format!("{fault:?} at call {call} of a job");
            let at = paying.store.calls() + call;
            paying.store.fail_at(at, fault);
            let done = job(&paying, i64::try_from(call).expect("few calls"));
            if paying.store.calls() < at {
                done.expect("nothing failed");
                break;
            }
            assert_eq!(paying.partial(), Vec::<String>::new(), "{about}");
            // A sync of the customers' keys that failed may have lost keys of customers; it alone stops the journal.
            if paying.harness.folder().job_store().draft(Millis(0)).is_ok()
                && paying.harness.journal().rotate().is_err()
            {
                stopped += 1;
            }
            if paying.harness.journal().failed() {
                paying = PaymentLoad::begin(&rules);
                continue;
            }
            paying.pay(&about);
        }
        println!("{fault:?}: {stopped} failed syncs of the keys stopped the journal");
        assert!(stopped <= 3, "{stopped} failures of secondary files stopped the journal");
    }
}

#[test]
fn stalled_upload_at_its_limit_leaves_space_for_the_journal() {
    let mut paying = PaymentLoad::begin(&rules());
    let free = |paying: &PaymentLoad| paying.store.space().expect("a space").expect("a size").free;
    paying.store.set_capacity(Some(paying.used() + (12 << 20)));
    paying.harness.folder().keep_free(Some(2 << 20));
    let shelf = Arc::clone(paying.harness.folder().job_store());
    let mut draft = shelf.draft(Millis(1)).expect("a draft");
    let piece = vec![b'x'; 1 << 20];
    let full = (0..20).find_map(|_| draft.write_all(&piece).err()).expect("it is refused");
    assert!(levelgate::storage::fs::is_full(&full), "{full}");
    assert!(free(&paying) >= 2 << 20, "{} bytes are free", free(&paying));
    // Its caller does not go away, and payments go on.
    for _ in 0..500 {
        paying.pay("during a stalled upload");
    }
    drop(draft);
    assert!(free(&paying) > 10 << 20);
    assert_eq!(paying.partial(), Vec::<String>::new());
}
