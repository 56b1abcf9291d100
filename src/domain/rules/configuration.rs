//! The rules: one immutable configuration epoch, indexed for the decision.
//!
//! Names are resolved and references are indices by the time that rules exist; nothing here can fail. A request sees
//! one [`Rules`] from start to end.

use crate::domain::{
    rules::{labels::Label, overrides::Provenance, raise_policy::RaisePolicy, registration::Registration},
    usage::conversion::Rates,
    vocabulary::{
        calendar::{Calendar, Window},
        money::{Currencies, Currency, Decimal},
        names::{Map, Name, Set},
    },
};
use std::sync::Arc;

/// The name of the level that always exists.
pub const UNKNOWN_LEVEL: &str = "unknown";
/// The most levels of one merchant that requests may create.
pub const LEVELS_MAX: usize = 1_000;

/// A word of a closed vocabulary, as written on the wire and in files.
pub trait Word: Copy + Sized + 'static {
    /// Every word with its meaning.
    const WORDS: &'static [(&'static str, Self)];

    /// The meaning of a word.
    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
        impl $crate::domain::rules::configuration::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }
        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Which way the money goes.
    Direction {
        /// From the customer to the merchant.
        Deposit = "deposit",
        /// From the merchant to the customer.
        Withdrawal = "withdrawal",
    }
}
words! {
    /// Who names the customer.
    OperationMode {
        /// The merchant's own identifier.
        Crm = "crm",
        /// The internal `customer_id`.
        PaymentGateway = "payment_gateway",
    }
}
words! {
    /// What decides where no level is configured.
    DefaultBehaviour {
        /// The level `unknown` as configured.
        UnknownLevel = "unknown_level",
        /// The endpoint's settings alone.
        Project = "project",
    }
}
words! {
    /// Whether a refund gives usage back.
    Refunds {
        /// It does not.
        None = "none",
        /// It counts as a cancel in the transaction's own window.
        Original = "original",
    }
}
words! {
    /// What hiding a method from the form means for a payment.
    HiddenMethods {
        /// It cannot pay.
        Deny = "deny",
        /// It pays all the same.
        HideOnly = "hide_only",
    }
}
words! {
    /// How a gate list is ordered.
    Routing {
        /// As listed.
        Priority = "priority",
        /// By weight, the same order for the same transaction.
        Weighted = "weighted",
    }
}
words! {
    /// What a filter does.
    Mode {
        /// It denies.
        Enforce = "enforce",
        /// It is evaluated and reported, and never denies.
        Shadow = "shadow",
        /// Nothing.
        Off = "off",
    }
}
words! {
    /// Which transactions a filter counts.
    Scope {
        /// Those decided under the same direction, currency and level name.
        Level = "level",
        /// All of the customer's in the direction, converted.
        Merchant = "merchant",
        /// All of the customer's in the direction and currency, whatever the level: a customer's own limits.
        Customer = "customer",
    }
}
words! {
    /// A common attribute of a customer.
    Attribute {
        /// E-mail address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// The id in some other system.
        ExternalId = "external_id",
        /// The stored payment instrument: the gateway's token.
        PaymentInstrument = "payment_instrument",
        /// Full name.
        Name = "name",
        /// First name.
        FirstName = "first_name",
        /// Last name.
        LastName = "last_name",
        /// Country.
        Country = "country",
        /// City.
        City = "city",
        /// Street and number.
        Address = "address",
        /// Postal code.
        PostalCode = "postal_code",
        /// Date of birth.
        DateOfBirth = "date_of_birth",
        /// Language.
        Language = "language",
    }
}

/// One whole configuration of the decision.
#[derive(Debug, Default)]
pub struct Rules {
    /// Names these rules: a digest of merchants and rates.
    pub version: String,
    /// Known currencies.
    pub currencies: Currencies,
    /// The exchange rates in force.
    pub rates: Arc<Rates>,
    /// By id.
    pub merchants: Map<&'static str, Arc<Merchant>>,
}

impl Rules {
    /// The merchant of this id.
    #[must_use]
    pub fn merchant(&self, id: &str) -> Option<&Arc<Merchant>> {
        self.merchants.get(id)
    }
}

