//! Which of several refusals a caller gets (domain.md, section 5): an unknown field, then an unknown merchant or
//! transaction, then any other malformed value. Values are read before anything is looked up, so this runs only after a
//! malformed value was found.

use crate::domain::{decision::refusal::Refusal, rules::configuration::Word};
use crate::{
    http::dto::{fields::LINE, problem::Problem},
    service::payments::{Op, PaymentService, taken},
};
use serde_json::Value;

/// A call as far as its path says; a line of a batch says the same in its fields.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Called<'a> {
    /// The operation.
    pub(crate) op: Option<Op>,
    /// The merchant.
    pub(crate) merchant: Option<&'a str>,
    /// The transaction of a transition.
    pub(crate) transaction: Option<&'a str>,
}

/// Refusals of a malformed request that come first. Where a field is unknown or sent twice, or the text is no JSON, the
/// values are not certain. A card number is refused before anything is looked up by it.
const FIRST: [&str; 5] = ["unknown_field", "duplicate_field", "json_malformed", "invalid_utf8", "card_number"];

impl PaymentService {
    /// The refusal of a request: `problem`, unless that is a malformed value and the merchant or the transaction is
    /// unknown.
    pub(crate) fn first_refusal(
        &self,
        called: Called<'_>,
        body: &[u8],
        problem: Problem,
        may_enter: impl Fn(&str) -> Result<(), Problem>,
    ) -> Problem {
        if problem.status != 400 || FIRST.contains(&problem.code.as_str()) {
            return problem;
        }
        let Ok(sent) = serde_json::from_slice::<Value>(body) else { return problem };
        let text = |field: &str| sent.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let op = called.op.or_else(|| text("op").and_then(Op::parse));
        let merchant = called.merchant.or_else(|| text("merchant"));
        let (Some(op), Some(merchant)) = (op, merchant) else { return problem };
        // A field that the operation does not take comes first, also where its value is malformed.
        let [first, second] = taken(op);
        let is_taken = |field: &String| [first, second, LINE].concat().contains(&field.as_str());
        if !sent.as_object().is_some_and(|fields| fields.keys().all(is_taken)) {
            return problem;
        }
        if may_enter(merchant).is_err() {
            return problem;
        }
        let _inside = self.ledger.enter();
        let is_configured = self.rules.load().merchant(merchant).is_some();
        let unknown_merchant = || Refusal::UnknownMerchant(merchant.to_owned()).into();
        match (op, called.transaction.or_else(|| text("transaction_id"))) {
            (Op::Reserve | Op::Check | Op::Payment, _) if is_configured => problem,
            (Op::Reserve | Op::Check | Op::Payment, _) => unknown_merchant(),
            (_, None) => problem,
            (_, Some(id)) if self.ledger.recorded(merchant, id).is_some() => problem,
            // An approval with the fields of a reserve may open an unknown transaction.
            (Op::Approve, Some(_)) if text("direction").and(text("currency")).is_some() => match is_configured {
                true => problem,
                false => unknown_merchant(),
            },
            (_, Some(id)) => Refusal::UnknownTransaction(id.to_owned()).into(),
        }
    }
}
