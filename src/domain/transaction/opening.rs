//! What opens a transaction: the content of the reserve, the level, the customer and the decision.

use crate::domain::{
    transaction::{
        outcome::TransactionOutcome,
        status::{Flag, Flags, Status},
        violation::Violation,
    },
    usage::contribution::Contribution,
    vocabulary::{
        attributes::AttributeSet, direction::Direction, money::Currency, names::Name, time::Millis, words::words,
    },
};
use smallvec::SmallVec;

words! {
    /// How the customer was found.
    CustomerResolution {
        /// By identifier.
        Found = "found",
        /// Newly created.
        Created = "created",
        /// By attributes.
        ClientDefinition = "client_definition",
        /// Not found: the rules were not applied.
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

/// What opened a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningKind {
    /// A reserve that was allowed.
    Reserved,
    /// A reserve that was denied.
    Denied,
    /// An approval without a reserve.
    Unreserved,
}

/// A level as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentLevel {
    /// Not at all.
    Absent,
    /// The empty string.
    Empty,
    /// A name.
    Named(Name),
}

/// The content of a reserve that a repetition must repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentContent {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amount.
    pub currency: Currency,
    /// Minor units.
    pub amount: u64,
    /// A keyed digest of the customer as sent.
    pub identity: u128,
    /// The attributes that the digest covers, where the customer was sent by attributes: the client definition at that
    /// time. It is not compared itself, but defines how a repetition is compared.
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

impl PaymentContent {
    /// The fields in which another content differs, by their wire names.
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

/// Whether project and endpoint were sent; a field that was not sent was chosen because only one value fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExplicitFields {
    /// The project.
    pub project: bool,
    /// The endpoint.
    pub endpoint: bool,
}

impl ExplicitFields {
    /// Both.
    pub const BOTH: Self = Self { project: true, endpoint: true };
}

/// The data that opened a transaction; it never changes. Its texts are owned, or borrowed from the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<Text = Box<str>> {
    /// Unique in the merchant.
    pub id: Text,
    /// The merchant.
    pub merchant: Name,
    /// The time at which it counts in every window.
    pub at: Millis,
    /// When it was recorded.
    pub recorded_at: Millis,
    /// What opened it.
    pub opened: OpeningKind,
    /// The content of the request.
    pub content: PaymentContent,
    /// When the hold ends; `None`: never.
    pub hold_until: Option<Millis>,
    /// The level name under which it counts; `None`: under no level, because only the endpoint's settings applied
    /// ([`LevelSource::Project`]), or because the rules were bypassed and it does not count.
    pub level: Option<Name>,
    /// Where the level came from.
    pub level_source: LevelSource,
    /// How the customer was found.
    pub resolution: CustomerResolution,
    /// The fields that the opening approval sent: a later reserve is compared by them.
    pub names: ExplicitFields,
    /// The `customer_id`, or in `crm` mode the identifier, as sent, where the rules were bypassed.
    pub bypassed_id: Option<Text>,
    /// Why it was denied.
    pub violations: SmallVec<[Violation; 1]>,
    /// The gates of the answer.
    pub gates: SmallVec<[Name; 4]>,
    /// The gateway's token.
    pub instrument: Option<Text>,
    /// Whether the customer was suspicious at the time.
    pub suspicious: bool,
    /// Whether a label of the customer required the transaction to be flagged.
    pub outlier: bool,
}

impl<Text> Opening<Text> {
    /// The outcome of the transaction right after its opening.
    #[must_use]
    pub fn outcome(&self) -> TransactionOutcome {
        let status = if self.opened == OpeningKind::Denied { Status::Denied } else { Status::Reserved };
        let counts = match self.opened {
            OpeningKind::Reserved if self.counts() => Contribution::of_amount(self.content.amount),
            _ => Contribution::NONE,
        };
        let flags = Flags::NONE
            .with(Flag::Unreserved, self.opened == OpeningKind::Unreserved)
            .with(Flag::Suspicious, self.suspicious)
            .with(Flag::Outlier, self.outlier);
        let held_amount = if self.opened == OpeningKind::Reserved { self.content.amount } else { 0 };
        TransactionOutcome { status, counts, held_amount, counts_after_hold: false, hold_until: self.hold_until, flags }
    }

    /// Whether the transaction counts in its customer's usage: one that bypassed the rules has no customer.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.resolution != CustomerResolution::Bypassed
    }
}

impl Opening<&str> {
    /// A copy that owns its texts.
    #[must_use]
    pub fn to_owned_opening(&self) -> Opening {
        Opening {
            id: Box::from(self.id),
            merchant: self.merchant,
            at: self.at,
            recorded_at: self.recorded_at,
            opened: self.opened,
            content: self.content,
            hold_until: self.hold_until,
            level: self.level,
            level_source: self.level_source,
            resolution: self.resolution,
            names: self.names,
            bypassed_id: self.bypassed_id.map(Box::from),
            violations: self.violations.clone(),
            gates: self.gates.clone(),
            instrument: self.instrument.map(Box::from),
            suspicious: self.suspicious,
            outlier: self.outlier,
        }
    }
}
