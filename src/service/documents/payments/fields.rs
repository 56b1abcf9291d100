//! The fields of a payment or a transition, read by the same code for single calls, batch lines and replay.
//!
//! [`PaymentFields`] has every field of the hot path. Each operation lists the fields that it takes; any other field is
//! refused by name. Texts are borrowed from the body, and amounts keep the digits that were written.

use crate::{
    domain::{
        request::{field_names::unknown_field_help, refusal::Refusal},
        vocabulary::{attributes::Attribute, words::Word},
    },
    service::{
        documents::payments::plain_json::{PlainJson, PlainValue},
        error::ServiceError,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// A text that borrows from the body where it has no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextField<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for TextField<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = TextField<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<TextField<'de>, E> {
                Ok(TextField(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<TextField<'de>, E> {
                Ok(TextField(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The attributes of a customer in the order in which they were sent; `null` counts as an empty text.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributesField<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for AttributesField<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributesVisitor;
        impl<'de> Visitor<'de> for AttributesVisitor {
            type Value = AttributesField<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributesField<'de>, A::Error> {
                let mut pairs: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<TextField<'de>, Option<TextField<'de>>>()? {
                    if pairs.iter().any(|(known, _)| *known == key.0) {
                        return Err(A::Error::custom(format_args!("duplicate field `{}`", key.0)));
                    }
                    pairs.push((key.0, value.map_or(Cow::Borrowed(""), |value| value.0)));
                }
                Ok(AttributesField(pairs))
            }
        }
        deserializer.deserialize_map(AttributesVisitor)
    }
}

/// The amount as it is written in the body: a string with its quotes, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AmountField<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for AmountField<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

impl<'a> PlainValue<'a> for TextField<'a> {
    fn read(json: &mut PlainJson<'a>) -> Option<Self> {
        json.string().map(|text| Self(Cow::Borrowed(text)))
    }
}

impl<'a> PlainValue<'a> for AmountField<'a> {
    fn read(json: &mut PlainJson<'a>) -> Option<Self> {
        json.string_or_decimal().map(Self)
    }
}

impl<'a> PlainValue<'a> for BooleanField<'a> {
    fn read(json: &mut PlainJson<'a>) -> Option<Self> {
        json.boolean().map(|value| Self(value, std::marker::PhantomData))
    }
}

impl<'a> PlainValue<'a> for CountField<'a> {
    fn read(_: &mut PlainJson<'a>) -> Option<Self> {
        None
    }
}

impl<'a> PlainValue<'a> for AttributesField<'a> {
    fn read(json: &mut PlainJson<'a>) -> Option<Self> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        json.object(|json, key| {
            let is_repeated = pairs.iter().any(|(known, _)| known == key);
            pairs.push((Cow::Borrowed(key), Cow::Borrowed(json.string()?)));
            (!is_repeated).then_some(())
        })?;
        Some(Self(pairs))
    }
}

/// The name of a field on the wire: that of the identifier, which may be a keyword.
const fn wire_name(identifier: &'static str) -> &'static str {
    match identifier.as_bytes() {
        [b'r', b'#', ..] => identifier.split_at(2).1,
        _ => identifier,
    }
}

macro_rules! fields {
    ($($field:ident: $type:ty),+ $(,)?) => {
        /// Every field of the hot path. An absent field and `null` are the same.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct PaymentFields<'a> {
            $(#[serde(borrow, default)] pub(crate) $field: Option<$type>,)+
        }
        impl<'a> PaymentFields<'a> {
            /// Reads a field of a plain body. `None`: the body must be read by serde.
            fn read_plain_field(&mut self, json: &mut PlainJson<'a>, name: &str) -> Option<()> {
                $(if name == const { wire_name(stringify!($field)) } {
                    let is_repeated = self.$field.is_some();
                    self.$field = Some(PlainValue::read(json)?);
                    return (!is_repeated).then_some(());
                })+
                None
            }
        }

        impl PaymentFields<'_> {
            /// All names.
            pub(crate) const NAMES: &'static [&'static str] = &[$(wire_name(stringify!($field))),+];

            /// The present fields: one bit each, as of [`field_set`].
            fn present(&self) -> u32 {
                0 $(| u32::from(self.$field.is_some()) << const { place_of(wire_name(stringify!($field))) })+
            }

            /// The name of a field that is present and not in `allowed`.
            fn first_not_in(&self, allowed: &[&[&str]]) -> Option<&'static str> {
                $(
                    if self.$field.is_some() && !allowed.iter().any(|names| names.contains(&wire_name(stringify!($field)))) {
                        return Some(wire_name(stringify!($field)));
                    }
                )+
                None
            }

            /// Calls `each` with every text and the name of its field.
            pub(crate) fn each_text<E>(&self, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
                $(if let Some(field) = &self.$field {
                    field.each_text(stringify!($field), each)?;
                })+
                Ok(())
            }
        }
    };
}

