//! Texts: times, names, ids, sentences.

use crate::{config::schema::described, domain::vocabulary::names::NAME_BYTES_MAX};

described! {
    /// A time as RFC 3339, in UTC with milliseconds.
    TimeText { "type": "string", "format": "date-time", "maxLength": 40, "examples": ["2026-11-20T10:00:00.000Z"] }

    /// A time as RFC 3339.
    TimeInput { "type": "string", "format": "date-time", "maxLength": 40, "examples": ["2026-11-20T10:00:00Z"] }

    /// A time as RFC 3339, or a date, which is a day in the merchant's time zone.
    TimeOrDateText {
        "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "string", "format": "date" }],
        "examples": ["2026-11-20"]
    }

    /// A month.
    MonthText { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$", "maxLength": 7, "examples": ["2027-04"] }

    /// A currency: three capital letters of ISO 4217, or a configured code.
    CurrencyText { "type": "string", "pattern": "^[A-Z]{3}$", "minLength": 3, "maxLength": 3, "examples": ["EUR"] }

    /// Two currencies without a rate between them.
    CurrencyPairText { "type": "string", "pattern": "^[A-Z]{3}/[A-Z]{3}$", "maxLength": 7, "examples": ["USD/EUR"] }

    /// A name in the configuration: of a merchant, project, endpoint, gate, level, method, label or filter. It has at most
    /// 128 bytes in UTF-8 and no control characters.
    NameText { "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX, "examples": ["gold"] }

    /// The id of a transaction: opaque, unique in the merchant, at most 128 bytes in UTF-8.
    TransactionIdText { "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX, "examples": ["tx-1"] }

    /// The id of a customer. levelgate makes it: a number in a text.
    CustomerIdText { "type": "string", "minLength": 1, "maxLength": 256, "examples": ["1000001"] }

    /// The merchant's own identifier of a customer, at most 256 bytes in UTF-8.
    IdentifierText { "type": "string", "minLength": 1, "maxLength": 256, "examples": ["alice"] }

    /// The gateway's token of a payment instrument, at most 256 bytes in UTF-8. It is never a full card number.
    InstrumentTokenText { "type": "string", "minLength": 1, "maxLength": 256, "examples": ["tok_81"] }

    /// An opaque text that the caller chose, at most 256 bytes in UTF-8: the id of a capture, cancel, refund or
    /// chargeback, a gate, or the outcome of an attempt.
    OpaqueText { "type": "string", "minLength": 1, "maxLength": 256, "examples": ["cap-1"] }

    /// An attribute of a customer, at most 256 bytes in UTF-8; a comment at most 1,000 characters.
    AttributeText { "type": "string", "maxLength": 1_000, "examples": ["Limassol"] }

    /// The name of an access token.
    TokenNameText { "type": "string", "maxLength": NAME_BYTES_MAX, "examples": ["back office"] }

    /// The id of an upload or a bulk change: letters, digits, `-`, `_` and `.`.
    JobIdText { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "maxLength": 64, "examples": ["import-2026-11-20"] }

    /// The customers whom a bulk change would change, as a digest of their ids. Another version, and a daemon with other data,
    /// can give another digest.
    CustomersDigestText { "type": "string", "maxLength": 64, "examples": ["5f0c2e9a41b7d38605f0c2e9a41b7d38"] }

    /// A sentence for people. It can change between versions.
    SentenceText { "type": "string", "maxLength": 1_000_000, "examples": ["the reason in words"] }

    /// The version of the rules in force: of merchants and rates.
    VersionText { "type": "string", "maxLength": 64, "examples": ["3f2a9c0d41b7e586"] }

    /// The position of the next page. Send it as `cursor`; `null`: this was the last page.
    CursorText { "type": "string", "maxLength": 64, "examples": ["1000101"] }

    /// A duration: a whole number and a unit of `ms`, `s`, `m`, `h`, `d`, `w`.
    DurationText { "type": "string", "maxLength": 32, "examples": ["24h"] }

    /// The window of a filter: `daily`, `weekly`, `monthly`, `lifetime`, or a duration such as `45m`, `6h`, `90d`.
    WindowText { "type": "string", "minLength": 1, "maxLength": 32, "examples": ["daily"] }

    /// The span of a window in words: `day`, `week_from_monday`, `week_from_sunday`, `month`, `same_day_month`,
    /// `lifetime`, or a duration.
    SpanText { "type": "string", "maxLength": 32, "examples": ["day"] }

    /// The status of a transaction, or `checked`: nothing was recorded.
    DecisionStatus {
        "type": "string",
        "enum": ["checked", "reserved", "approved", "declined", "cancelled", "expired", "denied"],
        "examples": ["reserved"]
    }

    /// The stable reason of a denial code.
    ReasonText { "type": "string", "maxLength": 64, "examples": ["daily_amount_limit_exceeded"] }

    /// A masked number: of a card at most the first six and the last four digits, otherwise the last four.
    MaskedNumberText { "type": "string", "maxLength": 64, "examples": ["411111******1111"] }

    /// The brand of a payment instrument, at most 64 bytes in UTF-8. The name of a card network is in lower case.
    BrandText { "type": "string", "maxLength": 64, "examples": ["visa"] }

    /// An address of a page.
    AddressText { "type": "string", "maxLength": 2_000, "examples": ["/docs/integration"] }

    /// The name of a field of a document.
    FieldText { "type": "string", "maxLength": 256, "examples": ["amount"] }
}
