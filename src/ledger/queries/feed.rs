//! The event feed: facts about transactions in the order of the journal, each with its transaction at that time.
//!
//! A record contains a fact and not its transaction; the transaction is loaded backwards from the record. A transaction
//! that one call has loaded is kept for later facts of the same call, so that its records are read once. The feed locks
//! nothing, except one customer at a time to read its merchant where the caller limits merchants.
//!
//! A record that cannot be read is an entry of the feed and ends no page.

use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, transaction_index::TransactionSlot},
    payments::answer::CustomerId,
    state::ledger::Ledger,
};
use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        transaction::{
            fact::RecordedFact,
            log_offset::LogOffset,
            opening::{CustomerResolution, Opening, OpeningKind},
            outcome::TransactionOutcome,
            state::Transaction,
            status::{Flag, Status},
        },
        vocabulary::{names::Name, time::Millis},
    },
    scheduling::give_way,
    storage::{
        encoding,
        journal::{FollowError, Followed, Lsn, Record, UnreadableRecords, Visited},
    },
};
use std::{borrow::Cow, collections::HashMap, ops::ControlFlow};

/// The most records that one call reads, including those that it reads backwards; the records of the last transaction may
/// exceed it.
pub const FEED_READS_MAX: usize = 10_000;

/// A query for facts.
pub struct FeedQuery<'a> {
    /// Facts after this record.
    pub after: Lsn,
    /// Facts up to this record.
    pub through: Lsn,
    /// About the most facts to return. The facts of one record are not separated.
    pub limit: usize,
    /// Facts of these merchants; `None`: of all.
    pub merchants: Option<&'a dyn Fn(Name) -> bool>,
    /// Facts whose transaction had this flag after them.
    pub flag: Option<Flag>,
}

/// The kind of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedEventKind<'a> {
    /// The transaction was opened.
    Opened,
    /// A fact about the transaction was recorded.
    FactRecorded(&'a RecordedFact),
    /// The transaction had no customer and was linked to one.
    Linked,
}

/// A fact about a transaction.
#[derive(Debug)]
pub struct FeedEvent<'a> {
    /// The LSN of the record, which may contain several facts.
    pub lsn: Lsn,
    /// The fact.
    pub kind: FeedEventKind<'a>,
    /// When it was recorded.
    pub at: Millis,
    /// The opening of the transaction.
    pub opening: &'a Opening,
    /// Minor units: the amount approved by then, or the requested amount where nothing was approved.
    pub amount: u64,
    /// The outcome of the transaction after the fact.
    pub outcome: TransactionOutcome,
    /// The customer that it was recorded for.
    pub customer: Option<CustomerId<'a>>,
}

impl FeedEvent<'_> {
    /// The status of the transaction at that time.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status(self.at)
    }

    /// When the hold was to end, if one was open.
    #[must_use]
    pub fn expires_at(&self) -> Option<Millis> {
        self.outcome.expires_at(self.at)
    }
}

/// An entry of the feed.
#[derive(Debug)]
pub enum FeedEntry<'a> {
    /// A fact about a transaction.
    Event(&'a FeedEvent<'a>),
    /// Records that cannot be read: they may contain facts about any merchant of the query.
    Unreadable(&'a UnreadableRecords),
}

/// The state of one call.
struct FeedReader<'a, 't> {
    ledger: &'a Ledger,
    query: &'a FeedQuery<'a>,
    show: &'t mut dyn FnMut(FeedEntry<'_>),
    /// Transactions of earlier facts, in their last state, without their facts.
    loaded: HashMap<TransactionSlot, Transaction>,
    events_shown: usize,
    records_read: usize,
}

/// A fact, and its transaction after it.
struct FeedFact<'f> {
    slot: TransactionSlot,
    transaction: Transaction,
    kind: FeedEventKind<'f>,
    at: Millis,
    outcome: TransactionOutcome,
}

