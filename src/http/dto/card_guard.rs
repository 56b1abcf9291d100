//! The gate for texts that come in: no path, no query, no field and no body holds a full card number. What is refused
//! is named by its field and never repeated.

use crate::domain::{
    decision::refusal::Refusal,
    rules::configuration::{Merchant, Rules},
    vocabulary::{
        card_numbers::{may_hold, no_card, no_card_id},
        money::{Currency, Decimal},
        phone,
    },
};
use crate::{
    http::dto::{fields::Fields, problem::Problem},
    service::payments::PaymentService,
};
use axum::http::Uri;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, cell::RefCell, fmt};

/// Whether a text is a valid phone number, of the merchant's country where it names none.
fn is_phone(merchant: Option<&Merchant>, text: &str) -> bool {
    phone::valid(merchant.and_then(|merchant| merchant.registration.default_country), text).is_some()
}

/// Refuses one text. The ids of transactions are not judged where the merchant has them as long numbers.
fn no_card_text<'m>(field: &str, text: &str, merchant: impl Fn() -> Option<&'m Merchant>) -> Result<(), Refusal> {
    no_card(field, text, |text| is_phone(merchant(), text)).or_else(|refusal| {
        let is_exempt = field == "transaction_id" && merchant().is_some_and(|merchant| merchant.numeric_ids);
        if is_exempt { Ok(()) } else { Err(refusal) }
    })
}

/// Refuses fields of a payment or a transition.
fn no_card_in<'m>(fields: &Fields<'_>, merchant: impl Fn() -> Option<&'m Merchant>) -> Result<(), Refusal> {
    fields.each_text(&mut |field, text| no_card_text(field, text, &merchant))
}

/// Refuses a path or a query.
pub(crate) fn no_card_in_uri(uri: &Uri, rules: &Rules) -> Result<(), Refusal> {
    no_card_in_path(uri.path(), rules)?;
    uri.query().map_or(Ok(()), |query| no_card_in_query(uri.path(), query, rules))
}

/// By which merchant's settings the texts of a body are judged.
#[derive(Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// By those of the merchant of the path.
    OfPath(&'a str),
    /// By those of the merchant that the line names, if the caller reaches it.
    OfLine(&'a dyn Fn(&str) -> Result<(), Problem>),
}

impl PaymentService {
    /// Reads a body or a line, in which no text may hold a full card number.
    pub(crate) fn read<'a>(&self, body: &'a [u8], whose: Whose<'_>) -> Result<Fields<'a>, Problem> {
        let fields = Fields::read(body)?;
        let merchant = match whose {
            Whose::OfPath(merchant) => merchant,
            Whose::OfLine(may_enter) => {
                let named = fields.merchant.as_ref().map(|text| text.0.as_ref());
                named.filter(|merchant| may_enter(merchant).is_ok()).unwrap_or_default()
            }
        };
        let rules = self.rules.load();
        no_card_in(&fields, || rules.merchant(merchant).map(|merchant| &**merchant))?;
        Ok(fields)
    }
}

/// The merchant that a path names.
fn merchant_of<'r>(path: &str, rules: &'r Rules) -> Option<&'r Merchant> {
    let id = path.strip_prefix("/v1/merchants/")?.split('/').next()?;
    rules.merchant(&decoded(id)).map(|merchant| &**merchant)
}

/// A segment of a path without its percent-encoding (RFC 3986, section 2.1).
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let [byte, after @ ..] = rest {
        let hexadecimal = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = hexadecimal.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(octet.unwrap_or(*byte));
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn no_card_in_path(path: &str, rules: &Rules) -> Result<(), Refusal> {
    if !path.contains('%') && !may_hold(path) {
        return Ok(());
    }
    let mut before = "";
    for segment in path.split('/') {
        let field = match before {
            "merchants" => "merchant",
            "transactions" => "transaction_id",
            "customers" => "customer_id",
            "instruments" => "payment_instrument",
            "jobs" => "job",
            _ => "path",
        };
        before = segment;
        no_card_text(field, &decoded(segment), || merchant_of(path, rules))?;
    }
    Ok(())
}

/// Positions in a list are numbers that the daemon made: they are parsed, and neither kept nor repeated.
const POSITIONS: [&str; 4] = ["cursor", "after", "limit", "wait"];

fn no_card_in_query(path: &str, query: &str, rules: &Rules) -> Result<(), Refusal> {
    for (field, value) in form_urlencoded::parse(query.as_bytes()) {
        no_card_id("query", &field)?;
        if !POSITIONS.contains(&field.as_ref()) {
            no_card_text(&field, &value, || merchant_of(path, rules))?;
        }
    }
    Ok(())
}

/// Refuses a JSON body: every key and every text in it. What is no JSON is left to those who read it.
pub(crate) fn no_card_in_json(body: &[u8], merchant: Option<&Merchant>) -> Result<(), Problem> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // Only a card number counts here: the operation reads the body again and reports all other faults.
    let _read = Look { field: "body", merchant, found: &found }.deserialize(&mut deserializer);
    found.into_inner().map_or(Ok(()), |refusal: Refusal| Err(refusal.into()))
}

/// One value of a body.
#[derive(Clone, Copy)]
struct Look<'a> {
    /// The key that the value belongs to.
    field: &'a str,
    merchant: Option<&'a Merchant>,
    found: &'a RefCell<Option<Refusal>>,
}

impl Look<'_> {
    fn judge<E: Error>(self, judged: Result<(), Refusal>) -> Result<(), E> {
        judged.map_err(|refusal| {
            self.found.replace(Some(refusal));
            E::custom("a full card number")
        })
    }

    /// Whether the key takes a number that may be written as a text: an amount, or a rate.
    fn takes_a_number(self) -> bool {
        self.field == "rate"
            || self.field.ends_with("amount")
            || self.field.ends_with("amount_limit")
            || Currency::parse(self.field).is_some()
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.takes_a_number() && Decimal::parse(text).is_ok() {
            return Ok(());
        }
        self.judge(no_card_text(self.field, text, || self.merchant))
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            self.judge(no_card_id(self.field, &key))?;
            members.next_value_seed(Look { field: &key, ..self })?;
        }
        Ok(())
    }
}
