//! The tokens by name, and the certificates of clients by common name. The text of a token is compared by its digest and never shown.

use crate::config::{
    daemon::{
        credentials::Credential,
        settings::{Auth, CertificateRole, Token},
    },
    diff::item::{Field, Item, shown_list},
};
use crate::domain::vocabulary::names::Name;

pub(super) fn tokens(auth: &Auth, credentials: Option<&[Credential]>) -> Vec<Item> {
    let Auth { tokens, certificates: _ } = auth;
    tokens.iter().map(|token| described(token, credentials)).collect()
}

pub(super) fn certificates(auth: &Auth) -> Vec<Item> {
    let described = |CertificateRole { common_name, role, merchants }: &CertificateRole| {
        let fields =
            vec![Field::new("role", role.word()), Field::optional("merchants", merchants.as_deref().map(listed))];
        Item::named("certificate", common_name.as_str(), fields)
    };
    auth.certificates.iter().map(described).collect()
}

fn listed(merchants: &[Name]) -> String {
    shown_list(merchants.iter().map(|name| name.as_str()))
}

fn described(token: &Token, credentials: Option<&[Credential]>) -> Item {
    let Token { name, role, token_file, merchants, expires, rate } = token;
    let known = credentials.and_then(|all| all.iter().find(|one| one.token.name == *name));
    let digest = known.map(|one| one.digest.iter().map(|byte| format!("{byte:02x}")).collect());
    let fields = vec![
        Field::new("role", role.word()),
        Field::new("token_file", format!("{token_file:?}")),
        Field::optional("merchants", merchants.as_deref().map(listed)),
        Field::optional("expires", expires.map(|at| at.to_string())),
        Field::optional("requests_per_second", rate.map(|rate| rate.per_second.to_string())),
        Field::optional("burst", rate.map(|rate| rate.burst.to_string())),
        Field::secret("text", digest),
    ];
    Item::named("token", name.as_str(), fields)
}
