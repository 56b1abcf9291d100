//! The one fallible step from a merchant's file to [`Merchant`]: names are resolved, amounts become minor units.

use crate::config::{
    compile::{customers, filter},
    parse::{
        amount::{compare, decimal, known, money},
        raw::{Names, RawEndpoint, RawGate, RawLevel, RawMerchant, RawMethod, RawProject, RawRoute, Status},
        read::{At, span_ms},
        source::Span,
    },
    report::report::Report,
};
use crate::domain::{
    customer::attributes::recognises,
    rules::{
        configuration::{
            Attribute, DefaultBehaviour, Endpoint, Gate, GateItem, HiddenMethods, Level, Merchant, MethodSetting,
            OperationMode, Project, Projects, Refunds, Route, Routing, UNKNOWN_LEVEL,
        },
        overrides::Provenance,
    },
    vocabulary::{
        calendar::Calendar,
        money::{Currencies, Currency},
        names::{Map, Name, Set},
        suggest::nearest,
        time::DAY_MS,
    },
};
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

const HOUR_MS: i64 = 3_600_000;
/// How long a reservation holds where the file says nothing: deposits, withdrawals.
const HOLD_MS: [Option<i64>; 2] = [Some(HOUR_MS), Some(7 * DAY_MS)];

/// Compiles a merchant; `None` where any of it is wrong, and then the report says what.
pub(in crate::config) fn merchant(raw: &RawMerchant, report: &Report, currencies: &Currencies) -> Option<Merchant> {
    let places = Places::of(raw, report);
    let compiler = Compiler { report, currencies, places: &places };
    let calendar = compiler.calendar(raw);
    let hold_ms = compiler.hold_ms(raw);
    let gates = raw.gates.iter().filter_map(|gate| compiler.gate(gate)).collect();
    let routes = raw.routes.iter().filter_map(|route| compiler.route(route)).collect();
    let projects = compiler.projects(raw);
    let levels = compiler.levels(raw);
    let labels = customers::labels(&raw.labels, report);
    let registration = customers::registration(&raw.registration, calendar.as_ref(), report);
    let delays = customers::delays(raw, report);
    let terminal_url = customers::terminal_url(raw.terminal_url.as_ref(), report);
    let id = raw.id.as_ref()?.value;
    if report.has_errors() {
        return None;
    }
    let mut merchant = Merchant {
        id,
        name: raw.name.as_ref().map_or_else(|| id.to_string(), |name| name.value.clone()),
        mode: or(&raw.mode, OperationMode::Crm),
        default_behaviour: or(&raw.default_behaviour, DefaultBehaviour::UnknownLevel),
        calendar: calendar?,
        reset_settings_on_level_change: or(&raw.reset_settings_on_level_change, false),
        all_projects_to_unknown: or(&raw.all_projects_to_unknown, false),
        hold_ms,
        refunds: or(&raw.refunds, Refunds::None),
        hidden_methods: or(&raw.hidden_methods, HiddenMethods::Deny),
        trust_blocks: or(&raw.trust_blocks, false),
        numeric_ids: or(&raw.numeric_ids, false),
        seal_identifiers: or(&raw.seal_identifiers, false),
        registration,
        labels,
        labels_max: usize::try_from(or(&raw.labels_max, customers::LABELS_MAX)).unwrap_or(usize::MAX),
        raises: delays.raises,
        deletion_grace_ms: delays.deletion_grace_ms,
        terminal_url,
        gates,
        routes,
        projects,
        levels,
        level_names: Set::default(),
        level_places: Map::default(),
        project_places: Map::default(),
    };
    merchant.index();
    Some(merchant)
}

/// Compiles a level of a merchant that is compiled already; `None` where any of it is wrong, and then the report says what.
pub(in crate::config) fn level(
    raw: &RawLevel,
    merchant: &Merchant,
    currencies: &Currencies,
    report: &Report,
) -> Option<Level> {
    let places = Places::in_force(merchant);
    Compiler { report, currencies, places: &places }.level(raw).filter(|_| !report.has_errors())
}

/// The value as written, or the default.
pub(in crate::config) fn or<T: Copy>(written: &Option<At<T>>, default: T) -> T {
    written.as_ref().map_or(default, |at| at.value)
}

