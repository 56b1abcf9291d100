//! Settings of a payment method, layered field by field: the customer's over the level's over the endpoint's.

use super::{
    customer::IndividualSettings,
    name::Name,
    rules::{Endpoint, GateItem, HiddenMethods, Level, MethodSetting, Routing, words},
};

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
    pub own_gates: Option<&'a [GateItem]>,
    /// The method's gate list at the endpoint, which a level's list goes before.
    pub endpoint_gates: Option<&'a [GateItem]>,
    /// Whether anything overrides the endpoint.
    pub edited: bool,
}

impl<'a> Layers<'a> {
    /// The settings in force for a method; `None` where the endpoint does not offer it.
    #[must_use]
    pub fn method(&self, method: Name) -> Option<Effective<'a>> {
        let of = |settings: &'a [MethodSetting]| settings.iter().find(|setting| setting.method == method);
        let endpoint = of(&self.endpoint.methods)?;
        let level = self.level.and_then(|level| of(&level.methods));
        let customer = self.individual.and_then(|individual| of(&individual.methods));
        let layered = |field: fn(&MethodSetting) -> Option<u64>| {
            let pick = |setting: Option<&MethodSetting>, layer| Some((field(setting?)?, layer));
            pick(customer, Layer::Customer)
                .or_else(|| pick(level, Layer::Level))
                .or_else(|| pick(Some(endpoint), Layer::Endpoint))
        };
        let (mut min, mut max) = (layered(|s| s.min_amount), layered(|s| s.max_amount));
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
        let shown = [customer, level, Some(endpoint)].into_iter().flatten().find_map(|s| s.show_in_form);
        let overridden = |s: &MethodSetting| {
            s.show_in_form.is_some() || s.min_amount.is_some() || s.max_amount.is_some() || s.gates.is_some()
        };
        let globally = self.individual.is_some_and(|i| i.global_min.is_some() || i.global_max.is_some());
        Some(Effective {
            show_in_form: shown.unwrap_or(true),
            min,
            max,
            own_gates: [customer, level].into_iter().flatten().find_map(|s| s.gates.as_deref()),
            endpoint_gates: endpoint.gates.as_deref(),
            edited: globally || [customer, level].into_iter().flatten().any(overridden),
        })
    }

    /// The gate list and its order for a payment by this method, or by none in particular.
    #[must_use]
    pub fn gates(&self, method: Option<&Effective<'a>>) -> (&'a [GateItem], Routing) {
        let list = method
            .and_then(|effective| effective.own_gates)
            .or_else(|| self.level.and_then(|level| level.gates.as_deref()))
            .or_else(|| method.and_then(|effective| effective.endpoint_gates))
            .unwrap_or(&self.endpoint.gates);
        (list, self.level.and_then(|level| level.routing).unwrap_or(Routing::Priority))
    }
}

impl Effective<'_> {
    /// Whether a payment may use the method.
    #[must_use]
    pub fn may_pay(&self, hidden: HiddenMethods) -> bool {
        self.show_in_form || hidden == HiddenMethods::HideOnly
    }
}
