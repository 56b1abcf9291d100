//! Merges, compared with a model that keeps a list of payments and sums it.

use super::*;
use crate::{
    config,
    domain::{
        customer::{
            audit::{Author, ChangeSource},
            erasure::deletion_events,
            update::CustomerUpdate,
        },
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        transaction::transition::{Approval, CaptureAmount, Operation, Reversal},
        vocabulary::{
            attributes::{Attribute, Attributes},
            calendar::LocalTime,
        },
    },
    ledger::{
        ExpectedContent, LedgerLimits, LedgerStorage, TransitionRequest,
        customers::{
            registration::{Registration, RegistrationOutcome},
            update::{Amendment, CustomerRef},
        },
        payments::answer::CustomerId,
        queries::{customer_query::CustomerQuery, transactions::TransactionQuery},
    },
};
use proptest::prelude::*;

const NOW: Millis = Millis(1_700_000_000_000);
const ACTOR: Actor = Actor { author: Author { source: ChangeSource::Api, by: None, job: None }, now: NOW };
const SHOP: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n\
    [[labels]]\nname = \"plain\"\n[[labels]]\nname = \"alone\"\nrestrictions = [\"block_merge\"]\n\
    [[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n\
    [[levels]]\nname = \"unknown\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\n\
    [[levels.filters]]\nwindow = \"daily\"\namount_limit = \"0.40\"\nquantity_limit = 6\nsubtract_cancel_transactions = true\n";

fn shop() -> Rules {
    rules_of(SHOP)
}

fn rules_of(merchant: &str) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/m.toml"), merchant).unwrap();
    config::load(folder.path()).unwrap().rules
}

