//! Blocks of payment instruments: who set them, where they act, and who may lift them.
//!
//! Instrument ids are one space over all merchants. A caller for all merchants blocks an instrument everywhere. A caller
//! for some merchants blocks it at those; elsewhere its holders are only suspicious, unless the merchant at which the
//! signal came is trusted with blocks.

use crate::domain::vocabulary::names::Name;

/// The merchants that a caller may act for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every merchant.
    All,
    /// These.
    Some(Vec<Name>),
}

impl Reach {
    /// Whether the caller may act for a merchant.
    #[must_use]
    pub fn contains(&self, merchant: Name) -> bool {
        match self {
            Self::All => true,
            Self::Some(merchants) => merchants.contains(&merchant),
        }
    }
}

/// One block of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whether it acts at every merchant; otherwise at `merchants`.
    pub everywhere: bool,
    /// Whether a caller for all merchants set it.
    pub by_all: bool,
    /// Where it was set, sorted: by a caller for all merchants, the merchant of the signal; by a caller for some, all
    /// merchants of that caller.
    pub merchants: Vec<Name>,
}

impl Block {
    /// A block of an old record, which does not say where it was set. It acts everywhere, as if a caller for all merchants
    /// had set it.
    pub const UNPLACED: Self = Self { everywhere: true, by_all: true, merchants: Vec::new() };

    /// The block that a signal at a merchant sets. `is_trusted`: the merchant's blocks act everywhere.
    #[must_use]
    pub fn set_at(merchant: Name, reach: &Reach, is_trusted: bool) -> Self {
        match reach {
            Reach::All => Self { everywhere: true, by_all: true, merchants: vec![merchant] },
            Reach::Some(merchants) => {
                let mut merchants: Vec<Name> = merchants.iter().copied().chain([merchant]).collect();
                merchants.sort_unstable();
                merchants.dedup();
                Self { everywhere: is_trusted, by_all: false, merchants }
            }
        }
    }

    /// Whether payments at a merchant are blocked by it.
    #[must_use]
    pub fn acts_at(&self, merchant: Name) -> bool {
        self.everywhere || self.merchants.contains(&merchant)
    }

    /// Whether a caller may lift it by a signal at a merchant. `held_at` are the merchants whose customers hold the
    /// instrument.
    fn may_be_lifted(&self, merchant: Name, reach: &Reach, held_at: &[Name]) -> bool {
        let is_own = !self.by_all && self.merchants.contains(&merchant);
        let holders = if is_own { &[][..] } else { held_at };
        // The place of an unplaced block is unknown: only a caller for all merchants is certain to reach it.
        let is_known = !self.merchants.is_empty() || *reach == Reach::All;
        is_known && self.merchants.iter().chain(holders).all(|merchant| reach.contains(*merchant))
    }
}

/// A block that the caller may not lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfReach;

/// All blocks of one instrument; none: payments with it may pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocks(pub Vec<Block>);

impl Blocks {
    /// Whether payments at a merchant are blocked.
    #[must_use]
    pub fn act_at(&self, merchant: Name) -> bool {
        self.0.iter().any(|block| block.acts_at(merchant))
    }

    /// These blocks and another one. Blocks by callers for all merchants are one block, and so are those by callers for
    /// the same merchants that act in the same places: the list is no longer than twice the sets of merchants of all
    /// tokens.
    #[must_use]
    pub fn with(&self, block: Block) -> Self {
        let mut all = self.0.clone();
        let same = |known: &&mut Block| {
            let is_placed = known.merchants.is_empty() == block.merchants.is_empty();
            let is_like = (known.everywhere, known.by_all) == (block.everywhere, block.by_all);
            is_like && is_placed && (block.by_all || known.merchants == block.merchants)
        };
        match all.iter_mut().find(same) {
            None => all.push(block),
            Some(known) => {
                known.merchants.extend(block.merchants);
                known.merchants.sort_unstable();
                known.merchants.dedup();
            }
        }
        Self(all)
    }

