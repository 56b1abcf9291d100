//! A customer as a document.

use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            instruments::{Instrument, by_last_use, order_of},
            own_limits::OwnLimits,
            stored_identifier::StoredIdentifier,
        },
        rules::{
            configuration::Rules,
            merchant::Merchant,
            terminal::{self, Placeholder},
        },
        vocabulary::{
            attributes::Attribute, calendar::LocalTime, direction::Direction, names::Name, time::Millis, words::Word,
        },
    },
    ledger::Ledger,
    service::documents::{
        as_text::AsText,
        customers::{
            instrument::{InstrumentContext, InstrumentDocument},
            limits::LimitsDocument,
            own_rate::OwnRateDocument,
            settings::SettingsDocument,
        },
    },
};
use serde_json::{Map, Value, json};

/// What the document of a customer depends on besides the customer.
#[derive(Clone, Copy)]
pub(crate) struct CustomerContext<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) merchant: &'a Merchant,
    /// The ledger knows which instruments are blocked; without it none is shown as blocked.
    pub(crate) ledger: Option<&'a Ledger>,
    pub(crate) now: Millis,
}

impl CustomerContext<'_> {
    /// The time in the calendar of the merchant.
    pub(crate) fn local(&self) -> LocalTime<'_> {
        LocalTime { calendar: &self.merchant.calendar, now: self.now }
    }

    /// The document of a customer, without transactions and usage.
    pub(crate) fn document(&self, customer: &Customer) -> Value {
        let level = |direction: Direction| customer.levels[direction as usize].map(Name::as_str);
        let mut document = Map::new();
        let mut set = |key: &str, value: Value| _ = document.insert(key.to_owned(), value);
        set("customer_id", json!(customer.number().to_string()));
        set("merchant_customer_identifier", json!(customer.shown_identifier()));
        set("other_identifiers", customer.identifiers().iter().filter_map(StoredIdentifier::text).collect());
        set("deposit_level", json!(level(Direction::Deposit)));
        set("withdrawal_level", json!(level(Direction::Withdrawal)));
        set("status", json!(customer.status(self.local()).word()));
        set("labels", json!(names(customer.labels())));
        set("restrictions", json!(self.merchant.restrictions(customer.labels())));
        for (word, attribute) in Attribute::WORDS {
            set(word, attribute_document(*attribute, customer.attributes.value(*attribute)));
        }
        let instruments = by_last_use(customer.instruments()).into_iter();
        set(
            "payment_instruments",
            instruments.map(|instrument| json!(self.instrument_document(customer, instrument))).collect(),
        );
        let profile = customer.profile();
        let settings = profile.map_or(&[][..], |profile| &profile.settings);
        set("settings", settings.iter().map(|settings| json!(SettingsDocument::of(settings, self.rules))).collect());
        let limits = profile.map_or(&[][..], |profile| &profile.limits);
        set("limits", limits.iter().map(|limits| json!(self.limits_document(limits))).collect());
        set("disabled_projects", json!(names(customer.disabled_projects())));
        set("rates", customer.rates().iter().map(|rate| json!(OwnRateDocument::of(rate))).collect());
        set("deletion_due", json!(profile.and_then(|profile| profile.deletion_due).map(AsText)));
        set("erased", json!(customer.is_erased()));
        set("terminal_url", json!(self.terminal_url(customer)));
        let id = |number: &u64| number.to_string();
        set("merged_customers", customer.merged().iter().map(id).collect());
        set("merged_into", json!(customer.merged_into().as_ref().map(id)));
        set("created_at", json!(AsText(customer.created)));
        set("modified_at", json!(AsText(customer.modified)));
        Value::Object(document)
    }

    fn terminal_url(&self, customer: &Customer) -> Option<String> {
        let number = customer.number().to_string();
        terminal::fill(self.merchant.terminal_url.as_deref()?, |placeholder| match placeholder {
            Placeholder::Merchant => Some(self.merchant.id.as_str()),
            Placeholder::CustomerId => Some(number.as_str()),
            Placeholder::MerchantCustomerIdentifier => customer.shown_identifier(),
        })
    }

    /// The document of a customer with all recorded instruments, also those that payments named and none stored. Each
    /// instrument has the member `stored`.
    pub(crate) fn recorded_document(&self, customer: &Customer) -> Value {
        let mut document = self.document(customer);
        let recorded = customer.instruments().iter().map(|instrument| {
            let mut document = json!(self.instrument_document(customer, instrument));
            document["stored"] = json!(instrument.is_stored);
            document
        });
        document["payment_instruments"] = recorded.collect();
        document
    }

    /// A payment instrument that the customer has, or is about to have.
    pub(crate) fn instrument_document<'i>(
        &self,
        customer: &Customer,
        instrument: &'i Instrument,
    ) -> InstrumentDocument<'i> {
        InstrumentDocument::of(instrument, &self.instrument_context(customer, instrument))
    }

    /// What the document of an instrument depends on besides the instrument.
    pub(crate) fn instrument_context(&self, customer: &Customer, instrument: &Instrument) -> InstrumentContext<'_> {
        let is_blocked =
            self.ledger.is_some_and(|ledger| ledger.is_instrument_blocked(&instrument.id, self.merchant.id));
        let order = order_of(customer.instruments(), instrument);
        InstrumentContext { local: self.local(), is_blocked, order }
    }

    /// The customer's own limits.
    pub(crate) fn limits_document(&self, limits: &OwnLimits) -> LimitsDocument {
        LimitsDocument::of(limits, self.rules, self.merchant, self.now)
    }
}

/// The value of an attribute: a rating is a number, and `phone_verified` true or false.
fn attribute_document(attribute: Attribute, value: Option<&str>) -> Value {
    match (attribute, value) {
        (Attribute::Rating, Some(text)) => json!(text.parse::<u8>().ok()),
        (Attribute::PhoneVerified, Some(text)) => json!(text == "true"),
        (_, value) => json!(value),
    }
}

fn names(names: &[Name]) -> Vec<&'static str> {
    names.iter().map(|name| name.as_str()).collect()
}
