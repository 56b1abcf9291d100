//! Describes a configuration as items with values.
//!
//! Every struct is taken apart without `..`, so that a new field does not compile until it is described.

mod context;
mod customers;
mod gates;
mod level;
mod merchant;
mod projects;
mod rates;
pub(super) mod settings;
mod tokens;

use crate::config::diff::{
    compared::ComparedConfiguration,
    item::{Item, ItemList, ItemRole},
};
use crate::domain::rules::{configuration::Rules, merchant::Merchant};
use crate::scheduling::give_way;
use std::sync::Arc;

/// The whole configuration. `has_texts`: the texts of tokens are compared.
pub(super) fn describe(configuration: ComparedConfiguration<'_>, has_texts: bool) -> Item {
    let ComparedConfiguration { rules, settings, credentials, certificate_end } = configuration;
    // The version is a digest of the files, also of their comments.
    let Rules { version: _, currencies, rates, merchants } = rules;
    let mut merchants: Vec<_> = merchants.values().collect();
    merchants.sort_by_key(|merchant| merchant.id);
    let describe_merchant = |merchant: &Arc<Merchant>| {
        give_way();
        merchant::merchant(merchant, currencies)
    };
    let merchants = merchants.into_iter().map(describe_merchant).collect();
    let (credentials, certificate_end) = if has_texts { (credentials, certificate_end) } else { (None, None) };
    let single = |name, item| ItemList { name, items: vec![item] };
    Item {
        key: String::new(),
        title: String::new(),
        role: ItemRole::Other,
        fields: Vec::new(),
        lists: vec![
            single("settings", settings::restart_settings(settings)),
            single("currencies", settings::currencies(currencies)),
            single("tls", settings::tls_files(settings.http.tls.as_ref(), certificate_end)),
            single("log", settings::log_level(&settings.log)),
            ItemList { name: "tokens", items: tokens::tokens(&settings.auth, credentials) },
            ItemList { name: "certificates", items: tokens::certificates(&settings.auth) },
            single("rates", rates::rates(rates)),
            ItemList { name: "merchants", items: merchants },
        ],
    }
}
