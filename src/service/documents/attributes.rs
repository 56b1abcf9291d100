//! The attributes of a customer in documents: as payments send them, as staff sends them, and as answers show them.

use crate::{
    config::schema::{
        object::{ObjectSchema, OtherFields},
        texts::AttributeText,
    },
    domain::vocabulary::{
        attributes::{ATTRIBUTE_BYTES_MAX, Attribute, COMMENT_CHARS_MAX, PaymentAttribute, RATING_MAX},
        words::Word,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The description of an attribute, and an example.
const fn description(attribute: Attribute) -> (&'static str, &'static str) {
    match attribute {
        Attribute::Email => ("The e-mail address.", "alice@example.com"),
        Attribute::Phone => ("The phone number.", "+35799123456"),
        Attribute::ExternalId => ("The id of the customer in another system.", "ext-7"),
        Attribute::PaymentInstrument => ("The gateway's token of a payment instrument.", "tok_81"),
        Attribute::Name => ("The full name.", "Alice Adams"),
        Attribute::FirstName => ("The first name.", "Alice"),
        Attribute::LastName => ("The last name.", "Adams"),
        Attribute::Country => ("The country: two letters of ISO 3166-1.", "CY"),
        Attribute::City => ("The city.", "Limassol"),
        Attribute::Address => ("The street and the number.", "Main Street 1"),
        Attribute::PostalCode => ("The postal code.", "3010"),
        Attribute::DateOfBirth => ("The date of birth: a day.", "1990-01-31"),
        Attribute::Language => ("The language.", "en"),
        Attribute::Comment => ("A remark of staff, at most 1,000 characters.", "called on Monday"),
        Attribute::Rating => ("The rating that staff gave.", "85"),
        Attribute::RegistrationIp => ("The IP address of the registration.", "192.0.2.7"),
        Attribute::PhoneVerified => ("Whether the phone number is verified.", "true"),
        Attribute::ReferredBy => ("Who referred the customer: an id of the merchant's choice.", "partner-3"),
    }
}

/// The attributes of a customer in an answer; `null`: the customer has none.
#[derive(Debug)]
pub(crate) enum ShownAttributes {}

impl JsonSchema for ShownAttributes {
    fn schema_name() -> Cow<'static, str> {
        "ShownAttributes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut object = ObjectSchema::new("The attributes of a customer.", OtherFields::Open);
        for (word, attribute) in Attribute::WORDS {
            let schema = match attribute {
                Attribute::Rating => json_schema!({ "type": ["integer", "null"], "minimum": 0, "maximum": RATING_MAX }),
                Attribute::PhoneVerified => generator.subschema_for::<Option<bool>>(),
                _ => generator.subschema_for::<Option<AttributeText>>(),
            };
            object.field(word, true, schema, description(*attribute).0);
        }
        object.schema()
    }
}

/// The attributes of a customer as staff sends them. `null` and an empty text remove the attribute.
#[derive(Debug)]
pub(crate) enum SentAttributes {}

impl JsonSchema for SentAttributes {
    fn schema_name() -> Cow<'static, str> {
        "SentAttributes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut object = ObjectSchema::new("The attributes of a customer.", OtherFields::Refused);
        for (word, attribute) in Attribute::WORDS {
            let (text, example) = description(*attribute);
            let schema = match attribute {
                Attribute::Rating => json_schema!({
                    "anyOf": [
                        { "type": ["integer", "null"], "minimum": 0, "maximum": RATING_MAX },
                        { "type": "string", "const": "" }
                    ],
                    "examples": [85]
                }),
                Attribute::PhoneVerified => json_schema!({
                    "anyOf": [{ "type": ["boolean", "null"] }, { "type": "string", "const": "" }],
                    "examples": [true]
                }),
                Attribute::Comment => json_schema!({
                    "type": ["string", "null"], "maxLength": COMMENT_CHARS_MAX, "examples": [example]
                }),
                _ => json_schema!({
                    "type": ["string", "null"], "maxLength": ATTRIBUTE_BYTES_MAX, "examples": [example]
                }),
            };
            object.field(word, false, schema, text);
        }
        object.schema()
    }
}

/// The attributes of the customer in a payment. They fill what the customer lacks and never overwrite; `null` and an empty
/// text fill nothing.
#[derive(Debug)]
pub(crate) enum PaymentAttributes {}

impl JsonSchema for PaymentAttributes {
    fn schema_name() -> Cow<'static, str> {
        "PaymentAttributes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let about = "The attributes of the customer. They fill what the customer lacks and never overwrite.";
        let mut object = ObjectSchema::new(about, OtherFields::Refused);
        for (word, PaymentAttribute(attribute)) in PaymentAttribute::WORDS {
            let (text, example) = description(*attribute);
            let schema = json_schema!({
                "type": ["string", "null"], "maxLength": ATTRIBUTE_BYTES_MAX, "examples": [example]
            });
            object.field(word, false, schema, text);
        }
        object.schema()
    }
}
