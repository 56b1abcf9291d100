//! The filters of a level: windows, limits and their options, and which of them conflict.

use crate::config::{
    parse::{
        amount::money,
        located::{Located, duration_ms, value_or},
        raw_level::{MonthSpan, RawFilter},
    },
    report::{file_report::FileReport, source::Span},
};
use crate::domain::{
    rules::filter::{Filter, FilterMode, FilterScope, WindowClass},
    vocabulary::{
        calendar::{WeekStart, Window},
        money::{Currencies, Currency, Decimal, power_of_ten},
        names::Name,
        text::suggest::nearest,
        time::{DAY_MS, parse_span_ms},
    },
};
use std::collections::HashMap;

/// Compiles the filters of a level. Their amounts are in the level's currency.
pub(in crate::config) fn filters(
    raw: &[RawFilter],
    currency: Option<Currency>,
    currencies: &Currencies,
    report: &FileReport,
) -> Vec<Filter> {
    let mut defined: HashMap<Name, (&Span, bool)> = HashMap::new();
    for filter in raw {
        let Some((name, span)) = name(filter, report) else { continue };
        let unnamed = filter.name.is_none();
        match defined.get(&name) {
            Some((first, first_unnamed)) => {
                let help = if unnamed && *first_unnamed {
                    "a filter without a name gets the name of its window: write name = \"...\" for one of the two"
                } else {
                    "write another name = \"...\": answers and metrics identify a filter by its name"
                };
                report.defined_twice(span, first, &format!("filter `{name}`"), help);
            }
            None => _ = defined.insert(name, (span, unnamed)),
        }
    }
    raw.iter().filter_map(|filter| compile(filter, currency, currencies, report)).collect()
}

/// The name of a filter, or of its window, and its place.
fn name<'r>(raw: &'r RawFilter, report: &FileReport) -> Option<(Name, &'r Span)> {
    if let Some(name) = &raw.name {
        return Some((name.value, &name.span));
    }
    let window = raw.window.as_ref()?;
    match report.name(&window.value) {
        Ok(name) => Some((name, &window.span)),
        Err(error) => {
            // A text that is not a valid name is reported as an invalid window.
            if error.is_full() {
                report.error(
                    &window.span,
                    error.to_string(),
                    "write a name that the daemon knows, such as name = \"daily\"",
                );
            }
            None
        }
    }
}

fn compile(
    raw: &RawFilter,
    currency: Option<Currency>,
    currencies: &Currencies,
    report: &FileReport,
) -> Option<Filter> {
    let amount_limit = raw.amount_limit.as_ref().and_then(|at| money(at, currency?, currencies, report));
    let warn_at = raw.warn_at.as_ref().and_then(|at| share(at, report));
    let (class, window) = window(raw, report)?;
    Some(Filter {
        name: name(raw, report)?.0,
        class,
        window,
        amount_limit,
        quantity_limit: raw.quantity_limit.as_ref().map(|at| at.value),
        scope: if value_or(&raw.for_all_merchant_currencies, false) {
            FilterScope::Merchant
        } else {
            FilterScope::Level
        },
        subtract_cancels: value_or(&raw.subtract_cancels, false),
        mode: value_or(&raw.mode, FilterMode::Enforce),
        warn_at,
    })
}

/// The window. Reports options that the window does not have.
fn window(raw: &RawFilter, report: &FileReport) -> Option<(WindowClass, Window)> {
    let written = raw.window.as_ref()?;
    let calendar = value_or(&raw.calendar, false);
    let class = match written.value.as_str() {
        "daily" => WindowClass::Daily,
        "weekly" => WindowClass::Weekly,
        "monthly" => WindowClass::Monthly,
        _ => WindowClass::Other,
    };
    if let Some(at) = raw.calendar.as_ref().filter(|at| at.value && class == WindowClass::Other) {
        let message = format!("`calendar = true` conflicts with `window = \"{}\"`", written.value);
        report.error(
            &at.span,
            message,
            "only daily, weekly and monthly windows follow the calendar: write one of them, or remove `calendar`",
        );
    }
    if let Some(at) = raw.week_starts_on.as_ref().filter(|_| class != WindowClass::Weekly || !calendar) {
        let message = "`week_starts_on` has no effect here: only a calendar week has a first day";
        report.error(&at.span, message, "write window = \"weekly\" with calendar = true, or remove `week_starts_on`");
    }
    if let Some(at) = raw.month.as_ref().filter(|_| class != WindowClass::Monthly || calendar) {
        let message = "`month` has no effect here: only a rolling month has a length to choose";
        report.error(&at.span, message, "write window = \"monthly\" without calendar = true, or remove `month`");
    }
    let window = match class {
        WindowClass::Daily if calendar => Window::Day,
        WindowClass::Daily => Window::Rolling(DAY_MS),
        WindowClass::Weekly if calendar => Window::Week(value_or(&raw.week_starts_on, WeekStart::Monday)),
        WindowClass::Weekly => Window::Rolling(7 * DAY_MS),
        WindowClass::Monthly if calendar => Window::Month,
        WindowClass::Monthly => match value_or(&raw.month, MonthSpan::ThirtyDays) {
            MonthSpan::ThirtyDays => Window::Rolling(30 * DAY_MS),
            MonthSpan::SameDay => Window::RollingMonth,
        },
        WindowClass::Other if written.value == "lifetime" => Window::Lifetime,
        WindowClass::Other => Window::Rolling(span(written, report)?),
    };
    Some((class, window))
}

fn span(written: &Located<String>, report: &FileReport) -> Option<i64> {
    let words = ["daily", "weekly", "monthly", "lifetime"];
    let word = written.value.as_str();
    if parse_span_ms(word).is_none()
        && let Some(near) = nearest(word, words)
    {
        report.error(&written.span, format!("`{word}` is not a window"), format!("did you mean `{near}`?"));
        return None;
    }
    duration_ms(report, "window", written, "daily, weekly, monthly, lifetime, or ")
}

/// A share of a limit, in hundredths of a percent.
fn share(at: &Located<String>, report: &FileReport) -> Option<u32> {
    let hundredths = || {
        let percent = Decimal::parse(at.value.strip_suffix('%')?).ok().filter(|percent| percent.scale <= 2)?;
        let scaled = percent.mantissa.checked_mul(power_of_ten(u32::from(2 - percent.scale))?)?;
        u32::try_from(scaled).ok().filter(|scaled| (1..=10_000).contains(scaled))
    };
    let share = hundredths();
    if share.is_none() {
        let help = "write more than 0% and at most 100%, with at most two digits after the point, such as \"80%\"";
        report.error(&at.span, format!("`{}` is not a share of a limit", at.value), help);
    }
    share
}
