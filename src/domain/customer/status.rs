//! Where a customer stands, and what signals make of it (the table of statuses).
//!
//! Consent and suspicion are kept apart and shown as one status, so that clearing a suspicion brings back what was
//! agreed before it.

use crate::domain::rules::configuration::words;

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

/// The suspicion against a customer; the graver, the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// Anti-fraud flagged the customer, or one of the customer's instruments.
    Flagged,
    /// Fraud with the instruments that signals named. Those are blocked; others may pay.
    InstrumentFraud,
    /// Fraud of the customer with any instrument: set by hand, or by a signal that names no instrument.
    CustomerFraud,
}

impl Suspicion {
    /// The status that shows it.
    #[must_use]
    pub fn status(self) -> CustomerStatus {
        match self {
            Self::Flagged => CustomerStatus::Suspicious,
            Self::InstrumentFraud | Self::CustomerFraud => CustomerStatus::Fraud,
        }
    }

    /// What a status alone says. Fraud without more is the customer's: that lets less money through.
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
pub struct Standing {
    /// No status of a suspicion.
    consent: CustomerStatus,
    suspicion: Option<Suspicion>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { consent: CustomerStatus::New, suspicion: None }
    }
}

impl Standing {
    /// The standing of these parts; `None`: the consent is a status of a suspicion.
    #[must_use]
    pub fn new(consent: CustomerStatus, suspicion: Option<Suspicion>) -> Option<Self> {
        Suspicion::of_status(consent).is_none().then_some(Self { consent, suspicion })
    }

    /// The one status that is shown, of a customer whose stored instruments are all expired or invalid, or not.
    #[must_use]
    pub fn status_with(self, all_dead: bool) -> CustomerStatus {
        let is_open = matches!(self.consent, CustomerStatus::New | CustomerStatus::Member);
        let agreed = if all_dead && is_open { CustomerStatus::NotActive } else { self.consent };
        self.suspicion.map_or(agreed, Suspicion::status)
    }

    /// What was agreed.
    #[must_use]
    pub fn consent(self) -> CustomerStatus {
        self.consent
    }

    /// The suspicion against the customer.
    #[must_use]
    pub fn suspicion(self) -> Option<Suspicion> {
        self.suspicion
    }

    /// Whether a payment is blocked that names an instrument, or none. Whether that instrument is blocked is no matter of
    /// the standing.
    #[must_use]
    pub fn blocks(self, names_instrument: bool) -> bool {
        match self.suspicion {
            Some(Suspicion::CustomerFraud) => true,
            Some(Suspicion::InstrumentFraud) => !names_instrument,
            Some(Suspicion::Flagged) | None => false,
        }
    }

    /// The standing after a signal, which may name an instrument. A later signal does not weaken a graver suspicion.
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
            // Of the instrument alone: what that makes of the customer follows from all instruments.
            Signal::CardExpired | Signal::CardInvalid => self,
        }
    }

    /// What setting the status by hand makes of it.
    #[must_use]
    pub fn set(self, status: CustomerStatus) -> Self {
        match Suspicion::of_status(status) {
            None => Self { consent: status, suspicion: None },
            suspicion => Self { suspicion, ..self },
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
    use super::*;
    use crate::domain::rules::configuration::Word;

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
            let standing = signals.fold(Standing::default(), |standing, signal| standing.after(signal, false));
            assert_eq!(standing.status_with(false).word(), want);
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
            let step = |standing: Standing, step: &str| match step.strip_prefix('=') {
                Some(status) => standing.set(CustomerStatus::parse(status).unwrap()),
                None => standing.after(Signal::parse(step.trim_end_matches(':')).unwrap(), step.ends_with(':')),
            };
            let standing = steps.split_whitespace().fold(Standing::default(), step);
            let pays = |names| if standing.blocks(names) { "blocked" } else { "pays" };
            let got = format!("{} {} {}", standing.status_with(false).word(), pays(true), pays(false));
            assert_eq!(got, want, "{steps}");
        }
    }
}
