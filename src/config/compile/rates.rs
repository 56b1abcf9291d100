//! `rates.toml`: the exchange rates of the house.

use crate::config::{
    parse::{
        amount::{decimal, known},
        read::{At, Section, span_ms},
    },
    report::report::Report,
};
use crate::domain::{
    rules::overrides::Provenance,
    usage::conversion::Rates,
    vocabulary::{
        money::{Currencies, Currency, Decimal},
        names::Map,
    },
};

/// Reads the file; `None` where any of it is wrong, and then the report says what.
pub(in crate::config) fn rates(s: &Section<'_, '_>, currencies: &Currencies, version: &str) -> Option<Rates> {
    let rates = table(s, currencies, version);
    s.close();
    (!s.report.has_errors()).then_some(rates)
}

/// Reads a rate table; it is whole where the report has no errors.
pub(in crate::config) fn table(s: &Section<'_, '_>, currencies: &Currencies, version: &str) -> Rates {
    let report = s.report;
    let base = if s.is_empty() { None } else { s.needed_currency("base") };
    let base_known = base.as_ref().and_then(|base| known(base, currencies, report));
    let as_of = s.instant("as_of");
    let max_age = s.text("max_age");
    let max_age_ms = max_age.as_ref().and_then(|text| span_ms(report, "max_age", text, ""));
    let mut rates = Map::default();
    if let Some(table) = s.table("rates", "[rates]") {
        for (currency, rate) in table.decimals_by_currency() {
            let code = known(&currency, currencies, report);
            if base.as_ref().is_some_and(|base| base.value == currency.value) {
                let message = format!("`{}` is the base, and 1 {0} is 1 {0}", currency.value);
                report.error(&currency.span, message, "leave this line out");
            }
            if let (Some(code), Some(rate)) = (code, rate_of(&rate, currency.value, report)) {
                rates.insert(code, rate);
            }
        }
    }
    if let Some(max_age) = max_age.filter(|_| !s.has("as_of")) {
        let help = "write as_of = 2026-11-20T00:00:00Z: when the rates were true";
        report.warning(&max_age.span, "`max_age` without `as_of`: rates of unknown age are never used", help);
    }
    let as_of = as_of.map(|at| at.value);
    Rates { base: base_known, as_of, max_age_ms, rates, version: version.to_owned(), known: Provenance::default() }
}

fn rate_of(at: &At<String>, currency: Currency, report: &Report) -> Option<Decimal> {
    let rate = decimal(at, report)?;
    if rate.mantissa == 0 {
        let message = format!("a rate of zero: nothing can be converted to or from {currency}");
        report.error(&at.span, message, "write how many units of it are worth 1 of the base");
        return None;
    }
    Some(rate)
}
