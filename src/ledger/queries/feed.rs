//! The feed: what happened to transactions, in the order of the journal, each fact with its transaction as it stood then.
//!
//! A record says what happened and not to which transaction; that is read backwards from it, as everywhere. What is known
//! of a transaction at one record is kept for the next ones of the same call, so that each story is read once. Nothing is
//! locked but, where only some merchants are wanted, one customer at a time to see whose it is.

use crate::ledger::{FIRST_CUSTOMER, Ledger, payments::answer::CustomerId, state::index::TransactionSlot};
use crate::{
    domain::{
        customer::aggregate::CustomerEvent,
        decision::refusal::Refusal,
        transaction::{
            record::{Flag, LogOffset, Opened, Opening, RecordedFact, Resolution, Status, Transaction},
            summary::TransactionOutcome,
        },
        vocabulary::{names::Name, time::Millis},
    },
    storage::{
        encoding,
        journal::{FollowError, Followed, Lsn, Record},
    },
};
use std::{borrow::Cow, collections::HashMap, ops::ControlFlow};

/// Records that one call looks at, those that it reads back included, and those of one story more.
pub const LOOKS_MAX: usize = 10_000;

/// Which facts.
pub struct Listening<'a> {
    /// Behind this record.
    pub after: Lsn,
    /// About so many: what was recorded in one step stays together.
    pub limit: usize,
    /// Of these merchants; `None`: of all.
    pub merchants: Option<&'a dyn Fn(Name) -> bool>,
    /// Of transactions that had this flag then.
    pub flag: Option<Flag>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// The transaction was opened.
    Opened,
    /// Something was told of it.
    RecordedFact(&'a RecordedFact),
    /// It had no customer, and became somebody's.
    Linked,
}

/// A fact about a transaction.
#[derive(Debug)]
pub struct Told<'a> {
    /// Of the record, which may tell more than one.
    pub lsn: Lsn,
    /// What.
    pub what: What<'a>,
    /// When it was recorded.
    pub at: Millis,
    /// What opened the transaction.
    pub opening: &'a Opening,
    /// Minor units: what had been approved by then, or asked for where nothing was.
    pub amount: u64,
    /// What the transaction came to by it.
    pub outcome: TransactionOutcome,
    /// Of whom it was recorded.
    pub customer: Option<CustomerId<'a>>,
}

impl Told<'_> {
    /// The status at that time.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status(self.at)
    }

    /// When the hold was to end, where one was open.
    #[must_use]
    pub fn expires_at(&self) -> Option<Millis> {
        self.outcome.expires_at(self.at)
    }
}

/// Why the feed cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The journal has not what is asked for, or cannot be read.
    #[error(transparent)]
    Journal(#[from] FollowError),
    /// What a record is about cannot be read.
    #[error(transparent)]
    Story(#[from] Refusal),
}

/// One call on its way.
struct Teller<'a, 't> {
    ledger: &'a Ledger,
    listening: &'a Listening<'a>,
    tell: &'t mut dyn FnMut(&Told<'_>),
    /// Transactions that were told of, as they stood last, without their facts.
    known: HashMap<TransactionSlot, Transaction>,
    told: usize,
    looks: usize,
}

