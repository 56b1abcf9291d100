//! What a transaction contributes to usage, and sums of contributions.

/// The contribution of one transaction at an instant. Amount and quantity are separate: a refund that reduces usage
/// reduces the amount only, so that paying and refunding alternately does not evade a quantity limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contribution {
    /// Minor units where cancels are not subtracted.
    pub gross: u64,
    /// Minor units where they are.
    pub net: u64,
    /// Whether it counts in the quantity where cancels are not subtracted.
    pub gross_counts: bool,
    /// Whether it counts in the quantity where they are.
    pub net_counts: bool,
}

impl Contribution {
    /// No contribution.
    pub const NONE: Self = Self { gross: 0, net: 0, gross_counts: false, net_counts: false };

    /// One transaction of this amount without cancels; an amount of zero is no transaction.
    #[must_use]
    pub const fn of_amount(amount: u64) -> Self {
        Self { gross: amount, net: amount, gross_counts: amount > 0, net_counts: amount > 0 }
    }
}

/// A sum of contributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Minor units where cancels are not subtracted.
    pub gross: u128,
    /// Minor units where they are.
    pub net: u128,
    /// Transactions where cancels are not subtracted.
    pub gross_count: u64,
    /// Transactions where they are.
    pub net_count: u64,
}

impl Sums {
    pub(super) fn add(&mut self, c: &Contribution) {
        self.gross += u128::from(c.gross);
        self.net += u128::from(c.net);
        self.gross_count += u64::from(c.gross_counts);
        self.net_count += u64::from(c.net_counts);
    }

    /// Adds another sum.
    pub fn join(&mut self, other: &Self) {
        self.gross += other.gross;
        self.net += other.net;
        self.gross_count += other.gross_count;
        self.net_count += other.net_count;
    }

    pub(super) fn subtract(&mut self, c: &Contribution) {
        self.gross -= u128::from(c.gross);
        self.net -= u128::from(c.net);
        self.gross_count -= u64::from(c.gross_counts);
        self.net_count -= u64::from(c.net_counts);
    }

    /// The amount and the quantity, with cancels subtracted or not.
    #[must_use]
    pub fn view(&self, subtract_cancels: bool) -> (u128, u64) {
        if subtract_cancels { (self.net, self.net_count) } else { (self.gross, self.gross_count) }
    }
}
