//! The bodies of payments, transitions and batches. Each has the fields that its operation takes, by the list of the
//! reader.

use crate::{
    config::schema::{
        amounts::AmountInput,
        object::{ObjectSchema, OtherFields},
        texts::{CurrencyText, NameText, TimeInput, TransactionIdText},
        words::WordOf,
    },
    domain::{
        transaction::fact::CancelOf,
        vocabulary::{attributes::ATTRIBUTE_BYTES_MAX, direction::Direction, names::NAME_BYTES_MAX, words::Word},
    },
    service::{
        documents::{
            attributes::PaymentAttributes,
            payments::fields::{LINE_FIELDS, RESERVE_FIELDS},
        },
        payments::{PaymentOperation, operation::fields_taken},
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A text that can be left out; `null` and an empty text are the same.
fn optional_text(bytes_max: usize, example: &str) -> Schema {
    json_schema!({ "type": ["string", "null"], "maxLength": bytes_max, "examples": [example] })
}

/// The schema of a field and what it is; `None`: no operation has the field. A field that is not required can be `null`.
fn field(generator: &mut SchemaGenerator, name: &str, is_required: bool) -> Option<(Schema, &'static str)> {
    fn one<T: JsonSchema>(generator: &mut SchemaGenerator, is_required: bool) -> Schema {
        if is_required { generator.subschema_for::<T>() } else { generator.subschema_for::<Option<T>>() }
    }
    Some(match name {
        "merchant" => (one::<NameText>(generator, is_required), "The id of the merchant."),
        "at" => (
            one::<TimeInput>(generator, is_required),
            "The time of the operation, read as `occurred_at`. A line has at most one of the two.",
        ),
        "transaction_id" => (
            if is_required { one::<TransactionIdText>(generator, true) } else { optional_text(NAME_BYTES_MAX, "tx-1") },
            "The id of the transaction, unique in the merchant. A check and a payment form can leave it out.",
        ),
        "project" => (
            optional_text(NAME_BYTES_MAX, "web"),
            "The project. Required where the currency fits endpoints of several projects.",
        ),
        "endpoint" => (optional_text(NAME_BYTES_MAX, "web-eur"), "The endpoint. Required where several endpoints fit."),
        "direction" => (one::<WordOf<Direction>>(generator, is_required), "The direction of the payment."),
        "amount" => (
            one::<AmountInput>(generator, is_required),
            "The amount. Of an approval, a cancel, a refund or a chargeback: absent means all that is left, and an amount \
             of the last three needs an id.",
        ),
        "currency" => (one::<CurrencyText>(generator, is_required), "The currency of the payment."),
        "payment_method" => (
            optional_text(NAME_BYTES_MAX, "card"),
            "The payment method. Without one, some method on offer must be able to take the amount.",
        ),
        "merchant_customer_identifier" => (
            optional_text(ATTRIBUTE_BYTES_MAX, "alice"),
            "The merchant's own identifier of the customer. It names the customer in mode `crm` and is refused in mode \
             `payment_gateway`.",
        ),
        "customer_id" => (
            optional_text(ATTRIBUTE_BYTES_MAX, "1000001"),
            "The id of the customer. It names the customer in mode `payment_gateway` and is refused in mode `crm`.",
        ),
        "customer_level" => (
            optional_text(NAME_BYTES_MAX, "gold"),
            "A level becomes the customer's stored level. Absent or `null`: the stored level applies. An empty text: the \
             stored level does not apply, and in mode `crm` it is cleared.",
        ),
        "customer" => (
            one::<PaymentAttributes>(generator, is_required),
            "The attributes of the customer. In mode `crm` without an identifier, one of the client definition is required.",
        ),
        "payment_instrument" => {
            (optional_text(ATTRIBUTE_BYTES_MAX, "tok_81"), "The gateway's token of the payment instrument.")
        }
        "occurred_at" => (
            one::<TimeInput>(generator, is_required),
            "The time of the payment, at most `max_past_seconds` (300) back and `max_future_seconds` (5) ahead. Absent: now.",
        ),
        "explain" => (one::<bool>(generator, is_required), "Whether the answer shows every limit. Absent: `false`."),
        "as_of" => (one::<TimeInput>(generator, is_required), "The instant about which a check asks. Absent: now."),
        "outcome" => (
            optional_text(ATTRIBUTE_BYTES_MAX, "declined"),
            "Of an attempt: any word. Of a payment: `approved` (the default) or `declined`.",
        ),
        "capture_id" => (
            optional_text(ATTRIBUTE_BYTES_MAX, "cap-1"),
            "The id of the capture. Required for the second and each further capture.",
        ),
        "final" => (one::<bool>(generator, is_required), "Whether no further capture follows. Absent: `true`."),
        "of" => (
            one::<WordOf<CancelOf>>(generator, is_required),
            "Which money is cancelled. Absent: what is held, and where nothing is held, approved money.",
        ),
        "gate" => (optional_text(ATTRIBUTE_BYTES_MAX, "gate-a"), "The gate that paid, or that was tried."),
        "cancel_id" => (optional_text(ATTRIBUTE_BYTES_MAX, "can-1"), "The id of the cancel. Required with `amount`."),
        "refund_id" => (optional_text(ATTRIBUTE_BYTES_MAX, "ref-1"), "The id of the refund. Required with `amount`."),
        "chargeback_id" => {
            (optional_text(ATTRIBUTE_BYTES_MAX, "cb-1"), "The id of the chargeback. Required with `amount`.")
        }
        "until" => (one::<TimeInput>(generator, is_required), "The new end of the hold, later than the present one."),
        "attempt" => (
            json_schema!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "examples": [1] }),
            "The number of the attempt.",
        ),
        _ => return None,
    })
}

