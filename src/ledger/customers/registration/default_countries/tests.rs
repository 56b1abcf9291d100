//! Customers and transactions of earlier versions are found by the normal forms of this version.

use super::*;
use crate::{
    config,
    domain::{
        customer::{aggregate::Customer, audit::Author, change::CustomerChange},
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::configuration::Rules,
        transaction::opening::{CustomerResolution, OpeningKind},
        vocabulary::{
            attributes::{AttributeSet, Attributes},
            names::Name,
            time::Millis,
        },
    },
    ledger::{
        LedgerLimits, LedgerStorage,
        customers::update::CustomerRef,
        index::identity_index::IdentityMatch,
        payments::{
            new_transaction::{InitialOperation, NewTransaction},
            record::{Actor, RecordEvents},
        },
        recovery::state::StateRecovery,
    },
    storage::{
        fs::memory::Memory,
        journal::{Instance, Journal, Keys, Lsn, Options, Sync},
    },
};
use std::time::Duration;

const NOW: Millis = Millis(1_700_000_000_000);
const ACTOR: Actor = Actor { author: Author::SYSTEM, now: NOW };

fn rules(registration: &str) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    for id in ["m", "other"] {
        let shop = format!(
            "id = \"{id}\"\noperation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n\
             [registration]\n{registration}\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
             client_definition = [\"email\", \"phone\", \"external_id\", \"payment_instrument\"]\n\
             [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n"
        );
        std::fs::write(folder.path().join(format!("merchants/{id}.toml")), shop).unwrap();
    }
    config::load(folder.path()).unwrap().rules
}

fn bounds() -> LedgerLimits {
    LedgerLimits { transactions_max: 100, skew: ClockSkew { past_ms: 0, future_ms: 0 } }
}

/// The ledger that a start recovers from a store.
fn start(store: Memory, countries: DefaultCountries) -> Ledger {
    let instance = Instance::open(&store).unwrap();
    let keys = Arc::new(Keys::open(&store, instance.id.0).unwrap());
    let mut recovery = StateRecovery::with_threads(instance.secret, &keys, 2).unwrap();
    recovery.set_default_countries(countries);
    let (sync_interval, segment_bytes) = (Duration::from_millis(100), 1 << 20);
    let options = Options { sync: Sync::Always, sync_interval, segment_bytes, tail_bytes: 0 };
    let (companion, store) = (Some(Arc::clone(&keys) as _), Arc::new(store));
    let opened = Journal::open(store, instance.id, options, companion, Lsn::NONE, Lsn::NONE, &mut recovery);
    let ground = LedgerStorage { journal: opened.unwrap().0, keys, archive: None, secret: instance.secret };
    recovery.finish(bounds(), ground).0
}

/// Writes a customer as an earlier version did. Returns its number.
fn write(ledger: &Ledger, merchant: &str, identifier: Option<&str>, attributes: &[(Attribute, &str)]) -> u64 {
    let (merchant, number) = (Name::parse(merchant).unwrap(), ledger.next_number().unwrap());
    let attributes: Attributes = attributes.iter().copied().collect();
    let events = [
        CustomerEvent::Created { merchant, identifier: identifier.map(Into::into), at: NOW },
        CustomerEvent::AttributesFilled { attributes, at: NOW },
    ];
    let mut customer = Customer::new(number, merchant, None, NOW);
    ledger.record(&mut customer, ACTOR, RecordEvents { after: &events, ..RecordEvents::default() });
    let digests = ledger.identities.of_customer(&customer);
    ledger.customers.lock(number).insert(number, customer);
    ledger.identities.insert_all(digests, number);
    number
}

