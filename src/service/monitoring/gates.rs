//! The gates and routes of a merchant: their state, what uses them, and their attempts over time.

use crate::{
    config::schema::{
        texts::{NameText, SentenceText},
        words::WordOf,
    },
    domain::{
        rules::{
            gates::{Gate, GateItem, Route, RoutingStrategy},
            merchant::Merchant,
            project::MethodSetting,
        },
        vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
    },
    service::{
        decision_series::SeriesQuery,
        documents::as_text::AsText,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
    storage::journal::Lsn,
    telemetry::{decision_series::Resolution, gate_series::GateCounts},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The most uses that are named; the last entry gives the number of the others.
const USES_MAX: usize = 100;

/// The attempts with one outcome.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OutcomeSeries")]
struct OutcomeDocument {
    /// The outcome; what no list of levelgate names is `other`.
    #[schemars(extend("enum" = ["approved", "declined", "cancelled", "error", "timeout", "pending", "other"]))]
    outcome: &'static str,
    /// The sum of all periods.
    total: u64,
    /// The attempts of each period, the oldest first.
    attempts: Vec<u32>,
}

/// A gate, its uses and its attempts.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GateState")]
struct GateDocument {
    /// The id of the gate. `null`: attempts at gates that are not configured.
    #[schemars(with = "Option<NameText>")]
    gate: Option<&'static str>,
    /// Whether it accepts payments.
    enabled: bool,
    /// The directions that it takes. `null`: both.
    #[schemars(with = "Option<Vec<WordOf<Direction>>>")]
    directions: Option<Vec<&'static str>>,
    /// The currencies that it takes. `null`: all.
    currencies: Option<Vec<AsText<Currency>>>,
    /// The payment methods that it takes. `null`: all.
    #[schemars(with = "Option<Vec<NameText>>")]
    methods: Option<Vec<&'static str>>,
    /// Its weight under weighted routing.
    weight: u32,
    /// The endpoints, levels and routes that use it, in words, at most 100.
    #[schemars(with = "Vec<SentenceText>")]
    used_by: Vec<String>,
    /// The attempts by outcome. An outcome that did not occur since the start is absent.
    outcomes: Vec<OutcomeDocument>,
}

/// A named list of gates.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RouteState")]
struct RouteDocument {
    /// The id of the route.
    #[schemars(with = "NameText")]
    route: &'static str,
    /// The strategy that orders its gates.
    #[schemars(with = "WordOf<RoutingStrategy>")]
    routing: &'static str,
    /// Its gates.
    #[schemars(with = "Vec<NameText>")]
    gates: Vec<&'static str>,
    /// The endpoints and levels that use it, in words, at most 100.
    #[schemars(with = "Vec<SentenceText>")]
    used_by: Vec<String>,
}

/// The gates and routes of a merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Gates")]
pub(crate) struct GatesDocument {
    /// The merchant.
    #[schemars(with = "NameText")]
    merchant: &'static str,
    /// The length of a period.
    #[schemars(with = "WordOf<Resolution>")]
    resolution: &'static str,
    /// When counting began.
    since: AsText<Millis>,
    /// The begin of the first period.
    from: AsText<Millis>,
    /// The end of the last period.
    to: AsText<Millis>,
    /// The gates, in the order of the file.
    gates: Vec<GateDocument>,
    /// The routes, in the order of the file.
    routes: Vec<RouteDocument>,
}

/// Who uses which item.
struct Uses<'m> {
    merchant: &'m Merchant,
    items: Vec<(GateItem, String)>,
}

impl<'m> Uses<'m> {
    fn of(merchant: &'m Merchant) -> Self {
        let mut uses = Self { merchant, items: Vec::new() };
        for project in &merchant.projects {
            for endpoint in &project.endpoints {
                let owner = format!("endpoint {} of project {}", endpoint.id, project.id);
                uses.add(&endpoint.gates, &owner);
                uses.add_methods(&endpoint.methods, &owner);
            }
        }
        for level in &merchant.levels {
            let owner = format!("level {} for {}s in {}", level.name, level.direction.word(), level.currency);
            uses.add(level.gates.as_deref().unwrap_or_default(), &owner);
            uses.add_methods(&level.methods, &owner);
        }
        uses
    }

    fn add(&mut self, items: &[GateItem], owner: &str) {
        self.items.extend(items.iter().map(|item| (*item, owner.to_owned())));
    }

    fn add_methods(&mut self, methods: &[MethodSetting], owner: &str) {
        for setting in methods {
            if let Some(gates) = &setting.gates {
                self.add(gates, &format!("method {} of {owner}", setting.method));
            }
        }
    }

    /// Who uses an item, in words.
    fn of_item(&self, wanted: GateItem) -> Vec<String> {
        let routes = self.merchant.routes.iter().filter(|route| match wanted {
            GateItem::Gate(place) => route.gates.contains(&place),
            GateItem::Route(_) => false,
        });
        let routes = routes.map(|route| format!("route {}", route.id));
        let owners = self.items.iter().filter(|(item, _)| *item == wanted).map(|(_, owner)| owner.clone());
        let mut all = owners.chain(routes);
        let mut named: Vec<String> = all.by_ref().take(USES_MAX).collect();
        let rest = all.count();
        if rest > 0 {
            named.push(format!("and {rest} more"));
        }
        named
    }
}

fn outcomes_of(gate: Option<Name>, counted: &[GateCounts]) -> Vec<OutcomeDocument> {
    let of_gate = counted.iter().filter(|counts| counts.gate == gate);
    let outcome = |counts: &GateCounts| OutcomeDocument {
        outcome: counts.outcome,
        total: counts.counts.iter().map(|count| u64::from(*count)).sum(),
        attempts: counts.counts.clone(),
    };
    of_gate.map(outcome).collect()
}

fn gate_document(gate: &Gate, used_by: Vec<String>, counted: &[GateCounts]) -> GateDocument {
    GateDocument {
        gate: Some(gate.id.as_str()),
        enabled: gate.enabled,
        directions: gate.directions.as_ref().map(|listed| listed.iter().map(|direction| direction.word()).collect()),
        currencies: gate.currencies.as_ref().map(|listed| listed.iter().copied().map(AsText).collect()),
        methods: gate.methods.as_ref().map(|listed| listed.iter().map(|method| method.as_str()).collect()),
        weight: gate.weight,
        used_by,
        outcomes: outcomes_of(Some(gate.id), counted),
    }
}

/// Attempts at gates that are not configured; `None`: there were none since the start.
fn other_gates(counted: &[GateCounts]) -> Option<GateDocument> {
    let outcomes = outcomes_of(None, counted);
    (!outcomes.is_empty()).then_some(GateDocument {
        gate: None,
        enabled: false,
        directions: None,
        currencies: None,
        methods: None,
        weight: 0,
        used_by: Vec::new(),
        outcomes,
    })
}

impl PaymentService {
    /// Gives the attempts since the last call to the present second. A daemon calls it once a second.
    pub(crate) fn sample_attempts(&self) {
        if let Ok(now) = self.time() {
            self.meters.gate_series.sample(&self.meters.rule_counts, now);
        }
    }

    /// The gates and routes of a merchant, with the attempts of real merchants in the periods of a query.
    ///
    /// # Errors
    /// The time is not known.
    pub(crate) fn gates(&self, merchant: &Merchant, query: SeriesQuery) -> Answered {
        let now = self.time()?;
        self.meters.gate_series.sample(&self.meters.rule_counts, now);
        let since = self.meters.series.since().unwrap_or(now);
        let (resolution, periods) = (query.resolution, query.periods(since, now));
        let counted = self.meters.gate_series.read(merchant.id, resolution, &periods);
        let uses = Uses::of(merchant);
        let gates = merchant.gates.iter().enumerate();
        let gates = gates.map(|(place, gate)| gate_document(gate, uses.of_item(GateItem::Gate(place)), &counted));
        let route = |(place, route): (usize, &Route)| RouteDocument {
            route: route.id.as_str(),
            routing: route.routing.word(),
            gates: route
                .gates
                .iter()
                .filter_map(|&gate| merchant.gates.get(gate))
                .map(|gate| gate.id.as_str())
                .collect(),
            used_by: uses.of_item(GateItem::Route(place)),
        };
        let document = GatesDocument {
            merchant: merchant.id.as_str(),
            resolution: resolution.word(),
            since: AsText(since),
            from: AsText(resolution.begin_of(periods.start)),
            to: AsText(resolution.begin_of(periods.end)),
            gates: gates.chain(other_gates(&counted)).collect(),
            routes: merchant.routes.iter().enumerate().map(route).collect(),
        };
        // It depends on no record: it counts what was attempted, and shows the rules in force.
        Ok(Reply::new(&document).depending_on(Lsn::NONE))
    }
}
