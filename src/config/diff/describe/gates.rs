//! Gates and routes of a merchant.

use crate::config::diff::{
    describe::context::MerchantContext,
    item::{Field, Item, shown_list},
};
use crate::domain::rules::gates::{Gate, GateItem, Route};

pub(super) fn gate(gate: &Gate) -> Item {
    let Gate { id, enabled, directions, currencies, methods, min_amount, max_amount, weight } = gate;
    let directions = directions.as_ref().map(|list| shown_list(list.iter().map(|direction| direction.word())));
    let currencies = currencies.as_ref().map(|list| shown_list(list.iter().map(ToString::to_string)));
    let methods = methods.as_ref().map(|list| shown_list(list.iter().map(|method| method.as_str())));
    let fields = vec![
        Field::new("enabled", enabled),
        Field::optional("directions", directions),
        Field::optional("currencies", currencies),
        Field::optional("methods", methods),
        Field::optional("min_amount", min_amount.map(|amount| amount.to_string())),
        Field::optional("max_amount", max_amount.map(|amount| amount.to_string())),
        Field::new("weight", weight),
    ];
    Item::named("gate", id.as_str(), fields)
}

pub(super) fn route(route: &Route, context: MerchantContext<'_>) -> Item {
    let Route { id, gates, routing } = route;
    let gates: Vec<GateItem> = gates.iter().map(|place| GateItem::Gate(*place)).collect();
    let fields = vec![Field::new("gates", context.gate_list(&gates)), Field::new("routing", routing.word())];
    Item::named("route", id.as_str(), fields)
}
