//! Access tokens and certificates of clients: what each may do, and the table of all. A reload replaces the table while
//! requests are in progress.

use crate::service::access::author_text::token_names;
use crate::service::access::client_certificate::{ClientCertificate, common_name_digest};
use crate::service::access::rate_limit::RateLimit;
use crate::service::error::ServiceError;
use crate::{
    config::{self, Auth, CertificateRole, Credential},
    domain::{
        customer::instrument_blocks::MerchantScope,
        vocabulary::{names::Name, text::suggest::did_you_mean, time::Millis},
    },
};
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The role of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Payments; registering and showing customers, signals about them, their own limits.
    Gateway,
    /// Everything.
    Operator,
    /// Reads.
    Viewer,
}

impl Role {
    /// The word of the configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A bearer token.
    Token,
    /// The certificate of a connection.
    Certificate,
}

impl CredentialKind {
    /// The noun of refusals.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

/// One token, whose text is not kept, only its digest; or one certificate of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Whether it is a token or a certificate.
    pub kind: CredentialKind,
    /// What it may do.
    pub role: Role,
    /// Its name in histories and in the log.
    pub name: Name,
    /// SHA-256 of the token, or the digest of the common name.
    pub digest: [u8; 32],
    /// The merchants that it is for; `None`: all.
    pub merchants: Option<Vec<String>>,
    /// When it expires, by the wall clock; `None`: never.
    pub expires: Option<Millis>,
    /// How many requests it may send; `None`: any number.
    pub(crate) limit: Option<RateLimit>,
    /// When the certificate of an admitted request expires; `None`: the request has a token. The entries of the table have
    /// none: each client has its own certificate.
    pub certificate_ends: Option<Millis>,
}

impl From<&Credential> for AccessToken {
    fn from(Credential { token, digest }: &Credential) -> Self {
        Self {
            kind: CredentialKind::Token,
            role: token.role.into(),
            name: token.name,
            digest: *digest,
            merchants: token.merchants.as_deref().map(ids),
            expires: token.expires,
            limit: token.rate.map(RateLimit::new),
            certificate_ends: None,
        }
    }
}

impl From<&CertificateRole> for AccessToken {
    fn from(CertificateRole { common_name, role, merchants }: &CertificateRole) -> Self {
        Self {
            kind: CredentialKind::Certificate,
            role: (*role).into(),
            name: *common_name,
            digest: common_name_digest(common_name.as_str()),
            merchants: merchants.as_deref().map(ids),
            expires: None,
            limit: None,
            certificate_ends: None,
        }
    }
}

impl From<config::Role> for Role {
    fn from(role: config::Role) -> Self {
        match role {
            config::Role::Gateway => Self::Gateway,
            config::Role::Operator => Self::Operator,
            config::Role::Viewer => Self::Viewer,
        }
    }
}

fn ids(merchants: &[Name]) -> Vec<String> {
    merchants.iter().map(ToString::to_string).collect()
}

/// A caller who may not do what only operators may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LesserCaller {
    /// Whether it has a token or a certificate.
    pub kind: CredentialKind,
    /// Its role.
    pub role: Role,
}

impl AccessToken {
    /// The caller, if its role is not that of operators.
    pub(crate) fn lesser(&self) -> Option<LesserCaller> {
        (self.role != Role::Operator).then_some(LesserCaller { kind: self.kind, role: self.role })
    }

    /// The merchants that it is for.
    pub(crate) fn reach(&self) -> MerchantScope {
        match &self.merchants {
            None => MerchantScope::All,
            // A text that is no name is no merchant.
            Some(listed) => MerchantScope::Some(listed.iter().filter_map(|id| Name::existing(id)).collect()),
        }
    }

    /// Counts a request against the limit of the token; `now_ns` is the monotonic clock.
    ///
    /// # Errors
    /// The token has sent as many requests as it may: the nanoseconds until the next one.
    pub(crate) fn take_request(&self, now_ns: impl FnOnce() -> u64) -> Result<(), u64> {
        self.limit.as_ref().map_or(Ok(()), |limit| limit.take(now_ns()))
    }

    /// The same; a refusal is counted and answered.
    pub(crate) fn admit_request(&self, now_ns: impl FnOnce() -> u64) -> Result<(), ServiceError> {
        self.take_request(now_ns).map_err(|_| {
            metrics::counter!("levelgate_rate_limited_total", "token" => self.name.as_str()).increment(1);
            ServiceError::rate_limited()
        })
    }