impl Ledger {
    /// Calls `show` with each fact after a record, in order, and with the records that cannot be read. Only durable
    /// records are read. Returns how far it came.
    ///
    /// # Errors
    /// The journal does not contain all records after that one, or cannot be read.
    pub fn read_feed(
        &self,
        query: &FeedQuery<'_>,
        show: &mut dyn FnMut(FeedEntry<'_>),
    ) -> Result<Followed, FollowError> {
        let loaded = HashMap::new();
        let mut reader = FeedReader { ledger: self, query, show, loaded, events_shown: 0, records_read: 0 };
        self.journal.follow_to(query.through, query.after, &mut |visited| {
            match visited {
                Visited::Records(records) => records.iter().for_each(|record| reader.read_or_report(record)),
                Visited::Unreadable(unreadable) => reader.report(unreadable),
            }
            let is_enough = reader.events_shown >= query.limit || reader.records_read >= FEED_READS_MAX;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

impl FeedReader<'_, '_> {
    /// Shows the facts of a record, or that it cannot be read.
    fn read_or_report(&mut self, record: &Record<'_>) {
        if let Err(refusal) = self.read(record) {
            self.report(&UnreadableRecords { first: record.lsn, last: record.lsn, reason: refusal.to_string() });
        }
    }

    fn report(&mut self, unreadable: &UnreadableRecords) {
        tracing::warn!(
            "the event feed reports records {} to {} as unreadable: {}",
            unreadable.first,
            unreadable.last,
            unreadable.reason
        );
        (self.show)(FeedEntry::Unreadable(unreadable));
        self.events_shown += 1;
    }

    fn read(&mut self, record: &Record<'_>) -> Result<(), Refusal> {
        give_way();
        self.records_read += 1;
        let owner = record.owner;
        if owner >= FIRST_CUSTOMER
            && let Some(is_included) = self.query.merchants
            && self.ledger.customers.lock(owner).get(owner).is_some_and(|customer| !is_included(customer.merchant))
        {
            return Ok(());
        }
        let unreadable = |error: encoding::DecodeError| Refusal::Unreadable(error.to_string());
        // Attributes are not needed here, so nothing is unsealed.
        let events = encoding::decode(record.events, &mut |_| Ok(None)).map_err(unreadable)?;
        let at_slot = |slot| TransactionSlot { customer: owner, slot };
        for (n, event) in events.iter().enumerate() {
            let encoding::RecordedEvent::Customer(event) = event else { continue };
            match event {
                CustomerEvent::TransactionOpened { slot, opening } => {
                    let transaction = self.with_current_level(record.offset, Transaction::open(opening.clone()));
                    let (at, outcome) = (opening.recorded_at, opening.outcome());
                    let kind = FeedEventKind::Opened;
                    let fact = FeedFact { slot: at_slot(*slot), transaction, kind, at, outcome };
                    // The approval after it in the same record is shown instead.
                    self.add(record, fact, opening.opened != OpeningKind::Unreserved);
                }
                CustomerEvent::FactRecorded { slot, recorded_fact, outcome, .. } => {
                    let loaded = self.loaded.remove(&at_slot(*slot));
                    if self.query.flag.is_some_and(|flag| !outcome.flags.contains(flag)) {
                        continue;
                    }
                    let facts = events.iter().skip(n).filter(|event| is_fact_in_slot(event, *slot)).count();
                    let before = match loaded {
                        Some(loaded) => Some(loaded),
                        None => self.load_before(record.offset, at_slot(*slot), facts, recorded_fact)?,
                    };
                    // A transaction whose opening was deleted and that is forgotten is not shown.
                    let Some(mut transaction) = before else { continue };
                    transaction.add_fact(recorded_fact.clone());
                    transaction.facts.clear();
                    let (kind, at) = (FeedEventKind::FactRecorded(recorded_fact), recorded_fact.at);
                    self.add(record, FeedFact { slot: at_slot(*slot), transaction, kind, at, outcome: *outcome }, true);
                }
                CustomerEvent::Assigned { slot, opening, facts, outcome, at } => {
                    let mut transaction = self.with_current_level(record.offset, Transaction::open(opening.clone()));
                    facts.iter().for_each(|recorded_fact| transaction.add_fact(recorded_fact.clone()));
                    transaction.facts.clear();
                    let (slot, kind) = (at_slot(*slot), FeedEventKind::Linked);
                    self.add(record, FeedFact { slot, transaction, kind, at: *at, outcome: *outcome }, true);
                }
                // Not facts about transactions.
                CustomerEvent::Compacted { .. }
                | CustomerEvent::AssignedElsewhere { .. }
                | CustomerEvent::Created { .. }
                | CustomerEvent::AttributesFilled { .. }
                | CustomerEvent::LevelSet { .. }
                | CustomerEvent::SignalReceived { .. }
                | CustomerEvent::InstrumentAdded { .. }
                | CustomerEvent::InstrumentUsed { .. }
                | CustomerEvent::AuditEntry(_)
                | CustomerEvent::CustomerChanged(_) => {}
            }
        }
        Ok(())
    }

    /// A transaction with the current name of its level.
    fn with_current_level(&self, offset: LogOffset, mut transaction: Transaction) -> Transaction {
        let opening = &mut transaction.opening;
        let (merchant, direction) = (opening.merchant, opening.content.direction);
        let current = |level| self.ledger.level_renames.current_name(merchant, direction, offset, level);
        opening.level = opening.level.map(current);
        transaction
    }

    /// A transaction before the last `facts` facts of a record, without its facts. `recorded_fact` is the first of these.
    /// `None`: the transaction is unknown.
    fn load_before(
        &mut self,
        offset: LogOffset,
        slot: TransactionSlot,
        facts: usize,
        recorded_fact: &RecordedFact,
    ) -> Result<Option<Transaction>, Refusal> {
        let load = |offset| self.ledger.load_transaction(0, slot, offset);
        let (loaded, is_later) = match load(offset) {
            Ok(loaded) => (loaded, false),
            Err(Refusal::RecordLost(_)) => return Ok(None),
            Err(unreadable) => match self.ledger.last_record(slot)? {
                // Its opening was deleted, and the transaction was copied to a later record, or is forgotten.
                Some(later) if later > offset => (load(later)?, true),
                Some(_) => return Err(unreadable),
                None => (None, false),
            },
        };
        let Some(loaded) = loaded else { return Ok(None) };
        let Transaction { opening, facts: all, .. } = loaded.transaction;
        self.records_read += all.len();
        let mut transaction = Transaction::open(opening);
        let until = if is_later { all.len() } else { all.len().saturating_sub(facts) };
        for earlier in all.into_iter().take(until) {
            // No two facts of a transaction are equal.
            if is_later && earlier.is_same(recorded_fact) {
                break;
            }
            transaction.add_fact(earlier);
        }
        transaction.facts.clear();
        Ok(Some(transaction))
    }

    /// Shows a fact that matches the query, and keeps its transaction.
    fn add(&mut self, record: &Record<'_>, fact: FeedFact<'_>, is_shown: bool) {
        let FeedFact { slot, transaction, kind, at, outcome } = fact;
        let opening = &transaction.opening;
        let has_flag = self.query.flag.is_none_or(|flag| outcome.flags.contains(flag));
        if self.query.merchants.is_some_and(|is_included| !is_included(opening.merchant)) {
            return;
        }
        if has_flag && is_shown {
            let customer = match opening.resolution {
                CustomerResolution::Bypassed if self.ledger.identities.names_by_identifier(opening) => None,
                CustomerResolution::Bypassed => {
                    opening.bypassed_id.as_deref().map(|id| CustomerId::Sent(Cow::Borrowed(id)))
                }
                _ => Some(CustomerId::Number(record.owner)),
            };
            let amount = transaction.amount();
            let event = FeedEvent { lsn: record.lsn, kind, at, opening, amount, outcome, customer };
            (self.show)(FeedEntry::Event(&event));
            self.events_shown += 1;
        }
        if has_flag {
            self.loaded.insert(slot, transaction);
        }
    }
}

fn is_fact_in_slot(event: &encoding::RecordedEvent, wanted: u32) -> bool {
    matches!(event, encoding::RecordedEvent::Customer(CustomerEvent::FactRecorded { slot, .. }) if *slot == wanted)
}
