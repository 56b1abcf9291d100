//! Which level decides a payment: what the request says, what is stored, what the merchant's default is.

use crate::domain::{
    decision::payment::SentLevel,
    rules::configuration::{DefaultBehaviour, Direction, Level, Merchant, OperationMode, UNKNOWN_LEVEL},
    transaction::record::LevelSource,
    vocabulary::{money::Currency, names::Name},
};
use std::sync::LazyLock;

/// The name `unknown`.
#[must_use]
pub fn unknown() -> Name {
    static NAME: LazyLock<Name> = LazyLock::new(|| Name::constant(UNKNOWN_LEVEL));
    *NAME
}

/// The level that decides, and under whose name the transaction counts.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'r> {
    /// The name that the transaction counts under; `None`: no level applies, only the settings of the endpoint.
    pub name: Option<Name>,
    /// Where it came from.
    pub source: LevelSource,
    /// Its settings and filters; `None`: a bare `unknown`, or the endpoint alone.
    pub level: Option<&'r Level>,
}

/// What a request makes of the stored level name, and the level that decides it.
#[derive(Debug, Clone, Copy)]
pub struct Resolved<'r> {
    /// The level that decides.
    pub in_force: InForce<'r>,
    /// The new stored name, where it changes (`Some(None)`: becomes empty).
    pub stored: Option<Option<Name>>,
}

/// Resolves the level of a payment (domain.md, section 2).
#[must_use]
#[inline]
pub fn resolve(
    merchant: &Merchant,
    stored: Option<Name>,
    sent: SentLevel,
    direction: Direction,
    currency: Currency,
    project: Name,
) -> Resolved<'_> {
    let (used, source, kept) = match sent {
        SentLevel::Named(name) => (Some(name), LevelSource::Request, Some(name)),
        SentLevel::Absent => (stored, LevelSource::Stored, stored),
        SentLevel::Empty => {
            let kept = match (merchant.mode, merchant.default_behaviour) {
                (OperationMode::PaymentGateway, _) => stored,
                (OperationMode::Crm, DefaultBehaviour::UnknownLevel) => Some(unknown()),
                (OperationMode::Crm, DefaultBehaviour::Project) => None,
            };
            (None, LevelSource::Default, kept)
        }
    };
    let in_force = used
        .and_then(|name| configured(merchant, direction, currency, name, project, source))
        .unwrap_or_else(|| by_default(merchant, direction, currency, project));
    Resolved { in_force, stored: (kept != stored).then_some(kept) }
}

#[inline]
fn configured(
    merchant: &Merchant,
    direction: Direction,
    currency: Currency,
    name: Name,
    project: Name,
    source: LevelSource,
) -> Option<InForce<'_>> {
    match merchant.level(direction, currency, name) {
        Some(level) if covers(merchant, level, project) => {
            Some(InForce { name: Some(name), source, level: Some(level) })
        }
        // `unknown` exists everywhere; where nothing configures it, it is bare and applies to all projects.
        None if name == unknown() => Some(InForce { name: Some(name), source, level: None }),
        _ => None,
    }
}

fn covers(merchant: &Merchant, level: &Level, project: Name) -> bool {
    level.covers(project) || (level.active && merchant.all_projects_to_unknown && level.name == unknown())
}

/// The level where no configured one is named.
fn by_default(merchant: &Merchant, direction: Direction, currency: Currency, project: Name) -> InForce<'_> {
    match merchant.default_behaviour {
        DefaultBehaviour::Project => InForce { name: None, source: LevelSource::Project, level: None },
        DefaultBehaviour::UnknownLevel => {
            let level = merchant.level(direction, currency, unknown()).filter(|level| covers(merchant, level, project));
            InForce { name: Some(unknown()), source: LevelSource::Default, level }
        }
    }
}

/// The level whose limits bear on a transaction that was decided under this name, by the rules of now.
#[must_use]
pub fn of_recorded(
    merchant: &Merchant,
    name: Option<Name>,
    source: LevelSource,
    direction: Direction,
    currency: Currency,
    project: Name,
) -> InForce<'_> {
    match (source, name) {
        (LevelSource::Request | LevelSource::Stored, Some(name)) => {
            configured(merchant, direction, currency, name, project, source)
                .unwrap_or_else(|| by_default(merchant, direction, currency, project))
        }
        _ => by_default(merchant, direction, currency, project),
    }
}
