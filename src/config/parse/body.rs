//! Pieces of configuration that come as JSON: they have the keys of the files and are read by the same code, so that an
//! API and a file never differ in what they take or in how they say what is wrong.

use crate::config::{
    compile::{filter, merchant, rates},
    parse::{
        amount::money,
        raw::{self, RawLevel, RawMethod},
        read::{At, Section},
        source::Source,
    },
    report::{
        problem::{Problem, Severity},
        report::Report,
    },
    version,
};
use crate::domain::{
    customer::profile::OwnMethod,
    rules::{
        configuration::{Filter, Level, Merchant, Scope},
        overrides::{BODY_BYTES_MAX, LevelKey},
    },
    usage::conversion::Rates,
    vocabulary::{
        money::{Currencies, Currency},
        names::Name,
        time::Millis,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;
use toml::de::DeTable;

/// Why a body cannot be taken: each problem with what to do, and the key that the first is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// All of them.
    pub problems: Vec<String>,
    /// The first key at fault.
    pub field: Option<String>,
}

/// The deepest nesting of a body.
const DEPTH_MAX: usize = 8;

/// A customer's own limits as they were sent.
#[derive(Debug)]
pub struct LimitsBody {
    /// In the order in which they were sent.
    pub filters: Vec<Filter>,
    /// The kind that was sent for each, if any: `deposit_limit`, ...
    pub kinds: Vec<Option<String>>,
    /// Until when; with it they are an operator's.
    pub until: Option<Millis>,
}

/// Individual payment settings as they were sent.
#[derive(Debug)]
pub struct SettingsBody {
    /// By method.
    pub methods: Vec<OwnMethod>,
    /// For all methods, minor units.
    pub global_min: Option<u64>,
    /// For all methods, minor units.
    pub global_max: Option<u64>,
}

/// Reads limits: `{"filters": [{"window": "daily", "amount_limit": "100.00"}], "until": "..."}`, with the keys of a
/// level's filters. New names count to the merchant.
///
/// # Errors
/// Everything that is wrong with them.
pub fn limits(body: &[u8], currency: Currency, currencies: &Currencies, merchant: Name) -> Result<LimitsBody, Refused> {
    read(body, ("the limits", Some(merchant)), |s| {
        let sections = s.tables("filters", "a filter");
        let of = |section: &Section<'_, '_>| {
            let (raw, kind) = (raw::filter(section), section.text("kind"));
            section.close();
            (raw, kind.map(|at| at.value))
        };
        let (raw, kinds): (Vec<_>, Vec<_>) = sections.iter().map(of).unzip();
        if !s.has("filters") {
            s.report.error(&s.span, "`filters` is missing", "write the filters, or delete the limits");
        }
        let until = s.nonempty("until").and_then(|at| {
            let time = Millis::parse(&at.value);
            if time.is_none() {
                let help = "write a time as 2026-11-20T10:00:00Z";
                s.report.error(&at.span, format!("`until` is no time: {}", at.value), help);
            }
            time
        });
        let mut filters = filter::filters(&raw, Some(currency), currencies, s.report);
        for raw in raw.iter().filter(|raw| raw.amount_limit.is_none() && raw.quantity_limit.is_none()) {
            s.report.error(&raw.span, "a filter limits nothing", "write `amount_limit` or `quantity_limit`");
        }
        for filter in &mut filters {
            // They hold whatever level the customer has: a change of level is no way around them.
            if filter.scope == Scope::Level {
                filter.scope = Scope::Customer;
            }
        }
        LimitsBody { filters, kinds, until }
    })
}

/// Reads individual payment settings: `{"methods": [{"method": "card", "max_amount": "50.00", "gates": ["a"]}],
/// "global_limit": {"min_amount": "1.00", "max_amount": "20.00"}}`, with the keys of a level's methods. New names count to
/// the merchant.
///
/// # Errors
/// Everything that is wrong with them.
pub fn settings(
    body: &[u8],
    currency: Currency,
    currencies: &Currencies,
    merchant: Name,
) -> Result<SettingsBody, Refused> {
    read(body, ("the settings", Some(merchant)), |s| {
        let sections = s.tables("methods", "a payment method");
        let of = |section: &Section<'_, '_>| {
            let raw = raw::method(section);
            section.close();
            raw
        };
        let raw: Vec<RawMethod> = sections.iter().map(of).collect();
        let amount = |at: &Option<At<String>>| money(at.as_ref()?, currency, currencies, s.report);
        let in_order = |min: Option<u64>, max: Option<u64>, at: &Option<At<String>>| {
            if let (Some(min), Some(max), Some(at)) = (min, max, at)
                && min > max
            {
                s.report.error(&at.span, "`min_amount` is above `max_amount`", "write the smaller one as `min_amount`");
            }
        };
        let mut methods: Vec<OwnMethod> = Vec::with_capacity(raw.len());
        for method in &raw {
            let Some(name) = &method.method else { continue };
            let (min_amount, max_amount) = (amount(&method.min_amount), amount(&method.max_amount));
            in_order(min_amount, max_amount, &method.min_amount);
            if methods.iter().any(|known| known.method == name.value) {
                s.report.error(&name.span, format!("`method` {} comes twice", name.value), "keep one of the two");
            }
            let gates = method.gates.as_ref().map(|list| list.value.iter().map(|gate| gate.value).collect::<Vec<_>>());
            if let Some(list) = method.gates.as_ref().filter(|list| list.value.is_empty()) {
                s.report.error(&list.span, "`gates` is empty", "name a gate or a route, or leave the key out");
            }
            let show_in_form = method.show_in_form.as_ref().map(|at| at.value);
            let own = OwnMethod { method: name.value, show_in_form, min_amount, max_amount, gates };
            // What says nothing of a method is no setting.
            if own != OwnMethod::silent(name.value) {
                methods.push(own);
            }
        }
        let global = s.table("global_limit", "`global_limit`").map(|table| {
            let [min, max] = [table.decimal("min_amount"), table.decimal("max_amount")];
            table.close();
            let (from, to) = (amount(&min), amount(&max));
            in_order(from, to, &min);
            (from, to)
        });
        let (global_min, global_max) = global.unwrap_or_default();
        SettingsBody { methods, global_min, global_max }
    })
}

/// Reads a level: `{"projects": ["web"], "filters": [{"window": "daily", "amount_limit": "100.00"}]}`, with the keys of a
/// `[[levels]]` entry but for those that are its key. `merchant` knows the gates, routes and projects. `is_new`: a request
/// sends it, and its new names count to the merchant; else it is recorded already.
///
/// # Errors
/// Everything that is wrong with it.
pub fn level(
    body: &[u8],
    key: &LevelKey,
    merchant: &Merchant,
    currencies: &Currencies,
    is_new: bool,
) -> Result<Level, Refused> {
    short(body)?;
    let compiled = read(body, ("the level", is_new.then_some(merchant.id)), |s| {
        fn here<T>(value: T) -> Option<At<T>> {
            Some(At { value, span: 0..0 })
        }
        let LevelKey { name, direction, currency, .. } = *key;
        let raw = raw::level_body(s);
        let raw = RawLevel { name: here(name), direction: here(direction), currency: here(currency), ..raw };
        merchant::level(&raw, merchant, currencies, s.report)
    })?;
    compiled.ok_or_else(|| refuse("the level cannot be read".to_owned()))
}

/// Reads a new name: `{"to": "platinum"}`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn new_name(body: &[u8], merchant: Name) -> Result<Name, Refused> {
    let name = read(body, ("the new name", Some(merchant)), |s| {
        s.needed_name("to", "write the new name, as \"to\": \"platinum\"")
    })?;
    name.map(|at| at.value).ok_or_else(|| refuse("`to` is missing".to_owned()))
}

