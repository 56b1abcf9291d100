//! Who may do what: roles by bearer token, each for all merchants or for some.

use super::{gate::no_card_in_uri, handlers::Daemon, problem::Problem};
use crate::domain::{blocks::Reach, name::Name};
use axum::{
    extract::{Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
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
}

impl Grant {
    /// The grant of a token.
    #[must_use]
    pub fn of(role: Role, name: Name, token: &str, merchants: Option<Vec<String>>) -> Self {
        Self { role, name, digest: Sha256::digest(token.as_bytes()).into(), merchants }
    }

    /// The merchants that it is for.
    pub(crate) fn reach(&self) -> Reach {
        match &self.merchants {
            None => Reach::All,
            // A text that is no name is no merchant.
            Some(listed) => Reach::Some(listed.iter().filter_map(|id| Name::parse(id).ok()).collect()),
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

/// All tokens. None: everybody may do everything, and the daemon listens on loopback only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access(pub Vec<Grant>);

impl Access {
    /// Whether anybody is asked for a token.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    fn grant(&self, token: &str) -> Option<&Grant> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Every digest is compared whole, so that the time taken tells nothing.
        self.0
            .iter()
            .fold(None, |found, grant| if bool::from(grant.digest.ct_eq(&digest)) { Some(grant) } else { found })
    }
}

/// The roles that may call a path; `None`: no token is asked for.
fn needs(method: &Method, path: &str) -> Option<&'static [Role]> {
    const READ: &[Role] = &[Role::Gateway, Role::Viewer, Role::Operator];
    const STAFF: &[Role] = &[Role::Viewer, Role::Operator];
    const HOT: &[Role] = &[Role::Gateway, Role::Operator];
    const OPERATE: &[Role] = &[Role::Operator];
    if matches!(path, "/healthz" | "/readyz") {
        return None;
    }
    let rest = path.strip_prefix("/v1/merchants/").unwrap_or_default();
    let segments: SmallVec<[&str; 8]> = rest.split('/').skip(1).collect();
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    Some(match segments.as_slice() {
        // Tables of many customers, and how they were taken, are the staff's.
        ["customers.csv"] | ["customers", "template.csv" | "jobs"] | ["customers", "jobs", _] if is_read => STAFF,
        _ if is_read => READ,
        // Whose a transaction is, is for the staff to say.
        ["transactions", _, "customer"] => OPERATE,
        ["transactions" | "decisions" | "payment-form", ..] => HOT,
        _ if path == "/v1/batch" => HOT,
        // A gateway registers customers, is the first to learn that a card was stolen, and is where players set limits.
        ["customers"] | ["customers", _, "signals"] if *method == Method::POST => HOT,
        ["customers", _, "limits", _, _] if matches!(*method, Method::PUT | Method::DELETE) => HOT,
        ["customers", _, "limits", _, _, "pending"] if *method == Method::DELETE => HOT,
        ["customers", _, "limits", _, _, "pending", "confirm"] if *method == Method::POST => HOT,
        _ => OPERATE,
    })
}

/// Lets a request in or turns it away, before anything is read of its body.
pub(crate) async fn enter(State(daemon): State<Arc<Daemon>>, mut request: Request, next: Next) -> Response {
    let access = &daemon.access;
    let needed = needs(request.method(), request.uri().path()).filter(|_| !access.is_open());
    let Some(roles) = needed else { return go_on(&daemon, request, next).await };
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let Some(grant) = token.and_then(|token| access.grant(token)).cloned() else {
        return Problem::unauthorized().into_response();
    };
    if !roles.contains(&grant.role) {
        return Problem::forbidden("this token's role does not allow it").into_response();
    }
    let merchant = request.uri().path().strip_prefix("/v1/merchants/").and_then(|rest| rest.split('/').next());
    // What is of no merchant is of all of them; the lines of a batch are looked at one by one.
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if grant.merchants.is_some() && merchant.is_none() && !is_read && request.uri().path() != "/v1/batch" {
        return Problem::forbidden("this is for all merchants, and this token reaches only some").into_response();
    }
    if let Some(Err(problem)) = merchant.filter(|m| !m.is_empty()).map(|merchant| grant.reaches(merchant)) {
        return problem.into_response();
    }
    request.extensions_mut().insert(grant);
    go_on(&daemon, request, next).await
}

/// Hands on a request whose path and query hold no full card number.
async fn go_on(daemon: &Daemon, request: Request, next: Next) -> Response {
    let judged = no_card_in_uri(request.uri(), &daemon.desk.rules.load());
    match judged {
        Ok(()) => Problem::in_words(next.run(request).await),
        Err(refusal) => {
            super::read_rest(request).await;
            Problem::from(refusal).into_response()
        }
    }
}
