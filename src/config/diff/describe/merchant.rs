//! A merchant.

use crate::config::diff::{
    describe::{context::MerchantContext, customers, gates, level, projects},
    item::{Field, Item, ItemList, ItemRole, shown},
};
use crate::domain::{
    rules::{merchant::Merchant, raise_policy::RaisePolicy},
    vocabulary::{money::Currencies, time::show_span},
};

pub(super) fn merchant(merchant: &Merchant, currencies: &Currencies) -> Item {
    let Merchant {
        id,
        name,
        mode,
        default_behaviour,
        calendar,
        reset_settings_on_level_change,
        all_projects_to_unknown,
        hold_ms,
        refunds,
        hidden_methods,
        trust_blocks,
        numeric_ids,
        benchmark,
        sandbox,
        seal_identifiers,
        registration,
        labels,
        labels_max,
        raises,
        deletion_grace_ms,
        terminal_url,
        gates,
        routes,
        projects,
        levels,
        // Indexes of the lists above.
        level_indexes: _,
        level_names: _,
        project_indexes: _,
    } = merchant;
    let RaisePolicy { delay_ms, confirm_within_ms, waits_for_period_end } = raises;
    let hold = |ms: &Option<i64>| ms.map_or("never".to_owned(), show_span);
    let [deposit, withdrawal] = hold_ms;
    let fields = vec![
        Field::new("name", format!("{name:?}")),
        Field::new("operation_mode", mode.word()),
        Field::new("default_behaviour", default_behaviour.word()),
        Field::new("time_zone", calendar.name()),
        Field::new("reset_individual_settings_on_level_change", reset_settings_on_level_change),
        Field::new("add_all_projects_to_unknown_level", all_projects_to_unknown),
        Field::new("hold of deposits", hold(deposit)),
        Field::new("hold of withdrawals", hold(withdrawal)),
        Field::new("refunds", refunds.word()),
        Field::new("hidden_methods", hidden_methods.word()),
        Field::new("trust_blocks", trust_blocks),
        Field::new("numeric_ids", numeric_ids),
        Field::new("benchmark", benchmark),
        Field::new("sandbox", sandbox),
        Field::new("seal_identifiers", seal_identifiers),
        Field::new("labels_max", labels_max),
        Field::new("raise_delay", show_span(*delay_ms)),
        Field::optional("confirm_within", confirm_within_ms.map(show_span)),
        Field::new("raise waits for the end of the period", waits_for_period_end),
        Field::new("deletion_grace", show_span(*deletion_grace_ms)),
        Field::optional("terminal_url", terminal_url.as_ref().map(|url| format!("{url:?}"))),
    ];
    let context = MerchantContext { merchant, currencies };
    let list = |name, items| ItemList { name, items };
    let levels = levels.iter().map(|one| level::level(one, context)).collect();
    Item {
        key: id.as_str().to_owned(),
        title: shown(id.as_str()),
        role: ItemRole::Merchant(*id),
        fields,
        lists: vec![
            list("registration policies", vec![customers::registration(registration)]),
            list("labels", labels.iter().map(customers::label).collect()),
            list("gates", gates.iter().map(gates::gate).collect()),
            list("routes", routes.iter().map(|route| gates::route(route, context)).collect()),
            list("projects", projects.iter().map(|project| projects::project(project, context)).collect()),
            list("levels", levels),
        ],
    }
}
