//! The names of a payment's fields, and what to write where a name is none of them.

use crate::domain::vocabulary::{
    attributes::{Attribute, PaymentAttribute, payment_attribute_words},
    text::suggest::nearest,
    words::Word,
};

/// The field that contains the attributes of the customer.
const CUSTOMER: &str = "customer";

/// The fields of a payment, without `customer`.
pub(crate) const PAYMENT_FIELDS: [&str; 13] = [
    "transaction_id",
    "project",
    "endpoint",
    "direction",
    "amount",
    "currency",
    "payment_method",
    "merchant_customer_identifier",
    "customer_id",
    "customer_level",
    "payment_instrument",
    "occurred_at",
    "explain",
];

fn nearest_attribute(name: &str) -> Option<&'static str> {
    nearest(name, PaymentAttribute::WORDS.iter().map(|(word, _)| *word))
}

/// The help with a field that a payment or a transition does not have; `taken` are those that it takes.
pub(crate) fn unknown_field_help(name: &str, taken: &[&str]) -> String {
    let takes_attributes = taken.contains(&CUSTOMER);
    match Attribute::parse(name).filter(|_| takes_attributes) {
        Some(attribute) if attribute.is_of_staff() => {
            return format!("`{name}` is set by staff: send it by POST or PATCH of the customer");
        }
        Some(_) => return format!("`{name}` is an attribute of the customer: put it in `customer`"),
        None => {}
    }
    let attribute = || nearest_attribute(name).filter(|_| takes_attributes);
    if let Some(near) = nearest(name, taken.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match attribute() {
        Some(near) => format!("did you mean `{near}`? It goes into `customer`"),
        None => format!("taken are {}", taken.join(", ")),
    }
}

/// The help with an attribute that `customer` does not have.
pub(crate) fn unknown_attribute_help(name: &str) -> String {
    if PAYMENT_FIELDS.contains(&name) {
        return format!("`{name}` is a field of the payment: put it next to `customer`, not into it");
    }
    match (nearest_attribute(name), nearest(name, PAYMENT_FIELDS)) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(near)) => format!("did you mean `{near}`? It goes next to `customer`, not into it"),
        (None, None) => format!("allowed are {}", payment_attribute_words()),
    }
}

/// Describes a currency code that is not known.
pub(super) fn unknown_currency(code: &str) -> String {
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let capitals = code.to_ascii_uppercase();
    let hint = if is_code && capitals != code { format!("; write it in capitals, {capitals}") } else { String::new() };
    format!("{code:?} is not an ISO 4217 code and is not configured under [currencies]{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_the_wrong_place_is_sent_to_the_right_one() {
        let taken = ["transaction_id", "amount", "customer", "customer_level", "payment_instrument"];
        for (name, want) in [
            ("email", "`email` is an attribute of the customer: put it in `customer`"),
            ("name", "`name` is an attribute of the customer: put it in `customer`"),
            ("comment", "`comment` is set by staff: send it by POST or PATCH of the customer"),
            ("custmer_level", "did you mean `customer_level`?"),
            ("ammount", "did you mean `amount`?"),
            ("cuntry", "did you mean `country`? It goes into `customer`"),
            ("wallet", "taken are transaction_id, amount, customer, customer_level, payment_instrument"),
        ] {
            assert_eq!(unknown_field_help(name, &taken), want, "{name}");
        }
        assert_eq!(unknown_field_help("email", &["amount"]), "taken are amount");
        assert_eq!(unknown_field_help("emial", &["amount"]), "taken are amount");
        for (name, want) in [
            ("customer_level", "`customer_level` is a field of the payment: put it next to `customer`, not into it"),
            ("custmer_level", "did you mean `customer_level`? It goes next to `customer`, not into it"),
            ("e_mail", "did you mean `email`?"),
            ("firstname", "did you mean `first_name`?"),
        ] {
            assert_eq!(unknown_attribute_help(name), want, "{name}");
        }
        assert!(unknown_attribute_help("shoe").starts_with("allowed are email, phone, "));
    }
}