    /// Refuses a merchant that the token is not for.
    pub(crate) fn reaches(&self, merchant: &str) -> Result<(), ServiceError> {
        match &self.merchants {
            Some(listed) if !self.is_for(merchant) => {
                Err(unreached(self.kind.word(), merchant, listed.iter().map(|id| &**id)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the token is for a merchant.
    pub(crate) fn is_for(&self, merchant: &str) -> bool {
        self.merchants.as_ref().is_none_or(|listed| listed.iter().any(|known| known == merchant))
    }
}

/// The refusal of a merchant that a caller does not reach. It names the nearest one of those that the caller reaches, and
/// tells nothing about others.
pub(crate) fn unreached<'m>(caller: &str, merchant: &str, reached: impl IntoIterator<Item = &'m str>) -> ServiceError {
    let near = did_you_mean(merchant, reached);
    ServiceError::forbidden(format!("this {caller} does not reach merchant {merchant:?}{near}"))
}

/// Why a request has no valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// No token was sent.
    Missing,
    /// `Authorization` is no bearer token.
    Malformed,
    /// No configured token has this text.
    Unknown,
    /// The token has expired.
    Expired,
    /// No token was sent, and the common name of the certificate is not configured.
    UnknownCertificate,
    /// No token was sent, and the certificate has expired since its handshake.
    ExpiredCertificate,
}

impl TokenError {
    /// The label of the metric and of the log line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::UnknownCertificate => "certificate",
            Self::ExpiredCertificate => "certificate_expired",
        }
    }
}

impl From<TokenError> for ServiceError {
    fn from(rejected: TokenError) -> Self {
        match rejected {
            TokenError::Missing | TokenError::Malformed | TokenError::Unknown => Self::unauthorized(),
            TokenError::Expired => Self::token_expired(),
            TokenError::UnknownCertificate => Self::unknown_certificate(),
            TokenError::ExpiredCertificate => Self::certificate_expired(),
        }
    }
}

/// The tokens of one configuration.
#[derive(Debug)]
struct TokenTable {
    tokens: Vec<Arc<AccessToken>>,
    /// Whether requests need no token.
    is_open: bool,
}

impl TokenTable {
    /// The tokens of an author: one token, or those of people; `None` for each that is not configured.
    fn of_author(&self, author: Name) -> Vec<Option<&Arc<AccessToken>>> {
        let of_name = |name: &str| self.tokens.iter().find(|token| token.name.as_str() == name);
        match of_name(author.as_str()) {
            Some(token) => vec![Some(token)],
            None => token_names(author.as_str()).map(of_name).collect(),
        }
    }
}

/// All tokens and certificates. Without any, every caller may do everything, and the daemon listens on loopback only.
///
/// A daemon that had a token never becomes open again while it runs: without its last token it refuses every request.
#[derive(Debug)]
pub struct AccessTokens(ArcSwap<TokenTable>);

impl AccessTokens {
    /// The tokens of a start.
    #[must_use]
    pub fn new(credentials: &[Credential], auth: &Auth) -> Self {
        let tokens: Vec<Arc<AccessToken>> = entries(credentials, auth).map(Arc::new).collect();
        let is_open = tokens.is_empty();
        Self(ArcSwap::from_pointee(TokenTable { tokens, is_open }))
    }

    /// Replaces all tokens. The change applies to the next request, and to requests whose body is still being sent.
    pub fn replace(&self, credentials: &[Credential], auth: &Auth) {
        let old = self.0.load();
        let continued = |mut token: AccessToken| {
            // The same limit continues to count where it was.
            let known = old.tokens.iter().find(|known| known.name == token.name && known.limit == token.limit);
            token.limit = known.map_or(token.limit.take(), |known| known.limit.clone());
            Arc::new(token)
        };
        let tokens: Vec<Arc<AccessToken>> = entries(credentials, auth).map(continued).collect();
        let is_open = old.is_open && tokens.is_empty();
        self.0.store(Arc::new(TokenTable { tokens, is_open }));
    }

    /// Whether requests need no token.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.load().is_open
    }

    /// The token of a token that was sent; `now` is the wall clock.
    pub(crate) fn of_text(&self, token: &str, now: Millis) -> Result<Arc<AccessToken>, TokenError> {
        self.of_digest(&Sha256::digest(token.as_bytes()).into(), now)
    }

