//! A request that creates or updates a customer.

use crate::{
    config::body::{JsonObject, object},
    domain::{
        customer::{audit::Author, status::CustomerStatus, update::CustomerUpdate},
        request::{
            attribute_value::{self, FLAG_EXPECTED, RATING_EXPECTED},
            fields::{parse_time, parse_word},
            identifier_text,
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{attributes::Attribute, direction::Direction, names::Name, time::Millis, words::Word},
    },
    ledger::Registration,
    service::{
        documents::{
            customers::own_rate::own_rates,
            json::{text, text_list},
        },
        error::ServiceError,
    },
};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A request that creates or updates a customer.
pub(crate) struct CustomerRequest {
    /// The merchant's own identifier of a new customer.
    pub(crate) identifier: Option<String>,
    /// When a new customer was created, where that was earlier.
    pub(crate) created: Option<Millis>,
    pub(crate) update: CustomerUpdate,
}

impl CustomerRequest {
    /// The registration that the request describes.
    pub(crate) fn registration<'a>(&'a self, merchant: &'a Merchant, author: Author) -> Registration<'a> {
        let Self { identifier, created, update } = self;
        Registration { merchant, identifier: identifier.as_deref(), update, created: *created, author, is_trial: false }
    }
}

/// Reads a body. `is_new`: the request creates a customer and can name its identifier and its age.
pub(crate) fn read_customer(body: &[u8], rules: &Rules, is_new: bool) -> Result<CustomerRequest, ServiceError> {
    read_customer_object(&object(body)?, rules, is_new)
}

/// The same for an object that is parsed already.
pub(crate) fn read_customer_object(
    object: &JsonObject<'_>,
    rules: &Rules,
    is_new: bool,
) -> Result<CustomerRequest, ServiceError> {
    let mut customer = CustomerRequest { identifier: None, created: None, update: CustomerUpdate::default() };
    for (key, raw) in &object.0 {
        let (key, raw) = (key.as_str(), *raw);
        let update = &mut customer.update;
        if let Some(attribute) = Attribute::parse(key) {
            let value = attribute_text(attribute, raw)?;
            update.attributes.push((attribute, attribute_value::parse(attribute, &value)?.into()));
            continue;
        }
        match key {
            "merchant_customer_identifier" if is_new => {
                const FIELD: &str = "merchant_customer_identifier";
                let written = text(FIELD, raw)?.unwrap_or_default();
                customer.identifier = identifier_text::parse(FIELD, &written)?.map(str::to_owned);
            }
            "created_at" if is_new => customer.created = parse_time("created_at", text("created_at", raw)?.as_deref())?,
            "deposit_level" => update.levels[Direction::Deposit as usize] = Some(level(update, "deposit_level", raw)?),
            "withdrawal_level" => {
                update.levels[Direction::Withdrawal as usize] = Some(level(update, "withdrawal_level", raw)?);
            }
            "status" => {
                let written = text("status", raw)?;
                update.status = written.map(|status| parse_word::<CustomerStatus>("status", &status)).transpose()?;
            }
            "labels" => update.labels = Some(list(update, "labels", raw)?),
            "deletion_due" if !is_new => {
                if raw.get() != "null" {
                    let expected = "is null, which withdraws a deletion request; DELETE requests one";
                    return Err(ServiceError::unknown_value("deletion_due", expected));
                }
                update.withdraws_deletion = true;
            }
            "disabled_projects" => update.disabled_projects = Some(list(update, "disabled_projects", raw)?),
            "rates" => update.rates = Some(own_rates(raw, rules)?),
            "customer" => {
                let detail = "`customer` is not taken here: send `email` and the other attributes as fields of the body, \
                              without `customer`";
                return Err(ServiceError::malformed("unknown_field", detail).at(key));
            }
            "customer_level" => {
                let detail = "`customer_level` is a field of payments: send `deposit_level` or `withdrawal_level`";
                return Err(ServiceError::malformed("unknown_field", detail).at(key));
            }
            _ => {
                let words = Attribute::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                let also = if is_new { "merchant_customer_identifier, created_at, " } else { "" };
                let taken =
                    format!("{also}deposit_level, withdrawal_level, status, labels, disabled_projects, rates, {words}");
                return Err(ServiceError::unknown_field(key, &taken));
            }
        }
    }
    Ok(customer)
}

/// The text of an attribute: a rating is a number in JSON, and `phone_verified` true or false. `null` and an empty text
/// remove the attribute.
fn attribute_text<'r>(attribute: Attribute, raw: &'r RawValue) -> Result<Cow<'r, str>, ServiceError> {
    let written = raw.get();
    let expected = match attribute {
        Attribute::Rating => RATING_EXPECTED,
        Attribute::PhoneVerified => FLAG_EXPECTED,
        _ => return Ok(text(attribute.word(), raw)?.unwrap_or_default().into()),
    };
    match written.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') if attribute == Attribute::Rating => Ok(Cow::Borrowed(written)),
        Some(b't' | b'f') if attribute == Attribute::PhoneVerified => Ok(Cow::Borrowed(written)),
        Some(b'n') => Ok(Cow::Borrowed("")),
        Some(b'"') if text(attribute.word(), raw)?.is_some_and(|text| text.is_empty()) => Ok(Cow::Borrowed("")),
        _ => Err(ServiceError::wrong_type(attribute.word(), expected)),
    }
}

fn level(update: &mut CustomerUpdate, field: &'static str, raw: &RawValue) -> Result<Option<Name>, ServiceError> {
    let written = text(field, raw)?.filter(|text| !text.is_empty());
    Ok(written.map(|text| update.name(field, &text)).transpose()?)
}

fn list(update: &mut CustomerUpdate, field: &'static str, raw: &RawValue) -> Result<Vec<Name>, ServiceError> {
    let written = text_list(field, raw)?;
    Ok(written.unwrap_or_default().iter().map(|text| update.name(field, text)).collect::<Result<_, _>>()?)
}
