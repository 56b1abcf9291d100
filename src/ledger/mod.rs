//! The state: customers and their transactions, in memory, each behind its own lock.
//!
//! A request goes one way: the stripe of its transaction id, the stripes of identities where a customer is made, the
//! customer's shard; there it decides, applies, and leaves. No lock is taken in another order, no guard of a map is
//! held while another lock is taken, nothing waits while it holds one. Time comes as an argument; this room reads no
//! clock, and the rules come whole, so that a request sees one configuration.

mod answer;
mod index;
mod levels;
mod list;
mod open;
mod shards;
mod signals;

pub use answer::{Answer, CustomerShown, Moved, Shown};
pub use levels::MadeLevel;
pub use list::{PAGE_MAX, Page, Wanted};

use crate::domain::{
    customer::{Customer, Event},
    decide::{Decision, Question, Skew, can_be_made, decide},
    level,
    limits::{Headroom, Measure, least_headroom},
    money::Currency,
    name::Name,
    payment::{Payment, SentIdentity},
    refusal::Refusal,
    rules::{Attribute, Direction, Merchant, Refunds, Rules},
    time::Millis,
    transaction::{Opened, Resolution, Transaction},
    transition::{Circumstances, Effect, Operation, Outcome, judge},
};
use dashmap::DashMap;
use index::{Found, Identities};
use open::Follows;
use shards::{Customers, DigestKey, SHARDS, Spreading, Stripes};
use std::sync::atomic::{AtomicU64, Ordering};

/// The `customer_id` of the first customer. Numbers below hold what belongs to nobody.
pub const FIRST_CUSTOMER: u64 = 1_000_001;

/// What bounds a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Transactions held in memory; at the bound new reserves are refused while facts still pass.
    pub transactions_max: u64,
    /// How far from now a payment may be placed.
    pub skew: Skew,
}

/// Where a transaction lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    customer: u64,
    slot: u32,
}

/// All state.
pub struct Ledger {
    bounds: Bounds,
    key: DigestKey,
    customers: Customers,
    places: DashMap<u128, Place, Spreading>,
    identities: Identities,
    id_stripes: Stripes,
    identity_stripes: Stripes,
    blocked_instruments: DashMap<u128, (), Spreading>,
    /// Who holds an instrument, at any merchant: numbers, ascending.
    holders: DashMap<u128, smallvec::SmallVec<[u64; 1]>, Spreading>,
    currencies: dashmap::DashSet<Currency>,
    made_levels: levels::MadeLevels,
    next_customer: AtomicU64,
    transactions: AtomicU64,
    holds_visited: AtomicU64,
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
    /// An empty ledger. `digest_key` is secret and random, and may differ at each start.
    #[must_use]
    pub fn new(bounds: Bounds, digest_key: (u64, u64)) -> Self {
        let key = DigestKey::new(digest_key);
        let sharded = || DashMap::with_capacity_and_hasher_and_shard_amount(0, Spreading::default(), SHARDS);
        Self {
            bounds,
            key,
            customers: Customers::new(),
            places: sharded(),
            identities: Identities::new(key),
            id_stripes: Stripes::new(),
            identity_stripes: Stripes::new(),
            blocked_instruments: DashMap::with_hasher(Spreading::default()),
            holders: DashMap::with_capacity_and_hasher_and_shard_amount(0, Spreading::default(), SHARDS),
            currencies: dashmap::DashSet::new(),
            made_levels: levels::MadeLevels::default(),
            next_customer: AtomicU64::new(FIRST_CUSTOMER),
            transactions: AtomicU64::new(0),
            holds_visited: AtomicU64::new(0),
        }
    }

    /// How many customers there are.
    #[must_use]
    pub fn customers_len(&self) -> u64 {
        self.next_customer.load(Ordering::Relaxed) - FIRST_CUSTOMER
    }

    /// How many transactions are held.
    #[must_use]
    pub fn transactions_len(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// How many ends of holds were looked at since the start: one for each hold that ended or had moved on.
    #[must_use]
    pub fn holds_visited(&self) -> u64 {
        self.holds_visited.load(Ordering::Relaxed)
    }

    /// How many levels requests would have made beyond the bound.
    #[must_use]
    pub fn levels_turned_away(&self) -> u64 {
        self.made_levels.turned_away()
    }

    /// Levels that requests have made.
    #[must_use]
    pub fn made_levels(&self, merchant: Name) -> Vec<MadeLevel> {
        self.made_levels.of(merchant)
    }

    /// Reserves, or answers from the record where the id is known. With an `outcome`, also applies it: a payment.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn reserve(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        outcome: Option<Outcome>,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        let key = self.key.transaction(payment.merchant.id.as_str(), &payment.transaction_id);
        let _alone = self.id_stripes.lock(key);
        match self.place(key) {
            Some(place) => self.repeat(rules, payment, outcome, place, now),
            None => {
                let follows = outcome.map_or(Follows::Nothing, Follows::Outcome);
                self.open(rules, payment, follows, Opened::Reserved, key, now)
            }
        }
    }

