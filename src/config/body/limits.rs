//! The body of a customer's own limits.

use crate::config::{
    body::read::{BodyKind, InvalidBody, read},
    compile::filter,
    parse::{
        raw_level::{self, RawFilter},
        section::Section,
    },
};
use crate::domain::{
    rules::filter::{Filter, FilterScope},
    vocabulary::{
        money::{Currencies, Currency},
        names::Name,
        time::Millis,
    },
};

/// The members of a limits document that describe the limits: their identity, and what is in force or pending in
/// addition to `filters`.
pub const LIMITS_DESCRIPTION: [&str; 5] = ["direction", "currency", "pending", "confirmed_at", "operator"];

/// A customer's own limits, as a request sends them.
#[derive(Debug)]
pub struct LimitsBody {
    /// In the order of the body.
    pub filters: Vec<Filter>,
    /// The kind of each limit, if it has one: `deposit_limit`, ...
    pub kinds: Vec<Option<String>>,
    /// When the limits end; `Some`: an operator sets them.
    pub until: Option<Millis>,
    /// The raw values of the filters, in the same order.
    pub(in crate::config) raw: Vec<RawFilter>,
    /// The text that their places are in.
    pub(in crate::config) source: String,
}

/// Reads limits, such as `{"filters": [{"window": "daily", "amount_limit": "100.00"}], "until": "..."}`, with the keys of
/// a level's filters. A body may repeat the members of [`LIMITS_DESCRIPTION`]; the caller compares them. New names count
/// against the merchant's quota.
///
/// # Errors
/// All problems of the body.
pub fn limits(
    body: &[u8],
    currency: Currency,
    currencies: &Currencies,
    merchant: Name,
) -> Result<LimitsBody, InvalidBody> {
    read(body, BodyKind { what: "the limits", names_of: Some(merchant) }, |s| {
        s.accept(&LIMITS_DESCRIPTION);
        let sections = s.tables("filters", "a filter");
        let read_filter = |section: &Section<'_>| {
            let (raw, kind) = (raw_level::filter(section), section.text("kind"));
            section.close();
            (raw, kind.map(|at| at.value))
        };
        let (raw, kinds): (Vec<_>, Vec<_>) = sections.iter().map(read_filter).unzip();
        if !s.has("filters") {
            s.report.error(&s.span, "`filters` is missing", "write the filters, or delete the limits");
        }
        let until = s.nonempty("until").and_then(|at| {
            let time = Millis::parse(&at.value);
            if time.is_none() {
                let help = "write a time, such as 2026-11-20T10:00:00Z";
                s.report.error(&at.span, format!("`until` is not a time: {}", at.value), help);
            }
            time
        });
        let mut filters = filter::filters(&raw, Some(currency), currencies, s.report);
        // A limit that cannot be read is reported already.
        for filter in sections.iter().filter(|filter| !filter.has("amount_limit") && !filter.has("quantity_limit")) {
            s.report.error(&filter.span, "a filter has no limit", "write `amount_limit` or `quantity_limit`");
        }
        for filter in &mut filters {
            // A customer's own limits apply with every level, so that a change of level does not lift them.
            if filter.scope == FilterScope::Level {
                filter.scope = FilterScope::Customer;
            }
        }
        LimitsBody { filters, kinds, until, raw, source: String::from_utf8_lossy(body).into_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::{calendar::Window, time::DAY_MS};

    fn limits_of(body: &str) -> Result<LimitsBody, InvalidBody> {
        let merchant = Name::parse("m").unwrap();
        limits(body.as_bytes(), Currency::parse("EUR").unwrap(), &Currencies::default(), merchant)
    }

    #[test]
    fn limits_have_the_keys_of_a_level_s_filters() {
        let body = r#"{"filters": [{"window": "daily", "amount_limit": 100.5, "quantity_limit": 3, "name": null},
            {"window": "90d", "amount_limit": "0", "for_all_merchant_currencies": true, "name": "a\"b"}]}"#;
        let read = limits_of(body).unwrap();
        let [daily, long] = read.filters.as_slice() else { panic!("{read:?}") };
        assert_eq!((daily.amount_limit, daily.quantity_limit), (Some(10_050), Some(3)));
        assert_eq!(
            (daily.window, daily.scope, daily.name.as_str()),
            (Window::Rolling(DAY_MS), FilterScope::Customer, "daily")
        );
        assert_eq!((long.amount_limit, long.scope, long.name.as_str()), (Some(0), FilterScope::Merchant, "a\"b"));
    }

    #[test]
    fn every_problem_is_reported() {
        for (body, want) in [
            ("[]", "one JSON object is expected"),
            ("{", "EOF"),
            (r#"{"filters": [], "filters": []}"#, "duplicate field `filters`"),
            ("{}", "`filters` is missing"),
            (r#"{"filters": [{"window": "dayly", "amount_limit": "1"}]}"#, "did you mean `daily`?"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": -5}]}"#, "`\"quantity_limit\": -5` is out of range"),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1.001"}]}"#, "more fraction digits"),
            (r#"{"filters": [{"window": "daily", "amount_limit": -1}]}"#, "negative"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": 1.5}]}"#, "`quantity_limit`"),
            (r#"{"filters": [{"window": "daily"}]}"#, "has no limit"),
            (r#"{"filters": [{"window": "daily", "limit": "1"}]}"#, "unknown key `limit`"),
            (
                r#"{"filters": [{"window": "daily", "amount_limit": "1"}, {"window": "daily", "amount_limit": "2"}]}"#,
                "twice",
            ),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1"}], "until": "soon"}"#, "`until`"),
        ] {
            let invalid = limits_of(body).expect_err(body);
            assert!(invalid.problems.iter().any(|problem| problem.contains(want)), "{body}: {invalid:?}");
        }
    }

    #[test]
    fn the_field_of_every_problem_is_reported() {
        for (body, want) in [
            (r#"{"filters": [{"window": "dayly", "amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1.001"}]}"#, "amount_limit"),
            (r#"{"filters": [{"window": "daily", "limit": "1"}]}"#, "limit"),
            (r#"{"filters": [{"window": "daily\n", "amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": 18446744073709551616}]}"#, "quantity_limit"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": -1}]}"#, "quantity_limit"),
            (r#"{"filters": {}}"#, "filters"),
            (r#"{"filters": [{"amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [{"window": "daily"}]}"#, "filters"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": 1}, 5]}"#, "filters"),
            (r#"{"filters": [{"window": "daily", "mode": "of", "amount_limit": "1"}]}"#, "mode"),
            (r#"{"filters": [], "until": "soon"}"#, "until"),
            (r#"{"until": "2026-11-20T10:00:00Z"}"#, "filters"),
        ] {
            assert_eq!(limits_of(body).expect_err(body).field.as_deref(), Some(want), "{body}");
        }
    }
}
