//! Labels: the operator's own names for how a customer stands, and what each forbids.

use crate::domain::{
    rules::configuration::{Merchant, Word, words},
    vocabulary::names::Name,
};

words! {
    /// What a label means, whatever its name.
    LabelKind {
        /// Nothing in particular.
        Active = "active",
        /// Put on hold.
        Suspended = "suspended",
        /// Somebody suspects fraud.
        FraudSuspected = "fraud_suspected",
        /// Fraud is proven.
        FraudConfirmed = "fraud_confirmed",
        /// The merchant's own people and tests.
        Internal = "internal",
        /// Asked to be deleted; the grace period runs.
        PendingDeletion = "pending_deletion",
        /// Deleted: blocks everything.
        Deleted = "deleted",
    }
}
words! {
    /// A restriction that is enforced here; any other name is for the systems that enforce it.
    Restriction {
        /// No payment.
        BlockTransactions = "block_transactions",
        /// No deposit.
        BlockDeposits = "block_deposits",
        /// No withdrawal.
        BlockWithdrawals = "block_withdrawals",
        /// The transaction is flagged.
        MarkOutlier = "mark_outlier",
        /// No other identifier.
        BlockIdentifierChange = "block_identifier_change",
        /// No merge, neither as source nor as target.
        BlockMerge = "block_merge",
        /// No other level.
        BlockLevelChange = "block_level_change",
    }
}

/// A label that a merchant's customers may bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The operator's own, unique in the merchant.
    pub name: Name,
    /// What it means.
    pub kind: LabelKind,
    /// In the order of the file: those enforced here and any others, which are only returned.
    pub restrictions: Vec<Name>,
}

impl Label {
    /// Whether the label puts the restriction on its bearers. One of kind [`LabelKind::Deleted`] blocks everything,
    /// whatever it lists.
    #[must_use]
    pub fn forbids(&self, restriction: Restriction) -> bool {
        let blocks = restriction != Restriction::MarkOutlier;
        (blocks && self.kind == LabelKind::Deleted)
            || self.restrictions.iter().any(|name| name.as_str() == restriction.word())
    }
}

impl Merchant {
    /// Whether any of these labels puts the restriction on its bearers. One that is not configured any more forbids
    /// nothing.
    #[must_use]
    pub fn forbids(&self, labels: &[Name], restriction: Restriction) -> bool {
        labels.iter().filter_map(|name| self.label(*name)).any(|label| label.forbids(restriction))
    }

    /// Whether any of these labels is of a kind.
    #[must_use]
    pub fn bears(&self, labels: &[Name], kind: LabelKind) -> bool {
        labels.iter().filter_map(|name| self.label(*name)).any(|label| label.kind == kind)
    }

    /// Every restriction of these labels, each once.
    #[must_use]
    pub fn restrictions(&self, labels: &[Name]) -> Vec<&'static str> {
        let mut restrictions: Vec<&'static str> = Vec::new();
        for label in labels.iter().filter_map(|name| self.label(*name)) {
            let listed = label.restrictions.iter().map(|name| name.as_str());
            let enforced = Restriction::WORDS.iter().filter(|(_, one)| label.forbids(*one)).map(|(word, _)| *word);
            for word in listed.chain(enforced) {
                if !restrictions.contains(&word) {
                    restrictions.push(word);
                }
            }
        }
        restrictions
    }

    /// The label of this name.
    #[must_use]
    pub fn label(&self, name: Name) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }

    /// The label that a new customer bears: the first one configured.
    #[must_use]
    pub fn default_label(&self) -> Option<&Label> {
        self.labels.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(kind: LabelKind, restrictions: &[&str]) -> Label {
        let name = |text: &str| Name::parse(text).unwrap();
        Label { name: name("x"), kind, restrictions: restrictions.iter().map(|text| name(text)).collect() }
    }

    #[test]
    fn a_label_forbids_what_it_lists_and_deleted_blocks_everything() {
        for &(word, restriction) in Restriction::WORDS {
            for &(_, kind) in LabelKind::WORDS {
                assert!(label(kind, &["other", word]).forbids(restriction), "{word} listed");
                let unasked = kind == LabelKind::Deleted && word.starts_with("block_");
                assert_eq!(label(kind, &["other"]).forbids(restriction), unasked, "{word} of {}", kind.word());
            }
        }
    }
}
