//! The status of a customer, and how signals change it (the table of statuses).
//!
//! Consent and suspicion are stored separately and shown as one status, so that clearing a suspicion restores the
//! consent.

use crate::domain::vocabulary::words::words;
words! {
/// The status of a customer.
    CustomerStatus {
        /// Paid or tried to pay; has not agreed to store a card.
        New = "new",
    /// Agreed to store a card.
        Member = "member",
        /// All stored cards expired or invalid.
        NotActive = "not_active",
        /// Refused to store a card.
        Deny = "deny",
        /// Anti-fraud flagged one of the customer's cards.
        Suspicious = "suspicious",
        /// Confirmed fraud.
        Fraud = "fraud",
    }
}
words! {
    /// New information about a customer or an instrument.
    Signal {
        /// The customer agreed to store a card.
        ConsentGiven = "consent_given",
        /// The customer refused.
        ConsentRefused = "consent_refused",
        /// Anti-fraud flagged the customer or an instrument.
        FraudSuspected = "fraud_suspected",
        /// Fraud is confirmed.
        FraudConfirmed = "fraud_confirmed",
        /// The processor reports the card as stolen.
        CardStolen = "card_stolen",
/// The suspicion is cleared.
        Cleared = "cleared",
        /// The instrument has expired.
        CardExpired = "card_expired",
        /// The instrument does not exist any more.
        CardInvalid = "card_invalid",
    }
}

/// The suspicion against a customer, ordered by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// Anti-fraud flagged the customer, or one of the customer's instruments.
    Flagged,
    /// Fraud with the named instruments. Those are blocked; others may pay.
    InstrumentFraud,
    /// Fraud of the customer with any instrument: set by hand, or by a signal that names no instrument.
    CustomerFraud,
}

impl Suspicion {
    /// The status that it is shown as.
    #[must_use]
    pub fn status(self) -> CustomerStatus {
        match self {
            Self::Flagged => CustomerStatus::Suspicious,
            Self::InstrumentFraud | Self::CustomerFraud => CustomerStatus::Fraud,
        }
    }

    /// The suspicion that follows from a status alone. Fraud counts as fraud of the customer, which is the stricter reading.
    #[must_use]
    pub fn of_status(status: CustomerStatus) -> Option<Self> {
        match status {
            CustomerStatus::Suspicious => Some(Self::Flagged),
            CustomerStatus::Fraud => Some(Self::CustomerFraud),
            CustomerStatus::New | CustomerStatus::Member | CustomerStatus::NotActive | CustomerStatus::Deny => None,
        }
    }
}

/// Consent and suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusFactors {
    /// Never a status that shows a suspicion.
    consent: CustomerStatus,
    suspicion: Option<Suspicion>,
}

impl Default for StatusFactors {
    fn default() -> Self {
        Self { consent: CustomerStatus::New, suspicion: None }
    }
}

impl StatusFactors {
    /// The factors; `None`: the consent is a status that shows a suspicion.
    #[must_use]
    pub fn new(consent: CustomerStatus, suspicion: Option<Suspicion>) -> Option<Self> {
        Suspicion::of_status(consent).is_none().then_some(Self { consent, suspicion })
    }

    /// The shown status; `all_unusable`: all stored instruments are expired or invalid.
    #[must_use]
    pub fn status_with(self, all_unusable: bool) -> CustomerStatus {
        let is_open = matches!(self.consent, CustomerStatus::New | CustomerStatus::Member);
        let agreed = if all_unusable && is_open { CustomerStatus::NotActive } else { self.consent };
        self.suspicion.map_or(agreed, Suspicion::status)
    }

    /// The consent.
    #[must_use]
    pub fn consent(self) -> CustomerStatus {
        self.consent
    }

    /// The suspicion against the customer.
    #[must_use]
    pub fn suspicion(self) -> Option<Suspicion> {
        self.suspicion
    }

    /// Whether the status blocks a payment with or without an instrument. Blocks of single instruments are checked
    /// elsewhere.
    #[must_use]
    pub fn blocks(self, names_instrument: bool) -> bool {
        match self.suspicion {
            Some(Suspicion::CustomerFraud) => true,
            Some(Suspicion::InstrumentFraud) => !names_instrument,
            Some(Suspicion::Flagged) | None => false,
        }
    }

