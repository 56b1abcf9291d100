//! The customers above a limit of a level now, in pages.

use crate::{
    config::schema::{
        texts::{CursorText, CustomerIdText, NameText},
        words::WordOf,
    },
    domain::{
        request::{fields::look_up_name, refusal::Refusal},
        rules::{configuration::Rules, level::LevelKey, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, names::Name, text::suggest::did_you_mean},
    },
    ledger::{AboveBounds, AbovePage, AbovePosition, LimitQuestion},
    service::{
        documents::{
            as_text::AsText,
            payments::decision::FilterUsage,
            query::{TakenKeys, cursor, page_limit},
        },
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// The keys of the list.
pub(crate) const ABOVE_LIMIT_KEYS: TakenKeys = TakenKeys::once(&["filter", "limit", "cursor"]);

/// The most customers that are read for one page.
const READS_MAX: u64 = 10_000;

/// A request for a page.
#[derive(Debug, Clone)]
pub(crate) struct AboveLimitRequest {
    filter: Name,
    /// As sent, for a refusal.
    text: String,
    limit: usize,
    position: AbovePosition,
}

/// The customers above a limit now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CustomersAboveLimit")]
pub(crate) struct AboveLimitDocument {
    /// The name of the level.
    #[schemars(with = "NameText")]
    name: &'static str,
    /// The direction of payments.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of payments.
    currency: AsText<Currency>,
    /// The customers, by their number.
    customers: Vec<CustomerAboveLimit>,
    /// How many customers were read for the page.
    customers_read: u64,
    /// The position of the next page. `null`: this was the last one.
    #[schemars(with = "Option<CursorText>")]
    next_cursor: Option<String>,
}

/// A customer above a limit.
#[derive(Serialize, JsonSchema)]
struct CustomerAboveLimit {
    /// The customer.
    #[schemars(with = "CustomerIdText")]
    customer_id: String,
    /// The filter with the usage of the customer.
    #[serde(flatten)]
    usage: FilterUsage,
}

impl AboveLimitRequest {
    /// The request that pairs of a key and a text describe.
    ///
    /// # Errors
    /// A key or a value is not taken, or `filter` is missing.
    pub(crate) fn read<'p>(
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    ) -> Result<Self, ServiceError> {
        let (mut filter, mut limit, mut position) = (None, 100, AbovePosition::default());
        for (key, value) in ABOVE_LIMIT_KEYS.read(pairs)? {
            match key {
                "filter" => filter = Some(value).filter(|value| !value.is_empty()),
                "limit" => limit = page_limit(&value)?,
                _ => position = cursor(&value, read_position)?,
            }
        }
        let text = filter.ok_or(Refusal::Missing("filter"))?;
        Ok(Self { filter: look_up_name("filter", &text)?, text, limit, position })
    }
}

/// A cursor: 0 or 1, a minus sign, and the number of the last customer.
fn read_position(text: &str) -> Option<AbovePosition> {
    let (part, after) = text.split_once('-')?;
    let is_without_level = match part {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    Some(AbovePosition { is_without_level, after: Some(after.parse().ok()?) })
}

impl PaymentService {
    /// A page of the customers above a limit of a level. It reads many customers, each under its own lock.
    ///
    /// # Errors
    /// There is no such level or filter.
    pub(crate) fn above_limit(
        &self,
        (rules, merchant): (&Rules, &Merchant),
        key: LevelKey,
        request: &AboveLimitRequest,
    ) -> Answered {
        let LevelKey { direction, currency, name, .. } = key;
        let Some(in_force) = self.level_in_force(rules, merchant, &key) else {
            return Err(self.unknown_level(merchant, &key).into());
        };
        let now = self.time().unwrap_or_else(|_| self.clock.recording_time());
        let question = LimitQuestion { level: key, filter: request.filter, by_amount: true, by_quantity: true };
        let bounds = AboveBounds { position: request.position, limit: request.limit, reads_max: READS_MAX };
        let page: Option<AbovePage> = self.ledger.list_above(rules, &question, now, bounds);
        let page = page.ok_or_else(|| {
            let near = did_you_mean(&request.text, in_force.level.filters.iter().map(|filter| filter.name.as_str()));
            ServiceError::unknown_value("filter", &format!("is a filter of {key}, and not `{}`{near}", request.text))
        })?;
        let customers = page.customers.iter().map(|above| CustomerAboveLimit {
            customer_id: above.customer.to_string(),
            usage: FilterUsage::of(&above.limit, currency, rules),
        });
        let next = page.next.and_then(|next| Some(format!("{}-{}", u8::from(next.is_without_level), next.after?)));
        Ok(Reply::new(&AboveLimitDocument {
            name: name.as_str(),
            direction: direction.word(),
            currency: AsText(currency),
            customers: customers.collect(),
            customers_read: page.read,
            next_cursor: next,
        }))
    }
}
