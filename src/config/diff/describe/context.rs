//! Descriptions that several parts of a merchant use.

use crate::config::diff::item::{Field, Item, ItemList, shown_list};
use crate::domain::{
    rules::{gates::GateItem, merchant::Merchant, project::MethodSetting},
    vocabulary::money::{Currencies, Currency, Minor},
};

/// The merchant and the currencies that parts of the merchant refer to.
#[derive(Clone, Copy)]
pub(super) struct MerchantContext<'a> {
    pub(super) merchant: &'a Merchant,
    pub(super) currencies: &'a Currencies,
}

impl MerchantContext<'_> {
    /// The ids of a gate list.
    pub(super) fn gate_list(&self, items: &[GateItem]) -> String {
        let id = |item: &GateItem| match item {
            GateItem::Gate(place) => self.merchant.gates.get(*place).map(|gate| gate.id),
            GateItem::Route(place) => self.merchant.routes.get(*place).map(|route| route.id),
        };
        let ids = items.iter().filter_map(id);
        shown_list(ids.map(|id| id.as_str()))
    }

    /// An amount of minor units.
    pub(super) fn amount(&self, value: u64, currency: Currency) -> String {
        Minor { value: u128::from(value), units: self.currencies.units(currency) }.to_string()
    }

    /// The settings of a payment method in one layer.
    fn method(&self, setting: &MethodSetting, currency: Currency) -> Item {
        let MethodSetting { method, show_in_form, min_amount, max_amount, gates } = setting;
        let amount = |value: &Option<u64>| value.map(|value| self.amount(value, currency));
        let fields = vec![
            Field::optional("show_in_form", show_in_form.map(|flag| flag.to_string())),
            Field::optional("min_amount", amount(min_amount)),
            Field::optional("max_amount", amount(max_amount)),
            Field::optional("gates", gates.as_ref().map(|list| self.gate_list(list))),
        ];
        Item::named("method", method.as_str(), fields)
    }

    /// The settings of payment methods.
    pub(super) fn methods(&self, settings: &[MethodSetting], currency: Currency) -> ItemList {
        ItemList { name: "methods", items: settings.iter().map(|setting| self.method(setting, currency)).collect() }
    }
}
