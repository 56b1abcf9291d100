//! The state: customers and their transactions in brief, in memory, each behind its own lock; what happened goes to the
//! journal in the same step.
//!
//! A request goes one way: the stripe of its transaction id, the stripes of identities where a customer is made, the
//! customer's shard; there it decides, appends to the journal, applies, and leaves. No lock is taken in another order,
//! no guard of a map is held while another lock is taken, nothing waits for a disk while it holds a customer. Time comes
//! as an argument; this room reads no clock, and the rules come whole, so that a request sees one configuration.
//!
//! An answer names the record that it rests on; whoever sends it waits until the journal holds that.

pub mod customers;
pub mod maintenance;
pub mod payments;
pub mod queries;
pub mod recovery;
pub mod state;

pub use crate::ledger::customers::levels::MadeLevel;
pub use crate::ledger::customers::register::{Admitted, Applying};
pub use crate::ledger::customers::sealing::Sealing;
pub use crate::ledger::customers::signals::SentSignal;
pub use crate::ledger::maintenance::clock::ClockAccepted;
pub use crate::ledger::maintenance::compact::Compacted;
pub use crate::ledger::maintenance::evict::Retention;
pub use crate::ledger::payments::answer::{Answer, CustomerId, CustomerShown, Moved, Shown};
pub use crate::ledger::payments::link::Whose;
pub use crate::ledger::queries::feed::{FeedError, LOOKS_MAX, Listening, Told, What};
pub use crate::ledger::queries::find::{Find, Findings};
pub use crate::ledger::queries::history::Chapter;
pub use crate::ledger::queries::transactions::{PAGE_MAX, Page, Wanted};
pub use crate::ledger::recovery::recover::Recovering;
pub use crate::ledger::state::countries::Countries;
pub use crate::ledger::state::merge_group::Whole;
pub use crate::ledger::state::search_index::Mark;
pub use crate::ledger::state::shards::Digester;

use crate::ledger::payments::archived_facts::Late;
use crate::ledger::payments::record::Stripe;
use crate::ledger::payments::reserve::{Entering, Follows};
use crate::ledger::state::currencies::HeldCurrencies;
use crate::ledger::state::index::Identities;
use crate::ledger::state::merge_group::MergeGroup;
use crate::ledger::state::shards::{Customers, DigestKey, SHARDS, Spreading, Stripes};
use crate::{
    domain::{
        customer::aggregate::{Customer, CustomerEvent, LAST_NUMBER},
        decision::{decide::Skew, level_choice, payment::Payment, refusal::Refusal},
        rules::configuration::{Direction, Merchant, Rules},
        transaction::{
            record::{Fact, LogOffset, Opened, Transaction},
            transition::{Circumstances, Effect, Operation, Outcome, judge},
        },
        usage::limits::{Headroom, Measure, Own, UsageSeriesSet, least_headroom},
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
    storage::journal::{CachePadded, Journal, Keys, Past},
};
use dashmap::DashMap;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

/// The `customer_id` of the first customer. Numbers below hold what belongs to nobody.
pub const FIRST_CUSTOMER: u64 = 1_000_001;
/// The last: numbers are kept in 32 bits.
pub const LAST_CUSTOMER: u64 = LAST_NUMBER;

/// Memory of a held transaction, bytes: its brief, its entry in a book and its place in the index, with the slack of each
/// (`cargo bench --bench core`, without the journal's tail).
pub const BYTES_A_TRANSACTION: u64 = 150;

/// What bounds a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Transactions held in memory; at the bound new reserves are refused while facts still pass.
    pub transactions_max: u64,
    /// How far from now a payment may be placed.
    pub skew: Skew,
}

/// What a ledger stands on.
#[derive(Clone)]
pub struct Ground {
    /// Where records go.
    pub journal: Arc<Journal>,
    /// What seals personal attributes.
    pub keys: Arc<Keys>,
    /// Where transactions are found that have left memory; `None`: none ever leaves.
    pub past: Option<Arc<dyn Past>>,
    /// The secret of the digests.
    pub secret: (u64, u64),
}

