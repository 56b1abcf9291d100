//! The bodies of calls about levels, rates and the clock.

use crate::{
    config::schema::{
        described,
        lists::ListOf,
        object::objects,
        texts::{CurrencyText, NameText, TimeInput, TimeText, TokenNameText, VersionText},
        words::WordOf,
    },
    domain::{
        rules::{gates::RoutingStrategy, provenance::Origin},
        vocabulary::direction::Direction,
    },
    service::documents::requests::customers::{FilterRequest, GateNameText, MethodRequest},
};

described! {
    /// Whether a level applies to payments.
    LevelStatusInput { "type": ["string", "null"], "enum": ["active", "disabled", null], "examples": ["active"] }

    /// The projects of a level: their names, or `all`.
    ProjectsInput {
        "anyOf": [
            { "type": "string", "const": "all" },
            {
                "type": ["array", "null"], "items": { "type": "string", "minLength": 1, "maxLength": 128 },
                "maxItems": 16_384
            }
        ],
        "examples": [["web"]]
    }

    /// Rates by currency: decimal numbers above zero, as texts or as numbers.
    RatesByCurrencyInput {
        "type": ["object", "null"],
        "propertyNames": { "pattern": "^[A-Z]{3}$" },
        "additionalProperties": {
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 80 },
                { "type": "number", "exclusiveMinimum": 0, "maximum": u64::MAX }
            ]
        },
        "examples": [{ "USD": "1.0872" }]
    }

    /// A duration: a whole number and a unit of `ms`, `s`, `m`, `h`, `d`, `w`, at most 100 years.
    DurationInput { "type": ["string", "null"], "maxLength": 32, "examples": ["24h"] }
}

objects! {
    /// A level, at most 65,536 bytes. An absent field has its default, not its present value; `null` is absent.
    Refused LevelRequest {
        /// Whether the level applies to payments. Absent: `active`.
        may "status": LevelStatusInput,
        /// The projects to which it applies. Absent: none, and of the level `unknown` all.
        may "projects": ProjectsInput,
        /// The settings of payment methods, which override those of the endpoint.
        may "methods": Option<ListOf<MethodRequest>>,
        /// The gates and routes of the level. Absent: those of the endpoint.
        may "gates": Option<ListOf<GateNameText>>,
        /// The order of the gates. Absent: `priority`.
        may "routing": Option<WordOf<RoutingStrategy>>,
        /// The usage limits of the level.
        may "filters": Option<ListOf<FilterRequest>>,
        /// If sent, the name of the path.
        may "name": Option<NameText>,
        /// If sent, the direction of the path.
        may "direction": Option<WordOf<Direction>>,
        /// If sent, the currency of the path.
        may "currency": Option<CurrencyText>,
        .. SentProvenance,
    }

    /// Where a level or a rate table comes from. A request may repeat what is in force.
    Refused SentProvenance {
        /// If sent, as it is in force.
        may "created": Option<TimeText>,
        /// If sent, as it is in force: a document that is older than the last change is refused.
        may "modified": Option<TimeText>,
        /// If sent, as it is in force.
        may "origin": Option<WordOf<Origin>>,
        /// If sent, as it is in force.
        may "by": Option<TokenNameText>,
    }

    /// A new name of a level.
    Refused RenameRequest {
        /// The new name.
        must "to": NameText,
    }

    /// All rates.
    Refused RatesRequest {
        /// The currency of which one unit has the rates. Required unless the table is empty.
        may "base": Option<CurrencyText>,
        /// The time of the rates, not before that of the table in force.
        may "as_of": Option<TimeInput>,
        /// The age at which rates are too old. Absent: never.
        may "max_age": DurationInput,
        /// How many units of each currency are worth one unit of the base, by currency.
        may "rates": RatesByCurrencyInput,
        /// If sent, as it is in force.
        may "version": Option<VersionText>,
        .. SentProvenance,
    }

    /// How the clock is accepted.
    Refused ClockAcceptRequest {
        /// Whether transactions later than the new time are moved to it. Absent: `false`.
        may "move_future_entries": bool,
    }
}
