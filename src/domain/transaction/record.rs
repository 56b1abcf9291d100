//! One payment of one customer: what opened it, and the facts that followed.
//!
//! Status, flags and what it contributes to usage are functions of the set of facts and of time; the order in which
//! facts arrived changes none of them.

pub use crate::domain::transaction::fact::{CancelOf, Fact, LateContent, RecordedFact};
use crate::domain::{
    customer::attributes::AttributeSet,
    decision::{denial_codes::Code, payment::SentLevel},
    rules::configuration::{Direction, words},
    transaction::summary::{self, Flags, TransactionOutcome},
    usage::{conversion::Unavailable, series::Contribution},
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use smallvec::SmallVec;

/// The most facts of one transaction that callers may add by choice (attempts, extensions, cancels, refunds).
pub const FACTS_MAX: usize = 10_000;

/// Where a record lies in the journal: a number that this room only carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogOffset(pub u64);

impl LogOffset {
    /// The record itself: what was recorded before in the same step.
    pub const HERE: Self = Self(u64::MAX);
}

words! {
    /// What has become of a transaction.
    Status {
        /// Waiting for its outcome.
        Reserved = "reserved",
        /// Money moved.
        Approved = "approved",
        /// The processor refused.
        Declined = "declined",
        /// Given back whole.
        Cancelled = "cancelled",
        /// Its hold ran out.
        Expired = "expired",
        /// The limits refused.
        Denied = "denied",
    }
}
words! {
    /// How the customer was found.
    Resolution {
        /// By identifier.
        Found = "found",
        /// Newly made.
        Created = "created",
        /// By attributes.
        ClientDefinition = "client_definition",
        /// Not at all: the rules were not applied.
        Bypassed = "bypassed",
    }
}
words! {
    /// Where the level came from.
    LevelSource {
        /// The request.
        Request = "request",
        /// The customer.
        Stored = "stored",
        /// The default behaviour: the level `unknown`.
        Default = "default",
        /// The default behaviour: no level, only the settings of the endpoint.
        Project = "project",
    }
}
words! {
    /// What a reader should notice about a transaction.
    Flag {
        /// More was approved than reserved.
        OverLimit = "over_limit",
        /// Approved after its hold had ended.
        Late = "late",
        /// The facts contradict each other: approved after a refusal or a cancel, captured after the final capture,
        /// declined after an approval, charged back beyond what was left.
        Conflict = "conflict",
        /// Approved without a reservation.
        Unreserved = "unreserved",
        /// Anti-fraud flagged the customer.
        Suspicious = "suspicious",
        /// A label of the customer asks for it.
        Outlier = "outlier",
        /// A gate was named that the merchant does not have.
        UnknownGate = "unknown_gate",
    }
}

/// One failed check of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub code: Code,
    /// The filter that it comes from.
    pub filter: Option<Name>,
    /// The pair without a rate.
    pub pair: Option<Unavailable>,
}

/// What opened a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A reserve that was allowed.
    Reserved,
    /// A reserve that was denied.
    Denied,
    /// An approval without a reserve.
    Unreserved,
}

/// What a reserve says, as far as a repetition must say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amount.
    pub currency: Currency,
    /// Minor units.
    pub amount: u64,
    /// A keyed digest of the customer as sent.
    pub identity: u128,
    /// The attributes that the digest looked at, where the customer was sent by attributes: the client definition of
    /// the time. It is no content itself, but says how a repetition is to be compared.
    pub defined_by: AttributeSet,
    /// The level as sent.
    pub level: SentLevel,
    /// The method as sent.
    pub method: Option<Name>,
    /// The project, as resolved.
    pub project: Name,
    /// The endpoint, as resolved.
    pub endpoint: Name,
}

impl Content {
    /// The fields in which another content differs, by their names on the wire.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("direction", self.direction != other.direction),
            ("currency", self.currency != other.currency),
            ("amount", self.amount != other.amount),
            ("customer", self.identity != other.identity),
            ("customer_level", self.level != other.level),
            ("payment_method", self.method != other.method),
            ("project", self.project != other.project),
            ("endpoint", self.endpoint != other.endpoint),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// Which of project and endpoint a payment named itself; the other was the only one that fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedPlaces {
    /// The project.
    pub project: bool,
    /// The endpoint.
    pub endpoint: bool,
}

impl NamedPlaces {
    /// Both.
    pub const BOTH: Self = Self { project: true, endpoint: true };
}

