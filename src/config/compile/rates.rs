//! `rates.toml`: the exchange rates.

use crate::config::{
    parse::{
        amount::{decimal, known},
        located::{Located, duration_ms},
        raw_rates::{self, RawRates},
        section::Section,
    },
    report::file_report::FileReport,
};
use crate::domain::{
    rules::{provenance::Provenance, rates::Rates},
    vocabulary::{
        money::{Currencies, Currency, Decimal},
        names::Map,
    },
};

/// Reads the file; `None`: it has errors, which are reported.
pub(in crate::config) fn rates(s: &Section<'_>, currencies: &Currencies, version: &str) -> Option<Rates> {
    let rates = table(s, currencies, version);
    s.close();
    (!s.report.has_errors()).then_some(rates)
}

/// Reads a rate table. It is complete if the report has no errors.
pub(in crate::config) fn table(s: &Section<'_>, currencies: &Currencies, version: &str) -> Rates {
    let report = s.report;
    let RawRates { base, as_of, max_age, rates: written } = raw_rates::rates(s);
    let base_known = base.as_ref().and_then(|base| known(base, currencies, report));
    let max_age_ms = max_age.as_ref().and_then(|text| duration_ms(report, "max_age", text, ""));
    let mut rates = Map::default();
    for (currency, rate) in &written {
        let code = known(currency, currencies, report);
        if base.as_ref().is_some_and(|base| base.value == currency.value) {
            let message = format!("`{}` is the base, and 1 {0} is 1 {0}", currency.value);
            report.error(&currency.span, message, "remove this line");
        }
        if let (Some(code), Some(rate)) = (code, rate_of(rate, currency.value, report)) {
            rates.insert(code, rate);
        }
    }
    if let Some(max_age) = max_age.filter(|_| !s.has("as_of")) {
        let help = "write as_of = 2026-11-20T00:00:00Z: the time of the rates";
        report.warning(&max_age.span, "`max_age` without `as_of`: rates of unknown age are never used", help);
    }
    let as_of = as_of.map(|at| at.value);
    Rates { base: base_known, as_of, max_age_ms, rates, version: version.to_owned(), known: Provenance::default() }
}

fn rate_of(at: &Located<String>, currency: Currency, report: &FileReport) -> Option<Decimal> {
    let rate = decimal(at, report)?;
    if rate.mantissa == 0 {
        let message = format!("the rate is zero: no amount can be converted to or from {currency}");
        report.error(&at.span, message, "write how many units of the currency are worth 1 unit of the base");
        return None;
    }
    Some(rate)
}