/// What may be referred to, each by its first definition.
struct Places {
    items: HashMap<Name, GateItem>,
    projects: HashSet<Name>,
}

impl Places {
    fn in_force(merchant: &Merchant) -> Self {
        let gates = merchant.gates.iter().enumerate().map(|(place, gate)| (gate.id, GateItem::Gate(place)));
        let routes = merchant.routes.iter().enumerate().map(|(place, route)| (route.id, GateItem::Route(place)));
        let projects = merchant.projects.iter().map(|project| project.id).collect();
        Self { items: gates.chain(routes).collect(), projects }
    }

    fn of(raw: &RawMerchant, report: &Report) -> Self {
        let mut seen: HashMap<Name, &Span> = HashMap::new();
        let mut items = HashMap::new();
        let gates = raw.gates.iter().enumerate().map(|(place, gate)| (&gate.id, "gate", GateItem::Gate(place)));
        let routes = raw.routes.iter().enumerate().map(|(place, route)| (&route.id, "route", GateItem::Route(place)));
        for (id, what, item) in gates.chain(routes) {
            let Some(id) = id else { continue };
            match seen.get(&id.value) {
                Some(first) => {
                    let help = "give it another id: gates and routes share one set of ids, because a gate list may name either";
                    report.twice(&id.span, first, &format!("{what} `{}`", id.value), help);
                }
                None => {
                    seen.insert(id.value, &id.span);
                    items.insert(id.value, item);
                }
            }
        }
        Self { items, projects: raw.projects.iter().filter_map(|project| Some(project.id.as_ref()?.value)).collect() }
    }
}

struct Compiler<'a> {
    report: &'a Report,
    currencies: &'a Currencies,
    places: &'a Places,
}

