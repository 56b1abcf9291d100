//! Tokens: what each may do, and the table of all, which a reload replaces while requests are under way.

use crate::http::dto::problem::Problem;
use crate::{
    config::{self, Credential},
    domain::{
        customer::instrument_blocks::Reach,
        vocabulary::{names::Name, time::Millis},
    },
};
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The hot path; registering and showing customers, signals about them, their own limits.
    Gateway,
    /// Everything.
    Operator,
    /// Reads.
    Viewer,
}

/// One token, known by its digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it may do.
    pub role: Role,
    /// Who holds it: what histories say.
    pub name: Name,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// `None`: all.
    pub merchants: Option<Vec<String>>,
    /// From when on it is refused, by the wall clock; `None`: never.
    pub expires: Option<Millis>,
}

impl From<&Credential> for Grant {
    fn from(Credential { token, digest }: &Credential) -> Self {
        let role = match token.role {
            config::Role::Gateway => Role::Gateway,
            config::Role::Operator => Role::Operator,
            config::Role::Viewer => Role::Viewer,
        };
        let merchants = token.merchants.as_ref().map(|listed| listed.iter().map(ToString::to_string).collect());
        Self { role, name: token.name, digest: *digest, merchants, expires: token.expires }
    }
}

impl Grant {
    /// The merchants that it is for.
    pub(crate) fn reach(&self) -> Reach {
        match &self.merchants {
            None => Reach::All,
            // A text that is no name is no merchant.
            Some(listed) => Reach::Some(listed.iter().filter_map(|id| Name::known(id)).collect()),
        }
    }

    /// Refuses what is an operator's alone in a call that others may make too.
    pub(crate) fn operates(&self, what: &str) -> Result<(), Problem> {
        match self.role {
            Role::Operator => Ok(()),
            Role::Gateway | Role::Viewer => Err(Problem::forbidden(format!("{what} takes the role operator"))),
        }
    }

    /// Whether it reaches a merchant.
    pub(crate) fn reaches(&self, merchant: &str) -> Result<(), Problem> {
        match &self.merchants {
            Some(listed) if !listed.iter().any(|known| known == merchant) => {
                Err(Problem::forbidden(format!("this token does not reach merchant {merchant:?}")))
            }
            _ => Ok(()),
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// No token was sent.
    Missing,
    /// `Authorization` is no bearer token.
    Malformed,
    /// No configured token has this text.
    Unknown,
    /// The token's `expires` is over.
    Expired,
}

impl Rejected {
    /// The label of the metric and of the log line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Missing | Rejected::Malformed | Rejected::Unknown => Self::unauthorized(),
            Rejected::Expired => Self::token_expired(),
        }
    }
}

/// The tokens of one configuration.
#[derive(Debug)]
struct Table {
    grants: Vec<Arc<Grant>>,
    /// Whether no token is asked for.
    is_open: bool,
}

/// All tokens. None: everybody may do everything, and the daemon listens on loopback only.
///
/// A daemon that had a token never becomes open again while it runs: without its last token it refuses every call.
#[derive(Debug)]
pub struct Access(ArcSwap<Table>);

impl Access {
    /// The tokens of a start.
    #[must_use]
    pub fn new(credentials: &[Credential]) -> Self {
        let grants: Vec<Arc<Grant>> = credentials.iter().map(|sent| Arc::new(Grant::from(sent))).collect();
        let is_open = grants.is_empty();
        Self(ArcSwap::from_pointee(Table { grants, is_open }))
    }

    /// Puts other tokens in the place of all. What is revoked or changed is so for the next request, and for requests
    /// that are still being sent. Returns the differences in words, for the log.
    pub fn replace(&self, credentials: &[Credential]) -> Vec<String> {
        let grants: Vec<Arc<Grant>> = credentials.iter().map(|sent| Arc::new(Grant::from(sent))).collect();
        let old = self.0.load();
        let differences = differences(&old.grants, &grants);
        let is_open = old.is_open && grants.is_empty();
        self.0.store(Arc::new(Table { grants, is_open }));
        differences
    }

