//! A daemon without its wire: a desk over a ledger, over a store that may die at any call or over memory alone.

use crate::configurations::Configuration;
use crate::instrument_model;
use crate::staff_calls;
use crate::workload::Action;
use arc_swap::ArcSwap;
use levelgate::{
    clock::{Clock, Source},
    daemon::data_folder::{DataFolder, recover},
    domain::{
        customer::status::Signal,
        decision::clock_skew::ClockSkew,
        rules::configuration::Rules,
        vocabulary::{
            calendar::{Calendar, LocalTime},
            time::Millis,
            words::Word,
        },
    },
    ledger::{
        CustomerId, Ledger, LedgerLimits, LedgerStorage, Retention, SealedMerchants, SentSignal, SignalledCustomer,
        TransactionOrder, TransactionQuery, TransactionView,
    },
    service::{commit::AnswerGate, documents::problem::ProblemDocument, error::ServiceError, payments::PaymentService},
    storage::{
        fs::{Store, memory::Memory},
        journal::{Instance, Journal, Lsn, Options, Sync},
        snapshot,
    },
    telemetry::metrics::Meters,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use support::model::calendar::instant;
use tempfile::TempDir;

/// Files of the archive's index. They are in memory where the system has such a folder, because each is synced often.
pub struct Indexes {
    folder: TempDir,
    made: std::cell::Cell<u32>,
}

impl Indexes {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.expect("a temporary folder"), made: std::cell::Cell::new(0) }
    }

    /// A path that no file has.
    pub fn fresh(&self) -> PathBuf {
        self.made.set(self.made.get() + 1);
        self.folder.path().join(format!("{}.redb", self.made.get()))
    }

    /// A copy of an index that is not open, as it is found again after a power cut.
    pub fn copy_of(&self, index: &Path) -> PathBuf {
        let copy = self.fresh();
        if index.exists() {
            std::fs::copy(index, &copy).expect("a copy of the index");
        }
        copy
    }
}

/// The answer to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// JSON.
    pub text: String,
    pub replay: bool,
    pub refused: bool,
    pub depends_on_lsn: Lsn,
}

/// A desk, and the folder that it stands on.
pub struct Harness {
    pub desk: PaymentService,
    folder: Option<DataFolder>,
}

fn desk(ledger: Ledger, rules: &Arc<Rules>) -> PaymentService {
    ledger.seal_identifiers(SealedMerchants::of(rules));
    PaymentService {
        ledger,
        rules: ArcSwap::from(Arc::clone(rules)),
        clock: Clock::new(Source::Requests),
        meters: Meters::new(),
        body_bytes_max: 65_536,
        gate: AnswerGate::local(),
    }
}

pub const BOUNDS: LedgerLimits =
    LedgerLimits { transactions_max: 1_000_000, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };

/// The journal's options: small segments, and no sync except by a commit or on request.
pub fn options(sync: Sync) -> Options {
    Options { sync, sync_interval: Duration::from_secs(86_400), segment_bytes: 4_096, tail_bytes: 0 }
}

impl Harness {
    /// Over memory alone: it never forgets, never starts again, never lets anything leave.
    pub fn memory(rules: &Arc<Rules>) -> Self {
        Self { desk: desk(Ledger::new(BOUNDS, LedgerStorage::in_memory((1, 2))), rules), folder: None }
    }

    /// Over a ledger without a folder: a standby that shares the journal of its primary.
    pub fn of(ledger: Ledger, rules: &Arc<Rules>) -> Self {
        Self { desk: desk(ledger, rules), folder: None }
    }

    /// Over what a store holds; the clock stands where it stood.
    pub fn open(
        store: &Memory,
        index: &Path,
        sync: Sync,
        rules: &Arc<Rules>,
        clock: Option<i64>,
    ) -> anyhow::Result<Self> {
        let this = Self::on(Arc::new(store.clone()), index, sync, rules)?;
        if let Some(clock) = clock {
            this.desk.clock.now(Some(Millis(clock)))?;
        }
        Ok(this)
    }

    /// Over what any store holds.
    pub fn on(store: Arc<dyn Store>, index: &Path, sync: Sync, rules: &Arc<Rules>) -> anyhow::Result<Self> {
        let (ledger, folder) = recover(store, index, options(sync), BOUNDS)?;
        Ok(Self { desk: desk(ledger, rules), folder: Some(folder) })
    }