impl Ground {
    /// Memory alone: a journal that no file keeps.
    #[must_use]
    pub fn memory(secret: (u64, u64)) -> Self {
        Self { journal: Arc::new(Journal::in_memory()), keys: Arc::new(Keys::in_memory([0; 16])), past: None, secret }
    }
}

/// All state.
pub struct Ledger {
    bounds: Bounds,
    key: DigestKey,
    journal: Arc<Journal>,
    keys: Arc<Keys>,
    past: Option<Arc<dyn Past>>,
    customers: Customers,
    late: Late,
    identities: Identities,
    id_stripes: Stripes<Stripe>,
    identity_stripes: Stripes,
    blocked_instruments: crate::ledger::customers::instrument_blocks::BlockedInstruments,
    /// Who holds an instrument, at any merchant: numbers, ascending.
    holders: DashMap<u128, smallvec::SmallVec<[u64; 1]>, Spreading>,
    search: crate::ledger::state::search_index::Search,
    /// How many external ids were made, by merchant.
    external_ids: parking_lot::Mutex<HashMap<Name, u64>>,
    currencies: HeldCurrencies,
    made_levels: crate::ledger::customers::levels::MadeLevels,
    clocks: crate::ledger::maintenance::clock::AcceptedClocks,
    /// See [`Ledger::bound_times`].
    newest_told: Arc<AtomicI64>,
    next_customer: AtomicU64,
    /// How many there are: fewer than numbers, where one was given out and nothing came of it.
    customers_made: AtomicU64,
    transactions: CachePadded<AtomicU64>,
    /// How many transactions have left memory: while none has, no new id is looked for in the archive.
    left: AtomicU64,
    /// Where the journal began at the start. An older snapshot may hold what was let go of since: nothing leads there.
    begins_at: LogOffset,
    /// The place before which no transaction is known that has left memory: the journal begins there, or is about to.
    gone_before: AtomicU64,
    holds_visited: AtomicU64,
    /// See [`Ledger::newly_equal`].
    newly_equal: AtomicU64,
    /// Whose identifiers are sealed.
    sealing: arc_swap::ArcSwap<Sealing>,
    /// How often attributes or identifiers could not be sealed, and so were not kept.
    unsealed: AtomicU64,
    /// The shard that a snapshot is reading, one more than its place; 0: none.
    being_kept: AtomicUsize,
}

/// An operation on a transaction, and which.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Whose: the id as sent, which need not be a merchant of the rules any more.
    pub merchant: &'a str,
    /// Which.
    pub transaction_id: &'a str,
    /// What.
    pub operation: &'a Operation,
    /// When, where that was said.
    pub occurred_at: Option<Millis>,
    /// What must agree with the transaction.
    pub says: Says,
    /// Whether it stands in a stream whose lines may not go back in time further than the skew, whatever they say.
    pub in_stream: bool,
}

impl Step<'_> {
    /// The same as it is held against the time: while the clock is not accepted, a fact's own time is not.
    #[must_use]
    pub fn stamped(self, is_accepted: bool) -> Self {
        match is_accepted {
            true => self,
            false => Self { occurred_at: None, in_stream: false, ..self },
        }
    }
}

/// What an approval says of a transaction that it may find opened already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Says {
    /// Which way the money goes.
    pub direction: Option<Direction>,
    /// Of the amount.
    pub currency: Option<Currency>,
}