/// The facts that opened a transaction; they never change. Its texts are its own, or lent by the payment that says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<Text = Box<str>> {
    /// Unique in the merchant.
    pub id: Text,
    /// Whose.
    pub merchant: Name,
    /// Its own time: where it lies in every window.
    pub at: Millis,
    /// When it was recorded.
    pub recorded_at: Millis,
    /// What it was opened by.
    pub opened: Opened,
    /// What was said.
    pub content: Content,
    /// When the hold ends; `None`: never.
    pub hold_until: Option<Millis>,
    /// The level name that it counts under; `None`: under no level, because only the endpoint's settings applied
    /// ([`LevelSource::Project`]), or because the rules were bypassed and it counts nowhere.
    pub level: Option<Name>,
    /// Where the level came from.
    pub level_source: LevelSource,
    /// How the customer was found.
    pub resolution: Resolution,
    /// Which places an approval named that opened the transaction: a later reserve is compared by those.
    pub names: NamedPlaces,
    /// The `customer_id` as sent, where the rules were bypassed.
    pub stranger: Option<Text>,
    /// Why it was denied.
    pub violations: SmallVec<[Violation; 1]>,
    /// The gates of the answer.
    pub gates: SmallVec<[Name; 4]>,
    /// The gateway's token.
    pub instrument: Option<Text>,
    /// Whether the customer was suspicious at the time.
    pub suspicious: bool,
    /// Whether a label of the customer asked for the transaction to be flagged.
    pub outlier: bool,
}

impl<Text> Opening<Text> {
    /// What the transaction has come to by being opened.
    #[must_use]
    pub fn outcome(&self) -> TransactionOutcome {
        let status = if self.opened == Opened::Denied { Status::Denied } else { Status::Reserved };
        let counts = match self.opened {
            Opened::Reserved if self.counts() => Contribution::of_amount(self.content.amount),
            _ => Contribution::NONE,
        };
        let flags = Flags::NONE
            .with(Flag::Unreserved, self.opened == Opened::Unreserved)
            .with(Flag::Suspicious, self.suspicious)
            .with(Flag::Outlier, self.outlier);
        let held = if self.opened == Opened::Reserved { self.content.amount } else { 0 };
        TransactionOutcome { status, counts, held, counts_after_hold: false, hold_until: self.hold_until, flags }
    }

    /// Whether the transaction counts in its customer's usage: one that bypassed the rules has no customer.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.resolution != Resolution::Bypassed
    }
}

/// Sums over the facts of a transaction, kept as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// A: what was reserved; 0 for an unreserved approval that no reserve followed.
    pub asked: u64,
    /// V: the sum of the cancels of the reservation.
    pub released: u64,
    /// B: the sum of the captures.
    pub approved: u64,
    /// C: the sum of the cancels of approved money.
    pub cancelled: u64,
    /// R: the sum of the refunds.
    pub refunded: u64,
    /// The part of R that gives usage back.
    pub given_back: u64,
    /// K: the sum of the chargebacks.
    pub charged_back: u64,
    /// A decline that counted.
    pub declined: bool,
    /// Whether a capture was the final one.
    pub is_final: bool,
    /// Whether nothing is held for captures to follow: after a final one, and after one whose record does not say.
    pub is_closed: bool,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What opened it.
    pub opening: Opening,
    /// What followed, in the order in which it came.
    pub facts: Vec<RecordedFact>,
    /// Sums over the facts.
    pub totals: Totals,
    /// When the hold ends now; `None`: never.
    pub hold_until: Option<Millis>,
}