    /// Puts another configuration in force, as the daemon does.
    pub fn reload(&self, configuration: &Configuration) {
        self.desk.ledger.seal_identifiers(SealedMerchants::of(&configuration.rules));
        self.desk.rules.store(Arc::clone(&configuration.rules));
    }

    pub fn journal(&self) -> &Journal {
        self.desk.ledger.journal()
    }

    pub fn folder(&self) -> &DataFolder {
        self.folder.as_ref().expect("a stage over a store")
    }

    /// The document of a transaction.
    pub fn transaction(&self, merchant: &str, id: &str) -> Result<Vec<u8>, ServiceError> {
        self.desk.transaction(merchant, id).map(|reply| reply.body)
    }

    pub fn line(&self, line: &str) -> Reply {
        let answered = self.desk.line(line.as_bytes(), |_| Ok(()));
        let depends_on_lsn = self.desk.depends_on_lsn(&answered);
        match answered {
            Ok(reply) => {
                let text = String::from_utf8(reply.body).expect("UTF-8");
                Reply { text, replay: reply.is_replay, refused: false, depends_on_lsn }
            }
            Err(error) => {
                let text = serde_json::to_string(&ProblemDocument::from(error)).expect("JSON");
                Reply { text, replay: false, refused: true, depends_on_lsn }
            }
        }
    }

    /// Does what changes the state, or asks about it; not what only keeps it up.
    pub fn act(&self, act: &Action) -> Reply {
        match act {
            Action::Line(line) => self.line(line),
            Action::Signal { merchant, customer, signal, instrument, reach, at } => {
                let now = self.desk.clock.now(instant(at).map(Millis)).expect("a time");
                let signal = Signal::parse(signal).expect("a signal");
                let (reach, by) = instrument_model::caller(reach);
                let trusts_blocks = self.desk.rules().merchant(merchant).is_some_and(|merchant| merchant.trust_blocks);
                let sent = SentSignal {
                    merchant,
                    customer_id: customer,
                    signal,
                    instrument: instrument.as_deref(),
                    by: Some(by),
                    reach: &reach,
                    trusts_blocks,
                    calendar: Calendar::utc(),
                };
                match self.desk.ledger.signal(&sent, now) {
                    Ok(SignalledCustomer { number, status, depends_on_lsn }) => {
                        let text = json!({ "customer_id": number.to_string(), "status": status.word() }).to_string();
                        Reply { text, replay: false, refused: false, depends_on_lsn }
                    }
                    Err(refusal) => {
                        let depends_on_lsn = self.journal().last();
                        Reply { text: format!("{refusal:?}"), replay: false, refused: true, depends_on_lsn }
                    }
                }
            }
            Action::Staff { staff_call, at } => {
                let now = self.desk.clock.now(instant(at).map(Millis)).expect("a time");
                staff_calls::act(self, staff_call, now)
            }
            other => panic!("{other:?} is for the owner of the stage"),
        }
    }

    /// A snapshot and what follows it, as the keeper of the daemon does it.
    pub fn keep(&self, archives: bool, retires: bool) -> anyhow::Result<()> {
        let taken = self.folder().snapshot(&self.desk.ledger, self.desk.clock.wall().0)?;
        if archives {
            self.folder().archive_segments(&self.desk.ledger, taken.true_up_to)?;
            self.folder().build_filter(Duration::from_secs(60))?;
        }
        if retires {
            self.retire();
        }
        Ok(())
    }

    /// Writes a snapshot as the folder does, and calls a function after each of its pieces.
    pub fn snapshot_interleaved(&self, store: &Memory, after_each: impl FnMut()) {
        self.snapshot_from(self.journal().last(), store, after_each);
    }

