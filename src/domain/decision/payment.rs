//! A payment as asked for: parsed once against the rules, trusted from then on.

use crate::domain::{
    customer::attributes::{ATTRIBUTE_BYTES_MAX, Attributes},
    decision::refusal::Refusal,
    rules::configuration::{Attribute, Direction, Endpoint, Merchant, OperationMode, Project, Rules, Word},
    transaction::record::NamedPlaces,
    vocabulary::{
        identifier_text::{is_identifier, no_control, parse_cow},
        money::{Currency, parse_amount},
        names::{NAME_BYTES_MAX, Name},
        time::Millis,
    },
};
use std::borrow::Cow;

/// The fields of a reserve as they came in, not yet understood. Absent, `null` and empty are told apart only where
/// that means something.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
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
    /// Whether the answer says why.
    pub explain: bool,
}

/// A level as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentLevel {
    /// Not at all.
    Absent,
    /// The empty string.
    Empty,
    /// A name.
    Named(Name),
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
/// until then [`Name::unrecorded`] stands in their place.
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
    pub names: NamedPlaces,
    /// `None`: method checks are skipped. Read it by [`Payment::method`].
    pub method: Option<Name>,
    /// Who is meant.
    pub identity: SentIdentity<'a>,
    /// The level as sent. Read it by [`Payment::level`].
    pub level: SentLevel,
    /// The texts of names that were none when the payment was read.
    pub unrecorded: Unrecorded<'a>,
    /// What the customer may not have yet.
    pub attributes: Attributes,
    /// The customer as sent.
    pub as_sent: AsSent<'a>,
    /// The gateway's token.
    pub instrument: Option<Cow<'a, str>>,
    /// When it happened, where that was said.
    pub occurred_at: Option<Millis>,
    /// Whether the answer says why.
    pub explain: bool,
}

/// Which fields a question may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// A reserve, a payment or an approval: it has an id and an amount.
    ToRecord,
    /// A check: it need not have an id.
    ToCheck,
    /// A payment form: neither id nor amount.
    ToShow,
}

impl<'a> Payment<'a> {
    /// Understands a request: forms first (malformed), then the merchant (not found), then what cannot be
    /// (impossible).
    ///
    /// # Errors
    /// The first thing that is wrong, with its field.
    pub fn admit(rules: &'a Rules, merchant: &str, request: Request<'a>, asks: Asks) -> Result<Self, Refusal> {
        let transaction_id = match request.transaction_id.filter(|id| !id.is_empty()) {
            Some(id) => transaction_id(id)?,
            None if asks == Asks::ToRecord => return Err(Refusal::Missing("transaction_id")),
            None => Cow::Borrowed(""),
        };
        let direction = required("direction", request.direction.as_deref())?;
        let direction = word::<Direction>("direction", direction)?;
        let currency = currency(rules, required("currency", request.currency.as_deref())?)?;
        let amount = match (request.amount.as_deref(), asks) {
            (Some(text), _) => Some(amount("amount", text, rules, currency)?),
            (None, Asks::ToShow) => None,
            (None, _) => return Err(Refusal::Missing("amount")),
        };
        let method = asked_if_any("payment_method", request.payment_method.as_deref())?;
        let level = match request.customer_level.as_deref() {
            None => SentLevel::Absent,
            Some("") => SentLevel::Empty,
            Some(text) => SentLevel::Named(asked("customer_level", text)?),
        };
        let nameless = Some(Name::unrecorded());
        let unrecorded = Unrecorded {
            level: request.customer_level.filter(|_| level == SentLevel::Named(Name::unrecorded())),
            method: request.payment_method.filter(|_| method == nameless),
        };
        for (key, value) in &request.customer {
            let attribute = Attribute::parse(key).ok_or_else(|| Refusal::UnknownAttribute(key.to_string()))?;
            short("customer", value, ATTRIBUTE_BYTES_MAX)?;
            if is_identifier(attribute) {
                no_control(attribute.word(), value.trim())?;
            }
        }
        let instrument = parse_cow("payment_instrument", request.payment_instrument.as_ref())?;
        let occurred_at = time("occurred_at", request.occurred_at.as_deref())?;
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
        let names = NamedPlaces { project: is_named(&request.project), endpoint: is_named(&request.endpoint) };
        let (project, endpoint) = place(merchant, request.project.as_deref(), request.endpoint.as_deref(), currency)?;
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
        // Who is recognised by the instrument is found by it again only if it becomes an attribute.
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
        let now = self.unrecorded.level.as_deref().and_then(Name::known);
        now.map_or(self.level, SentLevel::Named)
    }

    /// The payment method, likewise.
    #[must_use]
    pub fn method(&self) -> Option<Name> {
        self.unrecorded.method.as_deref().and_then(Name::known).or(self.method)
    }

    /// Whether it was read with a name that nothing recorded had.
    #[must_use]
    pub fn has_unrecorded(&self) -> bool {
        self.unrecorded.level.is_some() || self.unrecorded.method.is_some()
    }

