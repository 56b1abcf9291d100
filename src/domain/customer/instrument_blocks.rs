//! Blocks of payment instruments: who set them, where they act, and who may lift them.
//!
//! Instrument ids are shared by all merchants. A caller for all merchants blocks an instrument everywhere. A caller for
//! some merchants blocks it at those; elsewhere its holders become suspicious, unless the merchant of the signal is
//! trusted with blocks. A block at a test merchant applies there alone, and no block from elsewhere applies there.

use crate::domain::vocabulary::names::Name;

/// The merchants that a caller may act for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MerchantScope {
    /// Every merchant.
    All,
    /// These.
    Some(Vec<Name>),
}

impl MerchantScope {
    /// Whether the caller may act for a merchant.
    #[must_use]
    pub fn contains(&self, merchant: Name) -> bool {
        match self {
            Self::All => true,
            Self::Some(merchants) => merchants.contains(&merchant),
        }
    }

    /// The listed merchants; none where the caller may act for every one.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &str> {
        let listed = match self {
            Self::All => &[][..],
            Self::Some(merchants) => merchants,
        };
        listed.iter().map(|name| name.as_str())
    }
}

/// A merchant as a place of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// The merchant.
    pub merchant: Name,
    /// Whether it is a test merchant.
    pub is_sandbox: bool,
}

impl BlockPlace {
    /// Whether a signal at this merchant reaches the customers of another one who hold the same instrument.
    #[must_use]
    pub fn reaches(self, other: Self) -> bool {
        self.merchant == other.merchant || !(self.is_sandbox || other.is_sandbox)
    }
}

/// One block of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentBlock {
    /// Whether it applies at every merchant; otherwise at `merchants`.
    pub everywhere: bool,
    /// Whether a caller for all merchants set it.
    pub by_all: bool,
    /// Where it was set, sorted: for a caller for all merchants, the merchant of the signal; for a caller for some, all
    /// merchants of that caller.
    pub merchants: Vec<Name>,
}

impl InstrumentBlock {
    /// A block of an old record without the place where it was set. It applies everywhere, as if a caller for all merchants
    /// had set it.
    pub const UNPLACED: Self = Self { everywhere: true, by_all: true, merchants: Vec::new() };

    /// The block that a signal at a test merchant sets, with any scope of the caller. It applies at that merchant alone.
    #[must_use]
    pub fn set_at_sandbox(merchant: Name) -> Self {
        Self { everywhere: false, by_all: false, merchants: vec![merchant] }
    }

    /// The block that a signal at a real merchant sets. `is_trusted`: the merchant's blocks apply everywhere.
    #[must_use]
    pub fn set_at(merchant: Name, scope: &MerchantScope, is_trusted: bool) -> Self {
        match scope {
            MerchantScope::All => Self { everywhere: true, by_all: true, merchants: vec![merchant] },
            MerchantScope::Some(merchants) => {
                let mut merchants: Vec<Name> = merchants.iter().copied().chain([merchant]).collect();
                merchants.sort_unstable();
                merchants.dedup();
                Self { everywhere: is_trusted, by_all: false, merchants }
            }
        }
    }

    /// Whether it blocks payments at a merchant. A block of a real merchant names that merchant, so it never applies at a
    /// test merchant.
    #[must_use]
    pub fn acts_at(&self, place: BlockPlace) -> bool {
        let BlockPlace { merchant, is_sandbox } = place;
        if is_sandbox {
            return !self.everywhere && self.merchants.as_slice() == [merchant];
        }
        self.everywhere || self.merchants.contains(&merchant)
    }

    /// Whether a caller may lift it by a signal at a merchant. `held_at`: merchants with customers who have the instrument,
    /// among them one that the caller may not act for, if there is one.
    fn may_be_lifted(&self, merchant: Name, scope: &MerchantScope, held_at: &[Name]) -> bool {
        let is_own = !self.by_all && self.merchants.contains(&merchant);
        let holders = if is_own { &[][..] } else { held_at };
        // The merchant of an unplaced block is unknown: only the scope of a caller for all merchants is sure to contain it.
        let is_known = !self.merchants.is_empty() || *scope == MerchantScope::All;
        is_known && self.merchants.iter().chain(holders).all(|merchant| scope.contains(*merchant))
    }
}

/// A block that the caller may not lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfScope;

/// All blocks of one instrument; empty: payments with it are not blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstrumentBlocks(pub Vec<InstrumentBlock>);

impl InstrumentBlocks {
    /// The blocks of an old record, which states only whether the instrument is blocked everywhere.
    #[must_use]
    pub fn of_old_record(is_blocked: bool) -> Self {
        Self(if is_blocked { vec![InstrumentBlock::UNPLACED] } else { Vec::new() })
    }

    /// Whether payments at a merchant are blocked.
    #[must_use]
    pub fn act_at(&self, place: BlockPlace) -> bool {
        self.0.iter().any(|block| block.acts_at(place))
    }

    /// Whether a signal that sets a block can have led to these blocks only where there was none before.
    #[must_use]
    pub fn are_first(&self) -> bool {
        match self.0.as_slice() {
            // Blocks by callers for all merchants are joined to one, with several merchants.
            [only] => !only.by_all || only.merchants.len() <= 1,
            _ => false,
        }
    }