/// Who is paid.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// Unique.
    pub id: Name,
    /// For people.
    pub name: String,
    /// Who names the customer.
    pub mode: OperationMode,
    /// What decides where no level is configured.
    pub default_behaviour: DefaultBehaviour,
    /// Days, weeks and months in the merchant's time zone.
    pub calendar: Calendar,
    /// Whether a change of level drops the customer's individual settings of that direction.
    pub reset_settings_on_level_change: bool,
    /// Whether `unknown` applies to every project without listing it.
    pub all_projects_to_unknown: bool,
    /// How long a reservation holds, deposits and withdrawals, in milliseconds; `None`: for ever.
    pub hold_ms: [Option<i64>; 2],
    /// Whether a refund gives usage back.
    pub refunds: Refunds,
    /// What hiding means.
    pub hidden_methods: HiddenMethods,
    /// Whether a caller for some merchants blocks instruments at every merchant by a signal here.
    pub trust_blocks: bool,
    /// Whether transaction ids are long numbers, which are not judged as card numbers.
    pub numeric_ids: bool,
    /// Whether records and snapshots hold the identifiers of its customers sealed.
    pub seal_identifiers: bool,
    /// By what customers are registered.
    pub registration: Registration,
    /// In the order of the file: the first one is a new customer's.
    pub labels: Vec<Label>,
    /// The most labels of one customer.
    pub labels_max: usize,
    /// When a raise of a customer's own limits takes effect.
    pub raises: RaisePolicy,
    /// After how many milliseconds a customer who asked for it is deleted.
    pub deletion_grace_ms: i64,
    /// Where a terminal shows a customer; see [`crate::domain::rules::terminal`].
    pub terminal_url: Option<String>,
    /// In the order of the file.
    pub gates: Vec<Gate>,
    /// In the order of the file.
    pub routes: Vec<Route>,
    /// In the order of the file.
    pub projects: Vec<Project>,
    /// In the order of the file.
    pub levels: Vec<Level>,
    /// Places of the levels; see [`Merchant::index`].
    pub level_places: Map<(Direction, Currency, Name), usize>,
    /// Every name that a level bears.
    pub level_names: Set<Name>,
    /// Places of the projects.
    pub project_places: Map<&'static str, usize>,
}

impl Merchant {
    /// Builds the indexes; to be called once, when all lists are complete.
    pub fn index(&mut self) {
        let places = self.levels.iter().enumerate();
        self.level_places = places.map(|(place, l)| ((l.direction, l.currency, l.name), place)).collect();
        self.level_names = self.levels.iter().map(|level| level.name).collect();
        self.project_places = self.projects.iter().enumerate().map(|(place, p)| (p.id.as_str(), place)).collect();
    }

    /// The level of this key, whatever its status.
    #[must_use]
    #[inline]
    pub fn level(&self, direction: Direction, currency: Currency, name: Name) -> Option<&Level> {
        self.level_places.get(&(direction, currency, name)).and_then(|&place| self.levels.get(place))
    }

    /// Whether any level, of whatever direction and currency, bears the name.
    #[must_use]
    pub fn names_level(&self, name: Name) -> bool {
        name.as_str() == UNKNOWN_LEVEL || self.level_names.contains(&name)
    }

    /// The project of this id.
    #[must_use]
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.project_places.get(id).and_then(|&place| self.projects.get(place))
    }

    /// How long a hold of this direction lasts, in milliseconds.
    #[must_use]
    pub fn hold_ms(&self, direction: Direction) -> Option<i64> {
        self.hold_ms[direction as usize]
    }

    /// How far back a payment of this merchant may matter, milliseconds: the longest window and the longest hold
    /// together. Windows without a beginning do not count: what they hold is summed up when it leaves.
    #[must_use]
    pub fn reach_ms(&self) -> i64 {
        let windows =
            self.levels.iter().flat_map(|level| &level.filters).filter_map(|filter| filter.window.longest_ms());
        let hold = self.hold_ms.iter().flatten().copied().max();
        windows.max().unwrap_or(0).saturating_add(hold.unwrap_or(0))
    }
}

