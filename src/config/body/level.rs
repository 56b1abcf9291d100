//! The bodies of levels, new names of levels, and rates.

use crate::config::{
    body::read::{BodyKind, InvalidBody, check_length, read},
    compile::{merchant, rates},
    parse::{
        located::Located,
        raw::{self, RawLevel},
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
) -> Result<Level, InvalidBody> {
    check_length(body)?;
    let kind = BodyKind { what: "the level", names_of: is_new.then_some(merchant.id) };
    let compiled = read(body, kind, |s| {
        fn without_place<T>(value: T) -> Option<Located<T>> {
            Some(Located { value, span: 0..0 })
        }
        let LevelKey { name, direction, currency, .. } = *key;
        let raw = RawLevel {
            name: without_place(name),
            direction: without_place(direction),
            currency: without_place(currency),
            ..raw::level_body(s)
        };
        merchant::level(&raw, merchant, currencies, s.report)
    })?;
    compiled.ok_or_else(|| InvalidBody::new("the level cannot be read".to_owned()))
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
pub fn rates(body: &[u8], currencies: &Currencies) -> Result<Rates, InvalidBody> {
    check_length(body)?;
    let version = version::version_of([("rates", body)]);
    read(body, BodyKind { what: "the rates", names_of: None }, |s| rates::table(s, currencies, &version))
}
