//! The customer: who pays, with all transactions and the usage that they add up to.
//!
//! [`Customer::apply`] is the only way in which a customer changes, and it cannot fail. A customer is the unit of
//! consistency: everything that a decision reads and writes lies in one, under one lock.

use super::{
    identity::Attributes,
    money::Currency,
    name::Name,
    rules::{Direction, MethodSetting},
    standing::{CustomerStatus, Signal, Standing},
    time::Millis,
    transaction::{Noted, Opening, Transaction},
    usage::Book,
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// Settings of one customer for one (direction, currency, level), over the level's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndividualSettings {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The level under which they apply.
    pub level: Name,
    /// By method.
    pub methods: Vec<MethodSetting>,
    /// Applies to all methods, minor units.
    pub global_min: Option<u64>,
    /// Applies to all methods, minor units.
    pub global_max: Option<u64>,
}

/// Something that happened to one customer. Each names all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Attributes that were missing came with a payment.
    AttributesFilled {
        /// Those that were missing.
        attributes: Attributes,
        /// When.
        at: Millis,
    },
    /// The stored level name of a direction changed.
    LevelSet {
        /// Of this direction.
        direction: Direction,
        /// `None`: empty from now on.
        level: Option<Name>,
        /// Whether the individual settings of the direction are dropped with it.
        drops_settings: bool,
        /// When.
        at: Millis,
    },
    /// Something became known about the customer or an instrument of the customer's.
    Signalled {
        /// What.
        signal: Signal,
        /// When.
        at: Millis,
    },
    /// A transaction was opened.
    Opened(Opening),
    /// Something happened to a transaction.
    Happened {
        /// Its slot in [`Customer::transactions`].
        slot: u32,
        /// What.
        noted: Noted,
    },
}

/// A customer.
#[derive(Debug, Clone)]
pub struct Customer {
    /// The internal number; `customer_id` is its decimal text.
    pub number: u64,
    /// Whose.
    pub merchant: Name,
    /// Unique in the merchant where set.
    pub identifier: Option<Box<str>>,
    /// Common attributes.
    pub attributes: Attributes,
    /// The stored level name by direction; `None`: empty.
    pub levels: [Option<Name>; 2],
    /// Where the customer stands.
    pub standing: Standing,
    /// Individual payment settings.
    pub settings: Vec<IndividualSettings>,
    /// When the customer was made.
    pub created: Millis,
    /// When the customer last changed, transactions apart.
    pub modified: Millis,
    /// In the order in which they were opened; an index here is a slot.
    pub transactions: Vec<Box<Transaction>>,
    /// Usage, one book for each (direction, currency, level).
    pub books: Vec<Book>,
    /// The latest time at which anybody looked. Whoever comes with an earlier one, having waited for the lock, is
    /// answered as of this one: otherwise it would not see what was counted meanwhile.
    settled_at: Millis,
    /// Ends of open holds, earliest first; an entry whose transaction has moved on is ignored when it comes up.
    holds: BinaryHeap<Reverse<(Millis, u32)>>,
}

impl Customer {
    /// A customer without a past.
    #[must_use]
    pub fn new(number: u64, merchant: Name, identifier: Option<Box<str>>, at: Millis) -> Self {
        Self {
            number,
            merchant,
            identifier,
            attributes: Attributes::default(),
            levels: [None; 2],
            standing: Standing::default(),
            settings: Vec::new(),
            created: at,
            modified: at,
            transactions: Vec::new(),
            books: Vec::new(),
            settled_at: at,
            holds: BinaryHeap::new(),
        }
    }

    /// Where the customer stands, as one word.
    #[must_use]
    pub fn status(&self) -> CustomerStatus {
        self.standing.status()
    }

    /// The transaction in a slot.
    #[must_use]
    pub fn transaction(&self, slot: u32) -> Option<&Transaction> {
        self.transactions.get(slot as usize).map(AsRef::as_ref)
    }

