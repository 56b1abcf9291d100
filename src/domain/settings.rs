//! Settings of a payment method, layered field by field: the customer's over the level's over the endpoint's.

use super::{
    name::Name,
    profile::{IndividualSettings, OwnMethod},
    rules::{Endpoint, GateItem, HiddenMethods, Level, Merchant, MethodSetting, Routing, words},
};
use std::borrow::Cow;

words! {
    /// The layer that a value comes from.
    Layer {
        /// The endpoint's.
        Endpoint = "endpoint",
        /// The level's.
        Level = "level",
        /// The customer's own.
        Customer = "customer",
    }
}

/// Where to look for settings, from the strongest layer to the weakest.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The customer's own for this (direction, currency, level).
    pub individual: Option<&'a IndividualSettings>,
    /// The level in force.
    pub level: Option<&'a Level>,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
}

/// A gate list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateList<'a> {
    /// As configured.
    Items(&'a [GateItem]),
    /// A customer's own: ids of gates and routes.
    Ids(&'a [Name]),
}

impl<'a> GateList<'a> {
    /// Its gates and routes in the merchant's configuration; what that does not have any more is left out.
    #[must_use]
    pub fn of(self, merchant: &Merchant) -> Cow<'a, [GateItem]> {
        match self {
            Self::Items(items) => Cow::Borrowed(items),
            Self::Ids(ids) => Cow::Owned(ids.iter().filter_map(|id| merchant.gate_item(*id)).collect()),
        }
    }
}

/// The settings of one method that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective<'a> {
    /// Whether the form shows it.
    pub show_in_form: bool,
    /// Minor units, and where they come from.
    pub min: Option<(u64, Layer)>,
    /// Minor units, and where they come from.
    pub max: Option<(u64, Layer)>,
    /// The method's own gate list, of the customer or the level.
    pub own_gates: Option<GateList<'a>>,
    /// The method's gate list at the endpoint, which a level's list goes before.
    pub endpoint_gates: Option<&'a [GateItem]>,
    /// Whether anything overrides the endpoint.
    pub edited: bool,
}

impl<'a> Layers<'a> {
    /// The settings in force for a method; `None` where the endpoint does not offer it.
    #[must_use]
    pub fn method(&self, method: Name) -> Option<Effective<'a>> {
        let of = |settings: &'a [MethodSetting]| settings.iter().find(|setting| setting.method == method).map(Say::of);
        let endpoint = self.endpoint.methods.iter().find(|setting| setting.method == method)?;
        let level = self.level.and_then(|level| of(&level.methods));
        let customer =
            self.individual.and_then(|own| own.methods.iter().find(|own| own.method == method)).map(Say::own);
        let base = Say::of(endpoint);
        let layers = [(customer, Layer::Customer), (level, Layer::Level), (Some(base), Layer::Endpoint)];
        let layered = |field: fn(&Say<'_>) -> Option<u64>| {
            layers.iter().find_map(|(say, layer)| Some((field(say.as_ref()?)?, *layer)))
        };
        let (mut min, mut max) = (layered(|s| s.min), layered(|s| s.max));
        if let Some(individual) = self.individual {
            // The customer's own value for the method and the one for all methods stand in one layer: the tighter
            // of the two holds.
            let own =
                |value: Option<(u64, Layer)>| value.filter(|(_, layer)| *layer == Layer::Customer).map(|(v, _)| v);
            if let Some(global) = individual.global_min {
                min = Some((own(min).map_or(global, |v| v.max(global)), Layer::Customer));
            }
            if let Some(global) = individual.global_max {
                max = Some((own(max).map_or(global, |v| v.min(global)), Layer::Customer));
            }
        }
        let globally = self.individual.is_some_and(|i| i.global_min.is_some() || i.global_max.is_some());
        let over = || [customer, level].into_iter().flatten();
        Some(Effective {
            show_in_form: over().chain([base]).find_map(|say| say.shown).unwrap_or(true),
            min,
            max,
            own_gates: over().find_map(|say| say.gates),
            endpoint_gates: endpoint.gates.as_deref(),
            edited: globally || over().any(|say| !say.is_silent()),
        })
    }

    /// The gate list and its order for a payment by this method, or by none in particular.
    #[must_use]
    pub fn gates(&self, method: Option<&Effective<'a>>) -> (GateList<'a>, Routing) {
        let of_level = || self.level.and_then(|level| level.gates.as_deref());
        let of_endpoint = || method.and_then(|effective| effective.endpoint_gates);
        let list = method
            .and_then(|effective| effective.own_gates)
            .unwrap_or_else(|| GateList::Items(of_level().or_else(of_endpoint).unwrap_or(&self.endpoint.gates)));
        (list, self.level.and_then(|level| level.routing).unwrap_or(Routing::Priority))
    }
}

/// What one layer says of a method.
#[derive(Clone, Copy)]
struct Say<'a> {
    shown: Option<bool>,
    min: Option<u64>,
    max: Option<u64>,
    gates: Option<GateList<'a>>,
}

impl<'a> Say<'a> {
    fn of(setting: &'a MethodSetting) -> Self {
        let gates = setting.gates.as_deref().map(GateList::Items);
        Self { shown: setting.show_in_form, min: setting.min_amount, max: setting.max_amount, gates }
    }

    fn own(own: &'a OwnMethod) -> Self {
        let gates = own.gates.as_deref().map(GateList::Ids);
        Self { shown: own.show_in_form, min: own.min_amount, max: own.max_amount, gates }
    }

    fn is_silent(&self) -> bool {
        self.shown.is_none() && self.min.is_none() && self.max.is_none() && self.gates.is_none()
    }
}

impl Effective<'_> {
    /// Whether a payment may use the method.
    #[must_use]
    pub fn may_pay(&self, hidden: HiddenMethods) -> bool {
        self.show_in_form || hidden == HiddenMethods::HideOnly
    }
}