/// A deposit with an identifier and attributes as sent.
fn payment<'a>(rules: &'a Rules, id: &'a str, sent: &[(&'a str, &'a str)]) -> Payment<'a> {
    let mut request = PaymentRequest {
        transaction_id: Some(id.into()),
        direction: Some("deposit".into()),
        amount: Some("1.00".into()),
        currency: Some("EUR".into()),
        ..PaymentRequest::default()
    };
    for (field, value) in sent {
        match *field {
            "merchant_customer_identifier" => request.merchant_customer_identifier = Some((*value).into()),
            "instrument" => request.payment_instrument = Some((*value).into()),
            field => request.customer.push((field.into(), (*value).into())),
        }
    }
    Payment::admit(rules, "m", request, PaymentPurpose::Record).unwrap()
}

fn found(ledger: &Ledger, rules: &Rules, field: &str, value: &str) -> Option<u64> {
    match ledger.identities.find(&payment(rules, "t", &[(field, value)]), None, || {}) {
        IdentityMatch::Customer(number, CustomerResolution::Found | CustomerResolution::ClientDefinition) => {
            Some(number)
        }
        _ => None,
    }
}

#[test]
fn customers_of_an_earlier_version_are_found_and_newly_equal_ones_are_counted() {
    use Attribute::{Email, ExternalId, Phone};
    let (store, rules) = (Memory::new(), rules("default_country = \"IN\""));
    let old = start(store.clone(), DefaultCountries::default());
    let one = write(&old, "m", None, &[(Phone, "+919123456789")]);
    let misread = write(&old, "m", None, &[(Phone, "9123456789")]);
    write(&old, "m", None, &[(Phone, "09123456789")]);
    write(&old, "m", None, &[(Phone, "+91 91234 56789")]);
    write(&old, "other", None, &[(Phone, "9123456789")]);
    let alice = write(&old, "m", None, &[(Email, "Alice@Example.com.")]);
    write(&old, "m", None, &[(Email, "alice@example.com")]);
    write(&old, "m", None, &[(Email, " ALICE@example.com ")]);
    let bob = write(&old, "m", Some(" bob"), &[]);
    write(&old, "m", Some("bob"), &[]);
    write(&old, "m", Some(" "), &[]);
    write(&old, "m", Some("  "), &[]);
    let id = write(&old, "m", None, &[(ExternalId, "x1 ")]);
    write(&old, "m", None, &[(ExternalId, "x2")]);
    old.journal.commit(old.journal.last()).unwrap();

    let new = start(store.kill_image(), DefaultCountries::of(&rules));
    // Two phone numbers, two addresses, one identifier.
    assert_eq!(new.newly_equal_customers(), 5);
    for (field, value, want) in [
        ("phone", "+919123456789", one),
        ("phone", "9123456789", one),
        ("phone", "091234 56789", one),
        ("email", "alice@example.com", alice),
        ("merchant_customer_identifier", "bob", bob),
        ("merchant_customer_identifier", "\u{3000}bob ", bob),
        ("external_id", "x1", id),
    ] {
        assert_eq!(found(&new, &rules, field, value), Some(want), "{field} {value:?}");
    }
    let holders = new.identities.customers_with(Name::parse("m").unwrap(), Phone, "9123456789");
    assert_eq!((holders.len(), holders[..2].to_vec()), (4, vec![one, misread]), "all customers remain");
    let stored = new.with_customer("m", &misread.to_string(), NOW, |customer, _| {
        customer.attributes.value(Phone) == Some("9123456789")
    });
    assert!(stored.unwrap(), "the stored text is unchanged");
}

