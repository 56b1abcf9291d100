//! A customer's identifier in a snapshot: readable or sealed, as in events.

use crate::{
    domain::customer::stored_identifier::StoredIdentifier,
    storage::{
        encoding::{self, Open, Seal},
        snapshot::error::SnapshotError,
    },
};
use serde::{Deserialize, Serialize};

/// A customer's identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentifierDto {
    /// Readable.
    Text(Box<str>),
    /// Sealed with the customer's key, as in events.
    Sealed {
        /// The keyed digest by which it is found.
        digest: u128,
        /// Empty if the text is forgotten.
        sealed: Vec<u8>,
    },
}

impl IdentifierDto {
    /// The shape of an identifier. A sealed one is sealed again.
    pub(super) fn of(identifier: &StoredIdentifier, seal: &mut Seal<'_>) -> Self {
        match identifier.digest() {
            Some(digest) => Self::Sealed { digest, sealed: encoding::seal_identifier(identifier, seal) },
            None => Self::Text(identifier.text().unwrap_or_default().into()),
        }
    }

    /// The identifier. Its text is forgotten if its key is erased.
    pub(super) fn identifier(self, open: &mut Open<'_>) -> Result<StoredIdentifier, SnapshotError> {
        match self {
            Self::Text(text) => Ok(StoredIdentifier::clear(&text)),
            Self::Sealed { digest, sealed } => {
                encoding::open_identifier(digest, &sealed, 0, open).map_err(SnapshotError::Attributes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::snapshot::piece::{codec, customer::CustomerDto};
    use crate::{
        domain::{
            customer::{aggregate::Customer, change::CustomerChange},
            events::customer_event::{CustomerEvent, RecordPosition},
            transaction::log_offset::LogOffset,
            vocabulary::time::Millis,
        },
        storage::encoding::events::tests::{invert_bits, invert_bits_back, name},
    };
    use bincode::Options;

    const DIGEST: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

    #[test]
    fn the_bytes_of_an_identifier_never_change() {
        for (identifier, want) in [
            (StoredIdentifier::clear("al"), "00000000 0200000000000000 616c"),
            (
                StoredIdentifier::sealed("al", DIGEST),
                "01000000 ffeeddccbbaa99887766554433221100 0400000000000000 a5009e93",
            ),
            (StoredIdentifier::forgotten(DIGEST), "01000000 ffeeddccbbaa99887766554433221100 0000000000000000"),
        ] {
            let dto = IdentifierDto::of(&identifier, &mut invert_bits);
            let bytes: String = codec().serialize(&dto).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes, want.replace(' ', ""), "{identifier:?}");
            assert_eq!(dto.identifier(&mut invert_bits_back).unwrap(), identifier);
        }
    }

    #[test]
    fn an_erased_customer_keeps_only_the_digests_of_sealed_identifiers() {
        let mut customer = Customer::new(1_000_001, name("m"), Some(StoredIdentifier::sealed("alice", 7)), Millis(1));
        let others = vec![StoredIdentifier::sealed("bob", 8), StoredIdentifier::clear("carol")];
        let recorded = RecordPosition { number: 1, offset: LogOffset(0), key: 0 };
        customer.apply(recorded, &CustomerEvent::CustomerChanged(CustomerChange::Identifiers(others)));
        let dto = CustomerDto::of(&customer, &mut invert_bits);
        let of = |customer: &Customer| customer.all_identifiers().cloned().collect::<Vec<_>>();
        assert_eq!(of(&dto.clone().customer(&mut invert_bits_back).unwrap()), of(&customer));
        let erased = dto.customer(&mut |_| Ok(None)).unwrap();
        customer.apply(recorded, &CustomerEvent::CustomerChanged(CustomerChange::Erased));
        assert_eq!(of(&erased), of(&customer));
        let texts: Vec<_> = customer.all_identifiers().map(StoredIdentifier::text).collect();
        assert_eq!(texts, [None, None, Some("carol")], "a readable one stays");
        assert!(erased.has_identifier(&StoredIdentifier::sealed("bob", 8)), "found by its digest");
    }
}
