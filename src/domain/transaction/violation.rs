//! Failed checks of a decision, with the figures that explain them.
//!
//! A record of a denial contains them, so that an answer of a later day explains the denial by the limits and the usage of
//! its own time. Nothing in them is personal: they hold amounts, times, and names of the configuration.

use crate::domain::{
    rules::{filter::FilterScope, labels::Restriction, rates::MissingRate},
    vocabulary::{calendar::Window, denial_codes::DenialCode, names::Name, time::Millis, words::words},
};

words! {
    /// Who set a limit.
    LimitOwner {
        /// The endpoint's method settings.
        Endpoint = "endpoint",
        /// The level.
        Level = "level",
        /// The customer: own limits, or individual settings.
        Customer = "customer",
        /// An operator, for this customer.
        Operator = "operator",
    }
}

/// A failed check of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub code: DenialCode,
    /// The filter that failed.
    pub filter: Option<Name>,
    /// The pair without a rate.
    pub pair: Option<MissingRate>,
    /// What explains it; `None`: the code explains itself, or the record is of a version that kept no figures.
    pub detail: Option<ViolationDetail>,
}

/// What explains a violation. The amount of the payment, its project and its instrument are those of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViolationDetail {
    /// A filter refuses.
    Limit(LimitFigures),
    /// A minimum or a maximum refuses.
    Bound {
        /// Who set it.
        owner: LimitOwner,
        /// Minor units.
        bound: u64,
    },
    /// The customer may not pay.
    Block(CustomerBlocks),
}

/// The figures of a filter that refused a payment, as they were before the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitFigures {
    /// Who set it.
    pub owner: LimitOwner,
    /// The transactions that it counts.
    pub scope: FilterScope,
    /// Minor units of the payment's currency, or transactions, as the code defines.
    pub limit: u64,
    /// In the unit of the limit, amounts rounded up, at most the largest number; `None`: a rate was missing.
    pub used: Option<u64>,
    /// The window.
    pub window: Window,
    /// The start of the window, which a rolling one excludes; `None`: all of the past.
    pub start: Option<Millis>,
    /// The end of the window.
    pub end: Millis,
}

/// Everything that blocks a customer; at least one applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CustomerBlocks {
    /// Fraud of the customer: set by hand, or by a signal that names no instrument.
    pub fraud: bool,
    /// Fraud with named instruments, and the payment names none.
    pub instrument_fraud: bool,
    /// The customer is erased.
    pub erased: bool,
    /// The customer is switched off for the project of the payment.
    pub project: bool,
    /// The first label that forbids the payment, and by which restriction.
    pub label: Option<(Name, Restriction)>,
}

impl CustomerBlocks {
    /// Whether one applies.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl Violation {
    /// A violation that its code explains, or of which nothing more is known.
    #[must_use]
    pub fn of(code: DenialCode) -> Self {
        Self { code, filter: None, pair: None, detail: None }
    }

    /// A violation with what explains it.
    #[must_use]
    pub fn explained(code: DenialCode, detail: ViolationDetail) -> Self {
        Self { detail: Some(detail), ..Self::of(code) }
    }
}
