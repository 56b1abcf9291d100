//! A merchant: its options, its indexes, and what its labels forbid.

use crate::domain::{
    rules::{
        gates::{Gate, GateItem, Route},
        labels::{Label, LabelKind, Restriction},
        level::Level,
        project::Project,
        raise_policy::RaisePolicy,
        registration::policy::RegistrationPolicy,
    },
    vocabulary::{
        calendar::Calendar,
        direction::Direction,
        money::Currency,
        names::{Map, Name, Set, UNKNOWN_LEVEL},
        words::{Word, words},
    },
};

words! {
    /// Which identifier names the customer.
    OperationMode {
        /// The merchant's own identifier.
        Crm = "crm",
        /// The internal `customer_id`.
        PaymentGateway = "payment_gateway",
    }
}

words! {
    /// The fallback where no level is configured.
    DefaultBehaviour {
        /// The level `unknown`, as configured.
        UnknownLevel = "unknown_level",
        /// Only the settings of the endpoint.
        Project = "project",
    }
}

words! {
    /// Whether a refund reduces usage.
    RefundPolicy {
/// It does not reduce usage.
        None = "none",
        /// It reduces usage at the time of the transaction.
        Original = "original",
    }
}

words! {
    /// Whether a method that is hidden from the form can pay.
    HiddenMethodPolicy {
/// Payments by it are denied.
        Deny = "deny",
        /// Payments by it are allowed.
        HideOnly = "hide_only",
    }
}

/// A merchant.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// Unique.
    pub id: Name,
    /// The display name.
    pub name: String,
    /// Which identifier names the customer.
    pub mode: OperationMode,
    /// The fallback where no level is configured.
    pub default_behaviour: DefaultBehaviour,
    /// Days, weeks and months in the merchant's time zone.
    pub calendar: Calendar,
    /// Whether a change of level drops the customer's individual settings of that direction.
    pub reset_settings_on_level_change: bool,
    /// Whether the level `unknown` applies to every project without listing it.
    pub all_projects_to_unknown: bool,
    /// The hold of a reservation in milliseconds, for deposits and withdrawals; `None`: without end.
    pub hold_ms: [Option<i64>; 2],
    /// Whether a refund reduces usage.
    pub refunds: RefundPolicy,
    /// Whether hidden methods can pay.
    pub hidden_methods: HiddenMethodPolicy,
    /// Whether a signal at this merchant blocks instruments at every merchant, even from a caller for some merchants.
    pub trust_blocks: bool,
    /// Whether transaction ids are long numbers, which are not checked for card numbers.
    pub numeric_ids: bool,
    /// Whether the merchant is reserved for `levelgate bench`, which records payments of made-up customers.
    pub benchmark: bool,
    /// Whether it is a test merchant: some ids are denied as named, and blocks of instruments neither reach it nor leave it.
    pub sandbox: bool,
    /// Whether records and snapshots contain the identifiers of its customers in sealed form.
    pub seal_identifiers: bool,
    /// The policy of registrations.
    pub registration: RegistrationPolicy,
    /// In the order of the file; a new customer gets the first one.
    pub labels: Vec<Label>,
    /// The most labels of one customer.
    pub labels_max: usize,
    /// When a raise of a customer's own limits takes effect.
    pub raises: RaisePolicy,
    /// The grace period of a deletion request, in milliseconds.
    pub deletion_grace_ms: i64,
    /// The address at which a terminal shows a customer; see [`crate::domain::rules::terminal`].
    pub terminal_url: Option<String>,
    /// In the order of the file.
    pub gates: Vec<Gate>,
    /// In the order of the file.
    pub routes: Vec<Route>,
    /// In the order of the file.
    pub projects: Vec<Project>,
    /// In the order of the file.
    pub levels: Vec<Level>,
    /// Indexes of the levels; see [`Merchant::build_indexes`].
    pub level_indexes: Map<(Direction, Currency, Name), usize>,
    /// The names of all levels.
    pub level_names: Set<Name>,
    /// Indexes of the projects.
    pub project_indexes: Map<&'static str, usize>,
}

