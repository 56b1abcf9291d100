//! Numbers as texts: amounts, decimals, shares.

use crate::config::schema::described;

described! {
    /// An amount of money in the units of its currency, as a decimal number in a text. It has the fraction digits of the
    /// currency.
    AmountText { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 48, "examples": ["125.50"] }

    /// An amount of money above zero: a decimal number in a text, or a number, which is read digit by digit. It has at
    /// most 18 digits of minor units, no sign, no exponent, and at most the fraction digits of the currency.
    AmountInput {
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 48 },
            { "type": "number", "exclusiveMinimum": 0, "maximum": 999_999_999_999_999_999_u64 }
        ],
        "examples": ["125.50"]
    }

    /// A limit or a bound of amounts, zero included: a decimal number in a text, or a number, which is read digit by
    /// digit. It has at most 18 digits of minor units, no sign, no exponent, and at most the fraction digits of the
    /// currency.
    BoundInput {
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 48 },
            { "type": "number", "minimum": 0, "maximum": 999_999_999_999_999_999_u64 }
        ],
        "examples": ["500.00"]
    }

    /// A decimal number in a text, without a sign and an exponent: an exchange rate, or the bound of a gate.
    DecimalText { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 80, "examples": ["1.0872"] }

    /// A decimal number above zero, of at most 28 digits: a text, or a number, which is read digit by digit.
    DecimalInput {
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 80 },
            { "type": "number", "exclusiveMinimum": 0, "maximum": u64::MAX }
        ],
        "examples": ["1.0872"]
    }

    /// A share in percent, above 0 and at most 100.
    ShareText { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$", "maxLength": 8, "examples": ["80%"] }
}