    /// The slot that the next opened transaction gets.
    #[must_use]
    pub fn next_slot(&self) -> u32 {
        u32::try_from(self.transactions.len()).unwrap_or(u32::MAX)
    }

    /// Lets the holds run out whose end has come, and returns the time from which this customer is to be seen: `now`,
    /// or the latest time at which anybody looked. Usage is exact only behind this. It costs nothing where no hold
    /// ends, and one step a hold where some do; none is searched for. The second number counts those steps.
    pub fn settle(&mut self, now: Millis) -> (Millis, u64) {
        let mut visited = 0;
        let now = self.settled_at.max(now);
        self.settled_at = now;
        while let Some(Reverse((until, slot))) = self.holds.peek().copied() {
            if until > now {
                break;
            }
            self.holds.pop();
            visited += 1;
            self.count(slot, now);
        }
        (now, visited)
    }

    /// Changes the customer by an event that has happened; cannot fail.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::AttributesFilled { attributes, at } => {
                attributes.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                self.modified = at;
            }
            Event::LevelSet { direction, level, drops_settings, at } => {
                self.levels[direction as usize] = level;
                if drops_settings {
                    self.settings.retain(|settings| settings.direction != direction);
                }
                self.modified = at;
            }
            Event::Signalled { signal, at } => {
                self.standing = self.standing.after(signal);
                self.modified = at;
            }
            Event::Opened(opening) => {
                let (slot, now) = (self.next_slot(), opening.recorded_at);
                self.transactions.push(Box::new(Transaction::open(opening)));
                self.hold(slot, now);
                self.count(slot, now);
            }
            Event::Happened { slot, noted } => {
                let now = noted.at;
                let extends = matches!(noted.fact, super::transaction::Fact::Extended { .. });
                if let Some(transaction) = self.transactions.get_mut(slot as usize) {
                    transaction.note(noted);
                }
                if extends {
                    self.hold(slot, now);
                }
                self.count(slot, now);
            }
        }
    }

    fn hold(&mut self, slot: u32, now: Millis) {
        let held = self.transaction(slot).filter(|t| t.is_held(now)).and_then(|t| t.hold_until);
        if let Some(until) = held {
            self.holds.push(Reverse((until, slot)));
        }
    }

    /// Writes into the books what a transaction contributes now.
    fn count(&mut self, slot: u32, now: Millis) {
        let Some(transaction) = self.transactions.get(slot as usize) else { return };
        let Some(level) = transaction.opening.level else { return };
        let content = &transaction.opening.content;
        let (direction, currency) = (content.direction, content.currency);
        let (at, is) = (transaction.opening.at, transaction.contribution(now));
        let book =
            self.books.iter().position(|b| b.currency == currency && b.level == level && b.direction == direction);
        let place = match book {
            Some(place) => place,
            None if is == super::usage::Contribution::default() => return,
            None => {
                self.books.push(Book::new(direction, currency, level));
                self.books.len() - 1
            }
        };
        self.books[place].set(at, slot, is);
    }

    /// The books as they would stand at another instant, by what is known now. Reads every transaction.
    #[must_use]
    pub fn books_at(&self, instant: Millis) -> Vec<Book> {
        let mut books: Vec<Book> = Vec::new();
        for (slot, transaction) in (0_u32..).zip(&self.transactions) {
            let (opening, is) = (&transaction.opening, transaction.contribution(instant));
            let Some(level) = opening.level else { continue };
            let (direction, currency) = (opening.content.direction, opening.content.currency);
            let found = books.iter().position(|b| (b.direction, b.currency, b.level) == (direction, currency, level));
            let place = found.unwrap_or_else(|| {
                books.push(Book::new(direction, currency, level));
                books.len() - 1
            });
            books[place].set(opening.at, slot, is);
        }
        books
    }

    /// The individual settings for this (direction, currency, level).
    #[must_use]
    pub fn settings_for(&self, direction: Direction, currency: Currency, level: Name) -> Option<&IndividualSettings> {
        self.settings.iter().find(|s| s.direction == direction && s.currency == currency && s.level == level)
    }
}
