//! The tokens, by name. The text of a token is compared by its digest and never shown.

use crate::config::{
    daemon::{
        credentials::Credential,
        settings::{Auth, Token},
    },
    diff::item::{Field, Item, shown_list},
};

pub(super) fn tokens(auth: &Auth, credentials: Option<&[Credential]>) -> Vec<Item> {
    let Auth { tokens } = auth;
    tokens.iter().map(|token| described(token, credentials)).collect()
}

fn described(token: &Token, credentials: Option<&[Credential]>) -> Item {
    let Token { name, role, token_file, merchants, expires, rate } = token;
    let known = credentials.and_then(|all| all.iter().find(|one| one.token.name == *name));
    let digest = known.map(|one| one.digest.iter().map(|byte| format!("{byte:02x}")).collect());
    let merchants = merchants.as_ref().map(|listed| shown_list(listed.iter().map(|name| name.as_str())));
    let fields = vec![
        Field::new("role", role.word()),
        Field::new("token_file", format!("{token_file:?}")),
        Field::optional("merchants", merchants),
        Field::optional("expires", expires.map(|at| at.to_string())),
        Field::optional("requests_per_second", rate.map(|rate| rate.per_second.to_string())),
        Field::optional("burst", rate.map(|rate| rate.burst.to_string())),
        Field::secret("text", digest),
    ];
    Item::named("token", name.as_str(), fields)
}