/// The place of a field among all.
const fn place_of(name: &str) -> u32 {
    let (names, name) = (PaymentFields::NAMES, name.as_bytes());
    let mut place = 0;
    while place < names.len() {
        let known = names[place].as_bytes();
        let mut same = 0;
        while same < known.len() && same < name.len() && known[same] == name[same] {
            same += 1;
        }
        if same == known.len() && same == name.len() {
            #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 32 fields")]
            return place as u32;
        }
        place += 1;
    }
    // The type of the set has no such bit: this does not compile.
    u32::MAX
}

/// Fields as a set: one bit each.
pub(crate) const fn field_set(names: &[&str]) -> u32 {
    let (mut set, mut at) = (0, 0);
    while at < names.len() {
        set |= 1 << place_of(names[at]);
        at += 1;
    }
    set
}

/// A field that can contain texts.
trait ContainsTexts {
    /// Calls `each` with every text and the name of its field.
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E>;
}

impl ContainsTexts for TextField<'_> {
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        each(field, &self.0)
    }
}

impl ContainsTexts for AttributesField<'_> {
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        self.0.iter().try_for_each(|(key, value)| each(field, key).and_then(|()| each(key, value)))
    }
}

/// Numbers and booleans contain no texts: an amount is read as a number and never stored as a text.
macro_rules! no_texts {
    ($($type:ty),+) => {
        $(impl ContainsTexts for $type {
            fn each_text<E>(&self, _: &str, _: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
                Ok(())
            }
        })+
    };
}