    /// Level and method, for a payment that is about to be recorded: new names are kept.
    ///
    /// # Errors
    /// A new name finds no room.
    pub fn keep_names(&self) -> Result<(SentLevel, Option<Name>), Refusal> {
        let keep = |field, text: Option<&str>| {
            let name = text.map(|text| Name::keep(self.merchant.id, text)).transpose();
            name.map_err(|error| Refusal::Name { field, error })
        };
        let level = keep("customer_level", self.unrecorded.level.as_deref())?;
        let method = keep("payment_method", self.unrecorded.method.as_deref())?;
        Ok((level.map_or(self.level, SentLevel::Named), method.or(self.method)))
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

fn required<'t>(field: &'static str, value: Option<&'t str>) -> Result<&'t str, Refusal> {
    value.filter(|text| !text.is_empty()).ok_or(Refusal::Missing(field))
}

/// A transaction id: one to 128 bytes without control characters. It is opaque: white space at its ends is part of it.
pub(crate) fn transaction_id(id: Cow<'_, str>) -> Result<Cow<'_, str>, Refusal> {
    const FIELD: &str = "transaction_id";
    short(FIELD, &id, NAME_BYTES_MAX)?;
    no_control(FIELD, &id)?;
    Ok(id)
}

/// Refuses over-long texts.
pub(crate) fn short(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.len() > bytes_max { Err(Refusal::TooLong { field, bytes_max }) } else { Ok(()) }
}

/// A word of a vocabulary.
pub(crate) fn word<W: Word>(field: &'static str, text: &str) -> Result<W, Refusal> {
    W::parse(text).ok_or_else(|| Refusal::Word {
        field,
        value: text.chars().take(40).collect(),
        words: W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "),
    })
}

/// A name that is sent and not kept: see [`Name::asked`].
pub(crate) fn asked(field: &'static str, text: &str) -> Result<Name, Refusal> {
    Name::asked(text).map_err(|error| Refusal::Name { field, error })
}

/// The same, where one is sent.
pub(crate) fn asked_if_any(field: &'static str, text: Option<&str>) -> Result<Option<Name>, Refusal> {
    text.filter(|text| !text.is_empty()).map(|text| asked(field, text)).transpose()
}

/// A name that is sent for a merchant and is about to be recorded: see [`Name::keep`].
pub(crate) fn keep_name(field: &'static str, merchant: Name, text: &str) -> Result<Name, Refusal> {
    Name::keep(merchant, text).map_err(|error| Refusal::Name { field, error })
}

/// A time, where one is sent.
pub(crate) fn time(field: &'static str, text: Option<&str>) -> Result<Option<Millis>, Refusal> {
    text.map(|text| Millis::parse(text).ok_or(Refusal::Time(field))).transpose()
}

pub(crate) fn currency(rules: &Rules, code: &str) -> Result<Currency, Refusal> {
    Currency::parse(code)
        .filter(|&currency| rules.currencies.minor_units(currency).is_some())
        .ok_or_else(|| Refusal::UnknownCurrency(code.chars().take(40).collect()))
}

/// An amount in minor units, more than zero.
pub(crate) fn amount(field: &'static str, text: &str, rules: &Rules, currency: Currency) -> Result<u64, Refusal> {
    parse_amount(text, rules.currencies.units(currency)).map_err(|error| Refusal::Amount { field, error })
}

/// Which project and endpoint a payment enters by, both of which may be left out where only one fits.
fn place<'a>(
    merchant: &'a Merchant,
    project: Option<&str>,
    endpoint: Option<&str>,
    currency: Currency,
) -> Result<(&'a Project, &'a Endpoint), Refusal> {
    let (project, endpoint) = (project.filter(|id| !id.is_empty()), endpoint.filter(|id| !id.is_empty()));
    let unknown = |field, value: &str, candidates: Vec<&str>| Refusal::UnknownPlace {
        field,
        value: value.chars().take(40).collect(),
        candidates: candidates.join(", "),
    };
    if let Some(id) = project
        && merchant.project(id).is_none()
    {
        return Err(unknown("project", id, merchant.projects.iter().map(|p| p.id.as_str()).collect()));
    }
    let here = |p: &Project| project.is_none_or(|id| p.id.as_str() == id);
    let all = || {
        let projects = merchant.projects.iter().filter(|p| here(p));
        projects.flat_map(|p| p.endpoints.iter().map(move |e| (p, e)))
    };
    let named = || all().filter(|(_, e)| endpoint.is_none_or(|id| e.id.as_str() == id));
    if let Some(id) = endpoint {
        match named().next() {
            None => return Err(unknown("endpoint", id, all().map(|(_, e)| e.id.as_str()).collect())),
            Some((_, e)) if named().all(|(_, e)| e.currency != currency) => {
                return Err(Refusal::EndpointCurrency {
                    endpoint: id.to_owned(),
                    takes: e.currency.to_string(),
                    sent: currency.to_string(),
                });
            }
            Some(_) => {}
        }
    }
    let mut fitting = named().filter(|(_, e)| e.currency == currency);
    let Some((first, found)) = fitting.next() else { return Err(Refusal::NoEndpoint(currency.to_string())) };
    let rest: Vec<_> = fitting.collect();
    if rest.is_empty() {
        return Ok((first, found));
    }
    if rest.iter().any(|(p, _)| p.id != first.id) {
        let mut candidates: Vec<&str> =
            std::iter::once(first).chain(rest.iter().map(|r| r.0)).map(|p| p.id.as_str()).collect();
        candidates.dedup();
        return Err(Refusal::Ambiguous { field: "project", candidates: candidates.join(", ") });
    }
    let candidates = named().filter(|(_, e)| e.currency == currency).map(|(_, e)| e.id.as_str());
    Err(Refusal::Ambiguous { field: "endpoint", candidates: candidates.collect::<Vec<_>>().join(", ") })
}
