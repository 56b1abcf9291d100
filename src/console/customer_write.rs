//! The one place where the console changes customers. A page previews a change, a person confirms it, and [`commit`] makes
//! it by the service of the API. A write owns all that it needs, so that it can also be kept until another person confirms
//! it.

use crate::{
    console::{background_job::run_job, page_request::PageRequest},
    domain::{
        customer::instrument_blocks::MerchantScope,
        request::refusal::Refusal,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        customers::{limits::LimitsKey, settings::SettingsKey, signals::SignalCaller},
        error::ServiceError,
        reply::{Answered, Reply},
    },
};
use serde_json::Value;

/// A confirmed change of the customers of one merchant.
#[derive(Debug, Clone)]
pub(super) struct CustomerWrite {
    /// The merchant, one of the configuration.
    pub(super) merchant: Name,
    /// The number of the customer; empty where it is about several, or about a new one.
    pub(super) customer: String,
    pub(super) operation: WriteOperation,
}

/// The key of individual settings.
#[derive(Debug, Clone)]
pub(super) struct SettingsPlace {
    pub(super) direction: Direction,
    pub(super) currency: Currency,
    pub(super) level: Name,
    pub(super) level_text: String,
}

impl SettingsPlace {
    pub(super) fn key(&self) -> SettingsKey<'_> {
        let Self { direction, currency, level, level_text } = self;
        SettingsKey { direction: *direction, currency: *currency, level: *level, level_text }
    }
}

/// The operation of a write. Bodies are those of the API.
#[derive(Debug, Clone)]
pub(super) enum WriteOperation {
    /// Registers a customer.
    Register { body: String },
    /// Changes profile, levels, status, labels, rates, or withdraws a deletion.
    Update { body: String },
    /// Requests the deletion, after which the attributes are erased.
    Erase,
    /// Merges the customer into another one.
    Merge { body: String },
    /// Sends a signal.
    Signal { body: String },
    /// Replaces individual payment settings.
    PutSettings { place: SettingsPlace, body: String },
    /// Removes individual payment settings.
    DeleteSettings { place: SettingsPlace },
    /// Sets the customer's own limits, or an operator's.
    PutLimits { key: LimitsKey, body: String },
    /// Requests the removal of the customer's own limits, or removes an operator's.
    DeleteLimits { key: LimitsKey, of_operator: bool },
    /// Cancels a pending raise.
    CancelRaise { key: LimitsKey },
    /// Confirms a pending raise for the customer.
    ConfirmRaise { key: LimitsKey },
    /// Changes a stored payment instrument.
    PutInstrument { instrument: String, body: String },
    /// Removes a stored payment instrument.
    RemoveInstrument { instrument: String },
    /// Changes many customers, as a job with an id.
    Bulk { job: String, body: String },
    /// Generates customers.
    Generate { body: String },
}

/// Makes a confirmed change, for the person of the request; returns the document of the answer. The document of a job that
/// goes on in the background is `null`.
///
/// # Errors
/// Those of the service.
pub(super) fn commit(request: &PageRequest, write: &CustomerWrite) -> Result<Value, ServiceError> {
    let id = write.merchant.as_str();
    let merchant = request.rules.merchant(id).ok_or_else(|| Refusal::UnknownMerchant(id.to_owned()))?;
    if let WriteOperation::Bulk { job, body } = &write.operation {
        let (job, body) = (job.clone(), body.clone());
        return run_job(request, move |request, merchant| {
            let jobs = &request.console.parts.jobs;
            Ok(request.customers(merchant).bulk_change(jobs, Some(&job), body.as_bytes())?.answer)
        });
    }
    request.read(make(request, merchant, write))
}

fn make(request: &PageRequest, merchant: &Merchant, write: &CustomerWrite) -> Answered {
    let (customers, number) = (request.customers(merchant), write.customer.as_str());
    match &write.operation {
        WriteOperation::Register { body } => customers.register(body.as_bytes()),
        WriteOperation::Update { body } => customers.update(number, body.as_bytes()),
        WriteOperation::Erase => customers.delete(number),
        WriteOperation::Merge { body } => customers.merge(number, body.as_bytes()),
        WriteOperation::Signal { body } => {
            let token = request.token.as_ref();
            let reach = token.map_or(MerchantScope::All, |token| token.reach());
            let caller = SignalCaller { by: token.map(|token| token.name), reach };
            request.console.parts.payments.signal(merchant.id.as_str(), number, &caller, body.as_bytes())
        }
        WriteOperation::PutSettings { place, body } => customers.put_settings(number, place.key(), body.as_bytes()),
        WriteOperation::DeleteSettings { place } => customers.delete_settings(number, place.key()),
        WriteOperation::PutLimits { key, body } => customers.put_limits(number, *key, body.as_bytes()),
        WriteOperation::DeleteLimits { key, of_operator } => customers.delete_limits(number, *key, *of_operator),
        WriteOperation::CancelRaise { key } => customers.cancel_raise(number, *key),
        WriteOperation::ConfirmRaise { key } => customers.confirm_raise(number, *key, b""),
        WriteOperation::PutInstrument { instrument, body } => {
            customers.put_instrument(number, instrument, body.as_bytes())
        }
        WriteOperation::RemoveInstrument { instrument } => customers.remove_instrument(number, instrument),
        WriteOperation::Generate { body } => customers.generate(body.as_bytes()),
        WriteOperation::Bulk { .. } => Ok(Reply::new(&Value::Null)),
    }
}
