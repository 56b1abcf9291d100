//! Compiles a merchant's raw values to a [`Merchant`]: references are resolved, and amounts become minor units.

use crate::config::{
    compile::{customers, duplicates::refuse_duplicates, filter},
    parse::{
        amount::{compare, decimal, known, money},
        located::{Located, duration_ms, value_or},
        raw::{RawEndpoint, RawGate, RawMerchant, RawProject, RawRoute},
        raw_level::{NameList, RawLevel, RawMethod, RawProjects, Status},
    },
    report::{file_report::FileReport, problem::RelatedPlace, source::Span},
};
use crate::domain::{
    rules::{
        gates::{Gate, GateItem, Route, RoutingStrategy},
        level::{Level, ProjectList},
        merchant::{DefaultBehaviour, HiddenMethodPolicy, Merchant, OperationMode, RefundPolicy},
        project::{Endpoint, MethodSetting, Project},
        provenance::Provenance,
    },
    vocabulary::{
        attributes::{Attribute, PaymentAttribute, identifies_customer},
        calendar::Calendar,
        money::{Currencies, Currency},
        names::{Map, Name, Set, UNKNOWN_LEVEL},
        text::suggest::nearest,
        time::DAY_MS,
    },
};
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

const HOUR_MS: i64 = 3_600_000;
/// The default hold of a reservation: deposits, withdrawals.
const HOLD_MS: [Option<i64>; 2] = [Some(HOUR_MS), Some(7 * DAY_MS)];

/// Compiles a merchant; `None`: it has errors, which are reported.
pub(in crate::config) fn merchant(raw: &RawMerchant, report: &FileReport, currencies: &Currencies) -> Option<Merchant> {
    let definitions = Definitions::of_raw(raw, report);
    let compiler = Compiler { report, currencies, definitions: &definitions };
    let calendar = compiler.calendar(raw);
    let hold_ms = compiler.hold_ms(raw);
    let gates = raw.gates.iter().filter_map(|gate| compiler.gate(gate)).collect();
    let routes = raw.routes.iter().filter_map(|route| compiler.route(route)).collect();
    let projects = compiler.projects(raw);
    let levels = compiler.levels(raw);
    let labels = customers::labels(&raw.labels, report);
    let mode = value_or(&raw.mode, OperationMode::Crm);
    let registration = customers::registration(&raw.registration, mode, calendar.as_ref(), report);
    let delays = customers::delays(raw, report);
    let terminal_url = customers::terminal_url(raw.terminal_url.as_ref(), report);
    let id = raw.id.as_ref()?.value;
    if report.has_errors() {
        return None;
    }
    let mut merchant = Merchant {
        id,
        name: raw.name.as_ref().map_or_else(|| id.to_string(), |name| name.value.clone()),
        mode,
        default_behaviour: value_or(&raw.default_behaviour, DefaultBehaviour::UnknownLevel),
        calendar: calendar?,
        reset_settings_on_level_change: value_or(&raw.reset_settings_on_level_change, false),
        all_projects_to_unknown: value_or(&raw.all_projects_to_unknown, false),
        hold_ms,
        refunds: value_or(&raw.refunds, RefundPolicy::None),
        hidden_methods: value_or(&raw.hidden_methods, HiddenMethodPolicy::Deny),
        trust_blocks: value_or(&raw.trust_blocks, false),
        numeric_ids: value_or(&raw.numeric_ids, false),
        benchmark: value_or(&raw.benchmark, false),
        sandbox: value_or(&raw.sandbox, false),
        seal_identifiers: value_or(&raw.seal_identifiers, false),
        registration,
        labels,
        labels_max: usize::try_from(value_or(&raw.labels_max, customers::LABELS_MAX)).unwrap_or(usize::MAX),
        raises: delays.raises,
        deletion_grace_ms: delays.deletion_grace_ms,
        terminal_url,
        gates,
        routes,
        projects,
        levels,
        level_names: Set::default(),
        level_indexes: Map::default(),
        project_indexes: Map::default(),
    };
    merchant.build_indexes();
    Some(merchant)
}