impl Compiler<'_> {
    fn calendar(&self, raw: &RawMerchant) -> Option<Calendar> {
        let Some(zone) = &raw.time_zone else { return Calendar::of("UTC") };
        let calendar = Calendar::of(&zone.value);
        if calendar.is_none() {
            let known: Vec<String> =
                jiff::tz::TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
            let help = match nearest(&zone.value, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write an IANA time zone, as \"Europe/Nicosia\" or \"UTC\"".to_owned(),
            };
            self.report.error(&zone.span, format!("unknown time zone `{}`", zone.value), help);
        }
        calendar
    }

    fn hold_ms(&self, raw: &RawMerchant) -> [Option<i64>; 2] {
        let mut hold_ms = HOLD_MS;
        for ((hold, key), ms) in raw.hold.iter().zip(["deposit", "withdrawal"]).zip(&mut hold_ms) {
            let Some(hold) = hold else { continue };
            *ms = if hold.value == "never" { None } else { span_ms(self.report, key, hold, "\"never\", or ") };
        }
        hold_ms
    }

    /// Refuses a currency that neither ISO 4217 nor the configuration knows.
    fn known(&self, currency: &At<Currency>) -> Option<Currency> {
        known(currency, self.currencies, self.report)
    }

    fn gate(&self, raw: &RawGate) -> Option<Gate> {
        let bound = |written: &Option<At<String>>| written.as_ref().and_then(|at| decimal(at, self.report));
        let (min_amount, max_amount) = (bound(&raw.min_amount), bound(&raw.max_amount));
        if let (Some(min), Some(max), Some(at)) = (min_amount, max_amount, &raw.min_amount)
            && compare(min, max) == Ordering::Greater
        {
            self.min_above_max(&at.span, &raw.max_amount);
        }
        let served = raw.currencies.as_ref().map(|list| list.value.iter().filter_map(|c| self.known(c)).collect());
        Some(Gate {
            id: raw.id.as_ref()?.value,
            enabled: or(&raw.enabled, true),
            directions: raw.directions.as_ref().map(|list| list.value.iter().map(|at| at.value).collect()),
            currencies: served,
            methods: raw.methods.as_ref().map(|list| list.value.iter().map(|at| at.value).collect()),
            min_amount,
            max_amount,
            weight: u32::try_from(or(&raw.weight, 1)).unwrap_or(u32::MAX),
        })
    }

    fn min_above_max(&self, min: &Span, max: &Option<At<String>>) {
        let also = max.as_ref().map_or_else(|| min.clone(), |max| max.span.clone());
        let also = crate::config::report::problem::Also::new(&self.report.source, &also, "the maximum");
        let help = "write a minimum that is not above the maximum";
        self.report.error_with(
            min,
            "`min_amount` is above `max_amount`: no payment fits between them".into(),
            help,
            also,
        );
    }

    fn route(&self, raw: &RawRoute) -> Option<Route> {
        let items = self.gate_list(raw.gates.as_ref()?);
        let mut gates = Vec::new();
        for (item, name) in items {
            match item {
                GateItem::Gate(place) => gates.push(place),
                GateItem::Route(_) => {
                    let message = format!("`{}` is a route, and a route holds gates only", name.value);
                    self.report.error(&name.span, message, "write the gates of that route instead");
                }
            }
        }
        Some(Route { id: raw.id.as_ref()?.value, gates, routing: or(&raw.routing, Routing::Priority) })
    }

    /// The items of a gate list, each with the name that it was written by.
    fn gate_list<'n>(&self, list: &'n Names) -> Vec<(GateItem, &'n At<Name>)> {
        // A list of which nothing could be read has been reported already.
        if list.value.is_empty() && self.report.source.slice(&list.span).trim_matches(['[', ']', ' ']).is_empty() {
            let help = "name at least one gate; where the key may be absent, leave it out to inherit the list";
            self.report.error(&list.span, "a gate list is empty: no payment could ever go through it", help);
        }
        let item = |name: &'n At<Name>| {
            let item = self.places.items.get(&name.value).copied();
            if item.is_none() {
                let known = self.places.items.keys().map(|name| name.as_str());
                self.unknown("gate or route", name, known, "[[gates]] with this id");
            }
            Some((item?, name))
        };
        list.value.iter().filter_map(item).collect()
    }

    fn unknown<'c>(&self, what: &str, name: &At<Name>, known: impl Iterator<Item = &'c str>, define: &str) {
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let help = match nearest(name.value.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("add {define}"),
            None => format!("add {define}, or name one of {}", known.join(", ")),
        };
        self.report.error(&name.span, format!("unknown {what} `{}`", name.value), help);
    }

    fn items(&self, list: &Option<Names>) -> Option<Vec<GateItem>> {
        Some(self.gate_list(list.as_ref()?).into_iter().map(|(item, _)| item).collect())
    }

    fn projects(&self, raw: &RawMerchant) -> Vec<Project> {
        let ids = raw.projects.iter().map(|project| project.id.as_ref());
        self.no_duplicates(ids, "project", "give it another id");
        raw.projects.iter().filter_map(|project| self.project(project)).collect()
    }

    fn project(&self, raw: &RawProject) -> Option<Project> {
        self.no_duplicates(raw.endpoints.iter().map(|e| e.id.as_ref()), "endpoint", "give it another id");
        let definition = |written: &Option<At<Vec<At<Attribute>>>>| -> Option<Vec<Attribute>> {
            let written = &written.as_ref()?.value;
            for attribute in written.iter().filter(|at| !recognises(at.value)) {
                let message = format!("`{}` cannot recognise a customer: many share it", attribute.value.word());
                self.report.error(&attribute.span, message, "take what is one person's, as `email` or `phone`");
            }
            Some(written.iter().map(|at| at.value).collect())
        };
        let own = definition(&raw.client_definition).unwrap_or_default();
        let endpoint = |endpoint: &RawEndpoint| {
            let base = self.endpoint(endpoint);
            let client_definition = definition(&endpoint.client_definition).unwrap_or_else(|| own.clone());
            Some(Endpoint { client_definition, ..base? })
        };
        let endpoints = raw.endpoints.iter().filter_map(endpoint).collect();
        Some(Project { id: raw.id.as_ref()?.value, endpoints })
    }

    fn endpoint(&self, raw: &RawEndpoint) -> Option<Endpoint> {
        let currency = raw.currency.as_ref().and_then(|currency| self.known(currency));
        let methods = self.methods(&raw.methods, currency);
        let gates = self.items(&raw.gates);
        Some(Endpoint {
            id: raw.id.as_ref()?.value,
            currency: currency?,
            gates: gates?,
            methods,
            client_definition: Vec::new(),
        })
    }

    fn methods(&self, raw: &[RawMethod], currency: Option<Currency>) -> Vec<MethodSetting> {
        let help = "keep one of the two entries, with the keys of both";
        self.no_duplicates(raw.iter().map(|m| m.method.as_ref()), "payment method", help);
        raw.iter().filter_map(|method| self.method(method, currency)).collect()
    }

    fn method(&self, raw: &RawMethod, currency: Option<Currency>) -> Option<MethodSetting> {
        let gates = self.items(&raw.gates);
        let read = |written: &Option<At<String>>| self.money(written.as_ref()?, currency?);
        let (min_amount, max_amount) = (read(&raw.min_amount), read(&raw.max_amount));
        if let (Some(min), Some(max), Some(at)) = (min_amount, max_amount, &raw.min_amount)
            && min > max
        {
            self.min_above_max(&at.span, &raw.max_amount);
        }
        let show_in_form = raw.show_in_form.as_ref().map(|at| at.value);
        Some(MethodSetting { method: raw.method.as_ref()?.value, show_in_form, min_amount, max_amount, gates })
    }

    fn money(&self, at: &At<String>, currency: Currency) -> Option<u64> {
        money(at, currency, self.currencies, self.report)
    }

    fn levels(&self, raw: &RawMerchant) -> Vec<Level> {
        let mut seen = HashMap::new();
        for level in &raw.levels {
            let (Some(name), Some(direction), Some(currency)) = (&level.name, &level.direction, &level.currency) else {
                continue;
            };
            let key = (name.value, direction.value, currency.value);
            if let Some(first) = seen.insert(key, &name.span) {
                let what = format!("level `{}` for {}s in {}", name.value, direction.value.word(), currency.value);
                self.report.twice(
                    &name.span,
                    first,
                    &what,
                    "name, direction and currency together are the key: change one of them",
                );
                seen.insert(key, first);
            }
        }
        raw.levels.iter().filter_map(|level| self.level(level)).collect()
    }

    fn level(&self, raw: &RawLevel) -> Option<Level> {
        let currency = raw.currency.as_ref().and_then(|currency| self.known(currency));
        let methods = self.methods(&raw.methods, currency);
        let gates = self.items(&raw.gates);
        let filters = filter::filters(&raw.filters, currency, self.currencies, self.report);
        let listed = raw.projects.as_ref().map(|projects| self.level_projects(projects));
        let name = raw.name.as_ref()?.value;
        let projects = match listed {
            Some(listed) => Projects::Listed(listed),
            None if name.as_str() == UNKNOWN_LEVEL => Projects::All,
            None => Projects::Listed(Vec::new()),
        };
        Some(Level {
            name,
            direction: raw.direction.as_ref()?.value,
            currency: currency?,
            active: or(&raw.status, Status::Active) == Status::Active,
            projects,
            methods,
            gates,
            routing: raw.routing.as_ref().map(|at| at.value),
            filters,
            known: Provenance::default(),
        })
    }

    fn level_projects(&self, projects: &Names) -> Vec<Name> {
        for project in &projects.value {
            if !self.places.projects.contains(&project.value) {
                let known = self.places.projects.iter().map(|name| name.as_str());
                self.unknown("project", project, known, "[[projects]] with this id");
            }
        }
        projects.value.iter().map(|project| project.value).collect()
    }

    fn no_duplicates<'n>(&self, names: impl Iterator<Item = Option<&'n At<Name>>>, what: &str, help: &str) {
        no_duplicates(names, what, help, self.report);
    }
}

/// Refuses names that stand twice.
pub(in crate::config) fn no_duplicates<'n>(
    names: impl Iterator<Item = Option<&'n At<Name>>>,
    what: &str,
    help: &str,
    report: &Report,
) {
    let mut seen: HashMap<Name, &Span> = HashMap::new();
    for name in names.flatten() {
        match seen.get(&name.value) {
            Some(first) => report.twice(&name.span, first, &format!("{what} `{}`", name.value), help),
            None => _ = seen.insert(name.value, &name.span),
        }
    }
}
