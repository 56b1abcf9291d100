//! One payment of one customer: what opened it, and the facts that followed.
//!
//! Status, flags and what it contributes to usage are functions of the set of facts and of time; the order in which
//! facts arrived changes none of them.

use super::{
    brief::{Flags, Upshot},
    codes::Code,
    convert::Unavailable,
    identity::AttributeSet,
    money::Currency,
    name::Name,
    payment::SentLevel,
    rules::{Direction, Word, words},
    time::Millis,
    usage::Contribution,
};
use smallvec::SmallVec;

/// The most facts of one transaction that callers may add by choice (attempts, extensions, cancels, refunds).
pub const FACTS_MAX: usize = 10_000;

/// Where a record lies in the journal: a number that this room only carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place(pub u64);

impl Place {
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
        /// The default behaviour.
        Default = "default",
    }
}
words! {
    /// What a reader should notice about a transaction.
    Flag {
        /// More was approved than reserved.
        OverLimit = "over_limit",
        /// Approved after its hold had run out.
        Late = "late",
        /// Approved and refused.
        Conflict = "conflict",
        /// Approved without a reservation.
        Unreserved = "unreserved",
        /// Anti-fraud flagged the customer.
        Suspicious = "suspicious",
        /// A label of the customer asks for it.
        Outlier = "outlier",
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
    /// The level name that it counts under; `None`: the rules were bypassed and it counts nowhere.
    pub level: Option<Name>,
    /// Where the level came from.
    pub level_source: LevelSource,
    /// How the customer was found.
    pub resolution: Resolution,
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
    pub fn upshot(&self) -> Upshot {
        let status = if self.opened == Opened::Denied { Status::Denied } else { Status::Reserved };
        let counts = match (self.opened, self.level) {
            (Opened::Reserved, Some(_)) => Contribution { gross: self.content.amount, net: self.content.amount },
            _ => Contribution::NONE,
        };
        let flags = Flags::NONE
            .with(Flag::Unreserved, self.opened == Opened::Unreserved)
            .with(Flag::Suspicious, self.suspicious)
            .with(Flag::Outlier, self.outlier);
        Upshot { status, counts, hold_until: self.hold_until, flags }
    }
}

/// Something that happened to a transaction after it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Money moved: one capture.
    Approved {
        /// Names the capture; `None`: the one without a name.
        capture_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// The gate that paid.
        gate: Option<Box<str>>,
        /// The gateway's token.
        instrument: Option<Box<str>>,
        /// What the status was at the time makes it late or a conflict.
        flag: Option<Flag>,
    },
    /// The processor refused.
    Declined {
        /// It came after an approval and changed nothing.
        conflict: bool,
    },
    /// Given back.
    Cancelled {
        /// `None`: the one without an id.
        cancel_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether all that was left was asked for, instead of an amount.
        all: bool,
    },
    /// Paid back by the merchant.
    Refunded {
        /// `None`: the one without an id.
        refund_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether all that was left was asked for.
        all: bool,
        /// Whether it gives usage back: the merchant's option at the time.
        gives_back: bool,
    },
    /// Paid back by force.
    ChargedBack {
        /// `None`: the one without an id.
        chargeback_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether all that was left was asked for.
        all: bool,
    },
    /// The hold lasts until then.
    Extended {
        /// The new end.
        until: Millis,
    },
    /// One gate was tried.
    Attempted {
        /// Its number.
        attempt: u32,
        /// Which gate.
        gate: Box<str>,
        /// What came of it.
        outcome: Box<str>,
    },
    /// A reserve came after the approval that opened the transaction: what it asked for.
    Asked {
        /// Minor units.
        amount: u64,
    },
}

/// A fact with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// When it was recorded.
    pub at: Millis,
    /// What.
    pub fact: Fact,
}

