//! Signals about customers: fraud, chargebacks, expired cards.

use crate::{
    config::schema::{texts::CustomerIdText, words::WordOf},
    domain::{
        customer::{
            instrument_blocks::MerchantScope,
            status::{CustomerStatus, Signal},
        },
        request::{fields::parse_word, identifier_text, refusal::Refusal},
        vocabulary::{calendar::Calendar, names::Name},
    },
    ledger::{SentSignal, SignalledCustomer},
    service::{
        documents::{card_guard::no_card_in_json, json::texts},
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// The outcome of a signal.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignalAnswer")]
pub(crate) struct SignalDocument {
    /// The customer that the signal reached. If the named customer is merged, it is the target.
    #[schemars(with = "CustomerIdText")]
    customer_id: String,
    /// The status of the customer after it.
    #[schemars(with = "WordOf<CustomerStatus>")]
    status: &'static str,
}

/// The caller who sends a signal.
#[derive(Debug, Clone)]
pub struct SignalCaller {
    /// The name of the caller's token; `None` without tokens.
    pub by: Option<Name>,
    /// The merchants that the caller may act for.
    pub reach: MerchantScope,
}

impl PaymentService {
    /// Takes the signal of a body about a customer. The merchant need not be configured any more.
    ///
    /// # Errors
    /// The body is malformed; the customer is not known; the caller may not lift a block.
    pub fn signal(&self, merchant: &str, customer_id: &str, caller: &SignalCaller, body: &[u8]) -> Answered {
        let rules = self.rules();
        let configured = rules.merchant(merchant).map(|merchant| &**merchant);
        no_card_in_json(body, configured)?;
        let [signal, instrument] = texts(body, ["signal", "payment_instrument"])?;
        let signal = parse_word::<Signal>("signal", &signal.ok_or(Refusal::Missing("signal"))?)?;
        let instrument = identifier_text::parse("payment_instrument", instrument.as_deref().unwrap_or_default())?;
        let now = self.time()?;
        if instrument.is_none() && matches!(signal, Signal::CardExpired | Signal::CardInvalid) {
            return Err(Refusal::Missing("payment_instrument").into());
        }
        let trusts_blocks = configured.is_some_and(|merchant| merchant.trust_blocks);
        let calendar = configured.map_or(Calendar::utc(), |merchant| &merchant.calendar);
        let SignalCaller { by, reach } = caller;
        let sent = SentSignal { merchant, customer_id, signal, instrument, by: *by, reach, trusts_blocks, calendar };
        let SignalledCustomer { number, status, .. } = self.ledger.signal(&sent, now)?;
        Ok(Reply::new(&SignalDocument { customer_id: number.to_string(), status: status.word() }))
    }
}