    /// The same from an earlier record on, as where something comes between the decision and the first piece.
    pub fn snapshot_from(&self, begin: Lsn, store: &Memory, mut after_each: impl FnMut()) {
        let mut bytes = Vec::new();
        let id = Instance::known(store).expect("an instance").expect("an instance").id;
        let header = snapshot::Header { journal: id.0, begin_lsn: begin.0, created_at: 0 };
        let mut writer = snapshot::Writer::begin(&header, |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        let end = self.desk.ledger.snapshot(&mut |piece| {
            writer.put(&piece)?;
            after_each();
            Ok(())
        });
        writer.end(end.expect("a snapshot").0).expect("an end");
        self.journal().sync().expect("a sync");
        store.put(&format!("snapshots/{:020}.snap", begin.0), &bytes);
    }

    /// Evicts the transactions that no window reaches any more; returns how many.
    pub fn retire(&self) -> usize {
        let Ok(now) = self.desk.clock.now(None) else { return 0 };
        let retention = Retention::new(1, &self.desk.rules.load());
        (0..Ledger::shard_count()).map(|shard| self.desk.ledger.evict(shard, &retention, now)).sum()
    }

    /// All transactions of a merchant with their status; each must say what it says when it is shown alone, and each other
    /// order of the list must have the same ones.
    pub fn listed(&self, merchant: &str) -> String {
        self.listed_if(merchant, true)
    }

    /// As [`Self::listed`]. `has_times`: no accepted clock has moved the time of a transaction.
    pub fn listed_if(&self, merchant: &str, has_times: bool) -> String {
        let (rules, now) = (self.desk.rules(), self.desk.clock.now(None).expect("a time"));
        let (mut all, mut of_customers) = (Vec::new(), BTreeMap::<u64, Vec<String>>::new());
        self.each_listed(merchant, &TransactionQuery { limit: 7, ..TransactionQuery::default() }, &mut |listed| {
            let id = &listed.transaction.opening.id;
            let shown = self.desk.ledger.show(&rules, merchant, id, now).expect("what is listed is shown");
            let (listed_as, shown_as) = (format!("{:?}", listed.transaction), format!("{:?}", shown.transaction));
            assert_eq!(listed_as, shown_as, "{merchant} {id}: the list and the transaction differ");
            all.push(format!("{id} {}", listed.transaction.status(listed.now).word()));
            if let Some(CustomerId::Number(number)) = listed.customer.customer_id {
                of_customers.entry(number).or_default().push(id.to_string());
            }
        });
        // Unassigned transactions have an order that depends on the folder's secret.
        all.sort();
        for (number, mut ids) in of_customers {
            let customer_id = Some(number.to_string());
            let query =
                TransactionQuery { order: TransactionOrder::Newest, customer_id, limit: 5, ..Default::default() };
            let (mut newest, mut times) = (Vec::new(), Vec::new());
            self.each_listed(merchant, &query, &mut |listed| {
                newest.push(listed.transaction.opening.id.to_string());
                times.push(listed.transaction.opening.at);
            });
            let is_ordered = times.windows(2).all(|two| two[0] >= two[1]);
            assert!(is_ordered || !has_times, "{merchant} {number}: {newest:?} {times:?}");
            ids.sort();
            newest.sort();
            assert_eq!(newest, ids, "{merchant} {number}: the newest first");
        }
        let mut recorded = Vec::new();
        let query = TransactionQuery { order: TransactionOrder::Newest, limit: 11, ..TransactionQuery::default() };
        self.each_listed(merchant, &query, &mut |listed| {
            let id = &listed.transaction.opening.id;
            recorded.push(format!("{id} {}", listed.transaction.status(listed.now).word()));
        });
        recorded.sort();
        let is_whole = self.journal().begins_at() == Lsn(1) && self.journal().last_committed() == self.journal().last();
        if is_whole {
            assert_eq!(recorded, all, "{merchant}: by the records of the openings");
        } else {
            // Those whose opening was deleted, or is not committed, are not among them.
            assert!(recorded.iter().all(|shown| all.binary_search(shown).is_ok()), "{merchant}: {recorded:?} {all:?}");
            assert!(recorded.windows(2).all(|two| two[0] != two[1]), "{merchant}: one twice: {recorded:?}");
        }
        all.join(", ")
    }

    /// Calls `each` with the transactions of all pages.
    fn each_listed(&self, merchant: &str, query: &TransactionQuery, each: &mut dyn FnMut(&TransactionView)) {
        let now = self.desk.clock.now(None).expect("a time");
        let mut wanted = query.clone();
        loop {
            let page = self.desk.ledger.list_transactions(merchant, &wanted, LocalTime::utc(now)).expect("a page");
            page.transactions.iter().for_each(&mut *each);
            match page.next {
                Some(next) => wanted.after = Some(next),
                None => break,
            }
        }
    }
}