    /// What is left when a caller lifts the blocks that act at a merchant; those that act only elsewhere stay. `held_at`
    /// are the merchants whose customers hold the instrument.
    ///
    /// # Errors
    /// The caller may not lift one of them; then none is lifted.
    pub fn lifted_at(&self, merchant: Name, reach: &Reach, held_at: &[Name]) -> Result<Self, OutOfReach> {
        let mut left = Vec::new();
        for block in &self.0 {
            if !block.acts_at(merchant) {
                left.push(block.clone());
            } else if !block.may_be_lifted(merchant, reach, held_at) {
                return Err(OutOfReach);
            }
        }
        Ok(Self(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Name> {
        text.split_whitespace().map(|name| Name::parse(name).unwrap()).collect()
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn reach(text: &str) -> Reach {
        if text == "*" { Reach::All } else { Reach::Some(names(text)) }
    }

    /// Blocks set by signals, each `merchant reach`, with `!` before a merchant that is trusted.
    fn blocks(signals: &[(&str, &str)]) -> Blocks {
        signals.iter().fold(Blocks::default(), |blocks, (at, by)| {
            let merchant = name(at.trim_start_matches('!'));
            blocks.with(Block::set_at(merchant, &reach(by), at.starts_with('!')))
        })
    }

    #[test]
    fn a_block_acts_where_its_caller_reaches_or_everywhere() {
        for (signals, acts) in [
            (&[][..], ""),
            (&[("a", "*")], "a b c"),
            (&[("a", "a")], "a"),
            (&[("a", "a b")], "a b"),
            (&[("!a", "a")], "a b c"),
            (&[("a", "a"), ("c", "c")], "a c"),
            (&[("a", "a"), ("!a", "a")], "a b c"),
            (&[("b", "b"), ("a", "*")], "a b c"),
        ] {
            let blocks = blocks(signals);
            let found: Vec<Name> = names("a b c").into_iter().filter(|merchant| blocks.act_at(*merchant)).collect();
            assert_eq!(found, names(acts), "{signals:?}");
        }
    }

    #[test]
    fn a_block_is_lifted_by_whom_it_is_in_reach_of() {
        // The signals, who holds the instrument where, the lift `merchant reach`, and where payments are blocked after
        // it; `no`: the lift is refused.
        for (signals, held, at, by, want) in [
            (&[("a", "a")][..], "a b c", "a", "a", ""),
            (&[("a", "a")], "a b c", "a", "a b", ""),
            (&[("a", "a")], "a b c", "a", "*", ""),
            (&[("a", "a b")], "a b c", "a", "a", "no"),
            (&[("a", "a b")], "a", "b", "a b", ""),
            (&[("a", "a")], "a b", "b", "b", "a"),
            (&[("a", "a")], "a b", "b", "*", "a"),
            (&[("a", "*")], "a", "a", "a", ""),
            (&[("a", "*")], "a b", "a", "a", "no"),
            (&[("a", "*")], "a b", "a", "a b", ""),
            (&[("a", "*")], "b", "b", "b", "no"),
            (&[("a", "*")], "", "b", "a b", ""),
            (&[("a", "*")], "a b c", "c", "*", ""),
            (&[("a", "*"), ("b", "*")], "a", "a", "a", "no"),
            (&[("!a", "a")], "a b", "a", "a", ""),
            (&[("!a", "a")], "a b", "b", "b", "no"),
            (&[("!a", "a")], "b", "b", "a b", ""),
            (&[("!a", "a")], "b c", "b", "a b", "no"),
            (&[("a", "a"), ("b", "b")], "a b", "a", "a", "b"),
            (&[("a", "a"), ("b", "*")], "a b", "a", "a", "no"),
            (&[("a", "a"), ("b", "b")], "a b", "a", "*", "b"),
            (&[("a", "a"), ("!a", "a")], "a b", "b", "*", "a"),
        ] {
            let blocks = blocks(signals);
            let got = match blocks.lifted_at(name(at), &reach(by), &names(held)) {
                Err(OutOfReach) => "no".to_owned(),
                Ok(left) => {
                    let acts = names("a b c").into_iter().filter(|merchant| left.act_at(*merchant));
                    acts.map(Name::as_str).collect::<Vec<_>>().join(" ")
                }
            };
            assert_eq!(got, want, "{signals:?}, held at {held:?}, lifted at {at} by {by}");
        }
    }

    #[test]
    fn only_a_caller_for_all_merchants_lifts_a_block_without_a_place() {
        let unplaced = Blocks(vec![Block::UNPLACED]);
        for blocks in [unplaced.clone(), unplaced.with(Block::set_at(name("a"), &Reach::All, false))] {
            assert!(blocks.act_at(name("a")) && blocks.act_at(name("b")));
            assert_eq!(blocks.lifted_at(name("a"), &reach("a b"), &[]), Err(OutOfReach));
            assert_eq!(blocks.lifted_at(name("a"), &Reach::All, &names("a b")), Ok(Blocks::default()));
        }
    }

    #[test]
    fn the_list_grows_with_the_sets_of_merchants_alone() {
        let again = [("a", "*"), ("b", "*"), ("a", "a"), ("!a", "a"), ("a", "a b"), ("b", "a b"), ("b", "*")];
        let blocks = blocks(&again);
        assert_eq!(blocks.0.len(), 4, "{blocks:?}");
        assert_eq!(blocks.0[0].merchants, names("a b"));
    }
}