/// Reads a rate table, with the keys of `rates.toml`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn rates(body: &[u8], currencies: &Currencies) -> Result<Rates, Refused> {
    short(body)?;
    let version = version::of([("rates", body)]);
    read(body, ("the rates", None), |s| rates::table(s, currencies, &version))
}

fn short(body: &[u8]) -> Result<(), Refused> {
    if body.len() <= BODY_BYTES_MAX { Ok(()) } else { Err(refuse(format!("it is longer than {BODY_BYTES_MAX} bytes"))) }
}

/// Reads a body as the table of a file; new names count to the merchant that is named.
fn read<T>(
    body: &[u8],
    (what, merchant): (&'static str, Option<Name>),
    reader: impl FnOnce(&Section<'_, '_>) -> T,
) -> Result<T, Refused> {
    let table = object(body)?;
    let mut text = String::new();
    for (key, value) in &table.0 {
        let before = text.len();
        quote(key, &mut text);
        text.push_str(" = ");
        if !write(value, DEPTH_MAX, &mut text).map_err(refuse)? {
            text.truncate(before);
        }
        text.push('\n');
    }
    let report = Report::new(Source { path: "body".to_owned(), text: text.clone() }).sent_for(merchant);
    let table = DeTable::parse(&report.source.text).map_err(|error| refuse(error.message().trim().to_owned()))?;
    let section = Section::new(&report, table.get_ref(), what, 0..0);
    let read = reader(&section);
    section.close();
    if !report.has_errors() {
        return Ok(read);
    }
    let problems: Vec<_> = report.finish().into_iter().filter(|p| p.severity == Severity::Error).collect();
    let field = problems.iter().find_map(|problem| field_of(problem, &text));
    let told = problems.into_iter().map(|problem| format!("{}: {}", problem.message, problem.help)).collect();
    Err(Refused { problems: told, field })
}

/// The key at fault: the one that the problem speaks of, or that of the value that it speaks of.
fn field_of(problem: &Problem, text: &str) -> Option<String> {
    let named = problem.message.split('`').nth(1)?;
    // Where the problem is about a value, its key stands right before it.
    if let Some(before) = text.get(..problem.span.start)?.strip_suffix("\" = ") {
        return before.rsplit('"').next().map(str::to_owned);
    }
    Some(named.split(" = ").next().unwrap_or(named).to_owned())
}

/// An object with its keys as they came, and its values as they are written; a key that comes twice is refused.
#[derive(Debug)]
pub struct Object<'a>(pub Vec<(String, &'a RawValue)>);

