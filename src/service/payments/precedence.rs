//! The order of refusals (domain.md, section 5): an unknown field, then an unknown merchant or transaction, then any other
//! malformed value. Values are parsed before anything is looked up, so this runs only after a malformed value was found.

use crate::{
    domain::{request::refusal::Refusal, rules::configuration::Rules, vocabulary::words::Word},
    ledger::Ledger,
    service::{
        documents::payments::fields::LINE_FIELDS,
        error::{ErrorKind, ServiceError},
        payments::operation::{PaymentOperation, fields_taken},
    },
};
use arc_swap::ArcSwap;
use serde_json::Value;

/// What the path of a call names. A line of a batch names the same in its fields, so its target is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallTarget<'a> {
    pub(crate) operation: Option<PaymentOperation>,
    pub(crate) merchant: Option<&'a str>,
    /// The transaction of a transition.
    pub(crate) transaction: Option<&'a str>,
}

/// Codes of malformed requests that precede every lookup: the fields are uncertain, or no lookup may use them.
const FIRST_CODES: [&str; 5] = ["unknown_field", "duplicate_field", "json_malformed", "invalid_utf8", "card_number"];

/// The error that a request gets: `error`, unless it is a malformed value and the merchant or the transaction is unknown.
pub(crate) fn first_error(
    (ledger, rules): (&Ledger, &ArcSwap<Rules>),
    target: CallTarget<'_>,
    body: &[u8],
    error: ServiceError,
    may_enter: impl Fn(&str) -> Result<(), ServiceError>,
) -> ServiceError {
    if !may_be_preceded(&error) {
        return error;
    }
    let _inside = ledger.block_renames();
    first_error_inside((ledger, &rules.load()), target, body, error, may_enter)
}

/// Whether another error of the same request may precede this one.
fn may_be_preceded(error: &ServiceError) -> bool {
    error.kind == ErrorKind::Malformed && !FIRST_CODES.contains(&&*error.code)
}

/// [`first_error`] under the guard of [`Ledger::block_renames`].
pub(super) fn first_error_inside(
    (ledger, rules): (&Ledger, &Rules),
    target: CallTarget<'_>,
    body: &[u8],
    error: ServiceError,
    may_enter: impl Fn(&str) -> Result<(), ServiceError>,
) -> ServiceError {
    if !may_be_preceded(&error) {
        return error;
    }
    let Ok(sent) = serde_json::from_slice::<Value>(body) else { return error };
    let text = |field: &str| sent.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let operation = target.operation.or_else(|| text("op").and_then(PaymentOperation::parse));
    let merchant = target.merchant.or_else(|| text("merchant"));
    let (Some(operation), Some(merchant)) = (operation, merchant) else { return error };
    // A field that the operation does not take is refused first, also where its value is malformed.
    let [first, second] = fields_taken(operation);
    let is_taken = |field: &String| [first, second, LINE_FIELDS].concat().contains(&field.as_str());
    if !sent.as_object().is_some_and(|fields| fields.keys().all(is_taken)) {
        return error;
    }
    if may_enter(merchant).is_err() {
        return error;
    }
    let is_configured = rules.merchant(merchant).is_some();
    let unknown_merchant = || Refusal::UnknownMerchant(merchant.to_owned()).into();
    use PaymentOperation::{Approve, Check, Payment, Reserve};
    match (operation, target.transaction.or_else(|| text("transaction_id"))) {
        (Reserve | Check | Payment, _) if is_configured => error,
        (Reserve | Check | Payment, _) => unknown_merchant(),
        (_, None) => error,
        (_, Some(id)) if ledger.recorded_content(merchant, id).is_some() => error,
        // An approval with the fields of a reserve can open an unknown transaction.
        (Approve, Some(_)) if text("direction").and(text("currency")).is_some() => match is_configured {
            true => error,
            false => unknown_merchant(),
        },
        (_, Some(id)) => Refusal::UnknownTransaction(id.to_owned()).into(),
    }
}