/// A merchant's shop.
#[derive(Debug, Clone)]
pub struct Project {
    /// Unique in the merchant.
    pub id: Name,
    /// Ways into it.
    pub endpoints: Vec<Endpoint>,
}

/// A way into a project: one currency.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Unique in the project.
    pub id: Name,
    /// The only currency here.
    pub currency: Currency,
    /// The base gates.
    pub gates: Vec<GateItem>,
    /// The base payment methods.
    pub methods: Vec<MethodSetting>,
    /// By which attributes a customer is recognised: its own, else the project's.
    pub client_definition: Vec<Attribute>,
}

/// One entry of a gate list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateItem {
    /// The place of a gate in [`Merchant::gates`].
    Gate(usize),
    /// The place of a route in [`Merchant::routes`].
    Route(usize),
}

/// A named way to a processor account.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Unique in the merchant, among gates and routes.
    pub id: Name,
    /// Whether it takes payments at all.
    pub enabled: bool,
    /// `None`: both.
    pub directions: Option<Vec<Direction>>,
    /// `None`: all.
    pub currencies: Option<Vec<Currency>>,
    /// `None`: all.
    pub methods: Option<Vec<Name>>,
    /// In the payment's currency.
    pub min_amount: Option<Decimal>,
    /// In the payment's currency.
    pub max_amount: Option<Decimal>,
    /// Its share under weighted routing.
    pub weight: u32,
}

/// A named list of gates with its own routing.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique in the merchant, among gates and routes.
    pub id: Name,
    /// Places in [`Merchant::gates`].
    pub gates: Vec<usize>,
    /// Their order.
    pub routing: Routing,
}

/// What one layer says of a payment method; `None` says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodSetting {
    /// The method.
    pub method: Name,
    /// Whether the form shows it.
    pub show_in_form: Option<bool>,
    /// Minor units.
    pub min_amount: Option<u64>,
    /// Minor units.
    pub max_amount: Option<u64>,
    /// Its own gate list.
    pub gates: Option<Vec<GateItem>>,
}

/// Which projects a level applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projects {
    /// Every one.
    All,
    /// These.
    Listed(Vec<Name>),
}

/// A rung of the customer ladder.
#[derive(Debug, Clone)]
pub struct Level {
    /// With direction and currency, the key.
    pub name: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of its limits and settings.
    pub currency: Currency,
    /// Whether it applies at all.
    pub active: bool,
    /// Where it applies.
    pub projects: Projects,
    /// Settings over the endpoint's.
    pub methods: Vec<MethodSetting>,
    /// A gate list over the endpoint's.
    pub gates: Option<Vec<GateItem>>,
    /// An order over the endpoint's, which is by priority.
    pub routing: Option<Routing>,
    /// In the order of the file.
    pub filters: Vec<Filter>,
    /// Where it came from, and when.
    pub known: Provenance,
}

impl Level {
    /// Whether it applies to payments of this project.
    #[must_use]
    pub fn covers(&self, project: Name) -> bool {
        self.active
            && match &self.projects {
                Projects::All => true,
                Projects::Listed(listed) => listed.contains(&project),
            }
    }
}

words! {
    /// Under which codes a filter denies.
    WindowClass {
        /// 19000, 19001.
        Daily = "daily",
        /// 19002, 19003.
        Weekly = "weekly",
        /// 19004, 19005.
        Monthly = "monthly",
        /// 19006, 19007.
        Other = "other",
    }
}

/// One usage limit of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Unique in the level.
    pub name: Name,
    /// Under which codes it denies.
    pub class: WindowClass,
    /// Its span.
    pub window: Window,
    /// Minor units of the level's currency.
    pub amount_limit: Option<u64>,
    /// Transactions.
    pub quantity_limit: Option<u64>,
    /// What it counts.
    pub scope: Scope,
    /// Whether a cancelled amount no longer counts.
    pub subtract_cancels: bool,
    /// What it does.
    pub mode: Mode,
    /// The share of a limit from which on an allowed payment is reported, in hundredths of a percent.
    pub warn_at: Option<u32>,
}
