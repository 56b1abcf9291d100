//! Entries of the feed as documents.

use crate::{
    config::schema::{
        texts::{NameText, ReasonText, SentenceText, TransactionIdText},
        words::WordOf,
    },
    domain::{
        rules::configuration::Rules,
        transaction::{
            fact::Fact,
            opening::{CustomerResolution, OpeningKind},
            status::{Flag, Status, flag_list},
        },
        vocabulary::{
            direction::Direction,
            money::{Currency, Minor},
        },
    },
    ledger::{CustomerId, FeedEvent, FeedEventKind},
    service::documents::{
        as_text::{Amount, AsText, Time},
        payments::{
            code::{CodeDocument, CodeFields, DeniedPayment},
            decision::AppliedLevel,
            transaction::FactDocument,
        },
    },
    storage::journal::UnreadableRecords,
};
use schemars::JsonSchema;
use serde::Serialize;
use smallvec::SmallVec;

/// One event of the feed: a fact about a transaction.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventDocument<'a> {
    /// The number of its record. Facts of one step share it.
    lsn: u64,
    /// What happened.
    #[schemars(extend("enum" = ["reserved", "denied", "approved", "declined", "cancelled", "refunded", "charged_back", "extended", "attempted", "linked"]))]
    event: &'static str,
    /// The merchant.
    #[schemars(with = "NameText")]
    merchant: &'static str,
    /// The transaction.
    #[schemars(with = "TransactionIdText")]
    transaction_id: &'a str,
    /// When the fact was recorded.
    at: Time,
    /// The status of the transaction after this fact.
    #[schemars(with = "WordOf<Status>")]
    status: &'static str,
    /// The direction of the payment.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of the amount.
    currency: AsText<Currency>,
    /// The amount of the transaction after this fact.
    amount: Amount,
    /// The flags of the transaction after this fact.
    #[schemars(with = "Vec<WordOf<Flag>>")]
    flags: SmallVec<[&'static str; 2]>,
    /// The level under which it counts. `null`: it bypassed the customer rules.
    level: Option<AppliedLevel>,
    /// The customer for whom it was recorded. `null`: there is none.
    customer_id: Option<AsText<&'a CustomerId<'a>>>,
    /// How the customer was found.
    #[schemars(with = "WordOf<CustomerResolution>")]
    resolution: &'static str,
    /// The end of the hold. `null`: there is no hold, or it never ends.
    expires_at: Option<Time>,
    /// Of a denial: the first code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// Of a denial: the reason of the first code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ReasonText>")]
    reason: Option<&'static str>,
    /// Every violation of a denial, as the transaction shows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<CodeFields<'static>>")]
    codes: Vec<CodeDocument<'a>>,
    /// The fact; absent for events that open a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<FactDocument<'a>>,
}

impl<'a> EventDocument<'a> {
    pub(crate) fn of(feed_event: &'a FeedEvent<'_>, rules: &Rules) -> Self {
        let opening = feed_event.opening;
        let units = rules.currencies.units(opening.content.currency);
        let violations = match feed_event.kind {
            FeedEventKind::Opened => &opening.violations[..],
            FeedEventKind::FactRecorded(_) | FeedEventKind::Linked => &[],
        };
        let denied = violations.first().map(|violation| violation.code);
        let payment = DeniedPayment::of_opening(opening, rules);
        Self {
            lsn: feed_event.lsn.0,
            event: event_word(feed_event),
            merchant: opening.merchant.as_str(),
            transaction_id: &opening.id,
            at: AsText(feed_event.at),
            status: feed_event.status().word(),
            direction: opening.content.direction.word(),
            currency: AsText(opening.content.currency),
            amount: AsText(Minor { value: u128::from(feed_event.amount), units }),
            flags: flag_list(feed_event.outcome.flags).iter().map(|flag| flag.word()).collect(),
            level: AppliedLevel::of_opening(opening),
            customer_id: feed_event.customer.as_ref().map(AsText),
            resolution: opening.resolution.word(),
            expires_at: feed_event.expires_at().map(AsText),
            code: denied.map(|code| code.number()),
            reason: denied.map(|code| code.reason()),
            codes: violations.iter().map(|violation| CodeDocument { violation, payment }).collect(),
            transition: match feed_event.kind {
                FeedEventKind::FactRecorded(recorded_fact) => Some(FactDocument::of(recorded_fact, units)),
                FeedEventKind::Opened | FeedEventKind::Linked => None,
            },
        }
    }
}

impl EventDocument<'_> {
    /// Whether the event reports this.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.event == word
    }
}

fn event_word(feed_event: &FeedEvent<'_>) -> &'static str {
    match feed_event.kind {
        FeedEventKind::Opened if feed_event.opening.opened == OpeningKind::Denied => "denied",
        FeedEventKind::Opened => "reserved",
        FeedEventKind::Linked => "linked",
        FeedEventKind::FactRecorded(recorded_fact) => match recorded_fact.fact {
            Fact::Approved { .. } => "approved",
            Fact::Declined { .. } => "declined",
            Fact::Cancelled { .. } => "cancelled",
            Fact::Refunded { .. } => "refunded",
            Fact::ChargedBack { .. } => "charged_back",
            Fact::Extended { .. } => "extended",
            Fact::Attempted { .. } => "attempted",
            Fact::ReservedLate { .. } => "reserved",
        },
    }
}

/// Records that cannot be read, in the place of their events.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnreadableRecords")]
pub(crate) struct UnreadableDocument<'a> {
    /// The first record.
    lsn: u64,
    /// The last record.
    last_lsn: u64,
    /// Always `unreadable`.
    #[schemars(extend("enum" = ["unreadable"]))]
    event: &'static str,
    /// Why they cannot be read.
    #[schemars(with = "SentenceText")]
    reason: &'a str,
}

impl<'a> UnreadableDocument<'a> {
    pub(crate) fn of(unreadable: &'a UnreadableRecords) -> Self {
        let UnreadableRecords { first, last, reason } = unreadable;
        Self { lsn: first.0, last_lsn: last.0, event: "unreadable", reason }
    }
}
