//! The payment form of a customer, as a document.

use crate::{
    config::schema::texts::{NameText, VersionText},
    service::documents::{
        as_text::{Amount, Time},
        customers::instrument::InstrumentDocument,
        payments::decision::{AppliedLevel, CustomerReference, RemainingDocument},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A payment method of a payment form.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FormMethod")]
pub(crate) struct MethodDocument {
    /// The payment method.
    #[schemars(with = "NameText")]
    pub(crate) method: &'static str,
    /// The smallest amount. `null`: there is none.
    pub(crate) min: Option<Amount>,
    /// The largest amount, cut to what is left. `null`: there is none.
    pub(crate) max: Option<Amount>,
    /// The eligible gates, the best first.
    #[schemars(with = "Vec<NameText>")]
    pub(crate) gates: Vec<&'static str>,
    /// Whether a level or the customer overrides the endpoint.
    pub(crate) edited: bool,
}

/// What a cashier page needs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PaymentForm")]
pub(crate) struct PaymentFormDocument<'a> {
    /// The methods to show; empty if the customer is blocked.
    pub(crate) methods: Vec<MethodDocument>,
    /// The stored instruments that may pay, the default first, then the last used one.
    #[schemars(with = "Vec<InstrumentDocument<'static>>")]
    pub(crate) payment_instruments: Vec<Value>,
    /// The customer.
    pub(crate) customer: CustomerReference<'a>,
    /// The level that applies. `null`: the customer rules were bypassed.
    pub(crate) level: Option<AppliedLevel>,
    /// What is left.
    pub(crate) remaining: RemainingDocument,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    pub(crate) config_version: &'a str,
    /// The time of the answer.
    pub(crate) server_time: Time,
}
