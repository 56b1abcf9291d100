//! A customer's identifier in a snapshot's head: readable or sealed, as in events.

use crate::domain::customer::stored_identifier::StoredIdentifier;
use crate::storage::{
    encoding::{self, Open, Seal},
    snapshot::{IdentifierDto, SnapshotError},
};

impl IdentifierDto {
    /// Of an identifier, sealed where it says so.
    pub(super) fn of(identifier: &StoredIdentifier, seal: &mut Seal<'_>) -> Self {
        match identifier.digest() {
            Some(digest) => Self::Sealed { digest, sealed: encoding::seal_identifier(identifier, seal) },
            None => Self::Text(identifier.text().unwrap_or_default().into()),
        }
    }

    /// The identifier; forgotten where its key is erased.
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
    use crate::storage::snapshot::{HeadDto, codec};
    use crate::{
        domain::{
            customer::{
                aggregate::{Customer, CustomerEvent, Recorded},
                profile::Change,
            },
            transaction::record::LogOffset,
            vocabulary::time::Millis,
        },
        storage::encoding::tests::{name, turn, turn_back},
    };
    use bincode::Options;

    const DIGEST: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

    #[test]
    fn an_identifier_has_its_bytes_for_ever() {
        for (identifier, want) in [
            (StoredIdentifier::clear("al"), "00000000 0200000000000000 616c"),
            (
                StoredIdentifier::sealed("al", DIGEST),
                "01000000 ffeeddccbbaa99887766554433221100 0400000000000000 a5009e93",
            ),
            (StoredIdentifier::forgotten(DIGEST), "01000000 ffeeddccbbaa99887766554433221100 0000000000000000"),
        ] {
            let dto = IdentifierDto::of(&identifier, &mut turn);
            let bytes: String = codec().serialize(&dto).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes, want.replace(' ', ""), "{identifier:?}");
            assert_eq!(dto.identifier(&mut turn_back).unwrap(), identifier);
        }
    }

    #[test]
    fn a_customer_keeps_sealed_identifiers_and_of_an_erased_one_the_digests() {
        let mut customer = Customer::new(1_000_001, name("m"), Some(StoredIdentifier::sealed("alice", 7)), Millis(1));
        let others = vec![StoredIdentifier::sealed("bob", 8), StoredIdentifier::clear("carol")];
        let recorded = Recorded { number: 1, place: LogOffset(0), key: 0 };
        customer.apply(recorded, &CustomerEvent::Changed(Change::Identifiers(others)));
        let head = HeadDto::of(&customer, &mut turn);
        let of = |customer: &Customer| customer.all_identifiers().cloned().collect::<Vec<_>>();
        assert_eq!(of(&head.clone().customer(&mut turn_back).unwrap()), of(&customer));
        let erased = head.customer(&mut |_| Ok(None)).unwrap();
        customer.apply(recorded, &CustomerEvent::Changed(Change::Erased));
        assert_eq!(of(&erased), of(&customer));
        let texts: Vec<_> = customer.all_identifiers().map(StoredIdentifier::text).collect();
        assert_eq!(texts, [None, None, Some("carol")], "a readable one stays");
        assert!(erased.goes_by(&StoredIdentifier::sealed("bob", 8)), "found by its digest");
    }
}
