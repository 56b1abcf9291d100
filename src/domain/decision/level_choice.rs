//! Which level decides a payment: the requested one, the stored one, or the merchant's default.

use crate::domain::{
    rules::{
        level::Level,
        merchant::{DefaultBehaviour, Merchant, OperationMode},
    },
    transaction::opening::{LevelSource, SentLevel},
    vocabulary::{
        direction::Direction,
        money::Currency,
        names::{Name, UNKNOWN_LEVEL},
    },
};
use std::sync::LazyLock;

/// The name `unknown`.
#[must_use]
pub fn unknown_level() -> Name {
    static NAME: LazyLock<Name> = LazyLock::new(|| Name::constant(UNKNOWN_LEVEL));
    *NAME
}

/// The level that decides, and under whose name the transaction counts.
#[derive(Debug, Clone, Copy)]
pub struct EffectiveLevel<'r> {
    /// The name that the transaction counts under; `None`: no level applies, only the settings of the endpoint.
    pub name: Option<Name>,
    /// Where it came from.
    pub source: LevelSource,
    /// Its settings and filters; `None`: a bare `unknown`, or the endpoint alone.
    pub level: Option<&'r Level>,
}

/// The level that decides a payment, and the change of the stored level name.
#[derive(Debug, Clone, Copy)]
pub struct LevelChoice<'r> {
    /// The level that decides.
    pub in_force: EffectiveLevel<'r>,
    /// The new stored name, where it changes (`Some(None)`: becomes empty).
    pub stored: Option<Option<Name>>,
}

/// The payment for which a level is chosen.
#[derive(Debug, Clone, Copy)]
pub struct LevelQuery<'r> {
    /// The merchant.
    pub merchant: &'r Merchant,
    /// The direction of the payment.
    pub direction: Direction,
    /// The currency of the payment.
    pub currency: Currency,
    /// The project of the payment.
    pub project: Name,
}

impl<'r> LevelQuery<'r> {
    /// Chooses the level of a payment (domain.md, section 2) by the stored and the sent level name.
    #[must_use]
    #[inline]
    pub fn choose(self, stored: Option<Name>, sent: SentLevel) -> LevelChoice<'r> {
        let (used, source, kept) = match sent {
            SentLevel::Named(name) => (Some(name), LevelSource::Request, Some(name)),
            SentLevel::Absent => (stored, LevelSource::Stored, stored),
            SentLevel::Empty => {
                let kept = match (self.merchant.mode, self.merchant.default_behaviour) {
                    (OperationMode::PaymentGateway, _) => stored,
                    (OperationMode::Crm, DefaultBehaviour::UnknownLevel) => Some(unknown_level()),
                    (OperationMode::Crm, DefaultBehaviour::Project) => None,
                };
                (None, LevelSource::Default, kept)
            }
        };
        let in_force = used.and_then(|name| self.configured(name, source)).unwrap_or_else(|| self.default_level());
        LevelChoice { in_force, stored: (kept != stored).then_some(kept) }
    }

    /// The level of a recorded transaction by the current rules.
    #[must_use]
    pub fn recorded(self, name: Option<Name>, source: LevelSource) -> EffectiveLevel<'r> {
        match (source, name) {
            (LevelSource::Request | LevelSource::Stored, Some(name)) => {
                self.configured(name, source).unwrap_or_else(|| self.default_level())
            }
            _ => self.default_level(),
        }
    }

    #[inline]
    fn configured(self, name: Name, source: LevelSource) -> Option<EffectiveLevel<'r>> {
        match self.merchant.level(self.direction, self.currency, name) {
            Some(level) if self.applies(level) => Some(EffectiveLevel { name: Some(name), source, level: Some(level) }),
            // `unknown` exists everywhere. Where it is not configured, it has no settings and applies to all projects.
            None if name == unknown_level() => Some(EffectiveLevel { name: Some(name), source, level: None }),
            _ => None,
        }
    }

    /// The level where no configured one applies.
    fn default_level(self) -> EffectiveLevel<'r> {
        match self.merchant.default_behaviour {
            DefaultBehaviour::Project => EffectiveLevel { name: None, source: LevelSource::Project, level: None },
            DefaultBehaviour::UnknownLevel => {
                let configured = self.merchant.level(self.direction, self.currency, unknown_level());
                let level = configured.filter(|level| self.applies(level));
                EffectiveLevel { name: Some(unknown_level()), source: LevelSource::Default, level }
            }
        }
    }

    fn applies(self, level: &Level) -> bool {
        let is_unknown = level.name == unknown_level();
        level.applies_to(self.project) || (level.active && self.merchant.all_projects_to_unknown && is_unknown)
    }
}