impl Transaction {
    /// A transaction that has just been opened.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let asked = if opening.opened == Opened::Unreserved { 0 } else { opening.content.amount };
        let hold_until = opening.hold_until;
        Self { opening, facts: Vec::new(), totals: Totals { asked, ..Totals::default() }, hold_until }
    }

    /// Adds a fact; cannot fail. A cancel whose record does not name its money is of the reservation while nothing is
    /// approved, and of approved money afterwards.
    pub fn note(&mut self, mut recorded_fact: RecordedFact) {
        let is_approved = self.is_approved();
        let totals = &mut self.totals;
        match &mut recorded_fact.fact {
            Fact::Approved { amount, is_final, .. } => {
                totals.approved = totals.approved.saturating_add(*amount);
                totals.is_final |= *is_final == Some(true);
                totals.is_closed |= *is_final != Some(false);
            }
            Fact::Declined { conflict } => totals.declined |= !*conflict,
            Fact::Cancelled { amount, of, .. } => {
                let legacy = if is_approved { CancelOf::Approved } else { CancelOf::Reservation };
                match *of.get_or_insert(legacy) {
                    CancelOf::Reservation => totals.released = totals.released.saturating_add(*amount),
                    CancelOf::Approved => totals.cancelled = totals.cancelled.saturating_add(*amount),
                }
            }
            Fact::Refunded { amount, gives_back, .. } => {
                totals.refunded = totals.refunded.saturating_add(*amount);
                totals.given_back = totals.given_back.saturating_add(if *gives_back { *amount } else { 0 });
            }
            Fact::ChargedBack { amount, .. } => totals.charged_back = totals.charged_back.saturating_add(*amount),
            Fact::Extended { until } => self.hold_until = Some(*until),
            Fact::Attempted { .. } => {}
            Fact::Asked { amount, hold_until, .. } => {
                totals.asked = *amount;
                self.hold_until = *hold_until;
            }
        }
        self.facts.push(recorded_fact);
    }

    /// Whether any money moved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.totals.approved > 0
    }

    /// Whether the reserve was denied: then nothing was ever held.
    fn is_denied(&self) -> bool {
        self.opening.opened == Opened::Denied
    }

    fn hold_has_ended(&self, now: Millis) -> bool {
        self.hold_until.is_some_and(|until| until <= now)
    }

    /// Whether captures were announced to follow and may still draw on the reservation.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        self.is_approved() && !self.totals.is_closed && !self.is_denied() && !self.hold_has_ended(now)
    }

    /// A - V - B: what is left of the reservation, whether or not its hold has ended.
    #[must_use]
    pub fn unpaid(&self) -> u64 {
        let Totals { asked, released, approved, .. } = self.totals;
        asked.saturating_sub(released).saturating_sub(approved)
    }

    /// What is held at an instant: A - V while it waits for an approval, H = A - V - B while captures follow.
    #[must_use]
    pub fn held(&self, now: Millis) -> u64 {
        let holds = if self.is_approved() { self.is_open(now) } else { self.status(now) == Status::Reserved };
        if holds { self.unpaid() } else { 0 }
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        let totals = &self.totals;
        if self.is_approved() {
            let is_back = totals.cancelled >= totals.approved && self.held(now) == 0;
            if is_back { Status::Cancelled } else { Status::Approved }
        } else if self.is_denied() {
            Status::Denied
        } else if totals.declined {
            Status::Declined
        } else if totals.released >= totals.asked {
            Status::Cancelled
        } else if self.hold_has_ended(now) {
            Status::Expired
        } else {
            Status::Reserved
        }
    }

    /// What the transaction counts for at an instant.
    #[must_use]
    pub fn contribution(&self, now: Millis) -> Contribution {
        if !self.opening.counts() {
            return Contribution::NONE;
        }
        let held = self.held(now);
        if !self.is_approved() {
            return Contribution::of_amount(held);
        }
        let Totals { approved, cancelled, given_back, .. } = self.totals;
        let (gross, net) = (approved.saturating_add(held), approved.saturating_sub(cancelled).saturating_add(held));
        // A refund that gives usage back takes from the amount and never from the quantity.
        Contribution {
            gross: gross.saturating_sub(given_back),
            net: net.saturating_sub(given_back),
            gross_counts: true,
            net_counts: net > 0,
        }
    }

    /// The amount that the reserve requested, also one that was denied or that came after its approval; without a
    /// reserve, the amount of the approval that opened the transaction.
    #[must_use]
    pub fn asked(&self) -> u64 {
        if self.totals.asked > 0 { self.totals.asked } else { self.opening.content.amount }
    }

    /// What was approved, or asked for where nothing was.
    #[must_use]
    pub fn amount(&self) -> u64 {
        if self.is_approved() { self.totals.approved } else { self.totals.asked }
    }

    /// B - C - R - K: what is left of approved money, to be cancelled or refunded.
    #[must_use]
    pub fn left_of_approved(&self) -> u64 {
        let Totals { approved, cancelled, refunded, charged_back, .. } = self.totals;
        [cancelled, refunded, charged_back].into_iter().fold(approved, u64::saturating_sub)
    }

    /// What a reader should notice, each flag once, in the order of [`Flag`].
    #[must_use]
    pub fn flags(&self) -> SmallVec<[Flag; 2]> {
        summary::shown(self.flag_set())
    }

    /// [`Transaction::flags`] as a set.
    #[must_use]
    pub fn flag_set(&self) -> Flags {
        let Totals { asked, released, approved, .. } = self.totals;
        let has_reservation = !self.is_denied() && asked > 0;
        let over_limit = has_reservation && approved > asked.saturating_sub(released);
        let of_opening = Flags::NONE
            .with(Flag::OverLimit, over_limit)
            .with(Flag::Unreserved, self.opening.opened == Opened::Unreserved)
            .with(Flag::Suspicious, self.opening.suspicious)
            .with(Flag::Outlier, self.opening.outlier);
        self.facts.iter().fold(of_opening, |flags, recorded_fact| match &recorded_fact.fact {
            Fact::Approved { flags: of_fact, .. } => flags.and(*of_fact),
            Fact::Declined { conflict } | Fact::ChargedBack { conflict, .. } => flags.with(Flag::Conflict, *conflict),
            Fact::Attempted { unknown_gate, .. } => flags.with(Flag::UnknownGate, *unknown_gate),
            Fact::Cancelled { .. } | Fact::Refunded { .. } | Fact::Extended { .. } | Fact::Asked { .. } => flags,
        })
    }
}