#[test]
fn a_changed_default_country_applies_to_all_customers() {
    let (none, german) = (rules(""), rules("default_country = \"DE\""));
    let ledger = Ledger::new(bounds(), LedgerStorage::in_memory((1, 2)));
    let one = write(&ledger, "m", None, &[(Attribute::Phone, "030 1234502")]);
    let two = write(&ledger, "m", None, &[(Attribute::Phone, "+49301234502")]);
    assert_eq!(found(&ledger, &none, "phone", "+49 30 1234502"), Some(two));
    assert!(
        ledger.has_default_countries(&DefaultCountries::of(&none))
            && !ledger.has_default_countries(&DefaultCountries::of(&german))
    );
    let mut swapped = 0;
    ledger.set_default_countries(DefaultCountries::of(&german), &mut || swapped += 1);
    assert!(swapped == 1 && ledger.has_default_countries(&DefaultCountries::of(&german)));
    for text in ["030 1234502", "030/1234502", "+49 30 1234502"] {
        assert_eq!(found(&ledger, &german, "phone", text), Some(one), "{text}");
    }
    // A removed phone number leads to no customer.
    let gone = AttributeSet::of(&[Attribute::Phone]);
    let change =
        || CustomerEvent::CustomerChanged(CustomerChange::Attributes { set: Attributes::default(), removed: gone });
    let merchant = Name::parse("m").unwrap();
    let number = one.to_string();
    let customer = CustomerRef { merchant, customer_id: &number };
    ledger.change(customer, ACTOR, &Attributes::default(), &mut |_, _| Ok(vec![change()])).unwrap();
    assert_eq!(found(&ledger, &german, "phone", "030 1234502"), Some(two));
    ledger.set_default_countries(DefaultCountries::default(), &mut || ());
    assert_eq!(found(&ledger, &none, "phone", "030 1234502"), None);
    assert_eq!(found(&ledger, &none, "phone", "+49 30 1234502"), Some(two));
}

#[test]
fn a_transaction_of_an_earlier_version_can_be_repeated() {
    let rules = rules("default_country = \"IN\"");
    let ledger = Ledger::new(bounds(), LedgerStorage::in_memory((1, 2)));
    ledger.set_default_countries(DefaultCountries::of(&rules), &mut || ());
    let identifier = "merchant_customer_identifier";
    for (nth, (sent, digested)) in [
        (&[("phone", "9123456789")][..], &["attributes", "phone", "9123456789"][..]),
        (&[("phone", "9123456789")], &["attributes", "phone", "+919123456789"]),
        (&[("phone", "+91 91234 56789")], &["attributes", "phone", "+919123456789"]),
        (&[("email", " Alice@Bücher.example.")], &["attributes", "email", "alice@bücher.example."]),
        (
            &[("phone", "9123456789"), ("email", "A@bücher.example")],
            &["attributes", "email", "a@bücher.example", "phone", "+919123456789"],
        ),
        (
            &[("phone", "9123456789"), ("email", "A@bücher.example")],
            &["attributes", "email", "a@bücher.example", "phone", "9123456789"],
        ),
        (&[("external_id", "x1 "), ("name", "Ann")], &["attributes", "external_id", "x1 "]),
        (&[("instrument", " tok")], &["attributes", "payment_instrument", " tok"]),
        (&[(identifier, " alice ")], &["identifier", " alice "]),
        (&[(identifier, " "), ("email", "a@example.com")], &["identifier", " "]),
    ]
    .iter()
    .enumerate()
    {
        let id = format!("t{nth}");
        let first = payment(&rules, &id, sent);
        let key = ledger.transaction_key("m", &id);
        let recorded = Some(ledger.digest_key.parts(digested));
        let new = NewTransaction {
            rules: &rules,
            payment: &first,
            operation: InitialOperation::None,
            opened: OpeningKind::Reserved,
            key,
            sent_identifier: recorded,
            customer: IdentityMatch::NoCustomer,
        };
        let answer = ledger.open_transaction(&new, &mut ledger.id_stripes.lock(key).index, NOW).unwrap();
        assert!(!answer.replay);
        assert!(ledger.reserve(&rules, &first, None, NOW).unwrap().replay, "{sent:?}");
        let other = payment(&rules, &id, &[("email", "other@example.com")]);
        assert!(matches!(ledger.reserve(&rules, &other, None, NOW), Err(Refusal::Conflict(_))), "{sent:?}");
    }
}
