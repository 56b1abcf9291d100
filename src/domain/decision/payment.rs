//! A requested payment: parsed once against the rules, trusted afterwards.

use crate::domain::{
    decision::endpoint_choice::choose_endpoint,
    request::{
        fields::check_no_control,
        fields::{
            check_length, check_transaction_id, look_up_name, look_up_optional_name, parse_currency,
            parse_positive_amount, parse_time, parse_word, required,
        },
        identifier_text::{is_identifier, parse_cow},
        refusal::Refusal,
    },
    rules::{
        configuration::Rules,
        merchant::{Merchant, OperationMode},
        project::{Endpoint, Project},
        registration::identifier::PaymentRegistration,
    },
    transaction::opening::{ExplicitFields, SentLevel},
    vocabulary::{
        attributes::{ATTRIBUTE_BYTES_MAX, Attribute, AttributeSet, Attributes, PaymentAttribute, check_form},
        direction::Direction,
        money::Currency,
        names::Name,
        time::Millis,
        words::Word,
    },
};
use std::borrow::Cow;

/// The fields of a reserve as sent, not yet parsed. Absent, `null` and empty are distinguished only where they differ
/// in meaning.
#[derive(Debug, Clone, Default)]
pub struct PaymentRequest<'a> {
    /// The caller's id of the payment.
    pub transaction_id: Option<Cow<'a, str>>,
    /// A shop of the merchant.
    pub project: Option<Cow<'a, str>>,
    /// A way into it.
    pub endpoint: Option<Cow<'a, str>>,
    /// `deposit` or `withdrawal`.
    pub direction: Option<Cow<'a, str>>,
    /// Decimal, as written.
    pub amount: Option<Cow<'a, str>>,
    /// ISO 4217.
    pub currency: Option<Cow<'a, str>>,
    /// `None`: method checks are skipped.
    pub payment_method: Option<Cow<'a, str>>,
    /// Names the customer in `crm` mode.
    pub merchant_customer_identifier: Option<Cow<'a, str>>,
    /// Names the customer in `payment_gateway` mode.
    pub customer_id: Option<Cow<'a, str>>,
    /// `None` and empty mean different things here.
    pub customer_level: Option<Cow<'a, str>>,
    /// Attributes by their words.
    pub customer: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The gateway's token.
    pub payment_instrument: Option<Cow<'a, str>>,
    /// RFC 3339.
    pub occurred_at: Option<Cow<'a, str>>,
    /// Whether the answer explains the decision.
    pub explain: bool,
}

/// A customer as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentIdentity<'a> {
    /// In `crm` mode.
    Identifier(Cow<'a, str>),
    /// In `payment_gateway` mode.
    CustomerId(Cow<'a, str>),
    /// The attributes of the client definition, in its order, normalised; those that were sent.
    Attributes(Vec<(Attribute, Cow<'a, str>)>),
}

/// The texts of a customer as sent, where [`Payment`] may keep them in another form. Earlier versions recorded digests of
/// these texts.
#[derive(Debug, Clone, Default)]
pub struct AsSent<'a> {
    /// The identifier, where white space was cut off it.
    pub identifier: Option<Cow<'a, str>>,
    /// The `customer_id`, where white space was cut off it.
    pub customer_id: Option<Cow<'a, str>>,
    /// The token of the payment instrument, where white space was cut off it.
    pub instrument: Option<Cow<'a, str>>,
    /// All attributes, by their words.
    pub attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Names of a payment that nothing recorded has yet. They become names where the payment is recorded, and only then:
/// until then [`Name::unrecorded`] is in their place.
#[derive(Debug, Clone, Default)]
pub struct Unrecorded<'a> {
    /// The level.
    pub level: Option<Cow<'a, str>>,
    /// The payment method.
    pub method: Option<Cow<'a, str>>,
}

/// A payment that the rules can judge.
#[derive(Debug, Clone)]
pub struct Payment<'a> {
    /// Whose.
    pub merchant: &'a Merchant,
    /// Empty where a check has none.
    pub transaction_id: Cow<'a, str>,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amount.
    pub currency: Currency,
    /// Minor units; `None` only where the question is for a form.
    pub amount: Option<u64>,
    /// The project.
    pub project: &'a Project,
    /// The endpoint, which is one of the project's.
    pub endpoint: &'a Endpoint,
    /// Which of the two the request named.
    pub names: ExplicitFields,
    /// `None`: method checks are skipped. Read it by [`Payment::method`].
    pub method: Option<Name>,
    /// The customer as sent.
    pub identity: SentIdentity<'a>,
    /// The level as sent. Read it by [`Payment::level`].
    pub level: SentLevel,
    /// The texts of names that were none when the payment was read.
    pub unrecorded: Unrecorded<'a>,
    /// The attributes that came with the payment.
    pub attributes: Attributes,
    /// The customer as sent.
    pub as_sent: AsSent<'a>,
    /// The gateway's token.
    pub instrument: Option<Cow<'a, str>>,
    /// When it happened, where sent.
    pub occurred_at: Option<Millis>,
    /// Whether the answer explains the decision.
    pub explain: bool,
}

/// Why a payment is parsed, which decides which fields it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentPurpose {
    /// A reserve, a payment or an approval: id and amount are required.
    Record,
    /// A check: the id is optional.
    Check,
    /// A payment form: id and amount are optional.
    Form,
}

