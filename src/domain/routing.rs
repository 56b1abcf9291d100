//! Routing: from a gate list to the ordered gates that take a payment, and why the others do not.

use crate::domain::{
    rules::configuration::{Direction, Gate, GateItem, Merchant, Routing, words},
    vocabulary::{
        money::{Currency, Decimal},
        names::Name,
    },
};
use siphasher::sip::SipHasher24;
use smallvec::SmallVec;
use std::{cmp::Ordering, hash::Hasher};

words! {
    /// Why a gate was left out.
    SkipReason {
        /// It is switched off.
        Disabled = "disabled",
        /// It does not serve the direction.
        Direction = "direction_not_served",
        /// It does not serve the currency.
        Currency = "currency_not_served",
        /// It does not serve the method.
        Method = "method_not_served",
        /// The amount is below its minimum.
        BelowMinimum = "amount_below_minimum",
        /// The amount is above its maximum.
        AboveMaximum = "amount_above_maximum",
    }
}

/// What routing needs to know of a payment.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amount.
    pub currency: Currency,
    /// The fraction digits of the currency.
    pub minor_units: u8,
    /// Minor units; `None`: not known yet, and no bound is looked at.
    pub amount: Option<u64>,
    /// `None`: the gates' methods are not looked at.
    pub method: Option<Name>,
    /// What makes a weighted order the same for a retry.
    pub transaction_id: &'a str,
    /// Whether anybody asks which gates are left out.
    pub explain: bool,
}

/// The gates in their order, and those left out.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Eligible, best first.
    pub ordered: SmallVec<[Name; 4]>,
    /// Left out, in the order of the list, where anybody asks.
    pub skipped: Vec<(Name, SkipReason)>,
}

/// The key of the weighted order: SipHash-2-4 with these two words, over the merchant, a zero byte and the
/// transaction id. Changing it would give retries another order.
pub const WEIGHTED_KEY: (u64, u64) = (0x6c65_7665_6c67_6174, 0x6577_6569_6768_7473);

impl Merchant {
    /// The gate or route of this id.
    #[must_use]
    pub fn gate_item(&self, id: Name) -> Option<GateItem> {
        let gate = self.gates.iter().position(|gate| gate.id == id).map(GateItem::Gate);
        gate.or_else(|| self.routes.iter().position(|route| route.id == id).map(GateItem::Route))
    }
}

/// Orders the eligible gates of a list. A gate that is listed twice stands where it comes first.
#[must_use]
pub fn route(merchant: &Merchant, list: &[GateItem], routing: Routing, payment: &Routed<'_>) -> Gates {
    let mut gates = Gates::default();
    // Gates in their own order are the usual list, and need nothing gathered.
    if routing == Routing::Priority && list.iter().all(|item| matches!(item, GateItem::Gate(_))) {
        for (at, item) in list.iter().enumerate() {
            let GateItem::Gate(place) = item else { continue };
            let Some(gate) = merchant.gates.get(*place).filter(|_| !list[..at].contains(item)) else { continue };
            if takes(gate, payment, &mut gates.skipped) {
                gates.ordered.push(gate.id);
            }
        }
        return gates;
    }
    let mut items: SmallVec<[(SmallVec<[usize; 4]>, u64); 4]> = SmallVec::new();
    let mut seen: SmallVec<[usize; 8]> = SmallVec::new();
    let mut draw = Draw::of(merchant.id, payment.transaction_id);
    for item in list {
        let (places, inner): (&[usize], Routing) = match item {
            GateItem::Gate(place) => (std::slice::from_ref(place), Routing::Priority),
            GateItem::Route(place) => match merchant.routes.get(*place) {
                Some(route) => (&route.gates, route.routing),
                None => continue,
            },
        };
        let mut eligible: SmallVec<[usize; 4]> = SmallVec::new();
        for &place in places {
            if seen.contains(&place) {
                continue;
            }
            seen.push(place);
            let Some(gate) = merchant.gates.get(place) else { continue };
            if takes(gate, payment, &mut gates.skipped) {
                eligible.push(place);
            }
        }
        if eligible.is_empty() {
            continue;
        }
        let weight_of = |place: &usize| merchant.gates.get(*place).map_or(0, |gate| u64::from(gate.weight));
        let weight = eligible.iter().map(weight_of).sum();
        if inner == Routing::Weighted {
            let weighted: SmallVec<[(usize, u64); 4]> =
                eligible.into_iter().map(|place| (place, weight_of(&place))).collect();
            eligible = draw.order(weighted);
        }
        items.push((eligible, weight));
    }
    let ordered: SmallVec<[SmallVec<[usize; 4]>; 4]> = match routing {
        Routing::Priority => items.into_iter().map(|(places, _)| places).collect(),
        Routing::Weighted => draw.order(items),
    };
    let names = ordered.into_iter().flatten().filter_map(|place| merchant.gates.get(place)).map(|gate| gate.id);
    gates.ordered.extend(names);
    gates
}

