//! Filters: the usage limits of a level or of a customer.

use crate::domain::vocabulary::words::words;
use crate::domain::vocabulary::{calendar::Window, denial_codes::DenialCode, names::Name};

words! {
/// The effect of a filter.
    FilterMode {
        /// It denies payments.
        Enforce = "enforce",
        /// It is evaluated and reported, but never denies.
        Shadow = "shadow",
/// It is not evaluated.
        Off = "off",
    }
}

words! {
    /// Which transactions a filter counts.
    FilterScope {
        /// Those decided under the same direction, currency and level name.
        Level = "level",
        /// All transactions of the customer in the direction, converted.
        Merchant = "merchant",
        /// All transactions of the customer in the direction and currency, at any level: used by a customer's own limits.
        Customer = "customer",
    }
}

words! {
    /// The class of denial codes of a filter.
    WindowClass {
        /// 19000, 19001.
        Daily = "daily",
        /// 19002, 19003.
        Weekly = "weekly",
        /// 19004, 19005.
        Monthly = "monthly",
        /// 19006, 19007.
        Other = "other",
    }
}

/// One usage limit of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Unique in the level.
    pub name: Name,
    /// The class of its denial codes.
    pub class: WindowClass,
    /// Its window.
    pub window: Window,
    /// Minor units of the level's currency.
    pub amount_limit: Option<u64>,
    /// Number of transactions.
    pub quantity_limit: Option<u64>,
    /// The transactions that it counts.
    pub scope: FilterScope,
    /// Whether a cancelled amount no longer counts.
    pub subtract_cancels: bool,
    /// Its effect.
    pub mode: FilterMode,
    /// The share of a limit at which an allowed payment is reported, in hundredths of a percent.
    pub warn_at: Option<u32>,
}

impl WindowClass {
    /// The codes for the amount and for the quantity.
    #[must_use]
    pub fn codes(self) -> (DenialCode, DenialCode) {
        match self {
            Self::Daily => (DenialCode::DailyAmountLimitExceeded, DenialCode::DailyQuantityLimitExceeded),
            Self::Weekly => (DenialCode::WeeklyAmountLimitExceeded, DenialCode::WeeklyQuantityLimitExceeded),
            Self::Monthly => (DenialCode::MonthlyAmountLimitExceeded, DenialCode::MonthlyQuantityLimitExceeded),
            Self::Other => (DenialCode::AmountLimitExceeded, DenialCode::QuantityLimitExceeded),
        }
    }
}
