//! Sets of customer numbers.

use roaring::RoaringBitmap;

/// A set of customer numbers. Most sets have one number and take no memory besides the value. A set of many takes at most
/// two bytes for each, and a step on it takes the same time however many there are.
#[derive(Debug, Clone)]
pub(in crate::ledger) enum NumberSet {
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl NumberSet {
    pub(in crate::ledger) fn insert(&mut self, number: u32) {
        match self {
            Self::One(only) if *only == number => {}
            Self::One(only) => *self = Self::Many(Box::new([*only, number].into_iter().collect())),
            Self::Many(numbers) => _ = numbers.insert(number),
        }
    }

    pub(in crate::ledger) fn contains(&self, number: u32) -> bool {
        match self {
            Self::One(only) => *only == number,
            Self::Many(numbers) => numbers.contains(number),
        }
    }

    /// Removes a number. Returns whether numbers are left; a set without any is to be dropped.
    pub(in crate::ledger) fn remove(&mut self, number: u32) -> bool {
        match self {
            Self::One(only) => *only != number,
            Self::Many(numbers) => {
                numbers.remove(number);
                !numbers.is_empty()
            }
        }
    }

    /// The numbers from one on, ascending.
    pub(in crate::ledger) fn starting_at(&self, first: u32) -> impl Iterator<Item = u32> {
        let (one, many) = match self {
            Self::One(only) => (Some(*only).filter(|only| *only >= first), None),
            Self::Many(numbers) => (None, Some(numbers.range(first..))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// A copy of the set.
    pub(in crate::ledger) fn to_bitmap(&self) -> RoaringBitmap {
        match self {
            Self::One(only) => std::iter::once(*only).collect(),
            Self::Many(numbers) => (**numbers).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_contains_what_a_sorted_set_contains(steps in prop::collection::vec((any::<bool>(), 0..6_u32), 1..40), first in 0..6_u32) {
            let (mut set, mut model): (Option<NumberSet>, BTreeSet<u32>) = (None, BTreeSet::new());
            for (is_insert, number) in steps {
                if is_insert {
                    model.insert(number);
                    match &mut set {
                        Some(set) => set.insert(number),
                        None => set = Some(NumberSet::One(number)),
                    }
                } else {
                    model.remove(&number);
                    set = set.and_then(|mut set| set.remove(number).then_some(set));
                }
                let all = |first| set.iter().flat_map(|set| set.starting_at(first)).collect::<Vec<_>>();
                prop_assert_eq!(all(0), model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(all(first), model.range(first..).copied().collect::<Vec<_>>());
                let bitmap = set.as_ref().map(NumberSet::to_bitmap).unwrap_or_default();
                prop_assert!(bitmap.iter().eq(model.iter().copied()));
                prop_assert!((0..6).all(|number| bitmap.contains(number) == model.contains(&number)));
                prop_assert!(set.iter().all(|set| set.contains(number) == model.contains(&number)));
            }
        }
    }

    #[test]
    fn the_size_of_a_set_is_as_estimated() {
        assert_eq!(size_of::<NumberSet>(), 16, "every stored instrument has one");
    }
}
