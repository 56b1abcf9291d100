//! Levels and their filters.

use crate::config::diff::{
    compare::{AMOUNT, MODE, QUANTITY},
    describe::context::MerchantContext,
    item::{Field, Item, ItemList, ItemRole, shown, shown_list},
};
use crate::domain::{
    rules::{
        filter::Filter,
        level::{Level, LevelKey, ProjectList},
    },
    vocabulary::{
        calendar::{WeekStart, Window},
        money::{Currency, Decimal},
        time::show_span,
    },
};

pub(super) fn level(level: &Level, context: MerchantContext<'_>) -> Item {
    // The provenance does not change a decision.
    let Level { name, direction, currency, active, projects, methods, gates, routing, filters, known: _ } = level;
    let projects = match projects {
        ProjectList::All => "(all)".to_owned(),
        ProjectList::Listed(listed) => shown_list(listed.iter().map(|name| name.as_str())),
    };
    let fields = vec![
        Field::new("status", if *active { "active" } else { "disabled" }),
        Field::new("projects", projects),
        Field::optional("gates", gates.as_ref().map(|list| context.gate_list(list))),
        Field::optional("routing", routing.map(|routing| routing.word().to_owned())),
    ];
    let filters = filters.iter().map(|one| filter(one, *currency, context)).collect();
    let key = LevelKey { merchant: context.merchant.id, direction: *direction, currency: *currency, name: *name };
    Item {
        key: format!("{} {currency} {name}", direction.word()),
        title: format!("{} {}s in {currency}", shown(name.as_str()), direction.word()),
        role: ItemRole::Level(key),
        fields,
        lists: vec![context.methods(methods, *currency), ItemList { name: "filters", items: filters }],
    }
}

fn filter(filter: &Filter, currency: Currency, context: MerchantContext<'_>) -> Item {
    let Filter { name, class, window, amount_limit, quantity_limit, scope, subtract_cancels, mode, warn_at } = filter;
    let share = |hundredths: u32| format!("{}%", Decimal { mantissa: u128::from(hundredths), scale: 2 });
    let fields = vec![
        Field::optional(AMOUNT, amount_limit.map(|value| context.amount(value, currency))),
        Field::optional(QUANTITY, quantity_limit.map(|value| value.to_string())),
        Field::new("window", window_text(*window)),
        Field::new("kind of window", class.word()),
        Field::new("scope", scope.word()),
        Field::new("subtract_cancel_transactions", subtract_cancels),
        Field::new(MODE, mode.word()),
        Field::optional("warn_at", warn_at.map(share)),
    ];
    Item {
        key: name.as_str().to_owned(),
        title: shown(name.as_str()),
        role: ItemRole::Filter(*name),
        fields,
        lists: Vec::new(),
    }
}

fn window_text(window: Window) -> String {
    match window {
        Window::Rolling(ms) => format!("the last {}", show_span(ms)),
        Window::RollingMonth => "the last month".to_owned(),
        Window::Lifetime => "lifetime".to_owned(),
        Window::Day => "calendar day".to_owned(),
        Window::Week(WeekStart::Monday) => "calendar week from Monday".to_owned(),
        Window::Week(WeekStart::Sunday) => "calendar week from Sunday".to_owned(),
        Window::Month => "calendar month".to_owned(),
    }
}