no_texts!(AmountField<'_>, BooleanField<'_>, CountField<'_>);

fields! {
    op: TextField<'a>,
    merchant: TextField<'a>,
    at: TextField<'a>,
    transaction_id: TextField<'a>,
    project: TextField<'a>,
    endpoint: TextField<'a>,
    direction: TextField<'a>,
    amount: AmountField<'a>,
    currency: TextField<'a>,
    payment_method: TextField<'a>,
    merchant_customer_identifier: TextField<'a>,
    customer_id: TextField<'a>,
    customer_level: TextField<'a>,
    customer: AttributesField<'a>,
    payment_instrument: TextField<'a>,
    occurred_at: TextField<'a>,
    explain: BooleanField<'a>,
    as_of: TextField<'a>,
    outcome: TextField<'a>,
    capture_id: TextField<'a>,
    r#final: BooleanField<'a>,
    of: TextField<'a>,
    gate: TextField<'a>,
    cancel_id: TextField<'a>,
    refund_id: TextField<'a>,
    chargeback_id: TextField<'a>,
    until: TextField<'a>,
    attempt: CountField<'a>,
}

/// A boolean. The lifetime gives all fields of [`PaymentFields`] the same form.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct BooleanField<'a>(pub(crate) bool, #[serde(skip)] std::marker::PhantomData<&'a ()>);

/// A small number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct CountField<'a>(pub(crate) u32, #[serde(skip)] std::marker::PhantomData<&'a ()>);

/// The fields of a reserve, without its id and its amount.
pub(crate) const RESERVE_FIELDS: &[&str] = &[
    "project",
    "endpoint",
    "direction",
    "currency",
    "payment_method",
    "merchant_customer_identifier",
    "customer_id",
    "customer_level",
    "customer",
    "payment_instrument",
    "occurred_at",
    "explain",
];
/// The fields that every line of a batch can have.
pub(crate) const LINE_FIELDS: &[&str] = &["op", "merchant", "at", "transaction_id"];

impl<'a> PaymentFields<'a> {
    /// Reads a body or a line. `taken` names the fields that it can have, for the help with an unknown one.
    ///
    /// # Errors
    /// What is wrong, and the field at fault.
    pub(crate) fn read(body: &'a [u8], taken: impl FnOnce() -> Vec<&'static str>) -> Result<Self, ServiceError> {
        if let Some(fields) = Self::read_plain(body) {
            return Ok(fields);
        }
        Self::read_by_serde(body, taken)
    }

    /// Reads a body whose texts have no escapes, which most bodies are. `None`: serde must read it.
    fn read_plain(body: &'a [u8]) -> Option<Self> {
        let (mut fields, mut json) = (Self::default(), PlainJson::new(body)?);
        json.object(|json, name| fields.read_plain_field(json, name))?;
        json.is_at_end().then_some(fields)
    }

    fn read_by_serde(body: &'a [u8], taken: impl FnOnce() -> Vec<&'static str>) -> Result<Self, ServiceError> {
        // serde would read an array as the fields in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let code = if body.trim_ascii().is_empty() { "json_malformed" } else { "wrong_type" };
            return Err(ServiceError::malformed(code, "one JSON object is expected"));
        }
        // One check of the whole body costs less than one of each text.
        let read = match std::str::from_utf8(body) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(body),
        };
        read.map_err(|error| describe(body, &error, &taken()))
    }

    /// Refuses fields that are not in `allowed`.
    ///
    /// # Errors
    /// Names the first such field.
    pub(crate) fn only(&self, allowed: &[&[&str]]) -> Result<(), ServiceError> {
        match self.first_not_in(allowed) {
            None => Ok(()),
            Some(field) => Err(ServiceError::unknown_field(field, &allowed.concat().join(", "))),
        }
    }

    /// [`PaymentFields::only`], for names whose set is known.
    ///
    /// # Errors
    /// Names the first field that is not in the set.
    pub(crate) fn only_in(&self, set: u32, names: &[&[&str]]) -> Result<(), ServiceError> {
        if self.present() & !set == 0 { Ok(()) } else { self.only(names) }
    }

    /// The amount as written: the digits of a number, or the text of a string.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn amount_text(&self) -> Result<Option<Cow<'a, str>>, ServiceError> {
        let Some(AmountField(raw)) = self.amount else { return Ok(None) };
        match raw.as_bytes().first() {
            Some(b'"') if !raw.contains('\\') => Ok(raw.get(1..raw.len() - 1).map(Cow::Borrowed)),
            Some(b'"') => match serde_json::from_str::<TextField<'a>>(raw) {
                Ok(text) => Ok(Some(text.0)),
                Err(error) => Err(ServiceError::malformed("json_malformed", error.to_string()).at("amount")),
            },
            Some(b'0'..=b'9' | b'-') => Ok(Some(Cow::Borrowed(raw))),
            _ => Err(ServiceError::malformed("wrong_type", "`amount` is a string or a number").at("amount")),
        }
    }
}

/// The type that a value must have, from the message of the reader, which repeats the value and is not shown.
fn wrong_type_text(message: &str) -> String {
    const TYPES: [(&str, &str); 7] = [
        ("string", "a string"),
        ("integer", "a number"),
        ("floating point", "a number"),
        ("boolean", "true or false"),
        ("sequence", "a list"),
        ("map", "an object"),
        ("null", "null"),
    ];
    let (found, rest) = message.rsplit_once(", expected ").unwrap_or((message, "another type"));
    let expected = match rest.split(" at line ").next().unwrap_or(rest) {
        "a boolean" => "true or false",
        "u32" => "a whole number from 0 to 4294967295",
        other => other,
    };
    let found = found.strip_prefix("invalid type: ");
    let found = found.and_then(|found| TYPES.iter().find(|(word, _)| found.starts_with(word)));
    found.map_or_else(|| format!("must be {expected}"), |(_, found)| format!("must be {expected}, not {found}"))
}

