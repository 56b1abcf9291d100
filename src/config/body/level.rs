//! The bodies of levels, new names of levels, and rates. A body may repeat what the document of a level or of the rates
//! shows in addition to the settings; the caller compares these members with what is in force.

use crate::config::{
    body::read::{BodyKind, InvalidBody, ReadBody, check_length, read, read_with_warnings},
    compile::{merchant, rates},
    parse::{
        located::Located,
        raw_level::{self, RawLevel},
        section::Section,
    },
    version,
};
use crate::domain::{
    rules::{
        level::{Level, LevelKey},
        merchant::Merchant,
        rates::Rates,
    },
    vocabulary::{money::Currencies, names::Name},
};

/// The members of a level's document that describe the level: its identity, where it comes from, and its times.
pub const LEVEL_DESCRIPTION: [&str; 7] = ["name", "direction", "currency", "created", "modified", "origin", "by"];

/// The members of the rates' document that describe the table.
pub const RATES_DESCRIPTION: [&str; 5] = ["version", "created", "modified", "origin", "by"];

/// A level, as a body describes it.
#[derive(Debug)]
pub struct LevelBody {
    /// The level, without provenance.
    pub level: Level,
    /// The settings that the body has, as JSON. It is what a record stores: [`level`] reads it.
    pub text: String,
    pub(in crate::config) raw: RawLevel,
    /// The text that the places of the raw values are in.
    pub(in crate::config) source: String,
}

/// Rates, as a body describes them.
#[derive(Debug)]
pub struct RatesBody {
    /// The table, without provenance.
    pub rates: Rates,
    /// The table that the body has, as JSON. It is what a record stores: [`rates()`] reads it.
    pub text: String,
    /// What is valid and probably a mistake.
    pub warnings: Vec<String>,
}

/// Reads a level, such as `{"projects": ["web"], "filters": [{"window": "daily", "amount_limit": "100.00"}]}`, with the
/// keys of a `[[levels]]` entry without name, direction and currency. `merchant` defines the gates, routes and projects.
/// `is_new`: a request sends the level, and its new names count against the merchant's quota; else it is recorded already.
///
/// # Errors
/// All problems of the body.
pub fn level(
    body: &[u8],
    key: &LevelKey,
    merchant: &Merchant,
    currencies: &Currencies,
    is_new: bool,
) -> Result<LevelBody, InvalidBody> {
    check_length(body)?;
    let kind = BodyKind { what: "the level", names_of: is_new.then_some(merchant.id) };
    let (compiled, text, raw) = read(body, kind, |s| {
        // The path names the level. A problem of the whole level is at the start of the body.
        fn of_path<T>(value: T) -> Option<Located<T>> {
            Some(Located { value, span: 0..1 })
        }
        let LevelKey { name, direction, currency, .. } = *key;
        s.accept(&LEVEL_DESCRIPTION);
        let raw = RawLevel {
            name: of_path(name),
            direction: of_path(direction),
            currency: of_path(currency),
            ..raw_level::level_body(s)
        };
        (merchant::level(&raw, merchant, currencies, s.report), s.json(&LEVEL_DESCRIPTION), raw)
    })?;
    let level = compiled.ok_or_else(|| InvalidBody::new("the level cannot be read".to_owned()))?;
    Ok(LevelBody { level, text, raw, source: String::from_utf8_lossy(body).into_owned() })
}

/// Reads a new name: `{"to": "platinum"}`.
///
/// # Errors
/// All problems of the body.
pub fn new_name(body: &[u8], merchant: Name) -> Result<Name, InvalidBody> {
    let kind = BodyKind { what: "the new name", names_of: Some(merchant) };
    let name = read(body, kind, |s| s.required_name("to", "write the new name, such as \"to\": \"platinum\""))?;
    name.map(|at| at.value).ok_or_else(|| InvalidBody::new("`to` is missing".to_owned()))
}

/// Reads a rate table, with the keys of `rates.toml`.
///
/// # Errors
/// All problems of the body.
pub fn rates(body: &[u8], currencies: &Currencies) -> Result<RatesBody, InvalidBody> {
    check_length(body)?;
    recorded_rates(body, currencies)
}

/// Reads a rate table that a record contains. The table of a file has no limit on its length.
///
/// # Errors
/// All problems of the table.
pub fn recorded_rates(body: &[u8], currencies: &Currencies) -> Result<RatesBody, InvalidBody> {
    let kind = BodyKind { what: "the rates", names_of: None };
    let reader = |s: &Section<'_>| {
        s.accept(&RATES_DESCRIPTION);
        let text = s.json(&RATES_DESCRIPTION);
        let version = version::version_of([("rates", text.as_bytes())]);
        (rates::table(s, currencies, &version), text)
    };
    let ReadBody { value: (rates, text), warnings } = read_with_warnings(body, kind, reader)?;
    Ok(RatesBody { rates, text, warnings })
}