/// Reads a body as one object.
///
/// # Errors
/// It is none, or says a key twice.
pub fn object(body: &[u8]) -> Result<Object<'_>, Refused> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse("one JSON object is expected".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| refuse(error.to_string()))
}

fn refuse(problem: String) -> Refused {
    let field = problem.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next().map(str::to_owned));
    Refused { problems: vec![problem], field }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                    pairs.push((key, value));
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

/// Writes a JSON value as TOML, digits as they are; false where it says nothing (`null`).
fn write(raw: &RawValue, depth: usize, out: &mut String) -> Result<bool, String> {
    let text = raw.get();
    if depth == 0 {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    match text.as_bytes().first() {
        Some(b'n') => return Ok(false),
        Some(b'{') => {
            let pairs: Object<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            out.push('{');
            let mut is_first = true;
            for (key, value) in &pairs.0 {
                let before = out.len();
                out.push_str(if is_first { " " } else { ", " });
                quote(key, out);
                out.push_str(" = ");
                if write(value, depth - 1, out)? {
                    is_first = false;
                } else {
                    out.truncate(before);
                }
            }
            out.push_str(" }");
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            out.push('[');
            for item in items {
                if write(item, depth - 1, out)? {
                    out.push_str(", ");
                }
            }
            out.push(']');
        }
        Some(b'"') => quote(&serde_json::from_str::<String>(text).map_err(|error| error.to_string())?, out),
        // What is no whole number keeps its digits as a text, which is how a file writes it.
        Some(b'0'..=b'9' | b'-') if !text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => {
            quote(text, out);
        }
        _ => out.push_str(text),
    }
    Ok(true)
}

/// A TOML text: every character that may not stand in one is escaped by its number.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::{calendar::Window, time::DAY_MS};

    fn limits_of(body: &str) -> Result<LimitsBody, Refused> {
        let merchant = Name::parse("m").unwrap();
        limits(body.as_bytes(), Currency::parse("EUR").unwrap(), &Currencies::default(), merchant)
    }

    #[test]
    fn limits_are_read_with_the_keys_of_a_level_s_filters() {
        let body = r#"{"filters": [{"window": "daily", "amount_limit": 100.5, "quantity_limit": 3, "name": null},
            {"window": "90d", "amount_limit": "0", "for_all_merchant_currencies": true, "name": "a\"b"}]}"#;
        let read = limits_of(body).unwrap();
        let [daily, long] = read.filters.as_slice() else { panic!("{read:?}") };
        assert_eq!((daily.amount_limit, daily.quantity_limit), (Some(10_050), Some(3)));
        assert_eq!(
            (daily.window, daily.scope, daily.name.as_str()),
            (Window::Rolling(DAY_MS), Scope::Customer, "daily")
        );
        assert_eq!((long.amount_limit, long.scope, long.name.as_str()), (Some(0), Scope::Merchant, "a\"b"));
    }

    #[test]
    fn what_is_wrong_is_named_all_of_it() {
        for (body, want) in [
            ("[]", "one JSON object is expected"),
            ("{", "EOF"),
            (r#"{"filters": [], "filters": []}"#, "duplicate field `filters`"),
            ("{}", "`filters` is missing"),
            (r#"{"filters": [{"window": "dayly", "amount_limit": "1"}]}"#, "did you mean `daily`?"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": -5}]}"#, "`quantity_limit = -5` is out of range"),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1.001"}]}"#, "more fraction digits"),
            (r#"{"filters": [{"window": "daily", "amount_limit": -1}]}"#, "negative"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": 1.5}]}"#, "`quantity_limit`"),
            (r#"{"filters": [{"window": "daily"}]}"#, "limits nothing"),
            (r#"{"filters": [{"window": "daily", "limit": "1"}]}"#, "unknown key `limit`"),
            (
                r#"{"filters": [{"window": "daily", "amount_limit": "1"}, {"window": "daily", "amount_limit": "2"}]}"#,
                "twice",
            ),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1"}], "until": "soon"}"#, "`until`"),
        ] {
            let refused = limits_of(body).expect_err(body);
            assert!(refused.problems.iter().any(|problem| problem.contains(want)), "{body}: {refused:?}");
        }
    }

    #[test]
    fn the_key_at_fault_is_named_whatever_the_problem_speaks_of() {
        for (body, want) in [
            (r#"{"filters": [{"window": "dayly", "amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [{"window": "daily", "amount_limit": "1.001"}]}"#, "amount_limit"),
            (r#"{"filters": [{"window": "daily", "limit": "1"}]}"#, "limit"),
            (r#"{"filters": [{"window": "daily\n", "amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": 18446744073709551616}]}"#, "quantity_limit"),
            (r#"{"filters": [{"window": "daily", "quantity_limit": -1}]}"#, "quantity_limit"),
            (r#"{"filters": {}}"#, "filters"),
            (r#"{"filters": [{"amount_limit": "1"}]}"#, "window"),
            (r#"{"filters": [], "until": "soon"}"#, "until"),
            (r#"{"until": "2026-11-20T10:00:00Z"}"#, "filters"),
        ] {
            assert_eq!(limits_of(body).expect_err(body).field.as_deref(), Some(want), "{body}");
        }
    }

    #[test]
    fn settings_are_read_with_the_keys_of_a_level_s_methods() {
        let (euro, merchant) = (Currency::parse("EUR").unwrap(), Name::parse("m").unwrap());
        let read = |body: &str| settings(body.as_bytes(), euro, &Currencies::default(), merchant);
        let body = r#"{"methods": [{"method": "card", "max_amount": "50.00", "show_in_form": false, "gates": ["a"]}],
            "global_limit": {"min_amount": 1, "max_amount": null}}"#;
        let good = read(body).unwrap();
        let [card] = good.methods.as_slice() else { panic!("{good:?}") };
        assert_eq!((card.max_amount, card.show_in_form, card.min_amount), (Some(5_000), Some(false), None));
        assert_eq!((good.global_min, good.global_max), (Some(100), None));
        assert!(read(r#"{"methods": [{"method": "card", "max_amount": null}]}"#).unwrap().methods.is_empty());
        for (body, want) in [
            (r#"{"methods": [{"max_amount": "1"}]}"#, "`method` is missing"),
            (r#"{"methods": [{"method": "a", "max_amount": 1}, {"method": "a"}]}"#, "comes twice"),
            (r#"{"methods": [{"method": "a", "min_amount": "2", "max_amount": "1"}]}"#, "above `max_amount`"),
            (r#"{"methods": [{"method": "a", "gates": []}]}"#, "`gates` is empty"),
            (r#"{"global_limits": {}}"#, "did you mean `global_limit`?"),
        ] {
            let refused = read(body).expect_err(body);
            assert!(refused.problems.iter().any(|problem| problem.contains(want)), "{body}: {refused:?}");
        }
    }
}