    /// The factors after a signal, which may name an instrument. A later signal does not weaken a more severe suspicion.
    #[must_use]
    pub fn after(self, signal: Signal, names_instrument: bool) -> Self {
        let suspected = |suspicion: Suspicion| Self { suspicion: self.suspicion.max(Some(suspicion)), ..self };
        match signal {
            Signal::ConsentGiven => Self { consent: CustomerStatus::Member, ..self },
            Signal::ConsentRefused => Self { consent: CustomerStatus::Deny, ..self },
            Signal::FraudSuspected => suspected(Suspicion::Flagged),
            Signal::FraudConfirmed | Signal::CardStolen if names_instrument => suspected(Suspicion::InstrumentFraud),
            Signal::FraudConfirmed | Signal::CardStolen => suspected(Suspicion::CustomerFraud),
            Signal::Cleared => Self { suspicion: None, ..self },
            // These concern the instrument only; the status follows from all instruments.
            Signal::CardExpired | Signal::CardInvalid => self,
        }
    }

    /// The factors after the status is set by hand.
    #[must_use]
    pub fn set(self, status: CustomerStatus) -> Self {
        match Suspicion::of_status(status) {
            None => Self { consent: status, suspicion: None },
            suspicion => Self { suspicion, ..self },
        }
    }
}

impl Signal {
    /// Whether the signal blocks or unblocks the named instrument; `None`: neither.
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

    /// Whether it applies to all customers with the named instrument. Clearing one customer does not: others may be
    /// suspected for other reasons.
    #[must_use]
    pub fn reaches_holders(self) -> bool {
        matches!(self, Self::FraudSuspected | Self::FraudConfirmed | Self::CardStolen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::words::Word;

    #[test]
    fn signals_change_the_status_as_in_the_table() {
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
            let factors = signals.fold(StatusFactors::default(), |factors, signal| factors.after(signal, false));
            assert_eq!(factors.status_with(false).word(), want);
        }
    }

    #[test]
    fn fraud_without_an_instrument_blocks_every_payment_and_wins() {
        // Signals, `:` where one names an instrument, `=` before a status by hand; the status, and whether a payment
        // with another instrument and one without any are blocked.
        for (steps, want) in [
            ("fraud_suspected", "suspicious pays pays"),
            ("fraud_suspected:", "suspicious pays pays"),
            ("fraud_confirmed", "fraud blocked blocked"),
            ("card_stolen", "fraud blocked blocked"),
            ("=fraud", "fraud blocked blocked"),
            ("fraud_confirmed:", "fraud pays blocked"),
            ("card_stolen:", "fraud pays blocked"),
            ("card_stolen: fraud_suspected", "fraud pays blocked"),
            ("card_stolen: fraud_confirmed", "fraud blocked blocked"),
            ("card_stolen: =fraud", "fraud blocked blocked"),
            ("fraud_confirmed card_stolen:", "fraud blocked blocked"),
            ("=fraud card_stolen:", "fraud blocked blocked"),
            ("=fraud fraud_suspected", "fraud blocked blocked"),
            ("fraud_confirmed cleared", "new pays pays"),
            ("fraud_confirmed cleared:", "new pays pays"),
            ("card_stolen: cleared", "new pays pays"),
            ("fraud_confirmed cleared card_stolen:", "fraud pays blocked"),
            ("=fraud =suspicious", "suspicious pays pays"),
            ("=fraud =member", "member pays pays"),
        ] {
            let step = |factors: StatusFactors, step: &str| match step.strip_prefix('=') {
                Some(status) => factors.set(CustomerStatus::parse(status).unwrap()),
                None => factors.after(Signal::parse(step.trim_end_matches(':')).unwrap(), step.ends_with(':')),
            };
            let factors = steps.split_whitespace().fold(StatusFactors::default(), step);
            let pays = |names| if factors.blocks(names) { "blocked" } else { "pays" };
            let got = format!("{} {} {}", factors.status_with(false).word(), pays(true), pays(false));
            assert_eq!(got, want, "{steps}");
        }
    }
}