/// Whether a gate takes the payment; where anybody asks, why not is noted.
fn takes(gate: &Gate, payment: &Routed<'_>, skipped: &mut Vec<(Name, SkipReason)>) -> bool {
    let reason = skip_reason(gate, payment);
    if let Some(reason) = reason.filter(|_| payment.explain) {
        skipped.push((gate.id, reason));
    }
    reason.is_none()
}

fn skip_reason(gate: &Gate, payment: &Routed<'_>) -> Option<SkipReason> {
    let is_out = |bound: Option<Decimal>, out: Ordering| {
        bound.zip(payment.amount).is_some_and(|(bound, amount)| bound.cmp_amount(amount, payment.minor_units) == out)
    };
    if !gate.enabled {
        Some(SkipReason::Disabled)
    } else if gate.directions.as_ref().is_some_and(|served| !served.contains(&payment.direction)) {
        Some(SkipReason::Direction)
    } else if gate.currencies.as_ref().is_some_and(|served| !served.contains(&payment.currency)) {
        Some(SkipReason::Currency)
    } else if payment.method.is_some_and(|method| gate.methods.as_ref().is_some_and(|m| !m.contains(&method))) {
        Some(SkipReason::Method)
    } else if is_out(gate.min_amount, Ordering::Less) {
        Some(SkipReason::BelowMinimum)
    } else if is_out(gate.max_amount, Ordering::Greater) {
        Some(SkipReason::AboveMaximum)
    } else {
        None
    }
}

/// A stream of numbers that depends on the merchant and the transaction alone.
struct Draw(SipHasher24, u64);

impl Draw {
    fn of(merchant: Name, transaction_id: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(WEIGHTED_KEY.0, WEIGHTED_KEY.1);
        hasher.write(merchant.as_str().as_bytes());
        hasher.write_u8(0);
        hasher.write(transaction_id.as_bytes());
        Self(hasher, 0)
    }

    /// A number below `bound`, each as likely.
    fn below(&mut self, bound: u64) -> u64 {
        let mut hasher = self.0;
        hasher.write(&self.1.to_le_bytes());
        self.1 += 1;
        let product = u128::from(hasher.finish()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Draws without putting back, each by its weight; what weighs nothing comes last, as listed.
    fn order<T, A, B>(&mut self, mut items: SmallVec<A>) -> SmallVec<B>
    where
        A: smallvec::Array<Item = (T, u64)>,
        B: smallvec::Array<Item = T>,
    {
        let mut ordered = SmallVec::new();
        while !items.is_empty() {
            let total: u64 = items.iter().map(|(_, weight)| weight).sum();
            let mut ticket = if total == 0 { 0 } else { self.below(total) };
            let hit = items.iter().position(|(_, weight)| {
                let hit = ticket < *weight;
                ticket = ticket.saturating_sub(*weight);
                hit
            });
            ordered.push(items.remove(hit.unwrap_or(0)).0);
        }
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_and_a_retry_gets_the_same_order() {
        let merchant = Name::parse("acme").unwrap();
        let mut first = [0_u32; 3];
        for n in 0..30_000 {
            let id = format!("tx-{n}");
            let order = || -> SmallVec<[usize; 3]> {
                let items: SmallVec<[(usize, u64); 3]> = SmallVec::from_slice(&[(0, 70), (1, 30), (2, 0)]);
                Draw::of(merchant, &id).order(items)
            };
            assert_eq!(order(), order());
            assert_eq!(order()[2], 2, "a weight of zero comes last");
            first[order()[0]] += 1;
        }
        assert!((20_700..21_300).contains(&first[0]), "70 of 100 at {first:?}");
    }

    #[test]
    fn the_weighted_order_is_the_same_in_every_build() {
        let items: SmallVec<[(usize, u64); 3]> = SmallVec::from_slice(&[(0, 1), (1, 1), (2, 1)]);
        let orders: Vec<Vec<usize>> = ["a", "b", "c", "d"]
            .iter()
            .map(|id| Draw::of(Name::parse("acme").unwrap(), id).order::<_, _, [usize; 3]>(items.clone()).to_vec())
            .collect();
        assert_eq!(orders, [[0, 2, 1], [0, 1, 2], [0, 1, 2], [2, 0, 1]]);
    }
}
