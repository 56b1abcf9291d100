//! Labels: a merchant's own classes of customers, and what each class forbids.

use crate::domain::vocabulary::{names::Name, words::words};
words! {
    /// The meaning of a label.
    LabelKind {
        /// No special meaning.
        Active = "active",
        /// Suspended.
        Suspended = "suspended",
        /// Fraud is suspected.
        FraudSuspected = "fraud_suspected",
        /// Fraud is proven.
        FraudConfirmed = "fraud_confirmed",
        /// Staff of the merchant and tests.
        Internal = "internal",
        /// Deletion was requested; the grace period runs.
        PendingDeletion = "pending_deletion",
        /// Deleted: blocks everything.
        Deleted = "deleted",
    }
}

words! {
    /// A restriction that levelgate enforces. Other names are returned to the systems that enforce them.
    Restriction {
        /// Blocks payments.
        BlockTransactions = "block_transactions",
        /// Blocks deposits.
        BlockDeposits = "block_deposits",
        /// Blocks withdrawals.
        BlockWithdrawals = "block_withdrawals",
        /// Flags transactions.
        MarkOutlier = "mark_outlier",
        /// Blocks changes of identifiers.
        BlockIdentifierChange = "block_identifier_change",
        /// Blocks merges, as source and as target.
        BlockMerge = "block_merge",
        /// Blocks level changes.
        BlockLevelChange = "block_level_change",
    }
}

/// A label for customers of a merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Unique in the merchant.
    pub name: Name,
    /// Its meaning.
    pub kind: LabelKind,
    /// In the order of the file: enforced ones and others, which are only returned.
    pub restrictions: Vec<Name>,
}

impl Label {
    /// Whether the label restricts its customers so. A label of kind [`LabelKind::Deleted`] has every blocking
    /// restriction, listed or not.
    #[must_use]
    pub fn forbids(&self, restriction: Restriction) -> bool {
        let blocks = restriction != Restriction::MarkOutlier;
        (blocks && self.kind == LabelKind::Deleted)
            || self.restrictions.iter().any(|name| name.as_str() == restriction.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::words::Word;

    fn label(kind: LabelKind, restrictions: &[&str]) -> Label {
        let name = |text: &str| Name::parse(text).unwrap();
        Label { name: name("x"), kind, restrictions: restrictions.iter().map(|text| name(text)).collect() }
    }

    #[test]
    fn a_label_has_its_listed_restrictions_and_deleted_blocks_everything() {
        for &(word, restriction) in Restriction::WORDS {
            for &(_, kind) in LabelKind::WORDS {
                assert!(label(kind, &["other", word]).forbids(restriction), "{word} listed");
                let unasked = kind == LabelKind::Deleted && word.starts_with("block_");
                assert_eq!(label(kind, &["other"]).forbids(restriction), unasked, "{word} of {}", kind.word());
            }
        }
    }
}