fn ledger() -> Ledger {
    let bounds = LedgerLimits { transactions_max: 10_000, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    Ledger::new(bounds, LedgerStorage::in_memory((1, 2)))
}

fn register(ledger: &Ledger, merchant: &Merchant, who: &str) -> String {
    let (update, author) = (CustomerUpdate::default(), ACTOR.author);
    let applying =
        Registration { merchant, identifier: Some(who), update: &update, created: None, author, is_trial: false };
    match ledger.register(&applying, NOW).unwrap().0 {
        RegistrationOutcome::Created(number) => number.to_string(),
        other => panic!("{who} is {other:?}"),
    }
}

fn amend(ledger: &Ledger, merchant: &Merchant, customer_id: &str, update: &CustomerUpdate) {
    let amendment = Amendment { merchant, customer_id, update, actor: ACTOR, is_trial: false };
    ledger.amend(&amendment).unwrap();
}

/// A payment of some cents; returns whether it passes.
fn reserve(ledger: &Ledger, rules: &Rules, id: &str, who: &str, cents: u64) -> bool {
    let request = PaymentRequest {
        transaction_id: Some(id.into()),
        direction: Some("deposit".into()),
        amount: Some(format!("0.{cents:02}").into()),
        currency: Some("EUR".into()),
        merchant_customer_identifier: Some(who.into()),
        ..PaymentRequest::default()
    };
    let payment = Payment::admit(rules, "m", request, PaymentPurpose::Record).unwrap();
    ledger.reserve(rules, &payment, None, NOW).unwrap().violations.is_empty()
}

fn transition(ledger: &Ledger, rules: &Rules, id: &str, operation: &Operation) -> Result<Option<u64>, Refusal> {
    let says = ExpectedContent::default();
    let step = TransitionRequest {
        merchant: "m",
        transaction_id: id,
        operation,
        occurred_at: None,
        expected: says,
        in_stream: false,
    };
    ledger.transition(rules, &step, None, NOW).map(|moved| moved.headroom.amount)
}

/// A payment of the model: its customer, its amount, and whether it counts.
struct Paid {
    who: usize,
    cents: u64,
    counts: bool,
    waits: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn usage_is_the_sum_over_the_whole_merge_group(
        steps in proptest::collection::vec((0..10_u8, 0..6_usize, 0..6_usize, 1..20_u64), 1..80),
    ) {
        let (ledger, rules) = (ledger(), shop());
        let merchant = rules.merchant("m").unwrap();
        let ids: Vec<String> = (0..6).map(|n| register(&ledger, merchant, &format!("w{n}"))).collect();
        // The head of the group of each customer.
        let mut heads: Vec<usize> = (0..6).collect();
        let mut paid: Vec<Paid> = Vec::new();
        for (what, one, other, cents) in steps {
            let used = |paid: &[Paid], heads: &[usize], head: usize| {
                let of = paid.iter().filter(|paid| paid.counts && heads[paid.who] == head);
                of.fold((0, 0), |(amount, quantity), paid| (amount + paid.cents, quantity + 1))
            };
            match what {
                0 => {
                    let want = match (heads[one] == one, heads[one] == heads[other]) {
                        (_, true) if one == other => Err("not_allowed"),
                        (false, true) => Ok(()),
                        (false, false) => Err("already_merged"),
                        (true, true) => Err("not_allowed"),
                        (true, false) => Ok(()),
                    };
                    let want = if one == other && heads[one] != one { Err("already_merged") } else { want };
                    let last = ledger.journal().last();
                    let done = ledger.merge(merchant, &ids[one], &ids[other], ACTOR);
                    let number = |done: (u64, Lsn)| done.0.to_string();
                    prop_assert_eq!(done.clone().map(|_| ()).map_err(|refusal| refusal.code()), want);
                    if let Ok(done) = done {
                        let repeats = heads[one] != one;
                        let into = heads[other];
                        heads.iter_mut().filter(|head| **head == one).for_each(|head| *head = into);
                        prop_assert_eq!(number(done), ids[into].clone());
                        prop_assert_eq!(repeats, ledger.journal().last() == last, "a repetition changes nothing");
                    }
                }
                1..=6 => {
                    let (amount, quantity) = used(&paid, &heads, heads[one]);
                    let fits = amount + cents <= 40 && quantity < 6;
                    let passes = reserve(&ledger, &rules, &format!("t{}", paid.len()), &format!("w{one}"), cents);
                    prop_assert_eq!(passes, fits, "{} {} and {}", amount, quantity, cents);
                    paid.push(Paid { who: one, cents, counts: passes, waits: passes });
                }
                _ => {
                    let Some(place) = paid.len().checked_sub(1 + one * 6 + other) else { continue };
                    if !paid[place].waits {
                        continue;
                    }
                    let operation = match what {
                        7 => Operation::Approve(Approval {
                            instrument: Some(format!("i{other}")),
                            ..Approval::of(CaptureAmount::Left)
                        }),
                        8 => Operation::Decline,
                        _ => Operation::Cancel { back: Reversal::default(), of: None },
                    };
                    let left = transition(&ledger, &rules, &format!("t{place}"), &operation).unwrap();
                    (paid[place].waits, paid[place].counts) = (false, what == 7);
                    let (amount, _) = used(&paid, &heads, heads[paid[place].who]);
                    prop_assert_eq!(left, Some(40_u64.saturating_sub(amount)), "the headroom is that of the whole group");
                }
            }
            for (who, id) in ids.iter().enumerate() {
                let head = heads[who];
                let (amount, quantity) = used(&paid, &heads, head);
                let sums = |books: crate::domain::usage::series_set::UsageSeriesSet<'_>| {
                    books.iter().map(|series| series.total().view(true)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
                };
                let look = ledger.with_customer_usage("m", id, NOW, |whole, _| (whole.customer.number(), sums(whole.usage)));
                let number: u64 = ids[head].parse().unwrap();
                prop_assert_eq!(look.unwrap(), (number, (u128::from(amount), quantity)));
                let wanted = TransactionQuery { customer_id: Some(id.clone()), limit: 1_000, ..TransactionQuery::default() };
                let page = ledger.list_transactions("m", &wanted, LocalTime::utc(NOW)).unwrap();
                prop_assert!(page.transactions.iter().all(|t| t.customer.customer_id == Some(CustomerId::Number(number))));
                let of = paid.iter().filter(|paid| heads[paid.who] == head).count();
                prop_assert_eq!(page.transactions.len(), of);
            }
            let shown = ledger.find_customers(merchant.id, &CustomerQuery { limit: 100, ..CustomerQuery::default() }, LocalTime::utc(NOW), |c, _| c.number()).unwrap();
            let standing: Vec<u64> =
                (0..6).filter(|n| heads[*n] == *n).map(|n| ids[n].parse().unwrap()).collect();
            prop_assert_eq!(shown.customers, standing);
        }
    }
}

#[test]
fn a_forbidden_merge_is_refused_and_changes_nothing() {
    let (ledger, rules) = (ledger(), shop());
    let merchant = rules.merchant("m").unwrap();
    let [alice, bob] = ["alice", "bob"].map(|who| register(&ledger, merchant, who));
    let nobody = "1009999";
    let label = |who: &str, label: &str| {
        let labels = Some(vec![crate::domain::vocabulary::names::Name::parse(label).unwrap()]);
        amend(&ledger, merchant, who, &CustomerUpdate { labels, ..CustomerUpdate::default() });
    };
    let refused = |source: &str, into: &str| {
        let last = ledger.journal().last();
        let refusal = ledger.merge(merchant, source, into, ACTOR).unwrap_err();
        assert_eq!(ledger.journal().last(), last);
        format!("{} {}", refusal.code(), refusal.field().unwrap_or("-"))
    };
    assert_eq!(refused(&alice, nobody), "customer_not_found -");
    assert_eq!(refused(nobody, &alice), "customer_not_found -");
    assert_eq!(refused(&alice, &alice), "not_allowed into");
    label(&alice, "alone");
    assert_eq!(refused(&alice, &bob), "not_allowed customer_id");
    assert_eq!(refused(&bob, &alice), "not_allowed into");
    label(&alice, "plain");
    let (number, _) = ledger.merge(merchant, &alice, &bob, ACTOR).unwrap();
    assert_eq!(number.to_string(), bob);
    let carol = register(&ledger, merchant, "carol");
    assert_eq!(refused(&alice, &carol), "already_merged -");
    assert_eq!(refused(&bob, &alice), "not_allowed into");
}

#[test]
fn an_erasure_erases_all_merged_customers_too() {
    let (ledger, rules) = (ledger(), shop());
    let merchant = rules.merchant("m").unwrap();
    let [alice, bob] = ["alice", "bob"].map(|who| {
        let id = register(&ledger, merchant, who);
        let attributes = vec![(Attribute::Email, format!("{who}@example.com").into())];
        amend(&ledger, merchant, &id, &CustomerUpdate { attributes, ..CustomerUpdate::default() });
        id
    });
    let mut ask = |customer: &Customer, now| Ok(deletion_events(customer, merchant, now));
    ledger
        .change(CustomerRef { merchant: merchant.id, customer_id: &bob }, ACTOR, &Attributes::default(), &mut ask)
        .unwrap();
    ledger.merge(merchant, &bob, &alice, ACTOR).unwrap();
    let known =
        |who: &str| ledger.identities.customers_with(merchant.id, Attribute::Email, &format!("{who}@example.com"));
    let number = |id: &str| id.parse::<u64>().unwrap();
    assert_eq!((known("alice"), known("bob")), (vec![number(&alice)], vec![number(&alice)]));
    let due = ledger
        .with_customer("m", &alice, NOW, |customer, _| customer.profile().unwrap().deletion_due)
        .unwrap()
        .unwrap();
    assert_eq!(ledger.erase_due(&rules, due.plus(-1), 10).unwrap(), 0);
    assert_eq!(ledger.erase_due(&rules, due, 10).unwrap(), 1);
    for id in [&alice, &bob] {
        assert!(ledger.keys.is_erased(number(id)), "the key of {id}");
        let shard = ledger.customers.lock(number(id));
        assert!(shard.get(number(id)).unwrap().attributes.is_empty(), "the attributes of {id}");
    }
    assert_eq!((known("alice"), known("bob")), (vec![], vec![]));
    let again = ledger.merge(merchant, &register(&ledger, merchant, "carol"), &alice, ACTOR).unwrap_err();
    assert_eq!(again.code(), "not_allowed", "an erased customer cannot be merged");
}

/// The lookup of the owners of an attribute reads two of them, however many share it.
#[test]
fn the_first_two_owners_of_an_attribute_are_the_first_of_all_after_any_merge() {
    let (ledger, rules) = (ledger(), shop());
    let merchant = rules.merchant("m").unwrap();
    let ids: Vec<String> = (0..30).map(|n| register(&ledger, merchant, &format!("c{n}"))).collect();
    for id in &ids {
        let attributes = vec![(Attribute::Email, "all@example.com".into())];
        amend(&ledger, merchant, id, &CustomerUpdate { attributes, ..CustomerUpdate::default() });
    }
    let judge = || {
        let of = (merchant.id, Attribute::Email, "all@example.com");
        let (all, two) =
            (ledger.identities.customers_with(of.0, of.1, of.2), ledger.identities.first_two_with(of.0, of.1, of.2));
        assert_eq!(two[..], all[..all.len().min(2)], "{all:?}");
        all.len()
    };
    assert_eq!(judge(), 30);
    // All older customers are merged into the youngest, so that many lead to one.
    for (left, from) in ids[..29].iter().enumerate() {
        ledger.merge(merchant, from, &ids[29], ACTOR).unwrap();
        assert_eq!(judge(), 29 - left);
    }
}

#[test]
fn one_of_several_equal_concurrent_registrations_merges_and_the_others_find_the_identifier_taken() {
    let policy = "[registration]\nemail = { unique = true }\nmerge_on_duplicate = true\n";
    let rules = rules_of(&SHOP.replace("[[gates]]", &format!("{policy}[[gates]]")));
    let merchant = rules.merchant("m").unwrap();
    for round in 0..400 {
        let ledger = ledger();
        let with_email = CustomerUpdate {
            attributes: [(Attribute::Email, format!("a{round}@example.com").into())].into_iter().collect(),
            ..CustomerUpdate::default()
        };
        let apply = |identifier: &str| {
            let (update, author) = (&with_email, ACTOR.author);
            let identifier = Some(identifier);
            let applying = Registration { merchant, identifier, update, created: None, author, is_trial: false };
            ledger.register(&applying, NOW).unwrap().0
        };
        let RegistrationOutcome::Created(number) = apply("first") else { panic!("the first customer is new") };
        let barrier = std::sync::Barrier::new(3);
        let admitted: Vec<RegistrationOutcome> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        apply("second")
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let merged = admitted.iter().filter(|admitted| **admitted == RegistrationOutcome::Merged(number)).count();
        assert_eq!(merged, 1, "round {round}: {admitted:?}");
    }
}

#[test]
fn a_trial_shows_the_target_after_the_merge_and_changes_nothing() {
    let (rules, ledger) = (shop(), ledger());
    let merchant = rules.merchant("m").unwrap();
    let (source, target) = (register(&ledger, merchant, "source"), register(&ledger, merchant, "target"));
    let source_ref = CustomerRef { merchant: merchant.id, customer_id: &source };
    ledger
        .change(source_ref, ACTOR, &Attributes::default(), &mut |_, now| {
            let stored = crate::domain::customer::instruments::Instrument::bare("tok", now);
            Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::Instrument(stored))])
        })
        .unwrap();
    let (holders, last) = (ledger.holders_of("tok"), ledger.journal.last());
    let shown =
        |customer: &Customer| (customer.number().to_string(), customer.has_instrument("tok"), customer.merged().len());
    let read = || ledger.with_customer("m", &target, NOW, |customer, _| shown(customer)).unwrap();
    let tried = ledger.try_merge(merchant, (&source, &target), NOW, shown).unwrap();
    assert_eq!(tried, (target.clone(), true, 1));
    assert_eq!(read(), (target.clone(), false, 0), "the trial merges nothing");
    assert_eq!((ledger.holders_of("tok"), ledger.journal.last()), (holders, last));
    for (source, into) in [(&source, &source), (&source, &"77".to_owned())] {
        let refused = ledger.try_merge(merchant, (source, into), NOW, shown).unwrap_err();
        assert_eq!(refused, ledger.merge(merchant, source, into, ACTOR).unwrap_err());
    }
    ledger.merge(merchant, &source, &target, ACTOR).unwrap();
    assert_eq!(read(), tried, "the merge does what the trial showed");
    assert_eq!(ledger.try_merge(merchant, (&source, &target), NOW, shown).unwrap(), tried, "a repetition");
}
