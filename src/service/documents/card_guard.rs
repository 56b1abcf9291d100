//! The guard against full card numbers in the texts of a request. A refusal names the field and never repeats the text.

use crate::{
    domain::{
        request::{
            card_number::{refuse_card_number, refuse_card_number_in_id},
            refusal::Refusal,
        },
        rules::merchant::Merchant,
        vocabulary::{
            contact::phone,
            money::{Currency, Decimal},
        },
    },
    service::{documents::payments::fields::PaymentFields, error::ServiceError},
};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, cell::RefCell, fmt};

/// Whether a text is a valid phone number; without a country code it counts as one of the merchant's country.
fn is_phone(merchant: Option<&Merchant>, text: &str) -> bool {
    phone::valid(merchant.and_then(|merchant| merchant.registration.default_country), text).is_some()
}

/// Refuses one text. Transaction ids are exempt where the merchant uses long numbers as ids.
pub(crate) fn no_card_text<'m>(
    field: &str,
    text: &str,
    merchant: impl Fn() -> Option<&'m Merchant>,
) -> Result<(), Refusal> {
    refuse_card_number(field, text, |text| is_phone(merchant(), text)).or_else(|refusal| {
        let is_exempt = field == "transaction_id" && merchant().is_some_and(|merchant| merchant.numeric_ids);
        if is_exempt { Ok(()) } else { Err(refusal) }
    })
}

/// Refuses fields of a payment or a transition.
pub(crate) fn no_card_in_fields<'m>(
    fields: &PaymentFields<'_>,
    merchant: impl Fn() -> Option<&'m Merchant>,
) -> Result<(), Refusal> {
    fields.each_text(&mut |field, text| no_card_text(field, text, &merchant))
}

/// Refuses a JSON body with a full card number in a key or a text. The operation that reads the body reports every other
/// fault, invalid JSON included.
pub(crate) fn no_card_in_json(body: &[u8], merchant: Option<&Merchant>) -> Result<(), ServiceError> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // The operation reads the body again and reports all other faults.
    let _read = CardNumberSearch { field: "body", merchant, found: &found }.deserialize(&mut deserializer);
    found.into_inner().map_or(Ok(()), |refusal: Refusal| Err(refusal.into()))
}

/// Visits one value of a body.
#[derive(Clone, Copy)]
struct CardNumberSearch<'a> {
    /// The key that the value belongs to.
    field: &'a str,
    merchant: Option<&'a Merchant>,
    found: &'a RefCell<Option<Refusal>>,
}

impl CardNumberSearch<'_> {
    fn stop_at<E: Error>(self, checked: Result<(), Refusal>) -> Result<(), E> {
        checked.map_err(|refusal| {
            self.found.replace(Some(refusal));
            E::custom("a full card number")
        })
    }

    /// Whether the key takes a number that can be written as a text: an amount or a rate.
    fn takes_a_number(self) -> bool {
        self.field == "rate"
            || self.field.ends_with("amount")
            || self.field.ends_with("amount_limit")
            || Currency::parse(self.field).is_some()
    }
}

impl<'de> DeserializeSeed<'de> for CardNumberSearch<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CardNumberSearch<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.takes_a_number() && Decimal::parse(text).is_ok() {
            return Ok(());
        }
        self.stop_at(no_card_text(self.field, text, || self.merchant))
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
            self.stop_at(refuse_card_number_in_id(self.field, &key))?;
            members.next_value_seed(CardNumberSearch { field: &key, ..self })?;
        }
        Ok(())
    }
}