impl<'a> Payment<'a> {
    /// Parses a request: the form of its fields first (malformed), then the merchant (not found), then the rules
    /// (impossible).
    ///
    /// # Errors
    /// The first error, with its field.
    pub fn admit(
        rules: &'a Rules,
        merchant: &str,
        request: PaymentRequest<'a>,
        asks: PaymentPurpose,
    ) -> Result<Self, Refusal> {
        let unknown = request.customer.iter().find(|(key, _)| PaymentAttribute::parse(key).is_none());
        if let Some((key, _)) = unknown {
            return Err(match Attribute::parse(key) {
                Some(of_staff) => Refusal::AttributeOfStaff(of_staff.word()),
                None => Refusal::UnknownAttribute(key.to_string()),
            });
        }
        let transaction_id = match request.transaction_id.filter(|id| !id.is_empty()) {
            Some(id) => check_transaction_id(id)?,
            None if asks == PaymentPurpose::Record => return Err(Refusal::Missing("transaction_id")),
            None => Cow::Borrowed(""),
        };
        let direction = required("direction", request.direction.as_deref())?;
        let direction = parse_word::<Direction>("direction", direction)?;
        let currency = parse_currency(rules, required("currency", request.currency.as_deref())?)?;
        let amount = match (request.amount.as_deref(), asks) {
            (Some(text), _) => Some(parse_positive_amount("amount", text, rules, currency)?),
            (None, PaymentPurpose::Form) => None,
            (None, _) => return Err(Refusal::Missing("amount")),
        };
        let method = look_up_optional_name("payment_method", request.payment_method.as_deref())?;
        let level = match request.customer_level.as_deref() {
            None => SentLevel::Absent,
            Some("") => SentLevel::Empty,
            Some(text) => SentLevel::Named(look_up_name("customer_level", text)?),
        };
        let nameless = Some(Name::unrecorded());
        let unrecorded = Unrecorded {
            level: request.customer_level.filter(|_| level == SentLevel::Named(Name::unrecorded())),
            method: request.payment_method.filter(|_| method == nameless),
        };
        for (key, value) in &request.customer {
            let Some(attribute) = Attribute::parse(key) else { continue };
            check_length(attribute.word(), value, ATTRIBUTE_BYTES_MAX)?;
            if is_identifier(attribute) {
                check_no_control(attribute.word(), value.trim())?;
            }
        }
        let instrument = parse_cow("payment_instrument", request.payment_instrument.as_ref())?;
        let occurred_at = parse_time("occurred_at", request.occurred_at.as_deref())?;
        let identifier = parse_cow("merchant_customer_identifier", request.merchant_customer_identifier.as_ref())?;
        let customer_id = parse_cow("customer_id", request.customer_id.as_ref())?;

        let merchant = rules.merchant(merchant).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
        let mut attributes = Attributes::default();
        for (key, value) in &request.customer {
            Attribute::parse(key)
                .into_iter()
                .for_each(|attribute| attributes.set(attribute, &merchant.registration.stored(attribute, value)));
        }
        let was_trimmed = |text: &Cow<'_, str>| text.trim().len() < text.len();
        let as_sent = AsSent {
            identifier: request.merchant_customer_identifier.filter(was_trimmed),
            customer_id: request.customer_id.filter(was_trimmed),
            instrument: request.payment_instrument.filter(was_trimmed),
            attributes: request.customer,
        };
        let wrong = |field| Err(Refusal::WrongIdentifier { field, mode: merchant.mode });
        match merchant.mode {
            OperationMode::Crm if customer_id.is_some() => return wrong("customer_id"),
            OperationMode::PaymentGateway if identifier.is_some() => return wrong("merchant_customer_identifier"),
            _ => {}
        }
        let is_named = |id: &Option<Cow<'_, str>>| id.as_deref().is_some_and(|id| !id.is_empty());
        let names = ExplicitFields { project: is_named(&request.project), endpoint: is_named(&request.endpoint) };
        let (project, endpoint) =
            choose_endpoint(merchant, request.project.as_deref(), request.endpoint.as_deref(), currency)?;
        let mut payment = Self {
            merchant,
            transaction_id,
            direction,
            currency,
            amount,
            project,
            endpoint,
            names,
            method,
            identity: SentIdentity::Attributes(Vec::new()),
            level,
            unrecorded,
            attributes,
            as_sent,
            instrument,
            occurred_at,
            explain: request.explain,
        };
        // A customer that is recognised by the instrument is found again only if the instrument becomes an attribute.
        if payment.attributes.value(Attribute::PaymentInstrument).is_none()
            && payment.endpoint.client_definition.contains(&Attribute::PaymentInstrument)
            && let Some(instrument) = &payment.instrument
        {
            payment.attributes.set(Attribute::PaymentInstrument, instrument);
        }
        payment.identity = match (identifier, customer_id) {
            (Some(id), _) => SentIdentity::Identifier(id),
            (_, Some(id)) => SentIdentity::CustomerId(id),
            (None, None) => SentIdentity::Attributes(payment.defining_attributes()),
        };
        Ok(payment)
    }