    /// The entry of a certificate; `now` is the wall clock.
    pub(crate) fn of_certificate(
        &self,
        certificate: &ClientCertificate,
        now: Millis,
    ) -> Result<Arc<AccessToken>, TokenError> {
        if certificate.ends <= now {
            return Err(TokenError::ExpiredCertificate);
        }
        let digest = certificate.digest.ok_or(TokenError::UnknownCertificate)?;
        self.of_digest(&digest, now).map_err(|_| TokenError::UnknownCertificate)
    }

    /// The entry of a token's digest, or of that of a common name.
    fn of_digest(&self, digest: &[u8; 32], now: Millis) -> Result<Arc<AccessToken>, TokenError> {
        let table = self.0.load();
        // Every digest is compared completely, so that the duration reveals nothing.
        let found = table
            .tokens
            .iter()
            .fold(None, |found, token| if bool::from(token.digest.ct_eq(digest)) { Some(token) } else { found });
        let token = found.ok_or(TokenError::Unknown)?;
        if token.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenError::Expired);
        }
        Ok(Arc::clone(token))
    }

    /// The current entry of the token of an admitted request. `None`: the request was admitted without a token.
    pub(crate) fn current(
        &self,
        token: Option<&AccessToken>,
        now: Millis,
    ) -> Result<Option<Arc<AccessToken>>, TokenError> {
        match token {
            Some(token) if token.certificate_ends.is_some_and(|ends| ends <= now) => {
                Err(TokenError::ExpiredCertificate)
            }
            Some(token) => self.of_digest(&token.digest, now).map(Some),
            None if self.is_open() => Ok(None),
            None => Err(TokenError::Missing),
        }
    }

    /// Whether the tokens of an author are configured and reach a merchant.
    fn reaches_with(&self, author: Name, merchant: Name) -> bool {
        let table = self.0.load();
        let reaches = |token: &Arc<AccessToken>| token.reaches(merchant.as_str()).is_ok();
        table.of_author(author).into_iter().all(|token| token.is_some_and(reaches))
    }

    /// Whether a caller is shown the name of an author: a token, or people with their tokens. A caller for some merchants is
    /// not shown who acts for all merchants.
    pub(crate) fn shows_name(&self, caller: Option<&AccessToken>, author: Name) -> bool {
        let is_limited = caller.is_some_and(|caller| caller.merchants.is_some());
        let table = self.0.load();
        !is_limited || !table.of_author(author).into_iter().flatten().any(|token| token.merchants.is_none())
    }

    /// Whether a caller is shown the name of a token in a history of a merchant. A signal reaches customers of several
    /// merchants: its token is named only if it acts for the merchant.
    pub(crate) fn names_author(
        &self,
        caller: Option<&AccessToken>,
        merchant: Name,
        (author, is_signal): (Name, bool),
    ) -> bool {
        let acts_here = || self.is_open() || self.reaches_with(author, merchant);
        self.shows_name(caller, author) && (!is_signal || acts_here())
    }
}