    /// Whether no token is asked for.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.load().is_open
    }

    /// The grant of a token that was sent; `now` is the wall clock.
    pub(crate) fn of_token(&self, token: &str, now: Millis) -> Result<Arc<Grant>, Rejected> {
        self.of_digest(&Sha256::digest(token.as_bytes()).into(), now)
    }

    /// The grant of a token's digest.
    fn of_digest(&self, digest: &[u8; 32], now: Millis) -> Result<Arc<Grant>, Rejected> {
        let table = self.0.load();
        // Every digest is compared whole, so that the time taken tells nothing.
        let found = table
            .grants
            .iter()
            .fold(None, |found, grant| if bool::from(grant.digest.ct_eq(digest)) { Some(grant) } else { found });
        let grant = found.ok_or(Rejected::Unknown)?;
        if grant.expires.is_some_and(|expires| expires <= now) {
            return Err(Rejected::Expired);
        }
        Ok(Arc::clone(grant))
    }

    /// What the token of a request that was let in earlier may do now. `None`: it was let in without a token.
    pub(crate) fn again(&self, grant: Option<&Grant>, now: Millis) -> Result<Option<Arc<Grant>>, Rejected> {
        match grant {
            Some(grant) => self.of_digest(&grant.digest, now).map(Some),
            None if self.is_open() => Ok(None),
            None => Err(Rejected::Missing),
        }
    }

    /// Whether a token of this name is configured, and reaches a merchant; `None`: no token has the name.
    pub(crate) fn name_reaches(&self, name: Name, merchant: Name) -> Option<bool> {
        let table = self.0.load();
        let grant = table.grants.iter().find(|grant| grant.name == name)?;
        Some(grant.reaches(merchant.as_str()).is_ok())
    }
}

fn differences(old: &[Arc<Grant>], new: &[Arc<Grant>]) -> Vec<String> {
    let of = |grants: &[Arc<Grant>], name: Name| grants.iter().find(|grant| grant.name == name).cloned();
    let gone = old.iter().filter(|grant| of(new, grant.name).is_none());
    let gone = gone.map(|grant| format!("the token `{}` was removed", grant.name));
    let come = new.iter().filter_map(|grant| match of(old, grant.name) {
        None => Some(format!("the token `{}` was added", grant.name)),
        Some(known) if known.digest != grant.digest => Some(format!("the token `{}` has another text", grant.name)),
        Some(known) if known != *grant => Some(format!("the token `{}` has other rights", grant.name)),
        Some(_) => None,
    });
    gone.chain(come).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    fn credential(name: &str, text: &str, expires: Option<Millis>) -> Credential {
        let name = Name::parse(name).unwrap();
        let token = Token { name, role: config::Role::Gateway, token_file: "t".into(), merchants: None, expires };
        Credential { token, digest: Sha256::digest(text.as_bytes()).into() }
    }

    #[test]
    fn a_token_is_over_at_the_very_millisecond_and_only_its_own_text_finds_it() {
        let access = Access::new(&[credential("a", "text a", Some(Millis(1_000))), credential("b", "text b", None)]);
        let name = |text, now| access.of_token(text, Millis(now)).map(|grant| grant.name.to_string());
        assert_eq!(name("text a", 999), Ok("a".to_owned()));
        assert_eq!(name("text a", 1_000), Err(Rejected::Expired));
        assert_eq!(name("text b", 1_000), Ok("b".to_owned()));
        assert_eq!(name("text c", 0), Err(Rejected::Unknown));
    }

    #[test]
    fn what_is_replaced_holds_for_requests_that_were_let_in_before() {
        let access = Access::new(&[credential("a", "text a", None), credential("b", "text b", None)]);
        let (a, now) = (access.of_token("text a", Millis(0)).unwrap(), Millis(0));
        let told = access.replace(&[credential("a", "text of today", None), credential("c", "text c", None)]);
        assert_eq!(told, ["the token `b` was removed", "the token `a` has another text", "the token `c` was added"]);
        assert_eq!(access.again(Some(&a), now), Err(Rejected::Unknown));
        assert_eq!(access.again(None, now), Err(Rejected::Missing));
    }

    #[test]
    fn a_daemon_that_had_a_token_does_not_become_open() {
        let access = Access::new(&[]);
        assert!(access.is_open() && access.again(None, Millis(0)) == Ok(None));
        access.replace(&[]);
        assert!(access.is_open());
        access.replace(&[credential("a", "text a", None)]);
        access.replace(&[]);
        assert!(!access.is_open());
        assert_eq!(access.of_token("text a", Millis(0)), Err(Rejected::Unknown));
    }
}
