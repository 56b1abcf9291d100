//! Filters of a level or of a customer's own limits.

use crate::config::{
    document::written::{Amounts, set},
    parse::{
        located::Located,
        raw_level::{MonthSpan, RawFilter},
    },
};
use crate::domain::{
    rules::filter::{Filter, FilterScope, WindowClass},
    vocabulary::{
        calendar::Window,
        money::{Currencies, Currency, Minor},
        time::show_span,
    },
};

/// A filter with its amounts in a currency. A filter of a class other than [`WindowClass::Other`] has its window as a
/// word, because an equal span has other denial codes.
pub(crate) fn filter(filter: &Filter, currency: Currency, currencies: &Currencies) -> RawFilter {
    let amounts = Amounts::of(currency, currencies);
    let (week_starts_on, month) = match filter.window {
        Window::Week(start) => (set(start), None),
        Window::RollingMonth => (None, set(MonthSpan::SameDay)),
        Window::Rolling(_) if filter.class == WindowClass::Monthly => (None, set(MonthSpan::ThirtyDays)),
        Window::Rolling(_) | Window::Day | Window::Month | Window::Lifetime => (None, None),
    };
    RawFilter {
        span: 0..0,
        name: set(filter.name),
        window: set(window_word(filter)),
        amount_limit: amounts.written(filter.amount_limit),
        quantity_limit: filter.quantity_limit.map(Located::unplaced),
        calendar: set(matches!(filter.window, Window::Day | Window::Week(_) | Window::Month)),
        week_starts_on,
        month,
        for_all_merchant_currencies: set(filter.scope == FilterScope::Merchant),
        subtract_cancels: set(filter.subtract_cancels),
        mode: set(filter.mode),
        warn_at: filter.warn_at.map(|share| Located::unplaced(share_text(share))),
    }
}

fn window_word(filter: &Filter) -> String {
    match (filter.class, filter.window) {
        (WindowClass::Other, Window::Rolling(ms)) => show_span(ms),
        (WindowClass::Other, _) => "lifetime".to_owned(),
        (class, _) => class.word().to_owned(),
    }
}

/// A share in hundredths of a percent, such as `80%` or `12.5%`.
fn share_text(share: u32) -> String {
    let percent = Minor { value: u128::from(share), units: 2 }.to_string();
    format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
}