fn entries(credentials: &[Credential], auth: &Auth) -> impl Iterator<Item = AccessToken> {
    credentials.iter().map(AccessToken::from).chain(auth.certificates.iter().map(AccessToken::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    fn credential(name: &str, text: &str, expires: Option<Millis>) -> Credential {
        let name = Name::parse(name).unwrap();
        let token =
            Token { name, role: config::Role::Gateway, token_file: "t".into(), merchants: None, expires, rate: None };
        Credential { token, digest: Sha256::digest(text.as_bytes()).into() }
    }

    #[test]
    fn a_token_expires_at_its_millisecond_and_is_found_by_its_own_text_only() {
        let access = AccessTokens::new(
            &[credential("a", "text a", Some(Millis(1_000))), credential("b", "text b", None)],
            &Auth::default(),
        );
        let name = |text, now| access.of_text(text, Millis(now)).map(|grant| grant.name.to_string());
        assert_eq!(name("text a", 999), Ok("a".to_owned()));
        assert_eq!(name("text a", 1_000), Err(TokenError::Expired));
        assert_eq!(name("text b", 1_000), Ok("b".to_owned()));
        assert_eq!(name("text c", 0), Err(TokenError::Unknown));
    }

    #[test]
    fn a_caller_for_some_merchants_is_not_shown_the_names_of_tokens_for_all() {
        let [mut some, mut other] = ["some", "other"].map(|name| credential(name, name, None));
        for limited in [&mut some, &mut other] {
            limited.token.merchants = Some(vec![Name::parse("m").unwrap()]);
        }
        let access = AccessTokens::new(&[some, other, credential("all", "all", None)], &Auth::default());
        let caller = |text| access.of_text(text, Millis(0)).unwrap();
        let shows = |caller: Option<&AccessToken>, name| access.shows_name(caller, Name::parse(name).unwrap());
        for (name, by_some) in [
            ("some", true),
            ("other", true),
            ("all", false),
            ("removed", true),
            ("ann (some)", true),
            ("ann (all)", false),
            ("ann (some), ben (all)", false),
            ("some, all", false),
            ("ann (removed)", true),
        ] {
            assert_eq!(shows(Some(&caller("some")), name), by_some, "{name}");
            assert!(shows(Some(&caller("all")), name) && shows(None, name), "{name}");
        }
    }

    #[test]
    fn a_replaced_token_is_refused_for_requests_that_were_admitted_before() {
        let access =
            AccessTokens::new(&[credential("a", "text a", None), credential("b", "text b", None)], &Auth::default());
        let (a, now) = (access.of_text("text a", Millis(0)).unwrap(), Millis(0));
        access.replace(&[credential("a", "another text", None), credential("c", "text c", None)], &Auth::default());
        assert_eq!(access.current(Some(&a), now), Err(TokenError::Unknown));
        assert_eq!(access.current(None, now), Err(TokenError::Missing));
    }

    #[test]
    fn a_reload_continues_an_equal_limit_and_begins_a_new_one() {
        let limited = |burst| {
            let mut limited = credential("a", "text a", None);
            limited.token.rate = Some(config::RequestRate { per_second: 1, burst });
            limited
        };
        let access = AccessTokens::new(&[limited(1)], &Auth::default());
        let take = || access.of_text("text a", Millis(0)).unwrap().take_request(|| 5);
        assert_eq!((take(), take()), (Ok(()), Err(1_000_000_000)));
        access.replace(&[limited(1)], &Auth::default());
        assert_eq!(take(), Err(1_000_000_000), "the same limit");
        access.replace(&[limited(2)], &Auth::default());
        assert_eq!((take(), take(), take()), (Ok(()), Ok(()), Err(1_000_000_000)), "another burst");
        access.replace(&[credential("a", "text a", None)], &Auth::default());
        assert!((0..1_000).all(|_| take().is_ok()), "no limit");
    }

    #[test]
    fn a_daemon_that_had_a_token_does_not_become_open() {
        let access = AccessTokens::new(&[], &Auth::default());
        assert!(access.is_open() && access.current(None, Millis(0)) == Ok(None));
        access.replace(&[], &Auth::default());
        assert!(access.is_open());
        access.replace(&[credential("a", "text a", None)], &Auth::default());
        access.replace(&[], &Auth::default());
        assert!(!access.is_open());
        assert_eq!(access.of_text("text a", Millis(0)), Err(TokenError::Unknown));
    }

    #[test]
    fn a_certificate_is_found_by_its_common_name_until_it_expires_and_a_token_of_that_text_is_not() {
        let row =
            CertificateRole { common_name: Name::parse("till").unwrap(), role: config::Role::Viewer, merchants: None };
        let auth = Auth { certificates: vec![row], ..Auth::default() };
        let access = AccessTokens::new(&[], &auth);
        assert!(!access.is_open());
        let certificate = |name: &str| ClientCertificate { digest: Some(common_name_digest(name)), ends: Millis(10) };
        let found = |certificate: &ClientCertificate, now| access.of_certificate(certificate, Millis(now));
        let till = found(&certificate("till"), 9).unwrap();
        assert_eq!((till.name.as_str(), till.role), ("till", Role::Viewer));
        assert_eq!(found(&certificate("till"), 10), Err(TokenError::ExpiredCertificate));
        assert_eq!(found(&certificate("other"), 9), Err(TokenError::UnknownCertificate));
        let nobody = ClientCertificate { digest: None, ends: Millis(10) };
        assert_eq!(found(&nobody, 9), Err(TokenError::UnknownCertificate));
        assert_eq!(access.of_text("till", Millis(9)), Err(TokenError::Unknown));
        let admitted = AccessToken { certificate_ends: Some(Millis(10)), ..(*till).clone() };
        assert_eq!(access.current(Some(&admitted), Millis(9)), Ok(Some(till)));
        assert_eq!(access.current(Some(&admitted), Millis(10)), Err(TokenError::ExpiredCertificate));
        access.replace(&[], &Auth::default());
        assert_eq!(access.current(Some(&admitted), Millis(9)), Err(TokenError::Unknown));
        assert!(!access.is_open(), "a daemon that had a certificate does not become open");
    }
}
