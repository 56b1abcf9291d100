//! Levels and rates while the daemon runs: what an operator asks for, and what is answered. What it means, and the lock
//! under which it happens, stand where the rules are made.

use crate::{
    config::parse::body,
    domain::{
        decision::refusal::Refusal,
        rules::{configuration::Direction, overrides::LevelKey},
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
};
use crate::{
    http::{
        dto::{
            card_guard::no_card_in_json,
            problem::{Problem, Told},
        },
        handlers::{
            admin_request::Staff,
            handlers::{Daemon, read_body, told},
            overview,
        },
        server::grants::Grant,
    },
    service::payments::render,
};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::Method,
    response::{IntoResponse, Response},
};
use serde_json::json as value;
use std::{fmt, sync::Arc};

/// What an operator asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// A level as a body says.
    PutLevel(LevelKey, Bytes),
    /// A level less; `unknown` is bare then.
    DeleteLevel(LevelKey),
    /// All levels less.
    DeleteCurrency {
        /// Whose.
        merchant: Name,
        /// Which way the money goes.
        direction: Direction,
        /// Of their limits and settings.
        currency: Currency,
    },
    /// A level by another name, in all currencies.
    Rename {
        /// Whose.
        merchant: Name,
        /// Which way the money goes.
        direction: Direction,
        /// The old name.
        from: Name,
        /// The new one.
        to: Name,
    },
    /// Rates as a body says.
    PutRates(Bytes),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PutLevel(key, _) => write!(f, "{key} was set"),
            Self::DeleteLevel(key) => write!(f, "{key} was deleted"),
            Self::DeleteCurrency { merchant, direction, currency } => {
                write!(f, "all levels for {}s in {currency} of merchant `{merchant}` were deleted", direction.word())
            }
            Self::Rename { merchant, direction, from, to } => {
                write!(f, "level `{from}` for {}s of merchant `{merchant}` was renamed `{to}`", direction.word())
            }
            Self::PutRates(_) => f.write_str("the rates were set"),
        }
    }
}

/// What an operator asks for, and who does so when.
#[derive(Debug, Clone)]
pub struct Change {
    /// What.
    pub asked: Asked,
    /// Who, where that is known.
    pub by: Option<Name>,
    /// When.
    pub at: Millis,
}

/// What has come of it; it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Whether there was no such level before.
    pub is_new: bool,
    /// The levels that are no more.
    pub deleted: Vec<Name>,
    /// The currencies in which a level got another name.
    pub currencies: Vec<Currency>,
    /// How many customers had anything under the old name.
    pub customers: usize,
}

/// What changes the rules in force, one thing at a time.
pub(crate) type Configure = Box<dyn Fn(&Change) -> Result<Done, Problem> + Send + Sync>;

async fn change(daemon: &Arc<Daemon>, asked: Asked, by: Option<Name>) -> Result<Done, Problem> {
    let at = match daemon.desk.time() {
        Err(problem) if problem.is_unavailable() => return Err(problem),
        // No payment has said yet what time it is.
        now => now.unwrap_or_else(|_| daemon.desk.clock.wall()),
    };
    let (daemon, change) = (Arc::clone(daemon), Change { asked, by, at });
    let done = tokio::task::spawn_blocking(move || (daemon.configure)(&change)).await;
    done.unwrap_or_else(|error| Err(Problem::unfinished(&error)))
}

/// The level that a path names; `is_new`: the call may make it.
fn key(staff: &Staff, is_new: bool) -> Result<LevelKey, Problem> {
    let (merchant, direction, currency) = (staff.merchant.id, staff.direction(0)?, staff.currency(1)?);
    let name = if is_new { staff.new_name(2, "name")? } else { staff.name(2, "name")? };
    if name == Name::unrecorded() {
        let called =
            format!("level `{}` for {}s in {currency} of merchant `{merchant}`", staff.named(2), direction.word());
        return Err(Refusal::UnknownLevel(called).into());
    }
    Ok(LevelKey { merchant, direction, currency, name })
}