    /// Answers what a reserve would answer, at `now` or as of another instant, and records nothing.
    ///
    /// # Errors
    /// As a reserve.
    pub fn check(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<Answer, Refusal> {
        self.ask(rules, payment, now, as_of, |customer, decision, resolution, now| {
            Answer::checked(payment, decision, customer, resolution, now)
        })
    }

    /// Decides without recording and hands the decision, with the customer whom it is about, to `show`.
    ///
    /// # Errors
    /// As a reserve.
    pub fn ask<T>(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        now: Millis,
        as_of: Option<Millis>,
        show: impl FnOnce(Option<&Customer>, Decision<'_>, Resolution, Millis) -> T,
    ) -> Result<T, Refusal> {
        match self.identities.find(payment) {
            Found::Customer(number, resolution) => {
                let mut shard = self.customers.lock(number);
                if let Some(customer) = shard.get_mut(&number).filter(|c| c.merchant == payment.merchant.id) {
                    let question = self.question(rules, payment, self.settle(customer, now), as_of)?;
                    let then = as_of.map(|instant| customer.books_at(instant));
                    let books = then.as_deref().unwrap_or(&customer.books);
                    return Ok(show(
                        Some(customer),
                        decide(&question, Some(customer), books),
                        resolution,
                        question.now,
                    ));
                }
                drop(shard);
                if matches!(payment.identity, SentIdentity::CustomerId(_)) {
                    let question = self.question(rules, payment, now, as_of)?;
                    return Ok(show(None, decide(&question, None, &[]), Resolution::Bypassed, question.now));
                }
            }
            Found::Stranger => {
                let question = self.question(rules, payment, now, as_of)?;
                return Ok(show(None, decide(&question, None, &[]), Resolution::Bypassed, question.now));
            }
            Found::Nobody => {}
        }
        can_be_made(payment)?;
        let question = self.question(rules, payment, now, as_of)?;
        let newcomer = Customer::new(0, payment.merchant.id, None, now);
        Ok(show(Some(&newcomer), decide(&question, Some(&newcomer), &[]), Resolution::Created, question.now))
    }

    fn question<'a>(
        &self,
        rules: &'a Rules,
        payment: &'a Payment<'a>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<Question<'a>, Refusal> {
        let at = match as_of {
            Some(instant) => instant,
            None => self.bounds.skew.place(payment.occurred_at, now, "occurred_at")?,
        };
        let instrument_blocked = self.is_blocked(payment);
        Ok(Question { rules, payment, now: as_of.unwrap_or(now), at, instrument_blocked })
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
        let _alone = self.id_stripes.lock(key);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let Some(place) = self.place(key) else {
            let (Operation::Approve { .. }, Some(late)) = (operation, late) else {
                return Err(unknown());
            };
            let approval = Follows::Approval { operation, in_stream };
            return self.approve_unreserved(rules, &late()?, approval, key, now);
        };
        let mut shard = self.customers.lock(place.customer);
        let (customer, now) = self.settled(&mut shard, place, now).ok_or_else(unknown)?;
        let transaction = known(customer, place, transaction_id)?;
        let opened = &transaction.opening.content;
        let differs = [
            ("direction", says.direction.is_some_and(|said| said != opened.direction)),
            ("currency", says.currency.is_some_and(|said| said != opened.currency)),
        ];
        let fields: Vec<_> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        if !fields.is_empty() {
            return Err(Refusal::Conflict(fields));
        }
        let effect = judge(transaction, operation, circumstances(rules, transaction, now))?;
        let replay = match effect {
            Effect::Replay => true,
            Effect::New(noted) => {
                // Money that moved is taken however late it is told of; it lies where its transaction does. Only a
                // stream's lines keep their order.
                if in_stream || !matches!(operation, Operation::Approve { .. }) {
                    self.bounds.skew.place(occurred_at, now, "occurred_at")?;
                }
                customer.apply(Event::Happened { slot: place.slot, noted });
                if let Operation::Approve { instrument: Some(id), .. } = operation {
                    self.hold_instrument(customer, id, now);
                }
                false
            }
        };
        let transaction = known(customer, place, transaction_id)?;
        Ok(Moved::of(transaction, headroom_of(rules, customer, transaction, now), now, replay))
    }

    /// Shows a transaction.
    ///
    /// # Errors
    /// It is not known.
    pub fn show(&self, rules: &Rules, merchant: &str, transaction_id: &str, now: Millis) -> Result<Shown, Refusal> {
        let key = self.key.transaction(merchant, transaction_id);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let place = self.place(key).ok_or_else(unknown)?;
        let mut shard = self.customers.lock(place.customer);
        let (customer, now) = self.settled(&mut shard, place, now).ok_or_else(unknown)?;
        let transaction = known(customer, place, transaction_id)?;
        Ok(Shown {
            transaction: transaction.clone(),
            customer: answer::customer_of(transaction, customer),
            headroom: Some(headroom_of(rules, customer, transaction, now)),
            now,
        })
    }

    /// Lets a customer's holds run out; returns the time from which the customer is to be seen.
    fn settle(&self, customer: &mut Customer, now: Millis) -> Millis {
        let (now, visited) = customer.settle(now);
        if visited > 0 {
            self.holds_visited.fetch_add(visited, Ordering::Relaxed);
        }
        now
    }

    /// The customer of a place, settled, and the time from which it is to be seen.
    /// `None`: the customer is being made this moment, and nothing of it is to be seen yet.
    fn settled<'a>(&self, shard: &'a mut Locked<'_>, place: Place, now: Millis) -> Option<(&'a mut Customer, Millis)> {
        let customer = shard.get_mut(&place.customer)?;
        let now = self.settle(customer, now);
        Some((customer, now))
    }