/// Compiles a level of a compiled merchant; `None`: it has errors, which are reported.
pub(in crate::config) fn level(
    raw: &RawLevel,
    merchant: &Merchant,
    currencies: &Currencies,
    report: &FileReport,
) -> Option<Level> {
    let definitions = Definitions::of_merchant(merchant);
    Compiler { report, currencies, definitions: &definitions }.level(raw).filter(|_| !report.has_errors())
}

/// The definitions that references may name. An id that is defined twice keeps its first definition.
struct Definitions {
    gate_items: HashMap<Name, GateItem>,
    projects: HashSet<Name>,
}

impl Definitions {
    fn of_merchant(merchant: &Merchant) -> Self {
        let gates = merchant.gates.iter().enumerate().map(|(place, gate)| (gate.id, GateItem::Gate(place)));
        let routes = merchant.routes.iter().enumerate().map(|(place, route)| (route.id, GateItem::Route(place)));
        let projects = merchant.projects.iter().map(|project| project.id).collect();
        Self { gate_items: gates.chain(routes).collect(), projects }
    }

    fn of_raw(raw: &RawMerchant, report: &FileReport) -> Self {
        let mut defined: HashMap<Name, &Span> = HashMap::new();
        let mut gate_items = HashMap::new();
        let gates = raw.gates.iter().enumerate().map(|(place, gate)| (&gate.id, "gate", GateItem::Gate(place)));
        let routes = raw.routes.iter().enumerate().map(|(place, route)| (&route.id, "route", GateItem::Route(place)));
        for (id, what, item) in gates.chain(routes) {
            let Some(id) = id else { continue };
            match defined.get(&id.value) {
                Some(first) => {
                    let help =
                        "write another id: gates and routes share one set of ids, because a gate list may name either";
                    report.defined_twice(&id.span, first, &format!("{what} `{}`", id.value), help);
                }
                None => {
                    defined.insert(id.value, &id.span);
                    gate_items.insert(id.value, item);
                }
            }
        }
        let projects = raw.projects.iter().filter_map(|project| Some(project.id.as_ref()?.value)).collect();
        Self { gate_items, projects }
    }
}

