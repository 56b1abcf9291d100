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
        vocabulary::calendar::{Calendar, LocalTime},
    },
    ledger::{FIRST_CUSTOMER, TransactionPosition, TransactionQuery, UnreadableTransaction},
    service::{
        documents::{
            payments::transaction::TransactionDocument,
            query::{cursor, from_time, page_limit, to_time},
        },
        error::ServiceError,
        payments::payment_service::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// The keys of a transaction list.
pub(crate) const TRANSACTION_KEYS: [&str; 8] =
    ["status", "flag", "resolution", "from", "to", "customer_id", "limit", "cursor"];

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
            "cursor" => {
                let place = |text: &str| {
                    let (customer, slot) = text.split_once('-')?;
                    Some(TransactionPosition { customer: customer.parse().ok()?, slot: slot.parse().ok()? })
                };
                filter.after = Some(cursor(&value, place)?);
            }
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
    /// The merchant is not known, or a transaction cannot be read.
    pub(crate) fn transactions(&self, merchant: &str, filter: &TransactionQuery) -> Answered {
        let (rules, now) = (self.rules(), self.time()?);
        let calendar = rules.merchant(merchant).map_or(Calendar::utc(), |merchant| &merchant.calendar);
        let page = self.ledger.list_transactions(merchant, filter, LocalTime { calendar, now })?;
        if page.transactions.is_empty() && !self.is_or_was_configured(merchant) {
            return Err(Refusal::UnknownMerchant(merchant.to_owned()).into());
        }
        Ok(Reply::new(&TransactionPage {
            transactions: page.transactions.iter().map(|shown| TransactionDocument::of(shown, &rules)).collect(),
            unreadable: page.unreadable.iter().map(UnreadableDocument::of).collect(),
            next_cursor: page.next.map(|next| format!("{}-{}", next.customer, next.slot)),
        }))
    }
}