    fn place(&self, key: u128) -> Option<Place> {
        self.places.get(&key).map(|place| *place)
    }

    fn is_blocked_instrument(&self, id: &str) -> bool {
        self.blocked_instruments.contains_key(&self.key.instrument(id))
    }

    fn is_blocked(&self, payment: &Payment<'_>) -> bool {
        instruments(payment).any(|id| self.is_blocked_instrument(id))
    }

    /// The currencies in which any amount was ever recorded here.
    #[must_use]
    pub fn currencies_held(&self) -> std::collections::BTreeSet<Currency> {
        self.currencies.iter().map(|currency| *currency).collect()
    }

    /// Where a known transaction entered: its project and its endpoint.
    #[must_use]
    pub fn entered_by(&self, merchant: &str, transaction_id: &str) -> Option<(Name, Name)> {
        let place = self.place(self.key.transaction(merchant, transaction_id))?;
        let shard = self.customers.lock(place.customer);
        let content = shard.get(&place.customer)?.transaction(place.slot)?.opening.content;
        Some((content.project, content.endpoint))
    }
}

type Locked<'a> = parking_lot::MutexGuard<'a, std::collections::HashMap<u64, Customer, Spreading>>;

/// The instruments that a payment names, in its own field or as an attribute.
fn instruments<'a>(payment: &'a Payment<'_>) -> impl Iterator<Item = &'a str> {
    payment.instrument.as_deref().into_iter().chain(payment.attributes.value(Attribute::PaymentInstrument))
}

fn known<'a>(customer: &'a Customer, place: Place, transaction_id: &str) -> Result<&'a Transaction, Refusal> {
    let transaction = customer.transaction(place.slot).filter(|t| t.opening.id.as_ref() == transaction_id);
    transaction.ok_or_else(|| Refusal::UnknownTransaction(transaction_id.to_owned()))
}

fn circumstances(rules: &Rules, transaction: &Transaction, now: Millis) -> Circumstances {
    let merchant = rules.merchant(transaction.opening.merchant.as_str());
    Circumstances {
        minor_units: rules.currencies.units(transaction.opening.content.currency),
        refunds: merchant.map_or(Refunds::None, |merchant| merchant.refunds),
        now,
    }
}

/// What is left now for the customer of a transaction under its level.
fn headroom_of(rules: &Rules, customer: &Customer, transaction: &Transaction, now: Millis) -> Headroom {
    let opening = &transaction.opening;
    let (Some(name), Some(merchant)) = (opening.level, rules.merchant(opening.merchant.as_str())) else {
        return Headroom::default();
    };
    let content = &opening.content;
    let (direction, currency) = (content.direction, content.currency);
    let merchant: &Merchant = merchant;
    let level = level::of_recorded(merchant, name, opening.level_source, direction, currency, content.project);
    let measure = Measure { rules, merchant, books: &customer.books, direction, currency, level, now };
    least_headroom(&measure.gauges(now, false), None)
}