/// Sums over the facts of a transaction, kept as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// A: what was reserved; 0 for an unreserved approval that no reserve followed.
    pub asked: u64,
    /// B: the sum of the captures.
    pub approved: u64,
    /// The sum of the cancels.
    pub cancelled: u64,
    /// R: the sum of the refunds.
    pub refunded: u64,
    /// The part of R that gives usage back.
    pub given_back: u64,
    /// The sum of the chargebacks.
    pub charged_back: u64,
    /// A decline that counted.
    pub declined: bool,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What opened it.
    pub opening: Opening,
    /// What followed, in the order in which it came.
    pub facts: Vec<Noted>,
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

    /// Adds a fact; cannot fail.
    pub fn note(&mut self, noted: Noted) {
        let totals = &mut self.totals;
        match &noted.fact {
            Fact::Approved { amount, .. } => totals.approved = totals.approved.saturating_add(*amount),
            Fact::Declined { conflict } => totals.declined |= !conflict,
            Fact::Cancelled { amount, .. } => totals.cancelled = totals.cancelled.saturating_add(*amount),
            Fact::Refunded { amount, gives_back, .. } => {
                totals.refunded = totals.refunded.saturating_add(*amount);
                totals.given_back = totals.given_back.saturating_add(if *gives_back { *amount } else { 0 });
            }
            Fact::ChargedBack { amount, .. } => totals.charged_back = totals.charged_back.saturating_add(*amount),
            Fact::Extended { until } => self.hold_until = Some(*until),
            Fact::Attempted { .. } => {}
            Fact::Asked { amount } => totals.asked = *amount,
        }
        self.facts.push(noted);
    }

    /// C: cancels, and refunds that give usage back.
    #[must_use]
    pub fn taken_back(&self) -> u64 {
        self.totals.cancelled.saturating_add(self.totals.given_back)
    }

    /// Whether any money moved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.totals.approved > 0
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        let totals = &self.totals;
        if self.is_approved() {
            if self.taken_back() >= totals.approved { Status::Cancelled } else { Status::Approved }
        } else if self.opening.opened == Opened::Denied {
            Status::Denied
        } else if totals.declined {
            Status::Declined
        } else if self.taken_back() >= totals.asked {
            Status::Cancelled
        } else if self.hold_until.is_some_and(|until| until <= now) {
            Status::Expired
        } else {
            Status::Reserved
        }
    }

    /// What the transaction counts for at an instant.
    #[must_use]
    pub fn contribution(&self, now: Millis) -> Contribution {
        let net = |amount: u64| amount.saturating_sub(self.taken_back());
        if self.opening.level.is_none() {
            return Contribution::default();
        }
        if self.is_approved() {
            let approved = self.totals.approved;
            return Contribution { gross: approved, net: net(approved) };
        }
        match self.status(now) {
            Status::Reserved => {
                // Nothing was ever paid: what is cancelled is released whatever the filter's option.
                let left = net(self.totals.asked);
                Contribution { gross: left, net: left }
            }
            _ => Contribution::default(),
        }
    }

    /// What was asked for: by the reserve, also one that was denied or that came behind its approval; else by the
    /// approval that opened the transaction.
    #[must_use]
    pub fn asked(&self) -> u64 {
        if self.totals.asked > 0 { self.totals.asked } else { self.opening.content.amount }
    }

    /// What was approved, or asked for where nothing was.
    #[must_use]
    pub fn amount(&self) -> u64 {
        if self.is_approved() { self.totals.approved } else { self.totals.asked }
    }

    /// What may still be cancelled: what was approved, or asked for where nothing was, less what has gone back.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.amount().saturating_sub(self.totals.cancelled).saturating_sub(self.totals.refunded)
    }

    /// What a reader should notice, each flag once, in the order of [`Flag`].
    #[must_use]
    pub fn flags(&self) -> SmallVec<[Flag; 2]> {
        const FLAGS: &[(&str, Flag)] = Flag::WORDS;
        let mut seen = [false; FLAGS.len()];
        let reserved = self.opening.opened != Opened::Denied && self.totals.asked > 0;
        seen[Flag::OverLimit as usize] = reserved && self.totals.approved > self.totals.asked;
        seen[Flag::Unreserved as usize] = self.opening.opened == Opened::Unreserved;
        seen[Flag::Suspicious as usize] = self.opening.suspicious;
        seen[Flag::Outlier as usize] = self.opening.outlier;
        for noted in &self.facts {
            match &noted.fact {
                Fact::Approved { flag: Some(flag), .. } => seen[*flag as usize] = true,
                Fact::Declined { conflict: true } => seen[Flag::Conflict as usize] = true,
                _ => {}
            }
        }
        FLAGS.iter().map(|(_, flag)| *flag).filter(|flag| seen[*flag as usize]).collect()
    }
}