struct Compiler<'a> {
    report: &'a FileReport,
    currencies: &'a Currencies,
    definitions: &'a Definitions,
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
                None => "write an IANA time zone, such as \"Europe/Nicosia\" or \"UTC\"".to_owned(),
            };
            self.report.error(&zone.span, format!("unknown time zone `{}`", zone.value), help);
        }
        calendar
    }

    fn hold_ms(&self, raw: &RawMerchant) -> [Option<i64>; 2] {
        let mut hold_ms = HOLD_MS;
        let written = [("deposit", &raw.hold.deposit), ("withdrawal", &raw.hold.withdrawal)];
        for ((key, hold), ms) in written.into_iter().zip(&mut hold_ms) {
            let Some(hold) = hold else { continue };
            *ms = if hold.value == "never" { None } else { duration_ms(self.report, key, hold, "\"never\", or ") };
        }
        hold_ms
    }

    /// The currency, if ISO 4217 or the configuration defines it; else reports it.
    fn known(&self, currency: &Located<Currency>) -> Option<Currency> {
        known(currency, self.currencies, self.report)
    }

    fn gate(&self, raw: &RawGate) -> Option<Gate> {
        let bound = |written: &Option<Located<String>>| written.as_ref().and_then(|at| decimal(at, self.report));
        let (min_amount, max_amount) = (bound(&raw.min_amount), bound(&raw.max_amount));
        if let (Some(min), Some(max), Some(at)) = (min_amount, max_amount, &raw.min_amount)
            && compare(min, max) == Ordering::Greater
        {
            self.min_above_max(&at.span, &raw.max_amount);
        }
        let served = raw.currencies.as_ref().map(|list| list.value.iter().filter_map(|c| self.known(c)).collect());
        Some(Gate {
            id: raw.id.as_ref()?.value,
            enabled: value_or(&raw.enabled, true),
            directions: raw.directions.as_ref().map(|list| list.value.iter().map(|at| at.value).collect()),
            currencies: served,
            methods: raw.methods.as_ref().map(|list| list.value.iter().map(|at| at.value).collect()),
            min_amount,
            max_amount,
            weight: u32::try_from(value_or(&raw.weight, 1)).unwrap_or(u32::MAX),
        })
    }

    fn min_above_max(&self, min: &Span, max: &Option<Located<String>>) {
        let max = max.as_ref().map_or_else(|| min.clone(), |max| max.span.clone());
        let related = RelatedPlace::new(&self.report.source, &max, "the maximum");
        let help = "write a minimum that is not above the maximum";
        self.report.error_with(
            min,
            "`min_amount` is above `max_amount`: no payment is within the limits".into(),
            help,
            related,
        );
    }

    fn route(&self, raw: &RawRoute) -> Option<Route> {
        let items = self.gate_list(raw.gates.as_ref()?);
        let mut gates = Vec::new();
        for (item, name) in items {
            match item {
                GateItem::Gate(place) => gates.push(place),
                GateItem::Route(_) => {
                    let message = format!("`{}` is a route, and a route may list gates only", name.value);
                    self.report.error(&name.span, message, "write the gates of that route instead");
                }
            }
        }
        Some(Route { id: raw.id.as_ref()?.value, gates, routing: value_or(&raw.routing, RoutingStrategy::Priority) })
    }

    /// The items of a gate list, each with its name. Reports unknown names.
    fn gate_list<'n>(&self, list: &'n NameList) -> Vec<(GateItem, &'n Located<Name>)> {
        // A list with invalid names only has been reported already.
        if list.value.is_empty() && !self.report.has_problem_in(&list.span) {
            let help = "name at least one gate; if the key is optional, remove it to inherit the list";
            self.report.error(&list.span, "the gate list is empty: no payment can use it", help);
        }
        let item = |name: &'n Located<Name>| {
            let item = self.definitions.gate_items.get(&name.value).copied();
            if item.is_none() {
                let known = self.definitions.gate_items.keys().map(|name| name.as_str());
                self.unknown("gate or route", name, known, "[[gates]] with this id");
            }
            Some((item?, name))
        };
        list.value.iter().filter_map(item).collect()
    }

    fn unknown<'c>(&self, what: &str, name: &Located<Name>, known: impl Iterator<Item = &'c str>, define: &str) {
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let help = match nearest(name.value.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("add {define}"),
            None => format!("add {define}, or name one of {}", known.join(", ")),
        };
        self.report.error(&name.span, format!("unknown {what} `{}`", name.value), help);
    }

    fn items(&self, list: &Option<NameList>) -> Option<Vec<GateItem>> {
        Some(self.gate_list(list.as_ref()?).into_iter().map(|(item, _)| item).collect())
    }

    fn projects(&self, raw: &RawMerchant) -> Vec<Project> {
        let ids = raw.projects.iter().map(|project| project.id.as_ref());
        refuse_duplicates(ids, "project", "write another id", self.report);
        raw.projects.iter().filter_map(|project| self.project(project)).collect()
    }

    fn project(&self, raw: &RawProject) -> Option<Project> {
        let endpoint_ids = raw.endpoints.iter().map(|endpoint| endpoint.id.as_ref());
        refuse_duplicates(endpoint_ids, "endpoint", "write another id", self.report);
        let attributes = |written: &Option<Located<Vec<Located<PaymentAttribute>>>>| -> Option<Vec<Attribute>> {
            let written = &written.as_ref()?.value;
            for attribute in written.iter().filter(|at| !identifies_customer(at.value.0)) {
                let message =
                    format!("`{}` cannot identify a customer: many customers share it", attribute.value.0.word());
                self.report.error(
                    &attribute.span,
                    message,
                    "write attributes of one person, such as `email` or `phone`",
                );
            }
            Some(written.iter().map(|at| at.value.0).collect())
        };
        let of_project = attributes(&raw.client_definition).unwrap_or_default();
        let endpoint = |endpoint: &RawEndpoint| {
            let base = self.endpoint(endpoint);
            let client_definition = attributes(&endpoint.client_definition).unwrap_or_else(|| of_project.clone());
            Some(Endpoint { client_definition, ..base? })
        };
        let endpoints = raw.endpoints.iter().filter_map(endpoint).collect();
        Some(Project { id: raw.id.as_ref()?.value, client_definition: of_project, endpoints })
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
        let help = "merge the two entries";
        refuse_duplicates(raw.iter().map(|m| m.method.as_ref()), "payment method", help, self.report);
        raw.iter().filter_map(|method| self.method(method, currency)).collect()
    }

    fn method(&self, raw: &RawMethod, currency: Option<Currency>) -> Option<MethodSetting> {
        let gates = self.items(&raw.gates);
        let read = |written: &Option<Located<String>>| self.money(written.as_ref()?, currency?);
        let (min_amount, max_amount) = (read(&raw.min_amount), read(&raw.max_amount));
        if let (Some(min), Some(max), Some(at)) = (min_amount, max_amount, &raw.min_amount)
            && min > max
        {
            self.min_above_max(&at.span, &raw.max_amount);
        }
        let show_in_form = raw.show_in_form.as_ref().map(|at| at.value);
        Some(MethodSetting { method: raw.method.as_ref()?.value, show_in_form, min_amount, max_amount, gates })
    }

    fn money(&self, at: &Located<String>, currency: Currency) -> Option<u64> {
        money(at, currency, self.currencies, self.report)
    }

    fn levels(&self, raw: &RawMerchant) -> Vec<Level> {
        let mut defined = HashMap::new();
        for level in &raw.levels {
            let (Some(name), Some(direction), Some(currency)) = (&level.name, &level.direction, &level.currency) else {
                continue;
            };
            let key = (name.value, direction.value, currency.value);
            if let Some(first) = defined.insert(key, &name.span) {
                let what = format!("level `{}` for {}s in {}", name.value, direction.value.word(), currency.value);
                self.report.defined_twice(
                    &name.span,
                    first,
                    &what,
                    "name, direction and currency together identify a level: change one of them",
                );
                defined.insert(key, first);
            }
        }
        raw.levels.iter().filter_map(|level| self.level(level)).collect()
    }

    fn level(&self, raw: &RawLevel) -> Option<Level> {
        let currency = raw.currency.as_ref().and_then(|currency| self.known(currency));
        let methods = self.methods(&raw.methods, currency);
        let gates = self.items(&raw.gates);
        let filters = filter::filters(&raw.filters, currency, self.currencies, self.report);
        let name = raw.name.as_ref()?.value;
        let projects = match &raw.projects {
            Some(RawProjects::All) => ProjectList::All,
            Some(RawProjects::Listed(listed)) => ProjectList::Listed(self.level_projects(listed)),
            None if name.as_str() == UNKNOWN_LEVEL => ProjectList::All,
            None => ProjectList::Listed(Vec::new()),
        };
        Some(Level {
            name,
            direction: raw.direction.as_ref()?.value,
            currency: currency?,
            active: value_or(&raw.status, Status::Active) == Status::Active,
            projects,
            methods,
            gates,
            routing: raw.routing.as_ref().map(|at| at.value),
            filters,
            known: Provenance::default(),
        })
    }

    fn level_projects(&self, projects: &NameList) -> Vec<Name> {
        for project in &projects.value {
            if !self.definitions.projects.contains(&project.value) {
                let known = self.definitions.projects.iter().map(|name| name.as_str());
                self.unknown("project", project, known, "[[projects]] with this id");
            }
        }
        projects.value.iter().map(|project| project.value).collect()
    }
}
