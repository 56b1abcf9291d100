//! The standing and the profile of a customer in a snapshot's head.

use crate::domain::{
    customer::{
        aggregate::{Customer, CustomerEvent, Recorded},
        profile::{Change, Profile},
        status::{CustomerStatus, Standing, Suspicion},
    },
    transaction::record::LogOffset,
};
use crate::storage::{
    encoding::{self, Events, Open, Seal, numbers::Numbered},
    snapshot::SnapshotError,
};

/// Applies the events of a profile to a customer.
pub(super) fn resume_profile(
    customer: &mut Customer,
    profile: &[u8],
    open: &mut Open<'_>,
) -> Result<(), SnapshotError> {
    let mut events = Events::of(profile);
    let recorded = Recorded { number: 0, place: LogOffset::default(), key: 0 };
    while let Some(event) = events.next(open).map_err(SnapshotError::Attributes)? {
        match event {
            encoding::Recorded::Customer(event @ CustomerEvent::Changed(_)) => customer.apply(recorded, &event),
            _ => return Err(wrong(format_args!("the profile of customer {} holds what is none", customer.number()))),
        }
    }
    Ok(())
}

/// The standing of a head. Fraud is the customer's, unless the profile says that it is of instruments alone.
pub(super) fn standing(consent: u8, suspicion: Option<u8>) -> Result<Standing, SnapshotError> {
    let (consent, status) = (word::<CustomerStatus>(consent)?, suspicion.map(word::<CustomerStatus>).transpose()?);
    let suspicion = status.map(|status| Suspicion::of_status(status).ok_or(status)).transpose();
    let standing = suspicion.ok().and_then(|suspicion| Standing::new(consent, suspicion));
    standing.ok_or_else(|| wrong(format_args!("{consent:?} and {status:?} are no standing of a customer")))
}

/// What makes a customer's profile, one event after another.
pub(super) fn profile_of(customer: &Customer, seal: &mut Seal<'_>) -> Vec<u8> {
    let mut changes = customer.profile().map(Profile::changes).unwrap_or_default();
    // The head has no number for it.
    if customer.standing.suspicion() == Some(Suspicion::InstrumentFraud) {
        changes.push(Change::Standing(customer.standing));
    }
    let mut bytes = Vec::new();
    changes.into_iter().for_each(|change| encoding::encode(&CustomerEvent::Changed(change), seal, &mut bytes));
    bytes
}

/// The word of a number.
pub(super) fn word<W: Numbered>(number: u8) -> Result<W, SnapshotError> {
    W::of_number(number).ok_or_else(|| wrong(format_args!("{number} is no {}", W::WHAT)))
}

/// The error for content that cannot be.
pub(super) fn wrong(what: std::fmt::Arguments<'_>) -> SnapshotError {
    SnapshotError::Content(what.to_string())
}
