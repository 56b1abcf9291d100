//! Settings of a payment method, layered field by field: the customer's over the level's over the endpoint's.

use super::{
    codes::Code,
    name::Name,
    profile::{IndividualSettings, OwnMethod},
    rules::{Endpoint, GateItem, HiddenMethods, Level, Merchant, MethodSetting, Routing, words},
};
use smallvec::SmallVec;
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
    #[inline]
    pub fn method(&self, method: Name) -> Option<Effective<'a>> {
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

    /// Which amounts pass where the payment names no method: those of some method that may pay, so that leaving the
    /// method out evades no bound. An endpoint without methods has no ranges, but the customer's global limit holds.
    #[must_use]
    pub fn range_of_any(&self, hidden: HiddenMethods) -> AnyRange {
        if self.endpoint.methods.is_empty() {
            let of_customer = |bound: Option<u64>| bound.map(|value| (value, Layer::Customer));
            let (min, max) = self.individual.map_or((None, None), |own| (own.global_min, own.global_max));
            return AnyRange { ranges: SmallVec::from_slice(&[(of_customer(min), of_customer(max))]) };
        }
        let offered = self.endpoint.methods.iter().filter_map(|setting| self.method(setting.method));
        let may_pay = offered.filter(|effective| effective.may_pay(hidden));
        AnyRange { ranges: may_pay.map(|effective| (effective.min, effective.max)).collect() }
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

/// One end of a range, minor units, and the layer that it comes from; `None`: open.
pub type Bound = Option<(u64, Layer)>;

/// The ranges of all methods by which a payment may pay that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyRange {
    ranges: SmallVec<[(Bound, Bound); 2]>,
}

impl AnyRange {
    /// Why an amount does not pass; `None`: some range contains it.
    #[must_use]
    pub fn refuses(&self, amount: u64) -> Option<Code> {
        let reaches_min = |min: &Bound| min.is_none_or(|(min, _)| amount >= min);
        let keeps_max = |max: &Bound| max.is_none_or(|(max, _)| amount <= max);
        if self.ranges.is_empty() {
            return Some(Code::PaymentMethodNotAvailable);
        }
        if self.ranges.iter().any(|(min, max)| reaches_min(min) && keeps_max(max)) {
            return None;
        }
        let is_below_all = !self.ranges.iter().any(|(min, _)| reaches_min(min));
        Some(if is_below_all { Code::AmountBelowMinimum } else { Code::AmountAboveMaximum })
    }

    /// The lowest minimum and the highest maximum; `None` where no method may pay. Amounts between two ranges may not
    /// pass all the same.
    #[must_use]
    pub fn envelope(&self) -> Option<(Bound, Bound)> {
        let (first, rest) = self.ranges.split_first()?;
        let open =
            |one: Bound, other: Bound, pick: fn((u64, Layer), (u64, Layer)) -> (u64, Layer)| Some(pick(one?, other?));
        let lower = |one: (u64, Layer), other: (u64, Layer)| if other.0 < one.0 { other } else { one };
        let higher = |one: (u64, Layer), other: (u64, Layer)| if other.0 > one.0 { other } else { one };
        Some(rest.iter().fold(*first, |(min, max), range| (open(min, range.0, lower), open(max, range.1, higher))))
    }
}

/// What a layer above the endpoint says of a method.
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
}

impl<'a> Effective<'a> {
    /// What the endpoint says alone.
    fn at(endpoint: &'a MethodSetting) -> Self {
        Self {
            show_in_form: endpoint.show_in_form.unwrap_or(true),
            min: endpoint.min_amount.map(|min| (min, Layer::Endpoint)),
            max: endpoint.max_amount.map(|max| (max, Layer::Endpoint)),
            own_gates: None,
            endpoint_gates: endpoint.gates.as_deref(),
            edited: false,
        }
    }

    /// Lays a stronger layer over what there is, field by field.
    fn lay(&mut self, say: &Say<'a>, layer: Layer) {
        let of_layer = |value: u64| (value, layer);
        self.show_in_form = say.shown.unwrap_or(self.show_in_form);
        self.min = say.min.map(of_layer).or(self.min);
        self.max = say.max.map(of_layer).or(self.max);
        self.own_gates = say.gates.or(self.own_gates);
        self.edited |= say.shown.is_some() || say.min.is_some() || say.max.is_some() || say.gates.is_some();
    }

    /// Whether a payment may use the method.
    #[must_use]
    pub fn may_pay(&self, hidden: HiddenMethods) -> bool {
        self.show_in_form || hidden == HiddenMethods::HideOnly
    }
}
