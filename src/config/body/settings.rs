//! The body of a customer's individual payment settings.

use crate::config::{
    body::read::{BodyKind, InvalidBody, read, read_object},
    parse::{
        amount::money,
        json_object::JsonObject,
        located::Located,
        raw_level::{self, RawMethod},
        section::Section,
    },
    report::file_report::FileReport,
};
use crate::domain::{
    customer::individual_settings::IndividualMethod,
    vocabulary::{
        money::{Currencies, Currency},
        names::Name,
    },
};

/// The members of a settings document that identify the settings.
pub const SETTINGS_DESCRIPTION: [&str; 3] = ["direction", "currency", "level"];

/// Individual payment settings, as a request sends them.
#[derive(Debug)]
pub struct SettingsBody {
    /// The settings of single methods.
    pub methods: Vec<IndividualMethod>,
    /// The minimum for all methods, in minor units.
    pub global_min: Option<u64>,
    /// The maximum for all methods, in minor units.
    pub global_max: Option<u64>,
    /// The raw values of the methods, in the same order.
    pub(in crate::config) raw: Vec<RawMethod>,
    /// The text that their places are in.
    pub(in crate::config) source: String,
}

/// Reads individual payment settings, such as `{"methods": [{"method": "card", "max_amount": "50.00", "gates": ["a"]}],
/// "global_limit": {"min_amount": "1.00", "max_amount": "20.00"}}`, with the keys of a level's methods. A body
/// may repeat the members of [`SETTINGS_DESCRIPTION`]; the caller compares them. New names count against the merchant's
/// quota.
///
/// # Errors
/// All problems of the body.
pub fn settings(
    body: &[u8],
    currency: Currency,
    currencies: &Currencies,
    merchant: Name,
) -> Result<SettingsBody, InvalidBody> {
    read(body, BodyKind { what: "the settings", names_of: Some(merchant) }, |s| {
        s.accept(&SETTINGS_DESCRIPTION);
        let sections = s.tables("methods", "a payment method");
        let read_method = |section: &Section<'_>| {
            let raw = raw_level::method(section);
            section.close();
            raw
        };
        let written: Vec<RawMethod> = sections.iter().map(read_method).collect();
        let amount = |at: &Option<Located<String>>| money(at.as_ref()?, currency, currencies, s.report);
        let mut methods: Vec<IndividualMethod> = Vec::with_capacity(written.len());
        let mut raw = Vec::with_capacity(written.len());
        for method in written {
            let Some(name) = &method.method else { continue };
            let (min_amount, max_amount) = (amount(&method.min_amount), amount(&method.max_amount));
            check_order(s.report, (min_amount, max_amount), &method.min_amount);
            if methods.iter().any(|known| known.method == name.value) {
                s.report.error(&name.span, format!("`method` {} is listed twice", name.value), "keep one of the two");
            }
            let gates = method.gates.as_ref().map(|list| list.value.iter().map(|gate| gate.value).collect::<Vec<_>>());
            if let Some(list) = method.gates.as_ref().filter(|list| list.value.is_empty())
                && !s.report.has_problem_in(&list.span)
            {
                s.report.error(&list.span, "`gates` is empty", "name a gate or a route, or remove the key");
            }
            let show_in_form = method.show_in_form.as_ref().map(|at| at.value);
            let own = IndividualMethod { method: name.value, show_in_form, min_amount, max_amount, gates };
            // An entry without any value is no setting.
            if own != IndividualMethod::silent(name.value) {
                methods.push(own);
                raw.push(method);
            }
        }
        let global = s.table("global_limit", "`global_limit`").map(|table| {
            let range = amount_range(&table, currency, currencies);
            table.close();
            range
        });
        let (global_min, global_max) = global.unwrap_or_default();
        SettingsBody { methods, global_min, global_max, raw, source: String::from_utf8_lossy(body).into_owned() }
    })
}

/// Reads the amounts of a global limit, such as `{"min_amount": "1.00", "max_amount": "20.00"}`: the minimum and the maximum
/// in minor units. The values of the object are slices of `text`.
///
/// # Errors
/// All problems of the object.
pub fn global_limit<'a>(
    object: &JsonObject<'a>,
    text: &'a str,
    currency: Currency,
    currencies: &Currencies,
) -> Result<(Option<u64>, Option<u64>), InvalidBody> {
    let kind = BodyKind { what: "`global_limit`", names_of: None };
    Ok(read_object(object, text, kind, |section| amount_range(section, currency, currencies))?.value)
}

/// Reads `min_amount` and `max_amount`. The caller closes the section.
fn amount_range(section: &Section<'_>, currency: Currency, currencies: &Currencies) -> (Option<u64>, Option<u64>) {
    let [min_at, max_at] = [section.decimal("min_amount"), section.decimal("max_amount")];
    let amount = |at: &Option<Located<String>>| money(at.as_ref()?, currency, currencies, section.report);
    let range = (amount(&min_at), amount(&max_at));
    check_order(section.report, range, &min_at);
    range
}

/// Reports a minimum that is above the maximum.
fn check_order(report: &FileReport, (min, max): (Option<u64>, Option<u64>), min_at: &Option<Located<String>>) {
    if let (Some(min), Some(max), Some(at)) = (min, max, min_at)
        && min > max
    {
        report.error(&at.span, "`min_amount` is above `max_amount`", "write the smaller one as `min_amount`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_keys_of_a_level_s_methods() {
        let (euro, merchant) = (Currency::parse("EUR").unwrap(), Name::parse("m").unwrap());
        let read = |body: &str| settings(body.as_bytes(), euro, &Currencies::default(), merchant);
        let body = r#"{"methods": [{"method": "card", "max_amount": "50.00", "show_in_form": false, "gates": ["a"]}],
            "global_limit": {"min_amount": 1, "max_amount": null}}"#;
        let good = read(body).unwrap();
        let [card] = good.methods.as_slice() else { panic!("{good:?}") };
        assert_eq!((card.max_amount, card.show_in_form, card.min_amount), (Some(5_000), Some(false), None));
        assert_eq!((good.global_min, good.global_max), (Some(100), None));
        assert!(read(r#"{"methods": [{"method": "card", "max_amount": null}]}"#).unwrap().methods.is_empty());
        for (body, want, field) in [
            (r#"{"methods": [{"max_amount": "1"}]}"#, "`method` is missing", "method"),
            (r#"{"methods": [{"method": "a", "max_amount": 1}, {"method": "a"}]}"#, "is listed twice", "method"),
            (
                r#"{"methods": [{"method": "a", "min_amount": "2", "max_amount": "1"}]}"#,
                "above `max_amount`",
                "min_amount",
            ),
            (r#"{"methods": [{"method": "a", "gates": []}]}"#, "`gates` is empty", "gates"),
            (r#"{"methods": [{"method": "a", "gates": ["b\n"]}]}"#, "`gates` is not a valid name", "gates"),
            (r#"{"methods": ["card"]}"#, "a list of objects", "methods"),
            (r#"{"global_limit": {"max": "1"}}"#, "unknown key `max`", "max"),
            (r#"{"global_limits": {}}"#, "did you mean `global_limit`?", "global_limits"),
        ] {
            let invalid = read(body).expect_err(body);
            assert_eq!(invalid.field.as_deref(), Some(field), "{body}");
            assert_eq!(invalid.problems.len(), 1, "{body}: {invalid:?}");
            assert!(invalid.problems.iter().any(|problem| problem.contains(want)), "{body}: {invalid:?}");
        }
    }
}
