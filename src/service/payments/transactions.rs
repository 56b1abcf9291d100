//! Transactions as they are shown: one, and pages of them.

use crate::{
    config::schema::texts::{CursorText, CustomerIdText, SentenceText},
    domain::{
        request::{
            fields::{check_no_control, parse_word},
            refusal::Refusal,
        },
        transaction::{
            opening::CustomerResolution,
            status::{Flag, Status},
        },
        vocabulary::{
            calendar::{Calendar, LocalTime},
            time::Millis,
        },
    },
    ledger::{
        FIRST_CUSTOMER, TransactionCursor, TransactionOrder, TransactionPosition, TransactionQuery, TransactionTime,
        UnreadableTransaction,
    },
    service::{
        documents::{
            payments::transaction::TransactionDocument,
            query::{cursor, from_time, page_limit, to_time},
        },
        error::ServiceError,
        payments::payment_service::PaymentService,
        reply::{Answered, Reply},
    },
    storage::journal::Lsn,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// The keys of a transaction list.
pub(crate) const TRANSACTION_KEYS: [&str; 9] =
    ["status", "flag", "resolution", "from", "to", "customer_id", "order", "limit", "cursor"];

/// A page of transactions.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TransactionPage<'a> {
    /// The transactions.
    transactions: Vec<TransactionDocument<'a>>,
    /// Transactions that the page does not show, because their records cannot be read; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableDocument<'a>>,
    /// The position of the next page. `null`: this was the last one.
    #[schemars(with = "Option<CursorText>")]
    next_cursor: Option<String>,
}

/// A transaction that the page does not show, because its records cannot be read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UnreadableTransaction")]
pub(crate) struct UnreadableDocument<'a> {
    /// The customer. `null`: it had no customer.
    #[schemars(with = "Option<CustomerIdText>")]
    customer_id: Option<String>,
    /// Why it cannot be read.
    #[schemars(with = "SentenceText")]
    reason: &'a str,
}

impl<'a> UnreadableDocument<'a> {
    pub(crate) fn of(UnreadableTransaction { position, reason }: &'a UnreadableTransaction) -> Self {
        let customer_id = (position.customer >= FIRST_CUSTOMER).then(|| position.customer.to_string());
        Self { customer_id, reason }
    }
}

/// The text of a cursor: a customer and a slot, and the time after them in the order of time; or a record.
fn cursor_text(cursor: TransactionCursor) -> String {
    match cursor {
        TransactionCursor::After(TransactionPosition { customer, slot }) => format!("{customer}-{slot}"),
        TransactionCursor::Before(TransactionTime { at, customer, slot }) => format!("{customer}-{slot}_{}", at.0),
        TransactionCursor::BeforeRecord(lsn) => lsn.0.to_string(),
    }
}

/// The cursor of [`cursor_text`].
fn parse_cursor(text: &str) -> Option<TransactionCursor> {
    let Some((customer, rest)) = text.split_once('-') else {
        return text.parse().ok().map(|lsn| TransactionCursor::BeforeRecord(Lsn(lsn)));
    };
    let customer = customer.parse().ok()?;
    Some(match rest.split_once('_') {
        None => TransactionCursor::After(TransactionPosition { customer, slot: rest.parse().ok()? }),
        Some((slot, at)) => {
            let at = Millis(at.parse().ok()?);
            TransactionCursor::Before(TransactionTime { at, customer, slot: slot.parse().ok()? })
        }
    })
}

/// The filter that pairs of a key and a text describe, each key at most once. Dates are those of the merchant's calendar;
/// without one, those of UTC.
pub(crate) fn transaction_filter<'p>(
    pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    calendar: Option<&Calendar>,
) -> Result<TransactionQuery, ServiceError> {
    let mut filter = TransactionQuery { limit: 100, ..TransactionQuery::default() };
    for (key, value) in pairs {
        match &*key {
            "status" => filter.status = Some(parse_word::<Status>("status", &value)?),
            "flag" => filter.flag = Some(parse_word::<Flag>("flag", &value)?),
            "resolution" => filter.resolution = Some(parse_word::<CustomerResolution>("resolution", &value)?),
            "from" => filter.from = Some(from_time("from", &value, calendar)?),
            "to" => filter.to = Some(to_time("to", &value, calendar)?),
            "customer_id" => {
                check_no_control("customer_id", value.trim())?;
                filter.customer_id = Some(value.trim().to_owned());
            }
            "limit" => filter.limit = page_limit(&value)?,
            "order" => filter.order = parse_word::<TransactionOrder>("order", &value)?,
            "cursor" => filter.after = Some(cursor(&value, parse_cursor)?),
            other => return Err(ServiceError::unknown_field(other, &TRANSACTION_KEYS.join(", "))),
        }
    }
    Ok(filter)
}

impl PaymentService {
    /// Shows a transaction.
    ///
    /// # Errors
    /// It is not known.
    pub fn transaction(&self, merchant: &str, id: &str) -> Answered {
        let _inside = self.ledger.block_renames();
        let rules = self.rules.load();
        let now = self.time()?;
        let shown = self.ledger.show(&rules, merchant, id, now)?;
        let denied = shown.transaction.opening.violations.first().map(|violation| violation.code.number());
        let reply = Reply::new(&TransactionDocument::of(&shown, &rules)).depending_on(shown.depends_on_lsn);
        Ok(Reply { denied, ..reply })
    }

    /// A page of a merchant's transactions. It can read many and from the disk.
    ///
    /// # Errors
    /// The merchant is not known, the cursor is of another order, or the archive's index or the journal cannot be read.
    pub(crate) fn transactions(&self, merchant: &str, filter: &TransactionQuery) -> Answered {
        let (rules, now) = (self.rules(), self.time()?);
        if !filter.has_cursor_of_order() {
            return Err(ServiceError::unknown_value(
                "cursor",
                "is a `next_cursor` of an earlier page of the same order",
            ));
        }
        let calendar = rules.merchant(merchant).map_or(Calendar::utc(), |merchant| &merchant.calendar);
        let page = self.ledger.list_transactions(merchant, filter, LocalTime { calendar, now })?;
        if page.transactions.is_empty() && !self.is_or_was_configured(merchant) {
            return Err(Refusal::UnknownMerchant(merchant.to_owned()).into());
        }
        Ok(Reply::new(&TransactionPage {
            transactions: page.transactions.iter().map(|shown| TransactionDocument::of(shown, &rules)).collect(),
            unreadable: page.unreadable.iter().map(UnreadableDocument::of).collect(),
            next_cursor: page.next.map(cursor_text),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_returns() {
        let time = |at| TransactionTime { at: Millis(at), customer: 1_000_001, slot: 7 };
        for cursor in [
            TransactionCursor::After(TransactionPosition { customer: 12, slot: 0 }),
            TransactionCursor::Before(time(1_790_000_000_000)),
            TransactionCursor::Before(time(-5)),
            TransactionCursor::BeforeRecord(Lsn(42)),
        ] {
            assert_eq!(parse_cursor(&cursor_text(cursor)), Some(cursor));
        }
        for wrong in ["", "x", "1-", "-1", "1-2-3", "1-2_", "1-2_3_4", "1_2", "1-2_x"] {
            assert_eq!(parse_cursor(wrong), None, "{wrong}");
        }
    }
}