/// Describes what is wrong with a body that could not be read. It reads the body again, so that the fast path does not
/// track positions.
fn describe(body: &[u8], error: &serde_json::Error, taken: &[&str]) -> ServiceError {
    if std::str::from_utf8(body).is_err() {
        return ServiceError::malformed("invalid_utf8", "the body is not valid UTF-8");
    }
    let text = error.to_string();
    let named = |prefix: &str| text.strip_prefix(prefix)?.split_once('`').map(|(field, _)| field.to_owned());
    if let Some(field) = named("unknown field `") {
        let help = unknown_field_help(&field, taken);
        return ServiceError::malformed("unknown_field", format!("unknown field `{field}`; {help}")).at(&field);
    }
    if let Some(field) = named("duplicate field `") {
        return ServiceError::malformed("duplicate_field", text).at(&field);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let path = match serde_path_to_error::deserialize::<_, PaymentFields<'_>>(&mut deserializer) {
        Err(error) if error.inner().is_data() => error.path().to_string(),
        _ => String::new(),
    };
    match path.as_str() {
        "" | "." | "?" => {
            let code = if error.is_data() { "wrong_type" } else { "json_malformed" };
            ServiceError::malformed(code, format!("one JSON object is expected: {text}"))
        }
        path => match path.strip_prefix("customer.").and_then(Attribute::parse) {
            Some(attribute) if attribute.is_of_staff() => Refusal::AttributeOfStaff(attribute.word()).into(),
            _ => ServiceError::malformed("wrong_type", format!("`{path}` {}", wrong_type_text(&text))).at(path),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::request::field_names::PAYMENT_FIELDS;

    #[test]
    fn a_value_of_another_type_is_not_repeated() {
        for (body, field, want) in [
            (r#"{"explain": "yes, expected no"}"#, "explain", "`explain` must be true or false, not a string"),
            (
                r#"{"customer": "alice@example.com"}"#,
                "customer",
                "`customer` must be an object of attributes, not a string",
            ),
            (r#"{"customer": {"email": 5}}"#, "customer.email", "`customer.email` must be a string, not a number"),
            (r#"{"customer": ["email"]}"#, "customer", "`customer` must be an object of attributes, not a list"),
            (r#"{"transaction_id": 1.5}"#, "transaction_id", "`transaction_id` must be a string, not a number"),
            (r#"{"direction": {}}"#, "direction", "`direction` must be a string, not an object"),
            (r#"{"final": null, "currency": true}"#, "currency", "`currency` must be a string, not true or false"),
            (r#"{"attempt": "1"}"#, "attempt", "`attempt` must be a whole number from 0 to 4294967295, not a string"),
            (r#"{"attempt": -1}"#, "attempt", "`attempt` must be a whole number from 0 to 4294967295"),
            (r#"{"attempt": 5000000000}"#, "attempt", "`attempt` must be a whole number from 0 to 4294967295"),
        ] {
            let error = PaymentFields::read(body.as_bytes(), Vec::new).expect_err(body);
            assert_eq!((error.field.as_deref(), error.detail.as_str()), (Some(field), want), "{body}");
        }
    }

    #[test]
    fn a_plain_body_is_read_as_serde_reads_it() {
        let parts = [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            " ",
            "\n",
            "\t",
            "null",
            "true",
            "false",
            "0",
            "12.50",
            "01",
            "-1",
            "1.",
            ".5",
            "1e3",
            "\"amount\"",
            "\"op\"",
            "\"reserve\"",
            "\"merchant\"",
            "\"explain\"",
            "\"final\"",
            "\"customer\"",
            "\"email\"",
            "\"a\\u0062\"",
            "\"\\\"\"",
            "\"\u{e9}\"",
            "\"\u{1}\"",
            "\"",
            "\"attempt\"",
            "\"nosuch\"",
            "\"\"",
            "\"\\ud800\"",
        ];
        let pairs = [
            r#""op": "reserve""#,
            r#""amount": "12.50""#,
            r#""amount":12.50"#,
            r#""amount": 0"#,
            r#""amount": 01"#,
            r#""amount": 1."#,
            r#""explain": true"#,
            r#""final":false"#,
            r#""customer": {"email": "a@b.c", "phone":"1"}"#,
            r#""customer": {}"#,
            r#""customer": {"email": null}"#,
            r#""customer": {"email": "a", "email": "b"}"#,
            r#""attempt": 1"#,
            r#""of": null"#,
            r#""merchant": "sh\u006fp""#,
            r#""nosuch": "1""#,
            r#""gate": "\u00e9""#,
            r#""amount": null"#,
            r#""amount": "1\u0032""#,
        ];
        let mut state = 1_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % end
        };
        let (mut plain, mut other) = (0, 0);
        for round in 0..60_000 {
            let count = below(7);
            let text = match round % 3 {
                0 => (0..count).map(|_| parts[below(parts.len())]).collect::<String>(),
                _ => {
                    let inside: Vec<&str> = (0..count).map(|_| pairs[below(pairs.len())]).collect();
                    let (comma, end) = ([",", ", ", " ,\n", ",,"][below(4)], ["}", " }\n", "}}", ",}", ""][below(5)]);
                    format!("{}{}{end}", ["{", " { ", ""][below(3)], inside.join(comma))
                }
            };
            let mut bytes = text.into_bytes();
            if below(10) == 0 && !bytes.is_empty() {
                let at = below(bytes.len());
                bytes[at] = u8::try_from(below(256)).unwrap();
            }
            let by_serde = PaymentFields::read_by_serde(&bytes, Vec::new);
            let shown = String::from_utf8_lossy(&bytes);
            match PaymentFields::read_plain(&bytes) {
                None => other += 1,
                Some(fields) => {
                    plain += 1;
                    let by_serde = by_serde.unwrap_or_else(|error| panic!("{shown}: {error}"));
                    assert_eq!(format!("{fields:?}"), format!("{by_serde:?}"), "{shown}");
                    assert_eq!(fields.amount_text().unwrap(), by_serde.amount_text().unwrap(), "{shown}");
                }
            }
        }
        assert!(plain > 1_000 && other > 1_000, "{plain} plain bodies, {other} others");
    }

    #[test]
    fn each_field_has_a_bit_of_its_own() {
        assert_eq!(field_set(PaymentFields::NAMES).count_ones() as usize, PaymentFields::NAMES.len());
        let all: Vec<&[&str]> = PaymentFields::NAMES.iter().map(std::slice::from_ref).collect();
        let body = br#"{"op": "reserve", "of": "approved", "attempt": 1, "final": true, "amount": 1}"#;
        let fields = || PaymentFields::read(body, Vec::new).unwrap();
        assert_eq!(fields().present(), field_set(&["op", "of", "attempt", "final", "amount"]));
        assert!(fields().only_in(field_set(PaymentFields::NAMES), &all).is_ok());
        let refused =
            fields().only_in(field_set(&["op", "of", "final", "amount"]), &[&["op", "of", "final", "amount"]]);
        assert_eq!(refused.unwrap_err().field.as_deref(), Some("attempt"));
    }

    #[test]
    fn the_fields_other_than_attributes_are_those_of_a_reserve() {
        let mut fields = [RESERVE_FIELDS, &["transaction_id", "amount"]].concat();
        fields.retain(|field| *field != "customer");
        fields.sort_unstable();
        let mut listed = PAYMENT_FIELDS;
        listed.sort_unstable();
        assert_eq!(fields, listed);
        assert!(listed.iter().all(|field| PaymentFields::NAMES.contains(field)));
    }
}
