//! Where a customer stands, and what signals make of it (the table of statuses).
//!
//! Consent and suspicion are kept apart and shown as one status, so that clearing a suspicion brings back what was
//! agreed before it.

use super::rules::words;

words! {
    /// Where a customer stands.
    CustomerStatus {
        /// Paid or tried, has not agreed to store a card.
        New = "new",
        /// Agreed.
        Member = "member",
        /// All stored cards expired or invalid.
        NotActive = "not_active",
        /// Refused the offer.
        Deny = "deny",
        /// Anti-fraud flagged one of the customer's cards.
        Suspicious = "suspicious",
        /// Confirmed fraud.
        Fraud = "fraud",
    }
}
words! {
    /// What is known about a customer or an instrument, as it becomes known.
    Signal {
        /// The customer agreed to store a card.
        ConsentGiven = "consent_given",
        /// The customer refused.
        ConsentRefused = "consent_refused",
        /// Anti-fraud flagged.
        FraudSuspected = "fraud_suspected",
        /// It was fraud.
        FraudConfirmed = "fraud_confirmed",
        /// Processing says that the card is stolen.
        CardStolen = "card_stolen",
        /// It was not.
        Cleared = "cleared",
        /// The instrument has expired.
        CardExpired = "card_expired",
        /// The instrument does not exist any more.
        CardInvalid = "card_invalid",
    }
}

/// Consent and suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    consent: CustomerStatus,
    suspicion: Option<CustomerStatus>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { consent: CustomerStatus::New, suspicion: None }
    }
}

impl Standing {
    /// The one status that is shown, of a customer whose stored instruments are all expired or invalid, or not.
    #[must_use]
    pub fn status_with(self, all_dead: bool) -> CustomerStatus {
        let is_open = matches!(self.consent, CustomerStatus::New | CustomerStatus::Member);
        let agreed = if all_dead && is_open { CustomerStatus::NotActive } else { self.consent };
        self.suspicion.unwrap_or(agreed)
    }

    /// What was agreed, and under what suspicion the customer is.
    #[must_use]
    pub fn parts(self) -> (CustomerStatus, Option<CustomerStatus>) {
        (self.consent, self.suspicion)
    }

    /// The other direction of [`Standing::parts`].
    #[must_use]
    pub fn of_parts(consent: CustomerStatus, suspicion: Option<CustomerStatus>) -> Self {
        Self { consent, suspicion }
    }

    /// What a signal makes of it. A confirmed fraud is not weakened by a later suspicion.
    #[must_use]
    pub fn after(self, signal: Signal) -> Self {
        match signal {
            Signal::ConsentGiven => Self { consent: CustomerStatus::Member, ..self },
            Signal::ConsentRefused => Self { consent: CustomerStatus::Deny, ..self },
            Signal::FraudSuspected => {
                Self { suspicion: Some(self.suspicion.unwrap_or(CustomerStatus::Suspicious)), ..self }
            }
            Signal::FraudConfirmed | Signal::CardStolen => Self { suspicion: Some(CustomerStatus::Fraud), ..self },
            Signal::Cleared => Self { suspicion: None, ..self },
            // Of the instrument alone: what that makes of the customer follows from all instruments.
            Signal::CardExpired | Signal::CardInvalid => self,
        }
    }

    /// What setting the status by hand makes of it.
    #[must_use]
    pub fn set(self, status: CustomerStatus) -> Self {
        match status {
            CustomerStatus::Suspicious | CustomerStatus::Fraud => Self { suspicion: Some(status), ..self },
            consent => Self { consent, suspicion: None },
        }
    }
}

impl Signal {
    /// Whether payments with the instrument that it names are blocked from then on; `None`: it says nothing of that.
    #[must_use]
    pub fn blocks_instrument(self) -> Option<bool> {
        match self {
            Self::FraudConfirmed | Self::CardStolen => Some(true),
            Self::Cleared => Some(false),
            Self::ConsentGiven
            | Self::ConsentRefused
            | Self::FraudSuspected
            | Self::CardExpired
            | Self::CardInvalid => None,
        }
    }

    /// Whether it reaches everybody who holds the instrument that it names. What clears one customer does not: others
    /// may be under suspicion for other reasons.
    #[must_use]
    pub fn reaches_holders(self) -> bool {
        matches!(self, Self::FraudSuspected | Self::FraudConfirmed | Self::CardStolen)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rules::Word, *};

    #[test]
    fn signals_move_the_status_as_the_table_says() {
        for (signals, want) in [
            ("", "new"),
            ("consent_given", "member"),
            ("consent_refused", "deny"),
            ("consent_refused consent_given", "member"),
            ("fraud_suspected", "suspicious"),
            ("fraud_suspected fraud_confirmed", "fraud"),
            ("fraud_confirmed fraud_suspected", "fraud"),
            ("card_stolen", "fraud"),
            ("consent_given fraud_suspected", "suspicious"),
            ("consent_given fraud_suspected cleared", "member"),
            ("fraud_suspected consent_given", "suspicious"),
            ("fraud_suspected consent_given cleared", "member"),
            ("cleared", "new"),
        ] {
            let signals = signals.split_whitespace().map(|word| Signal::parse(word).unwrap());
            assert_eq!(signals.fold(Standing::default(), Standing::after).status_with(false).word(), want);
        }
    }
}
