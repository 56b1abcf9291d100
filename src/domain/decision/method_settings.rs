//! Settings of a payment method in layers: the customer's override the level's, and these the endpoint's, field by field.

use crate::domain::{
    customer::individual_settings::{IndividualMethod, IndividualSettings},
    rules::{
        gates::{GateItem, RoutingStrategy},
        level::Level,
        merchant::{HiddenMethodPolicy, Merchant},
        project::{Endpoint, MethodSetting},
    },
    transaction::violation::{LimitOwner, Violation, ViolationDetail},
    vocabulary::{denial_codes::DenialCode, names::Name, words::words},
};
use std::borrow::Cow;

words! {
    /// The layer that a value comes from.
    SettingLayer {
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
pub struct MethodSettingLayers<'a> {
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
    /// Items of the configuration.
    Items(&'a [GateItem]),
    /// A customer's own list: ids of gates and routes.
    Ids(&'a [Name]),
}

impl<'a> GateList<'a> {
    /// Its gates and routes in the merchant's configuration; ids that are no longer configured are left out.
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
pub struct EffectiveMethod {
    /// Whether the form shows it.
    pub show_in_form: bool,
    /// Minor units, and where they come from.
    pub min: Option<(u64, SettingLayer)>,
    /// Minor units, and where they come from.
    pub max: Option<(u64, SettingLayer)>,
    /// Whether a layer overrides the endpoint.
    pub edited: bool,
}

impl<'a> MethodSettingLayers<'a> {
    /// The settings in force for a method; `None` where the endpoint does not offer it.
    #[must_use]
    #[inline]
    pub fn method(&self, method: Name) -> Option<EffectiveMethod> {
        let of = |settings: &'a [MethodSetting]| settings.iter().find(|setting| setting.method == method);
        let endpoint = of(&self.endpoint.methods)?;
        let mut effective = EffectiveMethod::at(endpoint);
        if let Some(setting) = self.level.and_then(|level| of(&level.methods)) {
            effective.lay(&MethodOverride::of(setting), SettingLayer::Level);
        }
        if let Some(individual) = self.individual {
            if let Some(own) = individual.methods.iter().find(|own| own.method == method) {
                effective.lay(&MethodOverride::own(own), SettingLayer::Customer);
            }
            // The customer's value for the method and the one for all methods are one layer: the tighter one
            // applies.
            let own = |value: Option<(u64, SettingLayer)>| {
                value.filter(|(_, layer)| *layer == SettingLayer::Customer).map(|(v, _)| v)
            };
            if let Some(global) = individual.global_min {
                effective.min = Some((own(effective.min).map_or(global, |v| v.max(global)), SettingLayer::Customer));
                effective.edited = true;
            }
            if let Some(global) = individual.global_max {
                effective.max = Some((own(effective.max).map_or(global, |v| v.min(global)), SettingLayer::Customer));
                effective.edited = true;
            }
        }
        Some(effective)
    }

    /// The denial of an amount where the payment names no method; `None`: it passes. At least one method that may pay
    /// must accept the amount, so a caller cannot evade a bound by leaving the method out (domain.md, section 3).
    #[must_use]
    pub fn refusal_without_method(&self, hidden: HiddenMethodPolicy, amount: u64) -> Option<Violation> {
        // The highest maximum below the amount, and the lowest minimum above it.
        let (mut highest, mut lowest): (LayeredBound, LayeredBound) = (None, None);
        for (min, max) in self.ranges(hidden) {
            match (min.filter(|(min, _)| amount < *min), max.filter(|(max, _)| amount > *max)) {
                (None, None) => return None,
                (None, Some(max)) if highest.is_none_or(|known| max.0 > known.0) => highest = Some(max),
                (Some(min), _) if lowest.is_none_or(|known| min.0 < known.0) => lowest = Some(min),
                (None | Some(_), _) => {}
            }
        }
        Some(match (highest, lowest) {
            (Some(max), _) => out_of_range(DenialCode::AmountAboveMaximum, max),
            (None, Some(min)) => out_of_range(DenialCode::AmountBelowMinimum, min),
            (None, None) => Violation::of(DenialCode::PaymentMethodNotAvailable),
        })
    }

    /// The lowest minimum and the highest maximum of the methods that may pay; `None`: no method may. An amount in a gap
    /// between two ranges is still denied.
    #[must_use]
    pub fn range_without_method(&self, hidden: HiddenMethodPolicy) -> Option<(LayeredBound, LayeredBound)> {
        let join = |one: LayeredBound, other: LayeredBound, prefers_other: fn(u64, u64) -> bool| {
            let (one, other) = (one?, other?);
            Some(if prefers_other(one.0, other.0) { other } else { one })
        };
        let lower = |one, other| other < one;
        let higher = |one, other| other > one;
        self.ranges(hidden).reduce(|(min, max), range| (join(min, range.0, lower), join(max, range.1, higher)))
    }

    /// The ranges of all methods that may pay. An endpoint without methods has no ranges, but the customer's global limit
    /// holds there too.
    fn ranges(&self, hidden: HiddenMethodPolicy) -> impl Iterator<Item = (LayeredBound, LayeredBound)> {
        let of_customer = |bound: Option<u64>| bound.map(|value| (value, SettingLayer::Customer));
        let global = self.endpoint.methods.is_empty().then(|| {
            let (min, max) = self.individual.map_or((None, None), |own| (own.global_min, own.global_max));
            (of_customer(min), of_customer(max))
        });
        let offered = self.endpoint.methods.iter().filter_map(|setting| self.method(setting.method));
        let may_pay = offered.filter(move |effective| effective.may_pay(hidden));
        global.into_iter().chain(may_pay.map(|effective| (effective.min, effective.max)))
    }

    /// The gate list and its order for a payment by this method, or by none in particular. The customer's list for the
    /// method comes before the level's list for it, then the level's list, the endpoint's for the method, the
    /// endpoint's. A list for a method counts also where the endpoint does not offer the method.
    #[must_use]
    pub fn gates(&self, method: Option<Name>) -> (GateList<'a>, RoutingStrategy) {
        let of = |settings: &'a [MethodSetting]| {
            let setting = settings.iter().find(|setting| Some(setting.method) == method);
            setting.and_then(|setting| setting.gates.as_deref())
        };
        let of_customer = || {
            let own = self.individual?.methods.iter().find(|own| Some(own.method) == method)?;
            own.gates.as_deref().map(GateList::Ids)
        };
        let of_level = || self.level.and_then(|level| of(&level.methods).or(level.gates.as_deref()));
        let list = of_customer().unwrap_or_else(|| {
            GateList::Items(of_level().or_else(|| of(&self.endpoint.methods)).unwrap_or(&self.endpoint.gates))
        });
        (list, self.level.and_then(|level| level.routing).unwrap_or(RoutingStrategy::Priority))
    }
}

/// The violation of a bound, with the bound and who set it.
#[must_use]
pub fn out_of_range(code: DenialCode, (bound, layer): (u64, SettingLayer)) -> Violation {
    let owner = match layer {
        SettingLayer::Endpoint => LimitOwner::Endpoint,
        SettingLayer::Level => LimitOwner::Level,
        SettingLayer::Customer => LimitOwner::Customer,
    };
    Violation::explained(code, ViolationDetail::Bound { owner, bound })
}

/// One end of a range, minor units, and the layer that it comes from; `None`: open.
pub type LayeredBound = Option<(u64, SettingLayer)>;

/// The values of a layer above the endpoint for one method.
struct MethodOverride {
    shown: Option<bool>,
    min: Option<u64>,
    max: Option<u64>,
    has_gates: bool,
}

impl MethodOverride {
    fn of(setting: &MethodSetting) -> Self {
        let MethodSetting { show_in_form: shown, min_amount: min, max_amount: max, .. } = *setting;
        Self { shown, min, max, has_gates: setting.gates.is_some() }
    }

    fn own(own: &IndividualMethod) -> Self {
        let IndividualMethod { show_in_form: shown, min_amount: min, max_amount: max, .. } = *own;
        Self { shown, min, max, has_gates: own.gates.is_some() }
    }
}

impl EffectiveMethod {
    /// The settings of the endpoint alone.
    fn at(endpoint: &MethodSetting) -> Self {
        Self {
            show_in_form: endpoint.show_in_form.unwrap_or(true),
            min: endpoint.min_amount.map(|min| (min, SettingLayer::Endpoint)),
            max: endpoint.max_amount.map(|max| (max, SettingLayer::Endpoint)),
            edited: false,
        }
    }

    /// Overrides the settings by a stronger layer, field by field.
    fn lay(&mut self, say: &MethodOverride, layer: SettingLayer) {
        let of_layer = |value: u64| (value, layer);
        self.show_in_form = say.shown.unwrap_or(self.show_in_form);
        self.min = say.min.map(of_layer).or(self.min);
        self.max = say.max.map(of_layer).or(self.max);
        self.edited |= say.shown.is_some() || say.min.is_some() || say.max.is_some() || say.has_gates;
    }

    /// Whether a payment may use the method.
    #[must_use]
    pub fn may_pay(&self, hidden: HiddenMethodPolicy) -> bool {
        self.show_in_form || hidden == HiddenMethodPolicy::HideOnly
    }
}
