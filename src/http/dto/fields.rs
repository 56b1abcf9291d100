//! The fields of a request, read once for single calls and batch lines alike.
//!
//! One shape knows every field of the hot path; each operation names those that it takes, and any other is refused
//! by name. Texts are borrowed from the body, and amounts keep the digits that were written.

use crate::domain::vocabulary::suggest::nearest;
use crate::http::dto::problem::Problem;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// A text that borrows from the body where it has no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

/// The attributes of a customer in the order in which they were sent; `null` says nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes<'de>, A::Error> {
                let mut pairs: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    if pairs.iter().any(|(known, _)| *known == key.0) {
                        return Err(A::Error::custom(format_args!("duplicate field `{}`", key.0)));
                    }
                    pairs.push((key.0, value.map_or(Cow::Borrowed(""), |value| value.0)));
                }
                Ok(Attributes(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
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
        /// Every field of the hot path; absent and `null` are one.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Fields<'a> {
            $(#[serde(borrow, default)] pub(crate) $field: Option<$type>,)+
        }
        impl Fields<'_> {
            /// All names.
            const NAMES: &'static [&'static str] = &[$(wire_name(stringify!($field))),+];

            /// The name of a field that is present and not among those that an operation takes.
            fn beyond(&self, allowed: &[&[&str]]) -> Option<&'static str> {
                $(
                    if self.$field.is_some() && !allowed.iter().any(|names| names.contains(&wire_name(stringify!($field)))) {
                        return Some(wire_name(stringify!($field)));
                    }
                )+
                None
            }

            /// RecoveryWorkers over every text with the name of its field.
            pub(crate) fn each_text<E>(&self, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
                $(if let Some(field) = &self.$field {
                    field.each_text(stringify!($field), each)?;
                })+
                Ok(())
            }
        }
    };
}

/// A field that may have texts.
trait Texts {
    /// RecoveryWorkers them over, each with the name of its field.
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E>;
}

impl Texts for Text<'_> {
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        each(field, &self.0)
    }
}

impl Texts for Attributes<'_> {
    fn each_text<E>(&self, field: &str, each: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        self.0.iter().try_for_each(|(key, value)| each(field, key).and_then(|()| each(key, value)))
    }
}

/// Numbers and flags have none: an amount is read as a number and never kept as a text.
macro_rules! no_texts {
    ($($type:ty),+) => {
        $(impl Texts for $type {
            fn each_text<E>(&self, _: &str, _: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
                Ok(())
            }
        })+
    };
}

no_texts!(&RawValue, Flag<'_>, Count<'_>);

fields! {
    op: Text<'a>,
    merchant: Text<'a>,
    at: Text<'a>,
    transaction_id: Text<'a>,
    project: Text<'a>,
    endpoint: Text<'a>,
    direction: Text<'a>,
    amount: &'a RawValue,
    currency: Text<'a>,
    payment_method: Text<'a>,
    merchant_customer_identifier: Text<'a>,
    customer_id: Text<'a>,
    customer_level: Text<'a>,
    customer: Attributes<'a>,
    payment_instrument: Text<'a>,
    occurred_at: Text<'a>,
    explain: Flag<'a>,
    as_of: Text<'a>,
    outcome: Text<'a>,
    capture_id: Text<'a>,
    r#final: Flag<'a>,
    of: Text<'a>,
    gate: Text<'a>,
    cancel_id: Text<'a>,
    refund_id: Text<'a>,
    chargeback_id: Text<'a>,
    until: Text<'a>,
    attempt: Count<'a>,
}

/// A boolean. The lifetime lets all fields be read alike.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Flag<'a>(pub(crate) bool, #[serde(skip)] std::marker::PhantomData<&'a ()>);

/// A small number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Count<'a>(pub(crate) u32, #[serde(skip)] std::marker::PhantomData<&'a ()>);

/// What a reserve says, besides its id and its amount.
pub(crate) const PAYMENT: &[&str] = &[
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
/// What stands on every line of a batch.
pub(crate) const LINE: &[&str] = &["op", "merchant", "at", "transaction_id"];

impl<'a> Fields<'a> {
    /// Reads a body or a line.
    ///
    /// # Errors
    /// What is wrong, and the field at fault.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        // A sequence would be read as the fields in their order, which nobody means.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let code = if body.trim_ascii().is_empty() { "json_malformed" } else { "wrong_type" };
            return Err(Problem::malformed(code, "one JSON object is expected"));
        }
        serde_json::from_slice(body).map_err(|error| describe(body, &error))
    }

    /// Refuses what the operation does not take.
    ///
    /// # Errors
    /// Names the field.
    pub(crate) fn only(self, allowed: &[&[&str]]) -> Result<Self, Problem> {
        match self.beyond(allowed) {
            None => Ok(self),
            Some(field) => {
                let detail = format!("`{field}` is not taken here; taken are {}", allowed.concat().join(", "));
                Err(Problem::malformed("unknown_field", detail).at(field))
            }
        }
    }

    /// The amount as written: the digits of a number, or the text of a string.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn amount_text(&self) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(raw) = self.amount.map(RawValue::get) else { return Ok(None) };
        match raw.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<Text<'a>>(raw) {
                Ok(text) => Ok(Some(text.0)),
                Err(error) => Err(Problem::malformed("json_malformed", error.to_string()).at("amount")),
            },
            Some(b'0'..=b'9' | b'-') => Ok(Some(Cow::Borrowed(raw))),
            _ => Err(Problem::malformed("wrong_type", "`amount` is a string or a number").at("amount")),
        }
    }
}

/// Says what is wrong with a body that could not be read. Off the fast path, so it may read the body again.
fn describe(body: &[u8], error: &serde_json::Error) -> Problem {
    if std::str::from_utf8(body).is_err() {
        return Problem::malformed("invalid_utf8", "the body is not valid UTF-8");
    }
    let text = error.to_string();
    let named = |prefix: &str| text.strip_prefix(prefix)?.split_once('`').map(|(field, _)| field.to_owned());
    if let Some(field) = named("unknown field `") {
        let help = match nearest(&field, Fields::NAMES.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "leave it out".to_owned(),
        };
        return Problem::malformed("unknown_field", format!("unknown field `{field}`; {help}")).at(&field);
    }
    if let Some(field) = named("duplicate field `") {
        return Problem::malformed("duplicate_field", text).at(&field);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let path = match serde_path_to_error::deserialize::<_, Fields<'_>>(&mut deserializer) {
        Err(error) if error.inner().is_data() => error.path().to_string(),
        _ => String::new(),
    };
    match path.as_str() {
        "" | "." | "?" => {
            let code = if error.is_data() { "wrong_type" } else { "json_malformed" };
            Problem::malformed(code, format!("one JSON object is expected: {text}"))
        }
        path => Problem::malformed("wrong_type", format!("`{path}`: {text}")).at(path),
    }
}