/// The fields without which an operation is refused.
const fn required(operation: PaymentOperation) -> &'static [&'static str] {
    match operation {
        PaymentOperation::Reserve | PaymentOperation::Payment => &["transaction_id", "direction", "amount", "currency"],
        PaymentOperation::Check => &["direction", "amount", "currency"],
        PaymentOperation::Approve
        | PaymentOperation::Decline
        | PaymentOperation::Cancel
        | PaymentOperation::Refund
        | PaymentOperation::Chargeback => &[],
        PaymentOperation::Extend => &["until"],
        PaymentOperation::Attempt => &["attempt", "gate", "outcome"],
    }
}

/// An object with these fields.
fn object(
    generator: &mut SchemaGenerator,
    description: &str,
    fields: impl IntoIterator<Item = &'static str>,
    required: &[&str],
) -> ObjectSchema {
    let mut object = ObjectSchema::new(description, OtherFields::Refused);
    for name in fields {
        let is_required = required.contains(&name);
        if let Some((mut schema, description)) = field(generator, name, is_required) {
            // A required text is neither `null` nor empty.
            if is_required && schema.get("type").is_some_and(|types| types.is_array()) {
                schema.insert("type".to_owned(), "string".into());
                schema.insert("minLength".to_owned(), 1.into());
            }
            object.field(name, is_required, schema, description);
        }
    }
    object
}

/// The fields of a single call, with the id of the transaction where the path does not name it.
fn of_call(operation: PaymentOperation, also: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    also.iter().chain(fields_taken(operation).into_iter().flatten()).copied()
}

/// The body of a single call of an operation.
macro_rules! bodies {
    ($($(#[doc = $doc:literal])+ $name:ident = $operation:ident $also:expr;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    let operation = PaymentOperation::$operation;
                    object(generator, concat!($($doc),+), of_call(operation, $also), required(operation)).schema()
                }
            }
        )+
    };
}

bodies! {
    /// A payment to decide and to reserve.
    ReserveRequest = Reserve &["transaction_id"];
    /// A payment to decide without recording anything.
    CheckRequest = Check &["transaction_id"];
    /// A capture. With the fields of a payment it also records a transaction that is unknown.
    ApproveRequest = Approve &[];
    /// A decline by the processor.
    DeclineRequest = Decline &[];
    /// A cancel of a hold or of captured money.
    CancelRequest = Cancel &[];
    /// A refund of captured money.
    RefundRequest = Refund &[];
    /// A chargeback of captured money.
    ChargebackRequest = Chargeback &[];
    /// A new end of a hold.
    ExtendRequest = Extend &[];
    /// A gate that was tried.
    AttemptRequest = Attempt &[];
}

/// The customer and the payment of a payment form: a payment without its amount.
#[derive(Debug)]
pub(crate) enum PaymentFormRequest {}

impl JsonSchema for PaymentFormRequest {
    fn schema_name() -> Cow<'static, str> {
        "PaymentFormRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "A payment without its amount. With `payment_method` the form shows this method alone.";
        let fields = RESERVE_FIELDS.iter().copied().chain(["transaction_id"]);
        object(generator, about, fields, &["direction", "currency"]).schema()
    }
}

/// A line of a batch.
#[derive(Debug)]
pub(crate) enum BatchLine {}

impl JsonSchema for BatchLine {
    fn schema_name() -> Cow<'static, str> {
        "BatchLine".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let lines: Vec<Schema> = PaymentOperation::WORDS
            .iter()
            .map(|(word, operation)| {
                let also = LINE_FIELDS.iter().copied().filter(|field| *field != "op");
                let fields = also.chain(of_call(*operation, &[]));
                let mut needed = [&["merchant"], required(*operation)].concat();
                if *operation != PaymentOperation::Check && !needed.contains(&"transaction_id") {
                    needed.push("transaction_id");
                }
                let about = format!("The operation `{word}`.");
                let mut object = object(generator, &about, fields, &needed);
                let schema = json_schema!({ "type": "string", "const": word, "examples": [word] });
                object.field("op", true, schema, "The operation.");
                object.schema()
            })
            .collect();
        json_schema!({ "description": "An operation of a batch: one line of JSON.", "oneOf": lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::documents::payments::fields::PaymentFields;

    #[test]
    fn every_field_of_the_reader_is_described() {
        let mut generator = SchemaGenerator::default();
        for name in PaymentFields::NAMES.iter().filter(|name| **name != "op") {
            assert!(field(&mut generator, name, false).is_some(), "{name}");
        }
    }
}