/// `PUT /v1/merchants/{m}/levels/{direction}/{currency}/{name}`.
pub(crate) async fn put(staff: Staff) -> Response {
    let done = async {
        let key = key(&staff, true)?;
        let done = change(&staff.daemon, Asked::PutLevel(key, staff.body.clone()), staff.author.by).await?;
        let rules = staff.daemon.desk.rules();
        let merchant = rules.merchant(key.merchant.as_str());
        let level = merchant.and_then(|m| Some((m, m.level(key.direction, key.currency, key.name)?)));
        let shown = level.map(|(merchant, level)| overview::level_value(&rules, merchant, level));
        let body = render(&value!({ "level": shown, "config_version": rules.version }));
        Ok(if done.is_new { Told::created(body) } else { Told::of(body) })
    };
    let done = done.await;
    staff.tell(done).await
}

async fn delete_of(staff: &Staff, asked: Asked) -> Result<Told, Problem> {
    let done = change(&staff.daemon, asked, staff.author.by).await?;
    let deleted: Vec<&str> = done.deleted.iter().map(|name| name.as_str()).collect();
    let version = &staff.daemon.desk.rules().version;
    Ok(Told::of(render(&value!({ "deleted": deleted, "config_version": version }))))
}

/// `DELETE /v1/merchants/{m}/levels/{direction}/{currency}/{name}`.
pub(crate) async fn delete(staff: Staff) -> Response {
    let done = match key(&staff, false) {
        Ok(key) => delete_of(&staff, Asked::DeleteLevel(key)).await,
        Err(problem) => Err(problem),
    };
    staff.tell(done).await
}

/// `DELETE /v1/merchants/{m}/levels/{direction}/{currency}`.
pub(crate) async fn delete_currency(staff: Staff) -> Response {
    let done = match (staff.direction(0), staff.currency(1)) {
        (Ok(direction), Ok(currency)) => {
            let merchant = staff.merchant.id;
            delete_of(&staff, Asked::DeleteCurrency { merchant, direction, currency }).await
        }
        (Err(problem), _) | (_, Err(problem)) => Err(problem),
    };
    staff.tell(done).await
}

/// `POST /v1/merchants/{m}/levels/{direction}/{name}/rename`.
///
/// A level may be called `rename`, so that the method tells one address from the other.
pub(crate) async fn rename(staff: Staff) -> Response {
    let done = async {
        if staff.named(2) != "rename" {
            return Err(Problem::method_not_allowed());
        }
        let (direction, from) = (staff.direction(0)?, staff.name(1, "name")?);
        if from == Name::unrecorded() {
            let (from, merchant) = (staff.named(1), staff.merchant.id);
            let called = format!("level `{from}` for {}s of merchant `{merchant}`", direction.word());
            return Err(Refusal::UnknownLevel(called).into());
        }
        let to = body::new_name(&staff.body, staff.merchant.id)?;
        let asked = Asked::Rename { merchant: staff.merchant.id, direction, from, to };
        let done = change(&staff.daemon, asked, staff.author.by).await?;
        let currencies: Vec<String> = done.currencies.iter().map(ToString::to_string).collect();
        let version = &staff.daemon.desk.rules().version;
        Ok(Told::of(render(&value!({
            "from": from.as_str(), "to": to.as_str(), "currencies": currencies, "customers": done.customers,
            "config_version": version,
        }))))
    };
    let done = done.await;
    staff.tell(done).await
}

/// `PUT /v1/rates`.
pub(crate) async fn put_rates(
    State(daemon): State<Arc<Daemon>>,
    grant: Option<Extension<Grant>>,
    body: Body,
) -> Response {
    let done = async {
        let grant = grant.as_deref();
        let body = read_body(&daemon, body).await?;
        daemon.admits_still(grant, &Method::PUT, "/v1/rates")?;
        no_card_in_json(&body, None)?;
        change(&daemon, Asked::PutRates(body), grant.map(|grant| grant.name)).await
    };
    match done.await {
        Err(problem) => problem.into_response(),
        Ok(_) => told(&daemon.desk, Ok(render(&overview::rates_value(&daemon.desk.rules())))).await,
    }
}
