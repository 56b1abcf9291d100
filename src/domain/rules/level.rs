//! Levels: limits and settings of the customers that are assigned to them.

use crate::domain::{
    rules::{
        filter::Filter,
        gates::{GateItem, RoutingStrategy},
        project::MethodSetting,
        provenance::Provenance,
    },
    vocabulary::{
        direction::Direction,
        money::Currency,
        names::{Name, UNKNOWN_LEVEL},
    },
};

/// The most levels of one merchant that requests may create.
pub const LEVELS_MAX: usize = 1_000;

/// The key of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelKey {
    /// The merchant of the level.
    pub merchant: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of its limits and settings.
    pub currency: Currency,
    /// The name by which customers are assigned to it.
    pub name: Name,
}

impl LevelKey {
    /// The level as in the path of a request: `deposit/EUR/gold`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.direction.word(), self.currency, self.name)
    }
}

impl std::fmt::Display for LevelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { merchant, direction, currency, name } = self;
        write!(f, "level `{name}` for {}s in {currency} of merchant `{merchant}`", direction.word())
    }
}

/// The projects to which a level applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectList {
    /// Every one.
    All,
    /// These.
    Listed(Vec<Name>),
}

/// A level: limits and settings for the customers assigned to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The name; with direction and currency, the key.
    pub name: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of its limits and settings.
    pub currency: Currency,
    /// Whether it is active.
    pub active: bool,
    /// The projects to which it applies.
    pub projects: ProjectList,
    /// Method settings that override the endpoint's.
    pub methods: Vec<MethodSetting>,
    /// A gate list that overrides the endpoint's.
    pub gates: Option<Vec<GateItem>>,
    /// A strategy that overrides the endpoint's, which is by priority.
    pub routing: Option<RoutingStrategy>,
    /// In the order of the file.
    pub filters: Vec<Filter>,
    /// Its origin and times.
    pub known: Provenance,
}

impl Level {
    /// A level that nothing configures: active, without settings and filters. The level `unknown` applies to every
    /// project, any other level to none.
    #[must_use]
    pub fn bare(name: Name, direction: Direction, currency: Currency) -> Self {
        let projects = match name.as_str() == UNKNOWN_LEVEL {
            true => ProjectList::All,
            false => ProjectList::Listed(Vec::new()),
        };
        Self {
            name,
            direction,
            currency,
            active: true,
            projects,
            methods: Vec::new(),
            gates: None,
            routing: None,
            filters: Vec::new(),
            known: Provenance::default(),
        }
    }

    /// Whether both are the same level with the same settings, wherever they come from.
    #[must_use]
    pub fn has_settings_of(&self, other: &Self) -> bool {
        let known = other.known;
        Self { known, ..self.clone() } == *other
    }

    /// Whether it applies to payments of this project.
    #[must_use]
    pub fn applies_to(&self, project: Name) -> bool {
        self.active
            && match &self.projects {
                ProjectList::All => true,
                ProjectList::Listed(listed) => listed.contains(&project),
            }
    }
}
