//! The fields of a customer's profile, as forms show them.

use crate::{
    console::document::in_words,
    domain::{
        rules::{
            merchant::{Merchant, OperationMode},
            registration::identifier::{Identifier, RegistrationSource},
        },
        vocabulary::attributes::{ATTRIBUTE_BYTES_MAX, COMMENT_CHARS_MAX},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// How a field is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::console::pages) enum FieldKind {
    Text,
    Date,
    /// Several lines.
    Remark,
    /// A whole number.
    Number,
    /// Yes, no, or not known.
    Flag,
}

/// A field of a profile.
pub(in crate::console::pages) struct ProfileField {
    /// The name of the service.
    pub(in crate::console::pages) name: &'static str,
    pub(in crate::console::pages) label: &'static str,
    hint: &'static str,
    kind: FieldKind,
}

const fn field(name: &'static str, label: &'static str, hint: &'static str) -> ProfileField {
    ProfileField { name, label, hint, kind: FieldKind::Text }
}

/// The merchant's identifier, which is given once.
pub(in crate::console::pages) const IDENTIFIER: ProfileField =
    field("merchant_customer_identifier", "Merchant's identifier", "");

/// The fields that identify a customer or can.
pub(in crate::console::pages) const CONTACT_FIELDS: [ProfileField; 3] = [
    field("email", "E-mail", "alice@example.com"),
    field("phone", "Phone", "with its country code"),
    field("external_id", "External id", ""),
];

/// The further fields.
pub(in crate::console::pages) const FURTHER_FIELDS: [ProfileField; 14] = [
    field("first_name", "First name", ""),
    field("last_name", "Last name", ""),
    field("name", "Full name", ""),
    field("country", "Country", "two letters, as CY"),
    field("city", "City", ""),
    field("address", "Address", "street and number"),
    field("postal_code", "Postal code", ""),
    ProfileField { kind: FieldKind::Date, ..field("date_of_birth", "Date of birth", "") },
    field("language", "Language", "two letters, as en"),
    ProfileField { kind: FieldKind::Remark, ..field("comment", "Comment", "") },
    ProfileField { kind: FieldKind::Number, ..field("rating", "Rating", "0 to 100") },
    field("registration_ip", "IP address of the registration", ""),
    ProfileField { kind: FieldKind::Flag, ..field("phone_verified", "Phone number verified", "") },
    field("referred_by", "Referred by", ""),
];

/// All fields that an edit can change.
pub(in crate::console::pages) fn all_fields() -> impl Iterator<Item = &'static ProfileField> {
    CONTACT_FIELDS.iter().chain(&FURTHER_FIELDS)
}

impl ProfileField {
    /// The value that the service takes for a text of the form. An empty text is no value.
    pub(in crate::console::pages) fn value(&self, text: &str) -> Value {
        match (self.kind, text) {
            (_, "") => Value::Null,
            (FieldKind::Number, text) => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
            (FieldKind::Flag, "yes") => json!(true),
            (FieldKind::Flag, "no") => json!(false),
            (_, text) => json!(text),
        }
    }

    /// The labelled control. `fault`: why its value was refused.
    pub(in crate::console::pages) fn control(&self, value: &str, is_required: bool, fault: Option<&str>) -> Markup {
        let Self { name, label, hint, kind } = self;
        let (placeholder, invalid) = ((!hint.is_empty()).then_some(hint), fault.map(|_| "true"));
        let described = fault.map(|_| format!("{name}-fault"));
        let (input_type, mode) = match kind {
            FieldKind::Date => ("date", None),
            FieldKind::Number => ("text", Some("numeric")),
            FieldKind::Text | FieldKind::Remark | FieldKind::Flag => ("text", None),
        };
        html! {
            label class="field" {
                span { (label) @if is_required { " (required)" } }
                @match kind {
                    FieldKind::Flag => select name=(name) aria-invalid=[invalid] {
                        option value="" { "not known" }
                        option value="yes" selected[value == "yes"] { "yes" }
                        option value="no" selected[value == "no"] { "no" }
                    },
                    FieldKind::Remark => textarea name=(name) rows="3" maxlength=(COMMENT_CHARS_MAX) aria-invalid=[invalid]
                        aria-describedby=[described.as_deref()] { (value) },
                    FieldKind::Text | FieldKind::Date | FieldKind::Number => input type=(input_type) name=(name) value=(value)
                        placeholder=[placeholder] inputmode=[mode] maxlength=(ATTRIBUTE_BYTES_MAX) autocomplete="off"
                        aria-invalid=[invalid] aria-describedby=[described.as_deref()];,
                }
                @if let Some(fault) = fault { span class="fault" id={ (name) "-fault" } { (fault) } }
            }
        }
    }

    /// The text of the field of a customer's document.
    pub(in crate::console::pages) fn text_of(&self, customer: &Value) -> String {
        in_words(&customer[self.name])
    }
}

/// The values of fields, as members for the service.
pub(in crate::console::pages) fn members<'f>(
    fields: impl IntoIterator<Item = &'f ProfileField>,
    text: impl Fn(&str) -> String,
) -> Map<String, Value> {
    fields.into_iter().map(|field| (field.name.to_owned(), field.value(&text(field.name)))).collect()
}

/// Whether an error is about a field.
pub(in crate::console::pages) fn fault_of<'e>(error: Option<&'e ServiceError>, name: &str) -> Option<&'e str> {
    let error = error?;
    let is_about = error.field.as_deref() == Some(name) || error.fields.contains(&name);
    is_about.then_some(error.detail.as_str())
}

/// Whether a registration by the console needs an identifier.
pub(in crate::console::pages) fn is_required(merchant: &Merchant, name: &str) -> bool {
    let policy = &merchant.registration;
    let identifier = match name {
        "merchant_customer_identifier" => Identifier::MerchantCustomerIdentifier,
        "email" => Identifier::Email,
        "phone" => Identifier::Phone,
        "external_id" => Identifier::ExternalId,
        _ => return false,
    };
    let is_generated = identifier == Identifier::ExternalId && policy.generates_external_id(RegistrationSource::Api);
    let is_only_one = policy.primary_identifier == identifier && !policy.allow_any_identifier;
    !is_generated && (is_only_one || policy.rule(identifier).required)
}

/// How a registration is identified, in words.
pub(in crate::console::pages) fn identification_in_words(merchant: &Merchant) -> String {
    let policy = &merchant.registration;
    let primary = match policy.primary_identifier {
        Identifier::MerchantCustomerIdentifier => "the merchant's identifier",
        Identifier::Email => "the e-mail address",
        Identifier::Phone => "the phone number",
        Identifier::ExternalId => "the external id",
        Identifier::CustomerId => "the number that the daemon gives",
    };
    let any = if policy.allow_any_identifier { ", or any other identifier" } else { "" };
    let generated = match policy.generates_external_id(RegistrationSource::Api) {
        true => " The daemon makes the external id where it is empty.",
        false => "",
    };
    let mode = match merchant.mode {
        OperationMode::Crm => "",
        OperationMode::PaymentGateway => " The daemon gives the customer id.",
    };
    format!("A customer is identified by {primary}{any}.{generated}{mode}")
}