    /// These blocks and another one. Blocks by callers for all merchants are one block, and so are those by callers for
    /// the same merchants that act in the same places: the list is no longer than twice the sets of merchants of all
    /// tokens.
    #[must_use]
    pub fn with(&self, block: InstrumentBlock) -> Self {
        let mut all = self.0.clone();
        let same = |known: &&mut InstrumentBlock| {
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

    /// The blocks that remain after a caller lifts those that apply at a merchant; blocks that apply only elsewhere stay.
    /// `held_at`: merchants with customers who have the instrument, among them one that the caller may not act for, if there
    /// is one.
    ///
    /// # Errors
    /// The caller may not lift one of them; then none is lifted.
    pub fn lifted_at(&self, place: BlockPlace, scope: &MerchantScope, held_at: &[Name]) -> Result<Self, OutOfScope> {
        let mut left = Vec::new();
        for block in &self.0 {
            if !block.acts_at(place) {
                left.push(block.clone());
            } else if !block.may_be_lifted(place.merchant, scope, held_at) {
                return Err(OutOfScope);
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

    fn real(merchant: Name) -> BlockPlace {
        BlockPlace { merchant, is_sandbox: false }
    }

    fn scope(text: &str) -> MerchantScope {
        if text == "*" { MerchantScope::All } else { MerchantScope::Some(names(text)) }
    }

    /// Blocks set by signals, each `merchant scope`, with `!` before a merchant that is trusted.
    fn blocks(signals: &[(&str, &str)]) -> InstrumentBlocks {
        signals.iter().fold(InstrumentBlocks::default(), |blocks, (at, by)| {
            let merchant = name(at.trim_start_matches('!'));
            blocks.with(InstrumentBlock::set_at(merchant, &scope(by), at.starts_with('!')))
        })
    }

    #[test]
    fn a_block_applies_in_the_scope_of_its_caller_or_everywhere() {
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
            let found: Vec<Name> =
                names("a b c").into_iter().filter(|merchant| blocks.act_at(real(*merchant))).collect();
            assert_eq!(found, names(acts), "{signals:?}");
        }
    }

    #[test]
    fn a_block_is_lifted_only_by_a_caller_with_its_scope() {
        // The signals, who holds the instrument where, the lift `merchant scope`, and where payments are blocked after
        // it; `no`: the lift is refused.
        for (signals, holders, at, by, want) in [
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
            let got = match blocks.lifted_at(real(name(at)), &scope(by), &names(holders)) {
                Err(OutOfScope) => "no".to_owned(),
                Ok(left) => {
                    let acts = names("a b c").into_iter().filter(|merchant| left.act_at(real(*merchant)));
                    acts.map(Name::as_str).collect::<Vec<_>>().join(" ")
                }
            };
            assert_eq!(got, want, "{signals:?}, held at {holders:?}, lifted at {at} by {by}");
        }
    }

    #[test]
    fn only_a_caller_for_all_merchants_lifts_a_block_without_a_place() {
        let unplaced = InstrumentBlocks(vec![InstrumentBlock::UNPLACED]);
        for blocks in [unplaced.clone(), unplaced.with(InstrumentBlock::set_at(name("a"), &MerchantScope::All, false))]
        {
            assert!(blocks.act_at(real(name("a"))) && blocks.act_at(real(name("b"))));
            assert_eq!(blocks.lifted_at(real(name("a")), &scope("a b"), &[]), Err(OutOfScope));
            assert_eq!(
                blocks.lifted_at(real(name("a")), &MerchantScope::All, &names("a b")),
                Ok(InstrumentBlocks::default())
            );
        }
    }

    #[test]
    fn blocks_of_a_test_merchant_and_of_real_ones_never_meet() {
        // `t` and `u` are test merchants; a signal at one of them, with `~`, is by any caller.
        let place = |text: &str| BlockPlace { merchant: name(text), is_sandbox: text == "t" || text == "u" };
        for (signals, acts) in [
            (&[("~t", "")][..], "t"),
            (&[("~t", ""), ("~u", "")], "t u"),
            (&[("a", "*")], "a b"),
            (&[("!a", "a")], "a b"),
            (&[("a", "a t")], "a"),
            (&[("a", "a t"), ("~t", "")], "a t"),
        ] {
            let blocks = signals.iter().fold(InstrumentBlocks::default(), |blocks, (at, by)| {
                let merchant = name(at.trim_start_matches(['!', '~']));
                blocks.with(match at.starts_with('~') {
                    true => InstrumentBlock::set_at_sandbox(merchant),
                    false => InstrumentBlock::set_at(merchant, &scope(by), at.starts_with('!')),
                })
            });
            let acting = |blocks: &InstrumentBlocks| -> Vec<&str> {
                "a b t u".split(' ').filter(|merchant| blocks.act_at(place(merchant))).collect()
            };
            assert_eq!(acting(&blocks).join(" "), acts, "{signals:?}");
            // A caller for the test merchant alone lifts its block and no other.
            let left = blocks.lifted_at(place("t"), &scope("t"), &names("a b t")).unwrap();
            let rest: Vec<&str> = acting(&blocks).into_iter().filter(|merchant| *merchant != "t").collect();
            assert_eq!(acting(&left), rest, "{signals:?}");
        }
        for (from, to, reaches) in
            [("a", "b", true), ("a", "t", false), ("t", "a", false), ("t", "u", false), ("t", "t", true)]
        {
            assert_eq!(place(from).reaches(place(to)), reaches, "{from} {to}");
        }
    }

    #[test]
    fn only_one_signal_leads_to_first_blocks() {
        for (signals, want) in [
            (&[][..], false),
            (&[("a", "*")], true),
            (&[("a", "a")], true),
            (&[("a", "a b")], true),
            (&[("!a", "a")], true),
            (&[("a", "*"), ("b", "*")], false),
            (&[("a", "a"), ("b", "b")], false),
            (&[("a", "a"), ("a", "*")], false),
        ] {
            assert_eq!(blocks(signals).are_first(), want, "{signals:?}");
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