    /// The level as sent. A name that was none when the payment was read may be one by now.
    #[must_use]
    pub fn level(&self) -> SentLevel {
        let now = self.unrecorded.level.as_deref().and_then(Name::existing);
        now.map_or(self.level, SentLevel::Named)
    }

    /// The payment method, likewise.
    #[must_use]
    pub fn method(&self) -> Option<Name> {
        self.unrecorded.method.as_deref().and_then(Name::existing).or(self.method)
    }

    /// Whether it was read with a name that nothing recorded had.
    #[must_use]
    pub fn has_unknown_names(&self) -> bool {
        self.unrecorded.level.is_some() || self.unrecorded.method.is_some()
    }

    /// Level and method, for a payment that is about to be recorded: new names are kept.
    ///
    /// # Errors
    /// A new name finds no room.
    pub fn intern_names(&self) -> Result<(SentLevel, Option<Name>), Refusal> {
        let keep = |field, text: Option<&str>| {
            let name = text.map(|text| Name::intern_for(self.merchant.id, text)).transpose();
            name.map_err(|error| Refusal::Name { field, error })
        };
        let level = keep("customer_level", self.unrecorded.level.as_deref())?;
        let method = keep("payment_method", self.unrecorded.method.as_deref())?;
        Ok((level.map_or(self.level, SentLevel::Named), method.or(self.method)))
    }

    /// The attributes whose value is not of their form.
    #[must_use]
    pub fn invalid_attributes(&self, now: Millis) -> AttributeSet {
        let sent = self.attributes.iter();
        let invalid = sent.filter(|(attribute, value)| check_form(*attribute, value, now).is_err());
        invalid.map(|(attribute, _)| attribute).collect()
    }

    /// Whether an attribute is part of the identity by which the customer is recognised.
    #[must_use]
    pub fn is_identity(&self, attribute: Attribute) -> bool {
        matches!(&self.identity, SentIdentity::Attributes(sent) if sent.iter().any(|(known, _)| *known == attribute))
    }

    fn defining_attributes(&self) -> Vec<(Attribute, Cow<'a, str>)> {
        let definition = self.endpoint.client_definition.iter();
        definition
            .filter_map(|&attribute| {
                let value = self.attributes.value(attribute)?;
                Some((attribute, self.merchant.registration.normalised(attribute, value).into_owned()))
            })
            .filter(|(_, value)| !value.is_empty())
            .map(|(attribute, value)| (attribute, Cow::Owned(value)))
            .collect()
    }
}

/// Checks that a new customer of this payment could be found again.
///
/// # Errors
/// In `crm` mode, a payment without an identifier and without any attribute of the client definition.
pub fn check_identifiable(payment: &Payment<'_>) -> Result<(), Refusal> {
    match (&payment.identity, payment.merchant.mode) {
        (SentIdentity::Attributes(sent), OperationMode::Crm) if sent.is_empty() => {
            let words: Vec<&str> = payment.endpoint.client_definition.iter().map(|a| a.word()).collect();
            Err(Refusal::Unidentifiable(if words.is_empty() { "which is empty".to_owned() } else { words.join(", ") }))
        }
        _ => Ok(()),
    }
}

/// Checks that a payment of a customer who is not known may create the customer, or, in `payment_gateway` mode, pass
/// without one.
///
/// # Errors
/// The merchant's customers are registered before they pay.
pub fn check_may_register(payment: &Payment<'_>) -> Result<(), Refusal> {
    match payment.merchant.registration.from_payments {
        PaymentRegistration::Create => Ok(()),
        PaymentRegistration::Match => Err(Refusal::NotRegistered(match &payment.identity {
            SentIdentity::Identifier(_) => "merchant_customer_identifier",
            SentIdentity::CustomerId(_) => "customer_id",
            SentIdentity::Attributes(sent) if sent.is_empty() => "customer_id",
            SentIdentity::Attributes(_) => "customer",
        })),
    }
}