impl Merchant {
    /// Builds the indexes; called once, when all lists are complete.
    pub fn build_indexes(&mut self) {
        let places = self.levels.iter().enumerate();
        self.level_indexes = places.map(|(place, l)| ((l.direction, l.currency, l.name), place)).collect();
        self.level_names = self.levels.iter().map(|level| level.name).collect();
        self.project_indexes = self.projects.iter().enumerate().map(|(place, p)| (p.id.as_str(), place)).collect();
    }

    /// The level of this key, active or not.
    #[must_use]
    #[inline]
    pub fn level(&self, direction: Direction, currency: Currency, name: Name) -> Option<&Level> {
        self.level_indexes.get(&(direction, currency, name)).and_then(|&place| self.levels.get(place))
    }

    /// Whether a level of any direction and currency has the name.
    #[must_use]
    pub fn has_level(&self, name: Name) -> bool {
        name.as_str() == UNKNOWN_LEVEL || self.level_names.contains(&name)
    }

    /// The project of this id.
    #[must_use]
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.project_indexes.get(id).and_then(|&place| self.projects.get(place))
    }

    /// How long a hold of this direction lasts, in milliseconds.
    #[must_use]
    pub fn hold_ms(&self, direction: Direction) -> Option<i64> {
        self.hold_ms[direction as usize]
    }

    /// How long a payment of this merchant can affect decisions, in milliseconds: the longest window plus the longest
    /// hold. Lifetime windows are ignored: evicted payments stay in their sums.
    #[must_use]
    pub fn lookback_ms(&self) -> i64 {
        let windows =
            self.levels.iter().flat_map(|level| &level.filters).filter_map(|filter| filter.window.longest_ms());
        let hold = self.hold_ms.iter().flatten().copied().max();
        windows.max().unwrap_or(0).saturating_add(hold.unwrap_or(0))
    }
}

impl Merchant {
    /// Whether one of these labels has the restriction. A label that is no longer configured has none.
    #[must_use]
    pub fn forbids(&self, labels: &[Name], restriction: Restriction) -> bool {
        self.forbidding_label(labels, restriction).is_some()
    }

    /// The first of these labels that has the restriction.
    #[must_use]
    pub fn forbidding_label(&self, labels: &[Name], restriction: Restriction) -> Option<Name> {
        let known = labels.iter().filter_map(|name| self.label(*name));
        known.into_iter().find(|label| label.forbids(restriction)).map(|label| label.name)
    }

    /// Whether one of these labels is of a kind.
    #[must_use]
    pub fn has_label_of(&self, labels: &[Name], kind: LabelKind) -> bool {
        labels.iter().filter_map(|name| self.label(*name)).any(|label| label.kind == kind)
    }

    /// Every restriction of these labels, each once.
    #[must_use]
    pub fn restrictions(&self, labels: &[Name]) -> Vec<&'static str> {
        let mut restrictions: Vec<&'static str> = Vec::new();
        for label in labels.iter().filter_map(|name| self.label(*name)) {
            let listed = label.restrictions.iter().map(|name| name.as_str());
            let enforced = Restriction::WORDS.iter().filter(|(_, one)| label.forbids(*one)).map(|(word, _)| *word);
            for word in listed.chain(enforced) {
                if !restrictions.contains(&word) {
                    restrictions.push(word);
                }
            }
        }
        restrictions
    }

    /// The label of this name.
    #[must_use]
    pub fn label(&self, name: Name) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }

    /// The label of a new customer: the first one configured.
    #[must_use]
    pub fn default_label(&self) -> Option<&Label> {
        self.labels.first()
    }
}

impl Merchant {
    /// The gate or route of this id.
    #[must_use]
    pub fn gate_item(&self, id: Name) -> Option<GateItem> {
        let gate = self.gates.iter().position(|gate| gate.id == id).map(GateItem::Gate);
        gate.or_else(|| self.routes.iter().position(|route| route.id == id).map(GateItem::Route))
    }
}
