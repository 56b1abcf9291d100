//! Projects of a merchant and their endpoints.

use crate::config::diff::{
    describe::context::MerchantContext,
    item::{Field, Item, ItemList, shown_list},
};
use crate::domain::rules::project::{Endpoint, Project};

pub(super) fn project(project: &Project, context: MerchantContext<'_>) -> Item {
    let Project { id, client_definition, endpoints } = project;
    let definition = shown_list(client_definition.iter().map(|attribute| attribute.word()));
    let items = endpoints.iter().map(|one| endpoint(one, context)).collect();
    let lists = vec![ItemList { name: "endpoints", items }];
    Item { lists, ..Item::named("project", id.as_str(), vec![Field::new("client_definition", definition)]) }
}

fn endpoint(endpoint: &Endpoint, context: MerchantContext<'_>) -> Item {
    let Endpoint { id, currency, gates, methods, client_definition } = endpoint;
    let definition = shown_list(client_definition.iter().map(|attribute| attribute.word()));
    let fields = vec![
        Field::new("currency", currency),
        Field::new("gates", context.gate_list(gates)),
        Field::new("client_definition", definition),
    ];
    let lists = vec![context.methods(methods, *currency)];
    Item { lists, ..Item::named("endpoint", id.as_str(), fields) }
}
