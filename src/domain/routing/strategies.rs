//! RoutingStrategy: from a gate list to the ordered gates that take a payment.

use crate::domain::{
    routing::gates::{RoutingRequest, SkipReason, skip_reason},
    rules::{
        gates::{Gate, GateItem, RoutingStrategy},
        merchant::Merchant,
    },
    vocabulary::names::Name,
};
use siphasher::sip::SipHasher24;
use smallvec::SmallVec;
use std::hash::Hasher;

/// The gates in their order, and the skipped ones.
#[derive(Debug, Clone, Default)]
pub struct GateSelection {
    /// Eligible, best first.
    pub ordered: SmallVec<[Name; 4]>,
    /// Skipped gates in the order of the list, where requested.
    pub skipped: Vec<(Name, SkipReason)>,
}

/// The key of the weighted order: SipHash-2-4 with these two words, over the merchant, a zero byte and the
/// transaction id. Changing it would give retries another order.
pub const WEIGHTED_KEY: (u64, u64) = (0x6c65_7665_6c67_6174, 0x6577_6569_6768_7473);

/// Orders the eligible gates of a list. A gate that is listed twice keeps its first position.
#[must_use]
pub fn select_gates(
    merchant: &Merchant,
    list: &[GateItem],
    routing: RoutingStrategy,
    payment: &RoutingRequest<'_>,
) -> GateSelection {
    let mut gates = GateSelection::default();
    // GateSelection in their own order are the usual list, and need nothing gathered.
    if routing == RoutingStrategy::Priority && list.iter().all(|item| matches!(item, GateItem::Gate(_))) {
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
    let mut used: SmallVec<[usize; 8]> = SmallVec::new();
    let mut draw = WeightedDraw::of(merchant.id, payment.transaction_id);
    for item in list {
        let (places, inner): (&[usize], RoutingStrategy) = match item {
            GateItem::Gate(place) => (std::slice::from_ref(place), RoutingStrategy::Priority),
            GateItem::Route(place) => match merchant.routes.get(*place) {
                Some(route) => (&route.gates, route.routing),
                None => continue,
            },
        };
        let mut eligible: SmallVec<[usize; 4]> = SmallVec::new();
        for &place in places {
            if used.contains(&place) {
                continue;
            }
            used.push(place);
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
        if inner == RoutingStrategy::Weighted {
            let weighted: SmallVec<[(usize, u64); 4]> =
                eligible.into_iter().map(|place| (place, weight_of(&place))).collect();
            eligible = draw.order(weighted);
        }
        items.push((eligible, weight));
    }
    let ordered: SmallVec<[SmallVec<[usize; 4]>; 4]> = match routing {
        RoutingStrategy::Priority => items.into_iter().map(|(places, _)| places).collect(),
        RoutingStrategy::Weighted => draw.order(items),
    };
    let names = ordered.into_iter().flatten().filter_map(|place| merchant.gates.get(place)).map(|gate| gate.id);
    gates.ordered.extend(names);
    gates
}

/// Whether a gate takes the payment; the reason of a skipped gate is recorded where requested.
fn takes(gate: &Gate, payment: &RoutingRequest<'_>, skipped: &mut Vec<(Name, SkipReason)>) -> bool {
    let reason = skip_reason(gate, payment);
    if let Some(reason) = reason.filter(|_| payment.explain) {
        skipped.push((gate.id, reason));
    }
    reason.is_none()
}

/// A stream of numbers that depends only on the merchant and the transaction.
struct WeightedDraw(SipHasher24, u64);

impl WeightedDraw {
    fn of(merchant: Name, transaction_id: &str) -> Self {
        let mut hasher = SipHasher24::new_with_keys(WEIGHTED_KEY.0, WEIGHTED_KEY.1);
        hasher.write(merchant.as_str().as_bytes());
        hasher.write_u8(0);
        hasher.write(transaction_id.as_bytes());
        Self(hasher, 0)
    }

    /// A uniformly distributed number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        let mut hasher = self.0;
        hasher.write(&self.1.to_le_bytes());
        self.1 += 1;
        let product = u128::from(hasher.finish()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Draws without replacement, by weight; items of weight zero come last, as listed.
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
                WeightedDraw::of(merchant, &id).order(items)
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
            .map(|id| {
                WeightedDraw::of(Name::parse("acme").unwrap(), id).order::<_, _, [usize; 3]>(items.clone()).to_vec()
            })
            .collect();
        assert_eq!(orders, [[0, 2, 1], [0, 1, 2], [0, 1, 2], [2, 0, 1]]);
    }
}
