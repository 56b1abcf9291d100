//! The bodies of calls about customers.

use crate::{
    config::schema::{
        amounts::{BoundInput, DecimalInput},
        described,
        lists::ListOf,
        object::objects,
        texts::{
            CurrencyText, CustomerIdText, CustomersDigestText, InstrumentTokenText, NameText, TimeInput, TimeText,
            WindowText,
        },
        words::WordOf,
    },
    domain::{
        customer::{
            instruments::InstrumentType,
            own_limits::{LimitKind, OWN_FILTERS_MAX},
            status::{CustomerStatus, Signal},
        },
        rules::{filter::FilterMode, rates::OWN_RATES_MAX},
        vocabulary::direction::Direction,
    },
    service::documents::{
        attributes::SentAttributes,
        customers::limits::{OperatorDocument, PendingDocument},
    },
};

described! {
    /// A level of the merchant. `null` and an empty text remove it.
    LevelInput { "type": ["string", "null"], "maxLength": 128, "examples": ["gold"] }

    /// The first day of a calendar week.
    WeekdayText { "type": ["string", "null"], "enum": ["monday", "sunday", null], "examples": ["monday"] }

    /// The length of a rolling month.
    MonthSpanText { "type": ["string", "null"], "enum": ["30d", "same_day", null], "examples": ["30d"] }

    /// A text that can be left out.
    OptionalText { "type": ["string", "null"], "maxLength": 256, "examples": ["alice"] }

    /// The gateway's token of a payment instrument.
    InstrumentTokenInput { "type": ["string", "null"], "maxLength": 256, "examples": ["tok_81"] }

    /// A masked number: of a card at most the first six and the last four digits, otherwise the last four.
    MaskedNumberInput { "type": ["string", "null"], "maxLength": 64, "examples": ["411111******1111"] }

    /// The brand of a payment instrument.
    BrandInput { "type": ["string", "null"], "maxLength": 64, "examples": ["visa"] }

    /// The state of an instrument. `blocked` is taken where it is in force: only a signal blocks.
    InstrumentStateInput {
        "type": ["string", "null"], "enum": ["active", "expired", "invalid", "blocked", null], "examples": ["active"]
    }

    /// The kind of payments to which the customer agreed. `null` and an empty text remove it.
    CardOnFileInput {
        "type": ["string", "null"], "enum": ["unscheduled", "recurring", "installment", "", null],
        "examples": ["recurring"]
    }

    /// The last valid month.
    MonthInput { "type": ["string", "null"], "pattern": "^[0-9]{4}-[0-9]{2}$", "maxLength": 7, "examples": ["2027-04"] }

    /// One text, or several of which one must match.
    TextOrTexts {
        "anyOf": [
            { "type": "string", "maxLength": 256 },
            { "type": "array", "items": { "type": "string", "maxLength": 256 }, "minItems": 1, "maxItems": 1_000 }
        ],
        "examples": ["1000001"]
    }

    /// A text that selects customers, at most 256 bytes in UTF-8.
    SelectionText { "type": "string", "maxLength": 256, "examples": ["gold"] }

    /// The name of a gate or a route.
    GateNameText { "type": "string", "minLength": 1, "maxLength": 128, "examples": ["gate-a"] }

    /// The name of a payment method.
    MethodNameText { "type": "string", "minLength": 1, "maxLength": 128, "examples": ["card"] }

    /// Ids of customers.
    CustomerIds {
        "type": "array", "items": { "type": "string", "maxLength": 256 }, "minItems": 1, "maxItems": 100_000,
        "examples": [["1000001"]]
    }

    /// A whole number from 1.
    CountInput { "type": "integer", "minimum": 1, "maximum": 1_000_000, "examples": [1_000] }

    /// A whole number of transactions; zero blocks.
    QuantityInput { "type": ["integer", "null"], "minimum": 0, "maximum": 9_223_372_036_854_775_807_u64, "examples": [10] }

    /// A share of the limit.
    ShareInput { "type": ["string", "null"], "maxLength": 16, "examples": ["80%"] }

    /// How many units of the first currency have the rate.
    UnitsInput { "type": "integer", "minimum": 1, "maximum": 1_000_000, "examples": [1] }

    /// A seed.
    SeedInput { "type": "integer", "minimum": 0, "maximum": u64::MAX, "examples": [1] }

    /// Names.
    NamesInput {
        "type": ["array", "null"], "items": { "type": "string", "minLength": 1, "maxLength": 128 }, "maxItems": 1_000,
        "examples": [["vip"]]
    }

    /// Names of projects.
    ProjectNamesInput {
        "type": ["array", "null"], "items": { "type": "string", "minLength": 1, "maxLength": 128 }, "maxItems": 1_000,
        "examples": [["web"]]
    }

    /// An object without fields.
    EmptyRequest { "type": "object", "additionalProperties": false, "examples": [{}] }

    /// Always true.
    TrueInput { "type": "boolean", "const": true, "examples": [true] }

    /// Always null: it withdraws a deletion request.
    NullInput { "type": "null", "examples": [null] }
}

