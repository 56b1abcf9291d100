//! Settings of a payment method, layered field by field: the customer's over the level's over the endpoint's.

use crate::domain::{
    customer::profile::{IndividualSettings, OwnMethod},
    decision::denial_codes::Code,
    rules::configuration::{Endpoint, GateItem, HiddenMethods, Level, Merchant, MethodSetting, Routing, words},
    vocabulary::names::Name,
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
pub struct Effective {
    /// Whether the form shows it.
    pub show_in_form: bool,
    /// Minor units, and where they come from.
    pub min: Option<(u64, Layer)>,
    /// Minor units, and where they come from.
    pub max: Option<(u64, Layer)>,
    /// Whether anything overrides the endpoint.
    pub edited: bool,
}

impl<'a> Layers<'a> {
    /// The settings in force for a method; `None` where the endpoint does not offer it.
    #[must_use]
    #[inline]
    pub fn method(&self, method: Name) -> Option<Effective> {
        let of = |settings: &'a [MethodSetting]| settings.iter().find(|setting| setting.method == method);
        let endpoint = of(&self.endpoint.methods)?;
        let mut effective = Effective::at(endpoint);
        if let Some(setting) = self.level.and_then(|level| of(&level.methods)) {
            effective.lay(&Say::of(setting), Layer::Level);
        }
        if let Some(individual) = self.individual {
            if let Some(own) = individual.methods.iter().find(|own| own.method == method) {
                effective.lay(&Say::own(own), Layer::Customer);
            }
            // The customer's own value for the method and the one for all methods stand in one layer: the tighter
            // of the two holds.
            let own =
                |value: Option<(u64, Layer)>| value.filter(|(_, layer)| *layer == Layer::Customer).map(|(v, _)| v);
            if let Some(global) = individual.global_min {
                effective.min = Some((own(effective.min).map_or(global, |v| v.max(global)), Layer::Customer));
                effective.edited = true;
            }
            if let Some(global) = individual.global_max {
                effective.max = Some((own(effective.max).map_or(global, |v| v.min(global)), Layer::Customer));
                effective.edited = true;
            }
        }
        Some(effective)
    }

    /// Why an amount does not pass where the payment names no method; `None`: it does. Some method that may pay must
    /// take it, so that leaving the method out evades no bound (domain.md, section 3).
    #[must_use]
    pub fn refusal_without_method(&self, hidden: HiddenMethods, amount: u64) -> Option<Code> {
        let mut refusal = Code::PaymentMethodNotAvailable;
        for (min, max) in self.ranges(hidden) {
            let reaches_min = min.is_none_or(|(min, _)| amount >= min);
            if reaches_min && max.is_none_or(|(max, _)| amount <= max) {
                return None;
            }
            let is_first = refusal == Code::PaymentMethodNotAvailable;
            if reaches_min {
                refusal = Code::AmountAboveMaximum;
            } else if is_first {
                refusal = Code::AmountBelowMinimum;
            }
        }
        Some(refusal)
    }

    /// The lowest minimum and the highest maximum of the methods that may pay; `None` where none may. An amount between
    /// two ranges does not pass all the same.
    #[must_use]
    pub fn range_without_method(&self, hidden: HiddenMethods) -> Option<(Bound, Bound)> {
        let join = |one: Bound, other: Bound, prefers_other: fn(u64, u64) -> bool| {
            let (one, other) = (one?, other?);
            Some(if prefers_other(one.0, other.0) { other } else { one })
        };
        let lower = |one, other| other < one;
        let higher = |one, other| other > one;
        self.ranges(hidden).reduce(|(min, max), range| (join(min, range.0, lower), join(max, range.1, higher)))
    }

    /// The ranges of all methods that may pay. An endpoint without methods has no ranges, but the customer's global limit
    /// holds there too.
    fn ranges(&self, hidden: HiddenMethods) -> impl Iterator<Item = (Bound, Bound)> {
        let of_customer = |bound: Option<u64>| bound.map(|value| (value, Layer::Customer));
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
    pub fn gates(&self, method: Option<Name>) -> (GateList<'a>, Routing) {
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
        (list, self.level.and_then(|level| level.routing).unwrap_or(Routing::Priority))
    }
}

/// One end of a range, minor units, and the layer that it comes from; `None`: open.
pub type Bound = Option<(u64, Layer)>;

/// What a layer above the endpoint says of a method.
struct Say {
    shown: Option<bool>,
    min: Option<u64>,
    max: Option<u64>,
    has_gates: bool,
}

impl Say {
    fn of(setting: &MethodSetting) -> Self {
        let MethodSetting { show_in_form: shown, min_amount: min, max_amount: max, .. } = *setting;
        Self { shown, min, max, has_gates: setting.gates.is_some() }
    }

    fn own(own: &OwnMethod) -> Self {
        let OwnMethod { show_in_form: shown, min_amount: min, max_amount: max, .. } = *own;
        Self { shown, min, max, has_gates: own.gates.is_some() }
    }
}

impl Effective {
    /// What the endpoint says alone.
    fn at(endpoint: &MethodSetting) -> Self {
        Self {
            show_in_form: endpoint.show_in_form.unwrap_or(true),
            min: endpoint.min_amount.map(|min| (min, Layer::Endpoint)),
            max: endpoint.max_amount.map(|max| (max, Layer::Endpoint)),
            edited: false,
        }
    }

    /// Lays a stronger layer over what there is, field by field.
    fn lay(&mut self, say: &Say, layer: Layer) {
        let of_layer = |value: u64| (value, layer);
        self.show_in_form = say.shown.unwrap_or(self.show_in_form);
        self.min = say.min.map(of_layer).or(self.min);
        self.max = say.max.map(of_layer).or(self.max);
        self.edited |= say.shown.is_some() || say.min.is_some() || say.max.is_some() || say.has_gates;
    }

    /// Whether a payment may use the method.
    #[must_use]
    pub fn may_pay(&self, hidden: HiddenMethods) -> bool {
        self.show_in_form || hidden == HiddenMethods::HideOnly
    }
}
