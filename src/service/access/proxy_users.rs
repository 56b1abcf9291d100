//! The people whom a trusted proxy names in a header.
//!
//! The header gives no rights. A person has those of the token of the session, or of the token that the proxy sends, and at
//! most those that the configuration gives to the name.

use crate::{
    config::{ConsolePeople, ConsoleUser, TrustedProxy, USER_NAME_BYTES_MAX, is_user_name},
    service::{
        access::{access_tokens::Role, peer::Peer},
        documents::card_guard::no_card_text,
        error::ServiceError,
    },
};
use axum::http::{HeaderMap, HeaderName};
use std::collections::HashMap;

/// A person whom the proxy named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// In lower case, so that one person has one name.
    pub(crate) name: String,
    /// The most that the person may do; `None`: what the token may do.
    pub(crate) role: Option<Role>,
}

impl Person {
    /// The role of the person with a token of this role: the lesser of both.
    pub(crate) fn role_with(&self, token: Role) -> Role {
        match (token, self.role) {
            (Role::Operator, Some(role)) => role,
            (token, _) => token,
        }
    }
}

/// Why no person is known: a word for the log and the metric, and the answer.
pub(crate) type NoPerson = (&'static str, ServiceError);

/// The header and who may send it.
#[derive(Debug)]
pub struct ProxyUsers {
    header: HeaderName,
    proxies: Vec<TrustedProxy>,
    /// The people who may act, by name; `None`: all.
    roles: Option<HashMap<String, Role>>,
}

impl ProxyUsers {
    /// The header of a configuration; `None`: it names none, or no valid one, which the configuration refuses.
    #[must_use]
    pub fn of(people: &ConsolePeople) -> Option<Self> {
        let header = HeaderName::from_bytes(people.user_header.as_bytes()).ok()?;
        let role = |user: &ConsoleUser| (user.name.to_string(), user.role.into());
        let roles = people.users.as_ref().map(|users| users.iter().map(role).collect());
        Some(Self { header, proxies: people.trusted_proxies.clone(), roles })
    }

    fn is_trusted(&self, peer: Peer) -> bool {
        self.proxies.iter().any(|proxy| match peer {
            Peer::Tcp(address) => proxy.contains(address.ip()),
            Peer::Unix => *proxy == TrustedProxy::Unix,
            Peer::Unknown => false,
        })
    }

    /// The person of a request.
    ///
    /// # Errors
    /// The request comes from another peer, names no person or several, or a person who may not act.
    pub(crate) fn person(&self, headers: &HeaderMap, peer: Peer) -> Result<Person, NoPerson> {
        let header = self.header.as_str();
        let mut sent = headers.get_all(&self.header).into_iter();
        let value = sent.next();
        let refused = |reason, detail: String| (reason, ServiceError::forbidden(detail).at(header));
        if !self.is_trusted(peer) {
            let detail =
                "the console is used through its proxy, which signs people in; open it at the address of the proxy";
            let reason = if value.is_some() { "user_untrusted" } else { "user_missing" };
            return Err(refused(reason, detail.to_owned()));
        }
        let Some(value) = value else {
            let detail = format!("the proxy has named no person: it sends no header {header}");
            return Err(refused("user_missing", detail));
        };
        let wrong = |detail: String| ("user_invalid", ServiceError::malformed("user_invalid", detail).at(header));
        if sent.next().is_some() {
            return Err(wrong(format!(
                "the header {header} was sent twice; the proxy must replace what a browser sends"
            )));
        }
        let name =
            value.to_str().map(str::to_ascii_lowercase).ok().filter(|name| is_user_name(name)).ok_or_else(|| {
                wrong(format!(
                    "the header {header} names no person: it takes at most {USER_NAME_BYTES_MAX} letters, digits and \
                 characters of . @ _ + - | : / = ~"
                ))
            })?;
        no_card_text(header, &name, || None).map_err(|refusal| ("user_invalid", refusal.into()))?;
        let role = match &self.roles {
            None => None,
            Some(roles) => match roles.get(&name) {
                Some(role) => Some(*role),
                None => {
                    let detail = format!("{name} may not use the console; the people who run the daemon list `users`");
                    return Err(refused("user_unknown", detail));
                }
            },
        };
        Ok(Person { name, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, domain::vocabulary::names::Name};
    use axum::http::HeaderValue;

    fn users(users: Option<&[(&str, config::Role)]>) -> ProxyUsers {
        let user = |(name, role): &(&str, config::Role)| ConsoleUser { name: Name::parse(name).unwrap(), role: *role };
        ProxyUsers::of(&ConsolePeople {
            user_header: "x-user".to_owned(),
            trusted_proxies: vec![TrustedProxy::Network { address: "10.1.0.0".parse().unwrap(), bits: 16 }],
            users: users.map(|users| users.iter().map(user).collect()),
        })
        .unwrap()
    }

    fn named(users: &ProxyUsers, peer: Peer, names: &[&'static str]) -> Result<Person, &'static str> {
        let headers = names.iter().map(|name| (HeaderName::from_static("x-user"), HeaderValue::from_static(name)));
        let mut sent = HeaderMap::new();
        headers.for_each(|(key, value)| _ = sent.append(key, value));
        users.person(&sent, peer).map_err(|(reason, _)| reason)
    }

    #[test]
    fn a_trusted_proxy_names_one_person() {
        let (any, proxy) = (users(None), Peer::Tcp("10.1.2.3:9".parse().unwrap()));
        let ann = || Ok(Person { name: "ann@example.com".to_owned(), role: None });
        assert_eq!(named(&any, proxy, &["Ann@Example.com"]), ann());
        assert_eq!(named(&any, Peer::Tcp("[::ffff:10.1.2.3]:9".parse().unwrap()), &["ann@example.com"]), ann());
        for (names, want) in [
            (&[][..], "user_missing"),
            (&[""], "user_invalid"),
            (&["ann", "ann"], "user_invalid"),
            (&["ann, ben"], "user_invalid"),
            (&["ann ben"], "user_invalid"),
            (&["4111111111111111"], "user_invalid"),
            (&["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "user_invalid"),
        ] {
            assert_eq!(named(&any, proxy, names), Err(want), "{names:?}");
        }
        for peer in [Peer::Tcp("10.2.0.1:9".parse().unwrap()), Peer::Unix, Peer::Unknown] {
            assert_eq!(named(&any, peer, &["ann"]), Err("user_untrusted"), "{peer:?}");
            assert_eq!(named(&any, peer, &[]), Err("user_missing"), "{peer:?}");
        }
    }

    #[test]
    fn a_person_never_has_more_rights_than_the_token_and_an_unlisted_person_has_none() {
        let some = users(Some(&[("ann", config::Role::Operator), ("ben", config::Role::Viewer)]));
        let proxy = Peer::Tcp("10.1.2.3:9".parse().unwrap());
        let role = |name, token| named(&some, proxy, &[name]).map(|person| person.role_with(token));
        assert_eq!(role("ann", Role::Operator), Ok(Role::Operator));
        assert_eq!(role("ann", Role::Viewer), Ok(Role::Viewer));
        assert_eq!(role("ben", Role::Operator), Ok(Role::Viewer));
        assert_eq!(role("ben", Role::Viewer), Ok(Role::Viewer));
        assert_eq!(role("ann", Role::Gateway), Ok(Role::Gateway));
        assert_eq!(role("eve", Role::Operator), Err("user_unknown"));
        let any = Person { name: "eve".to_owned(), role: None };
        assert_eq!(any.role_with(Role::Operator), Role::Operator);
    }
}