objects! {
    /// What a registration and a change of a customer have in common.
    Refused CustomerChanges {
        /// The stored level of deposits.
        may "deposit_level": LevelInput,
        /// The stored level of withdrawals.
        may "withdrawal_level": LevelInput,
        /// The status. `null` changes nothing.
        may "status": Option<WordOf<CustomerStatus>>,
        /// The labels: configured ones, at most `labels_max`.
        may "labels": NamesInput,
        /// The projects in which the customer cannot pay.
        may "disabled_projects": ProjectNamesInput,
        /// The customer's own exchange rates, at most 100.
        may "rates": Option<ListOf<OwnRateRequest, OWN_RATES_MAX>>,
        .. SentAttributes,
    }

    /// A customer's own exchange rate.
    Refused OwnRateRequest {
        /// The currency of `units`.
        must "from": CurrencyText,
        /// The currency of the rate, another one.
        must "to": CurrencyText,
        /// How many units of `to` the units of `from` are worth.
        must "rate": DecimalInput,
        /// The units of `from`. Absent: 1.
        may "units": UnitsInput,
        /// From when the rate is used. Absent: always.
        may "valid_from": Option<TimeInput>,
    }

    /// A customer to register.
    Refused CustomerRequest {
        /// The merchant's own identifier.
        may "merchant_customer_identifier": OptionalText,
        /// When the customer was created, where that was earlier.
        may "created_at": Option<TimeInput>,
        .. CustomerChanges,
    }

    /// Changes of a customer. A field that is absent stays as it is.
    Refused CustomerUpdateRequest {
        /// `null` withdraws a deletion request.
        may "deletion_due": NullInput,
        .. CustomerChanges,
    }

    /// A known customer.
    Refused KnownCustomer {
        /// The id of the customer.
        must "customer_id": CustomerIdText,
    }

    /// The customer to merge into.
    Refused MergeRequest {
        /// The id of the customer who stays.
        must "into": CustomerIdText,
    }

    /// A signal about a customer or an instrument.
    Refused SignalRequest {
        /// What happened.
        must "signal": WordOf<Signal>,
        /// The gateway's token. Required with `card_expired` and `card_invalid`. With `fraud_confirmed` and `card_stolen`
        /// this instrument is blocked; without it the customer is.
        may "payment_instrument": InstrumentTokenInput,
    }

    /// A payment instrument to store or to change. A field that is absent stays as it is.
    Refused InstrumentRequest {
        /// What it is.
        may "type": Option<WordOf<InstrumentType>>,
        /// Its masked number: of a card at most the first six and the last four digits, otherwise the last four.
        may "masked_number": MaskedNumberInput,
        /// Its brand.
        may "brand": BrandInput,
        /// The last month in which it is valid.
        may "expires": MonthInput,
        /// Whether it can pay.
        may "state": InstrumentStateInput,
        /// Whether it is the customer's default.
        may "default": bool,
        /// Whether the customer agreed to store it.
        may "card_on_file": bool,
        /// The kind of payments to which the customer agreed. Not with `"card_on_file": false`.
        may "card_on_file_type": CardOnFileInput,
        /// If sent, the token of the path.
        may "payment_instrument": Option<InstrumentTokenText>,
        /// If sent, as it is in force.
        may "saved_at": Option<TimeText>,
        /// If sent, as it is in force.
        may "last_success_at": Option<TimeText>,
        /// If sent, as it is in force.
        may "successful_payments": Option<u64>,
        /// If sent, as it is in force.
        may "order": Option<u64>,
    }

    /// The settings of a payment method. A value that is absent or `null` is not set.
    Refused MethodRequest {
        /// The payment method.
        must "method": MethodNameText,
        /// Whether payment forms show the method.
        may "show_in_form": Option<bool>,
        /// The smallest amount.
        may "min_amount": Option<BoundInput>,
        /// The largest amount.
        may "max_amount": Option<BoundInput>,
        /// The gates and routes of the method, at least one.
        may "gates": Option<ListOf<GateNameText>>,
    }

    /// Bounds of the amounts of all methods.
    Refused GlobalLimitRequest {
        /// The smallest amount.
        may "min_amount": Option<BoundInput>,
        /// The largest amount.
        may "max_amount": Option<BoundInput>,
    }

    /// Individual payment settings. They replace all settings of the path.
    Refused IndividualSettingsRequest {
        /// The settings of single methods.
        may "methods": Option<ListOf<MethodRequest>>,
        /// The bounds of all methods.
        may "global_limit": Option<GlobalLimitRequest>,
        /// If sent, the direction of the path.
        may "direction": Option<WordOf<Direction>>,
        /// If sent, the currency of the path.
        may "currency": Option<CurrencyText>,
        /// If sent, the level of the path.
        may "level": Option<NameText>,
    }

    /// A filter: a usage limit. A customer's own limit has at least one of the two limits.
    Refused FilterRequest {
        /// The window.
        must "window": WindowText,
        /// The name, unique in the list. Absent: the window.
        may "name": Option<NameText>,
        /// The most that can pass in the window. Absent: unlimited; zero blocks.
        may "amount_limit": Option<BoundInput>,
        /// The most transactions in the window. Absent: unlimited; zero blocks.
        may "quantity_limit": QuantityInput,
        /// Whether the window is aligned to the calendar. Absent: `false`.
        may "calendar": Option<bool>,
        /// Of a calendar week: its first day. Absent: `monday`.
        may "week_starts_on": WeekdayText,
        /// Of a rolling month: its length. Absent: `30d`.
        may "month": MonthSpanText,
        /// Whether it counts all levels and currencies of the merchant. Absent: `false`.
        may "for_all_merchant_currencies": Option<bool>,
        /// Whether cancelled amounts no longer count. Absent: `false`.
        may "subtract_cancel_transactions": Option<bool>,
        /// Whether it denies payments. Absent: `enforce`.
        may "mode": Option<WordOf<FilterMode>>,
        /// The share of the limit at which an allowed payment is reported.
        may "warn_at": ShareInput,
    }

    /// A limit of a customer.
    Refused OwnLimitRequest {
        /// If sent, the kind of the limit as it follows from the filter.
        may "kind": Option<WordOf<LimitKind>>,
        .. FilterRequest,
    }

    /// A customer's own limits of a direction and a currency, at most 20. They replace those in force.
    Refused OwnLimitsRequest {
        /// The limits.
        must "filters": ListOf<OwnLimitRequest, OWN_FILTERS_MAX>,
        /// When the limits end. With it they are an operator's limits, which needs the role `operator`.
        may "until": Option<TimeInput>,
        /// If sent, the direction of the path.
        may "direction": Option<WordOf<Direction>>,
        /// If sent, the currency of the path.
        may "currency": Option<CurrencyText>,
        /// If sent, as it is in force: the pending raise stays.
        may "pending": Option<PendingDocument>,
        /// If sent, as it is in force.
        may "confirmed_at": Option<TimeText>,
        /// If sent, as it is in force.
        may "operator": Option<OperatorDocument>,
    }

    /// How many customers to make up.
    Refused MockRequest {
        /// How many.
        must "count": CountInput,
        /// The same seed gives the same customers. Absent: 0.
        may "seed": SeedInput,
    }

    /// The customers of a bulk change: `all`, `ids`, or filters, which must all match. It is never empty.
    Refused BulkSelection {
        /// Every customer. It stands alone.
        may "all": TrueInput,
        /// These customers. It stands alone.
        may "ids": CustomerIds,
        /// Customers with this id.
        may "customer_id": TextOrTexts,
        /// Customers with this identifier.
        may "merchant_customer_identifier": TextOrTexts,
        /// Customers with this external id.
        may "external_id": TextOrTexts,
        /// Customers who hold this instrument.
        may "payment_instrument": TextOrTexts,
        /// Customers with this e-mail address, or with one that begins so.
        may "email": SelectionText,
        /// Customers with this phone number.
        may "phone": SelectionText,
        /// Customers whose name, or a word of it, begins so.
        may "name": SelectionText,
        /// Customers with this stored level of deposits; an empty text: without one.
        may "deposit_level": SelectionText,
        /// Customers with this stored level of withdrawals; an empty text: without one.
        may "withdrawal_level": SelectionText,
        /// Customers with this status.
        may "status": WordOf<CustomerStatus>,
        /// Customers with this label.
        may "label": SelectionText,
        /// Customers who were created at this time or later.
        may "created_from": crate::config::schema::texts::TimeOrDateText,
        /// Customers who were created before this time; of a date, the day is included.
        may "created_to": crate::config::schema::texts::TimeOrDateText,
    }

    /// A global limit of individual settings.
    Refused BulkGlobalLimit {
        /// The direction of payments.
        must "direction": WordOf<Direction>,
        /// The currency of payments.
        must "currency": CurrencyText,
        /// The level. Absent: the one that each customer has.
        may "level": LevelInput,
        .. GlobalLimitRequest,
    }

    /// What a bulk change sets: at least one field.
    Refused BulkChanges {
        /// The stored level of deposits.
        may "deposit_level": LevelInput,
        /// The stored level of withdrawals.
        may "withdrawal_level": LevelInput,
        /// The status. `null` changes nothing.
        may "status": Option<WordOf<CustomerStatus>>,
        /// The labels.
        may "labels": NamesInput,
        /// The bounds of the amounts of all methods.
        may "global_limit": BulkGlobalLimit,
    }

    /// A change of many customers.
    Refused BulkRequest {
        /// The customers.
        must "select": BulkSelection,
        /// The changes.
        must "set": BulkChanges,
        /// Whether nothing is changed and the answer only counts. Absent: `false`.
        may "dry_run": bool,
        /// The `changed_digest` of a trial: changes the customers whom that trial would have changed, or none.
        may "changed_digest": CustomersDigestText,
    }
}

/// The customer to whom a transaction is linked: a known one, or the fields of a registration.
#[derive(Debug)]
pub(crate) enum LinkRequest {}

impl schemars::JsonSchema for LinkRequest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LinkRequest".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (known, new) = (generator.subschema_for::<KnownCustomer>(), generator.subschema_for::<CustomerRequest>());
        schemars::json_schema!({
            "description": "The customer: a known one, or the fields of a registration.",
            "anyOf": [known, new]
        })
    }
}
