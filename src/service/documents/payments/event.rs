//! Entries of the feed as documents.

use crate::{
    domain::{
        rules::configuration::Rules,
        transaction::{fact::Fact, opening::OpeningKind, status::flag_list},
        vocabulary::money::{Currency, Minor},
    },
    ledger::{CustomerId, FeedEvent, FeedEventKind},
    service::documents::{
        as_text::{Amount, AsText, Time},
        payments::{
            code::{CodeDocument, DeniedPayment},
            decision::AppliedLevel,
            transaction::FactDocument,
        },
    },
    storage::journal::UnreadableRecords,
};
use serde::Serialize;
use smallvec::SmallVec;

/// One event of the feed: a fact about a transaction.
#[derive(Debug, Serialize)]
pub(crate) struct EventDocument<'a> {
    lsn: u64,
    event: &'static str,
    merchant: &'static str,
    transaction_id: &'a str,
    at: Time,
    status: &'static str,
    direction: &'static str,
    currency: AsText<Currency>,
    amount: Amount,
    flags: SmallVec<[&'static str; 2]>,
    level: Option<AppliedLevel>,
    customer_id: Option<AsText<&'a CustomerId<'a>>>,
    resolution: &'static str,
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Every violation of a denial, as the transaction shows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codes: Vec<CodeDocument<'a>>,
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
#[derive(Debug, Serialize)]
pub(crate) struct UnreadableDocument<'a> {
    lsn: u64,
    last_lsn: u64,
    event: &'static str,
    reason: &'a str,
}

impl<'a> UnreadableDocument<'a> {
    pub(crate) fn of(unreadable: &'a UnreadableRecords) -> Self {
        let UnreadableRecords { first, last, reason } = unreadable;
        Self { lsn: first.0, last_lsn: last.0, event: "unreadable", reason }
    }
}
