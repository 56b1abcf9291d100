//! Who may do what: roles by bearer token, each for all merchants or for some.

use crate::http::{
    docs,
    dto::{
        card_guard::{decoded, no_card_in_uri},
        problem::Problem,
    },
    handlers::{batch, handlers::Daemon},
    server::{
        failed_logins::Peer,
        grants::{Grant, Rejected, Role},
        listen::Caller,
        origin,
    },
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use smallvec::SmallVec;
use std::sync::Arc;

/// The roles that may call a path; `None`: it needs no token.
fn needs(method: &Method, path: &str) -> Option<&'static [Role]> {
    const READ: &[Role] = &[Role::Gateway, Role::Viewer, Role::Operator];
    const STAFF: &[Role] = &[Role::Viewer, Role::Operator];
    const HOT: &[Role] = &[Role::Gateway, Role::Operator];
    const OPERATE: &[Role] = &[Role::Operator];
    if matches!(path, "/healthz" | "/readyz") || docs::is_public(path) {
        return None;
    }
    let rest = path.strip_prefix("/v1/merchants/").unwrap_or_default();
    let segments: SmallVec<[&str; 8]> = rest.split('/').skip(1).collect();
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    Some(match segments.as_slice() {
        // Tables of many customers, and how they were taken, are the staff's.
        ["customers.csv"] | ["customers", "template.csv" | "jobs"] | ["customers", "jobs", _] if is_read => STAFF,
        _ if is_read => READ,
        // Staff decide whose a transaction is.
        ["transactions", _, "customer"] => OPERATE,
        ["transactions" | "decisions" | "payment-form", ..] => HOT,
        _ if path == batch::PATH => HOT,
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
    if needs(request.method(), request.uri().path()).is_none() {
        return go_on(&daemon, request, next).await;
    }
    let access = &daemon.access;
    let peer = Peer::of(request.extensions().get::<Caller>().copied());
    if access.is_open() {
        return match origin::check(&request, peer) {
            Ok(()) => go_on(&daemon, request, next).await,
            Err((reason, problem)) => {
                daemon.failures.note(peer, reason);
                problem.into_response()
            }
        };
    }
    let admitted = bearer(request.headers()).and_then(|token| access.of_token(token, daemon.desk.clock.wall()));
    let grant = match admitted {
        Ok(grant) => grant,
        Err(rejected) => {
            daemon.failures.rejected(peer, rejected).await;
            return Problem::from(rejected).into_response();
        }
    };
    if let Err(problem) = permits(&grant, request.method(), request.uri().path()) {
        return problem.into_response();
    }
    request.extensions_mut().insert(Grant::clone(&grant));
    go_on(&daemon, request, next).await
}

/// The token of a request (RFC 6750, section 2.1); the scheme is written in any case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Rejected> {
    let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = sent.next().ok_or(Rejected::Missing)?;
    let text = value.to_str().map_err(|_| Rejected::Malformed)?;
    let (scheme, token) = text.trim().split_once(' ').ok_or(Rejected::Malformed)?;
    let token = token.trim();
    if sent.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Rejected::Malformed);
    }
    Ok(token)
}

/// Whether a token may call a path.
fn permits(grant: &Grant, method: &Method, path: &str) -> Result<(), Problem> {
    if needs(method, path).is_some_and(|roles| !roles.contains(&grant.role)) {
        return Err(Problem::forbidden("this token's role does not allow it"));
    }
    let merchant = path.strip_prefix("/v1/merchants/").and_then(|rest| rest.split('/').next());
    // What is of no merchant is of all of them; the lines of a batch are looked at one by one.
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_of_all = merchant.is_none() && (!is_read || path == "/metrics") && path != batch::PATH;
    if grant.merchants.is_some() && is_of_all {
        return Err(Problem::forbidden("this is for all merchants, and this token reaches only some"));
    }
    merchant.filter(|merchant| !merchant.is_empty()).map_or(Ok(()), |merchant| grant.reaches(&decoded(merchant)))
}

impl Daemon {
    /// Looks again at the token of a request whose body has come: meanwhile it may have been revoked or changed, or have
    /// expired. `None`: the request was let in without a token.
    pub(crate) fn admits_still(&self, grant: Option<&Grant>, method: &Method, path: &str) -> Result<(), Problem> {
        match self.granted_now(grant)? {
            Some(now) if Some(&*now) != grant => permits(&now, method, path),
            _ => Ok(()),
        }
    }

    /// The same for a line of a batch, about a merchant.
    pub(crate) fn admits_line(&self, grant: Option<&Grant>, merchant: &str) -> Result<(), Problem> {
        let Some(now) = self.granted_now(grant)? else { return Ok(()) };
        if Some(&*now) != grant {
            permits(&now, &Method::POST, batch::PATH)?;
        }
        now.reaches(merchant)
    }

    /// What the token of a request that was let in earlier may do now; see [`Self::admits_still`].
    pub(crate) fn granted_now(&self, grant: Option<&Grant>) -> Result<Option<Arc<Grant>>, Problem> {
        Ok(self.access.again(grant, self.desk.clock.wall())?)
    }
}

/// RecoveryWorkers on a request whose path and query hold no full card number.
async fn go_on(daemon: &Daemon, request: Request, next: Next) -> Response {
    let judged = no_card_in_uri(request.uri(), &daemon.desk.rules.load());
    match judged {
        Ok(()) => Problem::in_words(next.run(request).await),
        Err(refusal) => {
            crate::http::read_rest(request).await;
            Problem::from(refusal).into_response()
        }
    }
}
