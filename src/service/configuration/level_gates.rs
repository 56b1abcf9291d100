//! The gate lists of a level in their order, with the reason for which each gate would be left out.

use crate::{
    config::schema::{texts::NameText, words::WordOf},
    domain::{
        decision::method_settings::MethodSettingLayers,
        request::fields::{look_up_optional_name, parse_positive_amount},
        routing::{
            gates::{RoutingRequest, SkipReason},
            strategies::select_gates,
        },
        rules::{
            configuration::Rules,
            gates::{GateItem, RoutingStrategy},
            level::{Level, LevelKey},
            merchant::Merchant,
            project::Endpoint,
        },
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        documents::{as_text::AsText, query::TakenKeys},
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// The keys of the question.
pub(crate) const LEVEL_GATES_KEYS: TakenKeys = TakenKeys::once(&["payment_method", "amount", "project", "endpoint"]);

/// A payment that is not made: what of it matters to gates.
#[derive(Debug, Clone, Default)]
pub(crate) struct GateQuestion {
    /// `None`: the gates' methods are not checked.
    method: Option<Name>,
    /// As sent; `None`: no bound is checked.
    amount: Option<String>,
    /// `None`: every one.
    project: Option<String>,
    /// `None`: every one.
    endpoint: Option<String>,
}

/// The gate lists of a level.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LevelGates")]
pub(crate) struct LevelGatesDocument<'r> {
    /// The name of the level.
    #[schemars(with = "NameText")]
    name: &'static str,
    /// The direction of payments.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of payments.
    currency: AsText<Currency>,
    /// The lists, one for each endpoint of the currency.
    lists: Vec<EndpointGates<'r>>,
}

/// The gate list of an endpoint under a level.
#[derive(Serialize, JsonSchema)]
struct EndpointGates<'r> {
    /// The project.
    #[schemars(with = "NameText")]
    project: &'r str,
    /// The endpoint.
    #[schemars(with = "NameText")]
    endpoint: &'r str,
    /// Whether the level applies to the project.
    applies: bool,
    /// Whether the list is the level's, for the method or in general; otherwise it is the endpoint's.
    edited: bool,
    /// The order of the gates.
    #[schemars(with = "WordOf<RoutingStrategy>")]
    routing: &'static str,
    /// The gates, in the order of the list.
    gates: Vec<ListedGate<'r>>,
}

/// A gate of a list.
#[derive(Serialize, JsonSchema)]
struct ListedGate<'r> {
    /// The gate.
    #[schemars(with = "NameText")]
    gate: &'r str,
    /// The route that names it. `null`: the list names the gate itself.
    #[schemars(with = "Option<NameText>")]
    route: Option<&'r str>,
    /// The weight under weighted routing.
    weight: u32,
    /// Why it would be left out. `null`: it would be used.
    #[schemars(with = "Option<WordOf<SkipReason>>")]
    reason: Option<&'static str>,
}

impl GateQuestion {
    /// The question that pairs of a key and a text ask.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub(crate) fn read<'p>(
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    ) -> Result<Self, ServiceError> {
        let mut question = Self::default();
        for (key, value) in LEVEL_GATES_KEYS.read(pairs)? {
            match key {
                "payment_method" => question.method = look_up_optional_name("payment_method", Some(&value))?,
                "amount" => question.amount = Some(value),
                "project" => question.project = Some(value),
                _ => question.endpoint = Some(value),
            }
        }
        Ok(question)
    }
}

impl PaymentService {
    /// The gate lists of a level at every endpoint of its currency, for a payment that is not made.
    ///
    /// # Errors
    /// There is no such level, or the amount is malformed.
    pub(crate) fn level_gates(
        &self,
        (rules, merchant): (&Rules, &Merchant),
        key: LevelKey,
        question: &GateQuestion,
    ) -> Answered {
        let level = self.level_in_force(rules, merchant, &key).ok_or_else(|| self.unknown_level(merchant, &key))?.level;
        let LevelKey { direction, currency, name, .. } = key;
        let sent = question.amount.as_deref().filter(|text| !text.is_empty());
        let amount = sent.map(|text| parse_positive_amount("amount", text, rules, currency)).transpose()?;
        let routed = RoutingRequest {
            direction,
            currency,
            minor_units: rules.currencies.units(currency),
            amount,
            method: question.method,
            transaction_id: "",
            explain: true,
        };
        let is_asked = |wanted: &Option<String>, id: Name| wanted.as_deref().is_none_or(|wanted| wanted == id.as_str());
        let mut lists = Vec::new();
        for project in merchant.projects.iter().filter(|project| is_asked(&question.project, project.id)) {
            let endpoints = project.endpoints.iter().filter(|endpoint| endpoint.currency == currency);
            for endpoint in endpoints.filter(|endpoint| is_asked(&question.endpoint, endpoint.id)) {
                lists.push(EndpointGates {
                    project: project.id.as_str(),
                    applies: level.applies_to(project.id),
                    ..gates_at(merchant, &level, endpoint, &routed)
                });
            }
        }
        Ok(Reply::new(&LevelGatesDocument {
            name: name.as_str(),
            direction: direction.word(),
            currency: AsText(currency),
            lists,
        }))
    }
}

/// The gate list of an endpoint under a level.
fn gates_at<'r>(
    merchant: &'r Merchant,
    level: &Level,
    endpoint: &'r Endpoint,
    routed: &RoutingRequest<'_>,
) -> EndpointGates<'r> {
    let layers = MethodSettingLayers { individual: None, level: Some(level), endpoint };
    let of_endpoint = MethodSettingLayers { individual: None, level: None, endpoint };
    let (list, routing) = layers.gates(routed.method);
    let items = list.of(merchant);
    let skipped = select_gates(merchant, &items, routing, routed).skipped;
    let mut gates: Vec<ListedGate<'r>> = Vec::new();
    for item in items.iter() {
        let (places, route): (&[usize], Option<&'r str>) = match item {
            GateItem::Gate(place) => (std::slice::from_ref(place), None),
            GateItem::Route(place) => match merchant.routes.get(*place) {
                Some(route) => (&route.gates, Some(route.id.as_str())),
                None => continue,
            },
        };
        for gate in places.iter().filter_map(|&place| merchant.gates.get(place)) {
            // A gate that is listed twice keeps its first position.
            if gates.iter().any(|listed| listed.gate == gate.id.as_str()) {
                continue;
            }
            let reason = skipped.iter().find(|(id, _)| *id == gate.id).map(|(_, reason)| reason.word());
            gates.push(ListedGate { gate: gate.id.as_str(), route, weight: gate.weight, reason });
        }
    }
    EndpointGates {
        project: "",
        endpoint: endpoint.id.as_str(),
        applies: false,
        edited: list != of_endpoint.gates(routed.method).0,
        routing: routing.word(),
        gates,
    }
}
