//! The standing and the profile of a customer in a snapshot.

use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            change::CustomerChange,
            profile::Profile,
            status::{CustomerStatus, StatusFactors, Suspicion},
        },
        events::customer_event::{CustomerEvent, RecordPosition},
        transaction::log_offset::LogOffset,
    },
    storage::{
        encoding::{self, Events, Open, Seal},
        snapshot::{
            error::{SnapshotError, invalid},
            piece::values::word,
        },
    },
};

/// Applies the events of a profile to a customer.
pub(super) fn resume_profile(
    customer: &mut Customer,
    profile: &[u8],
    open: &mut Open<'_>,
) -> Result<(), SnapshotError> {
    let mut events = Events::of(profile);
    let recorded = RecordPosition { number: 0, offset: LogOffset::default(), key: 0 };
    while let Some(event) = events.next(open).map_err(SnapshotError::Attributes)? {
        match event {
            encoding::RecordedEvent::Customer(event @ CustomerEvent::CustomerChanged(_)) => {
                customer.apply(recorded, &event);
            }
            _ => {
                return Err(invalid(format_args!(
                    "the profile of customer {} contains another event",
                    customer.number()
                )));
            }
        }
    }
    Ok(())
}

/// The standing of a customer. Fraud is that of the customer, unless the profile limits it to instruments.
pub(super) fn standing(consent: u8, suspicion: Option<u8>) -> Result<StatusFactors, SnapshotError> {
    let (consent, status) = (word::<CustomerStatus>(consent)?, suspicion.map(word::<CustomerStatus>).transpose()?);
    let suspicion = status.map(|status| Suspicion::of_status(status).ok_or(status)).transpose();
    let standing = suspicion.ok().and_then(|suspicion| StatusFactors::new(consent, suspicion));
    standing.ok_or_else(|| invalid(format_args!("{consent:?} and {status:?} are not the standing of a customer")))
}

/// Encodes the events that make a customer's profile.
pub(super) fn profile_of(customer: &Customer, seal: &mut Seal<'_>) -> Vec<u8> {
    let mut changes = customer.profile().map(Profile::changes).unwrap_or_default();
    // The shape of a customer has no number for it.
    if customer.status_factors.suspicion() == Some(Suspicion::InstrumentFraud) {
        changes.push(CustomerChange::StatusFactors(customer.status_factors));
    }
    let mut bytes = Vec::new();
    changes.into_iter().for_each(|change| encoding::encode(&CustomerEvent::CustomerChanged(change), seal, &mut bytes));
    bytes
}