impl Ledger {
    /// Tells of the facts behind a record that can not be lost any more, in order, and says how far it came.
    ///
    /// # Errors
    /// The journal has no such record or not all behind it, or cannot be read.
    pub fn feed(&self, listening: &Listening<'_>, tell: &mut dyn FnMut(&Told<'_>)) -> Result<Followed, FeedError> {
        let known = HashMap::new();
        let mut teller = Teller { ledger: self, listening, tell, known, told: 0, looks: 0 };
        let mut failed = None;
        let followed = self.journal.follow(listening.after, &mut |records| {
            for record in records {
                if let Err(refusal) = teller.record(record) {
                    failed = Some(refusal);
                    return ControlFlow::Break(());
                }
            }
            let is_enough = teller.told >= listening.limit || teller.looks >= LOOKS_MAX;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed.map_or(Ok(followed), |refusal| Err(refusal.into()))
    }
}

impl Teller<'_, '_> {
    fn record(&mut self, record: &Record<'_>) -> Result<(), Refusal> {
        self.looks += 1;
        let owner = record.owner;
        if owner >= FIRST_CUSTOMER
            && let Some(wanted) = self.listening.merchants
            && self.ledger.customers.lock(owner).get(&owner).is_some_and(|customer| !wanted(customer.merchant))
        {
            return Ok(());
        }
        let unreadable = |error: encoding::DecodeError| Refusal::Unreadable(error.to_string());
        // Attributes are not needed here, so nothing is unsealed.
        let events = encoding::decode(record.events, &mut |_| Ok(None)).map_err(unreadable)?;
        let is_of = |event: &encoding::Recorded, wanted: u32| matches!(event, encoding::Recorded::Customer(CustomerEvent::FactRecorded { slot, .. }) if *slot == wanted);
        for (n, event) in events.iter().enumerate() {
            let encoding::Recorded::Customer(event) = event else { continue };
            match event {
                CustomerEvent::Opened { slot, opening } => {
                    let transaction = self.renamed(record.place, Transaction::open(opening.clone()));
                    // The approval behind it in the same record says it all.
                    let is_told = opening.opened != Opened::Unreserved;
                    let (at, outcome) = (opening.recorded_at, opening.outcome());
                    let transaction_slot = TransactionSlot { customer: owner, slot: *slot };
                    self.tell(record, transaction_slot, transaction, (What::Opened, at, outcome), is_told);
                }
                CustomerEvent::FactRecorded { slot, recorded_fact, outcome, .. } => {
                    let transaction_slot = TransactionSlot { customer: owner, slot: *slot };
                    let known = self.known.remove(&transaction_slot);
                    if self.listening.flag.is_some_and(|flag| !outcome.flags.contains(flag)) {
                        continue;
                    }
                    let behind = events.iter().skip(n).filter(|event| is_of(event, *slot)).count();
                    let before = match known {
                        Some(known) => Some(known),
                        None => self.before(record.place, transaction_slot, behind, recorded_fact)?,
                    };
                    // One whose beginning was deleted, and of which nothing is known any more, is gone.
                    if let Some(mut transaction) = before {
                        transaction.note(recorded_fact.clone());
                        transaction.facts.clear();
                        self.tell(
                            record,
                            transaction_slot,
                            transaction,
                            (What::RecordedFact(recorded_fact), recorded_fact.at, *outcome),
                            true,
                        );
                    }
                }
                CustomerEvent::Assigned { slot, opening, facts, outcome, at } => {
                    let mut transaction = self.renamed(record.place, Transaction::open(opening.clone()));
                    facts.iter().for_each(|recorded_fact| transaction.note(recorded_fact.clone()));
                    transaction.facts.clear();
                    let transaction_slot = TransactionSlot { customer: owner, slot: *slot };
                    self.tell(record, transaction_slot, transaction, (What::Linked, *at, *outcome), true);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A transaction whose level is called as it is now.
    fn renamed(&self, place: LogOffset, mut transaction: Transaction) -> Transaction {
        let opening = &mut transaction.opening;
        let (merchant, direction) = (opening.merchant, opening.content.direction);
        let now = |level| self.ledger.made_levels.renames.now(merchant, direction, place, level);
        opening.level = opening.level.map(now);
        transaction
    }

    /// A transaction as it stood before a record told so many facts of it, without its facts; `None`: it is unknown.
    fn before(
        &mut self,
        place: LogOffset,
        transaction_slot: TransactionSlot,
        facts: usize,
        recorded_fact: &RecordedFact,
    ) -> Result<Option<Transaction>, Refusal> {
        let recall = |place| self.ledger.recall(0, transaction_slot, place);
        let (recalled, is_later) = match recall(place) {
            Ok(recalled) => (recalled, false),
            Err(Refusal::RecordLost(_)) => return Ok(None),
            Err(unreadable) => match self.ledger.place_of(transaction_slot)? {
                // Its beginning was deleted: it was carried from there, by a record that comes later, or is gone.
                Some(later) if later > place => (recall(later)?, true),
                Some(_) => return Err(unreadable),
                None => (None, false),
            },
        };
        let Some(recalled) = recalled else { return Ok(None) };
        let Transaction { opening, facts: story, .. } = recalled.transaction;
        self.looks += story.len();
        let mut transaction = Transaction::open(opening);
        let until = if is_later { story.len() } else { story.len().saturating_sub(facts) };
        for told in story.into_iter().take(until) {
            // No two facts of a transaction are the same.
            if is_later && told.is_same(recorded_fact) {
                break;
            }
            transaction.note(told);
        }
        transaction.facts.clear();
        Ok(Some(transaction))
    }

    fn tell(
        &mut self,
        record: &Record<'_>,
        transaction_slot: TransactionSlot,
        transaction: Transaction,
        (what, at, outcome): (What<'_>, Millis, TransactionOutcome),
        is_told: bool,
    ) {
        let opening = &transaction.opening;
        let has_flag = self.listening.flag.is_none_or(|flag| outcome.flags.contains(flag));
        if self.listening.merchants.is_some_and(|wanted| !wanted(opening.merchant)) {
            return;
        }
        if has_flag && is_told {
            let customer = match opening.resolution {
                Resolution::Bypassed => opening.stranger.as_deref().map(|id| CustomerId::Sent(Cow::Borrowed(id))),
                _ => Some(CustomerId::Number(record.owner)),
            };
            let amount = transaction.amount();
            (self.tell)(&Told { lsn: record.lsn, what, at, opening, amount, outcome, customer });
            self.told += 1;
        }
        if has_flag {
            self.known.insert(transaction_slot, transaction);
        }
    }
}