/// An approval of a transaction that may be unknown: what a reserve would have said of it.
pub type LateReserve<'a, 'p> = Option<&'a dyn Fn() -> Result<Payment<'p>, Refusal>>;

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(bounds: Bounds, ground: Ground) -> Self {
        let key = DigestKey::new(ground.secret);
        Self {
            bounds,
            key,
            journal: ground.journal,
            keys: ground.keys,
            past: ground.past,
            customers: Customers::new(),
            late: Late::default(),
            identities: Identities::new(key),
            id_stripes: Stripes::new(),
            identity_stripes: Stripes::new(),
            blocked_instruments: crate::ledger::customers::instrument_blocks::BlockedInstruments::default(),
            holders: DashMap::with_capacity_and_hasher_and_shard_amount(0, Spreading::default(), SHARDS),
            search: crate::ledger::state::search_index::Search::default(),
            external_ids: parking_lot::Mutex::default(),
            currencies: HeldCurrencies::default(),
            made_levels: crate::ledger::customers::levels::MadeLevels::default(),
            clocks: crate::ledger::maintenance::clock::AcceptedClocks::default(),
            newest_told: Arc::new(AtomicI64::new(i64::MAX)),
            next_customer: AtomicU64::new(FIRST_CUSTOMER),
            customers_made: AtomicU64::new(0),
            transactions: CachePadded::default(),
            left: AtomicU64::new(0),
            begins_at: LogOffset(0),
            gone_before: AtomicU64::new(0),
            holds_visited: AtomicU64::new(0),
            newly_equal: AtomicU64::new(0),
            sealing: arc_swap::ArcSwap::default(),
            unsealed: AtomicU64::new(0),
            being_kept: AtomicUsize::new(0),
        }
    }

    /// The journal that this ledger writes.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The digest by which indexes know a transaction's id.
    #[must_use]
    pub fn key(&self, merchant: &str, transaction_id: &str) -> u64 {
        self.key.transaction(merchant, transaction_id)
    }

    /// Reserves, or answers from the record where the id is known. With an `outcome`, also applies it: a payment.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn reserve<'a>(
        &self,
        rules: &'a Rules,
        payment: &'a Payment<'_>,
        outcome: Option<Outcome>,
        now: Millis,
    ) -> Result<Answer<'a>, Refusal> {
        let merchant = payment.merchant.id.as_str();
        let key = self.key.transaction(merchant, &payment.transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let sent = self.identities.sent_identifier(payment);
        let found = self.identities.find(payment, sent, || stripe.transaction_slots.touch(key));
        match self.find(&mut stripe, key, merchant, &payment.transaction_id)? {
            Some(known) => self.repeat(rules, payment, outcome, known, now),
            None => {
                let follows = outcome.map_or(Follows::Nothing, Follows::Outcome);
                let opened = Opened::Reserved;
                let entering = Entering { rules, payment, follows, opened, key, sent, found };
                self.open(&entering, &mut stripe.transaction_slots, now)
            }
        }
    }

    /// Applies an operation to a transaction. Where it is unknown and the operation is an approval, `late` says what
    /// a reserve would have said.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn transition(
        &self,
        rules: &Rules,
        step: &Step<'_>,
        late: LateReserve<'_, '_>,
        now: Millis,
    ) -> Result<Moved, Refusal> {
        let Step { merchant, transaction_id, operation, occurred_at, says, in_stream } = *step;
        let key = self.key.transaction(merchant, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let Some(known) = self.find(&mut stripe, key, merchant, transaction_id)? else {
            let (Operation::Approve(_), Some(late)) = (operation, late) else {
                return Err(unknown());
            };
            let approval = Follows::Approval { operation, in_stream };
            return self.approve_unreserved(rules, &late()?, approval, key, &mut stripe, now);
        };
        let mut locked = self.lock_household(known.transaction_slot.customer);
        let mut merge_group = locked.merge_group().ok_or_else(unknown)?;
        let now = self.settle_all(&mut merge_group, now);
        let opened = &known.transaction.opening.content;
        let differs = [
            ("direction", says.direction.is_some_and(|said| said != opened.direction)),
            ("currency", says.currency.is_some_and(|said| said != opened.currency)),
        ];
        let fields: Vec<_> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        if !fields.is_empty() {
            return Err(Refusal::Conflict(fields));
        }
        let effect = judge(&known.transaction, operation, circumstances(rules, &known.transaction, now))?;
        let (replay, rests_on) = match effect {
            Effect::Replay => (true, self.journal.last()),
            Effect::New(recorded_fact) => {
                // Money that moved is taken however late it is told of; it lies where its transaction does. Only a
                // stream's lines keep their order.
                if in_stream || !matches!(operation, Operation::Approve(_)) {
                    self.bounds.skew.place(occurred_at, now, "occurred_at")?;
                }
                let instrument = match operation {
                    Operation::Approve(approval) => approval.instrument.as_deref(),
                    _ => None,
                };
                let is_capture = matches!(recorded_fact.fact, Fact::Approved { .. });
                let besides = match is_capture {
                    true => self.paid_with(merge_group.head, &known.transaction, instrument, now),
                    false => Vec::new(),
                };
                (false, self.note(&mut merge_group, known, [recorded_fact], besides).ok_or_else(unknown)?)
            }
        };
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        Ok(Moved { rests_on, ..Moved::of(&known.transaction, &known.outcome, headroom, now, replay) })
    }

    /// What a capture records of the instrument that it names, or else of the one that the payment named: a denied payment
    /// has paid all the same.
    fn paid_with(
        &self,
        customer: &Customer,
        transaction: &Transaction,
        instrument: Option<&str>,
        now: Millis,
    ) -> Vec<CustomerEvent> {
        let opening = &transaction.opening;
        let paid_by = instrument.or(opening.instrument.as_deref()).filter(|_| opening.counts());
        let mut events = self.newly_held(customer, paid_by.into_iter(), now);
        // One success for each transaction, by what its first capture was paid with.
        if transaction.totals.approved == 0 {
            events.extend(Self::used(customer, paid_by.into_iter(), now));
        }
        events
    }

    /// Shows a transaction.
    ///
    /// # Errors
    /// It is not known.
    pub fn show(&self, rules: &Rules, merchant: &str, transaction_id: &str, now: Millis) -> Result<Shown, Refusal> {
        let key = self.key.transaction(merchant, transaction_id);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let mut stripe = self.id_stripes.lock(key);
        let known = self.find(&mut stripe, key, merchant, transaction_id)?.ok_or_else(unknown)?;
        let mut locked = self.lock_household(known.transaction_slot.customer);
        let mut merge_group = locked.merge_group().ok_or_else(unknown)?;
        let now = self.settle_all(&mut merge_group, now);
        Ok(Shown {
            transaction: known.transaction.clone(),
            outcome: known.outcome,
            customer: crate::ledger::payments::answer::customer_of(&known.transaction, merge_group.head),
            headroom: Some(headroom_of(rules, &merge_group, &known.transaction, now)),
            now,
            rests_on: self.rests_on(&merge_group),
        })
    }

    /// Lets a customer's holds run out; returns the time from which the customer is to be seen.
    fn settle(&self, customer: &mut Customer, now: Millis) -> Millis {
        let (now, visited) = customer.settle(self.not_later(now));
        if visited > 0 {
            self.holds_visited.fetch_add(visited, Ordering::Relaxed);
        }
        now
    }
}

fn circumstances<'r>(rules: &'r Rules, transaction: &Transaction, now: Millis) -> Circumstances<'r> {
    Circumstances {
        minor_units: rules.currencies.units(transaction.opening.content.currency),
        merchant: rules.merchant(transaction.opening.merchant.as_str()).map(|merchant| &**merchant),
        now,
    }
}

/// What is left now for the customer of a transaction under its level.
fn headroom_of(rules: &Rules, merge_group: &MergeGroup<'_>, transaction: &Transaction, now: Millis) -> Headroom {
    let opening = &transaction.opening;
    let Some(merchant) = rules.merchant(opening.merchant.as_str()).filter(|_| opening.counts()) else {
        return Headroom::default();
    };
    let content = &opening.content;
    let (direction, currency) = (content.direction, content.currency);
    let merchant: &Merchant = merchant;
    let level =
        level_choice::of_recorded(merchant, opening.level, opening.level_source, direction, currency, content.project);
    let (own, others) = (Own::of(merge_group.head, direction, currency), merge_group.others());
    let books = UsageSeriesSet::new(merge_group.head.books(), &others);
    let measure = Measure { rules, merchant, books, direction, currency, level, own, now, counts_future: true };
    least_headroom(&measure.gauges(now, false), None)
}
