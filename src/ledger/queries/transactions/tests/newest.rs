//! Lists with the newest first, held to a sort of all transactions, also while payments arrive between the pages.

use super::*;
use crate::{
    domain::{
        customer::{
            audit::{Author, ChangeSource},
            update::CustomerUpdate,
        },
        rules::merchant::Merchant,
    },
    ledger::{Actor, LinkTarget, RegisteredCustomer, Registration},
};
use proptest::prelude::*;
use std::{cmp::Reverse, collections::HashSet};

const GATEWAY: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"payment_gateway\"\n[[gates]]\nid = \"g\"\n\
    [[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";
const AUTHOR: Author = Author { source: ChangeSource::Api, by: None, job: None };
/// How far a payment may be placed in the past.
const PAST_MS: i64 = 500_000;

/// A transaction as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    id: String,
    at: Millis,
    /// The customer that owns it; `None`: it has no customer.
    owner: Option<u64>,
    /// Its place in the order in which transactions came to their customers.
    came: usize,
}

/// A ledger with three customers, and what its lists contain.
struct Model {
    ledger: Ledger,
    rules: Rules,
    numbers: [u64; 3],
    known: Vec<Known>,
    /// The customer into which each was merged.
    heads: [usize; 3],
    came: usize,
    now: Millis,
}

impl Model {
    fn new() -> Self {
        let limits = LedgerLimits { transactions_max: 10_000, skew: ClockSkew { past_ms: PAST_MS, future_ms: 0 } };
        let (ledger, rules) = (Ledger::new(limits, LedgerStorage::in_memory((1, 2))), rules_of(GATEWAY));
        let merchant = rules.merchant("m").unwrap();
        let register = |who| {
            let update = CustomerUpdate::default();
            let identifier = Some(who);
            let applying =
                Registration { merchant, identifier, update: &update, created: None, author: AUTHOR, is_trial: false };
            let RegisteredCustomer { number, .. } =
                ledger.register(&applying, NOW).unwrap().0.unless_existing().unwrap();
            number
        };
        let numbers = ["a", "b", "c"].map(register);
        Self { ledger, rules, numbers, known: Vec::new(), heads: [0, 1, 2], came: 0, now: NOW }
    }

    fn merchant(&self) -> &Merchant {
        self.rules.merchant("m").unwrap()
    }

    fn head(&self, mut customer: usize) -> usize {
        while self.heads[customer] != customer {
            customer = self.heads[customer];
        }
        customer
    }

    /// A payment that was made some time ago; without a customer it names one that is not known.
    fn pay(&mut self, customer: Option<usize>, back_ms: i64) {
        self.now = self.now.plus(10_000);
        let (id, at) = (format!("t{}", self.known.len()), self.now.plus(-back_ms));
        let customer = customer.map(|customer| self.head(customer));
        let owner = customer.map(|customer| self.numbers[customer]);
        let request = PaymentRequest {
            transaction_id: Some(id.clone().into()),
            direction: Some("deposit".into()),
            amount: Some("1.00".into()),
            currency: Some("EUR".into()),
            customer_id: Some(owner.map_or_else(|| "7".to_owned(), |owner| owner.to_string()).into()),
            occurred_at: Some(at.to_string().into()),
            ..PaymentRequest::default()
        };
        let payment = Payment::admit(&self.rules, "m", request, PaymentPurpose::Record).unwrap();
        self.ledger.reserve(&self.rules, &payment, None, self.now).unwrap();
        self.came += 1;
        self.known.push(Known { id, at, owner, came: self.came });
    }

    /// Links the first transaction without a customer.
    fn link(&mut self, customer: usize) {
        let number = self.numbers[self.head(customer)];
        let Some(place) = self.known.iter().position(|known| known.owner.is_none()) else { return };
        let (id, target) = (self.known[place].id.clone(), number.to_string());
        let actor = Actor { author: AUTHOR, now: self.now };
        self.ledger.link(self.merchant(), &id, LinkTarget::Known(&target), actor).unwrap();
        self.came += 1;
        (self.known[place].owner, self.known[place].came) = (Some(number), self.came);
    }

    fn merge(&mut self, source: usize, into: usize) {
        let (source, into) = (self.head(source), self.head(into));
        if source != into {
            let (from, to) = (self.numbers[source].to_string(), self.numbers[into].to_string());
            self.ledger.merge(self.merchant(), &from, &to, Actor { author: AUTHOR, now: self.now }).unwrap();
            self.heads[source] = into;
        }
    }

    /// The ids of a customer's transactions, and those of merged customers, the newest first.
    fn of_customer(&self, customer: usize) -> Vec<String> {
        let head = self.head(customer);
        let is_of_group = |owner: u64| (0..3).any(|one| self.head(one) == head && self.numbers[one] == owner);
        let mut found: Vec<&Known> = self.known.iter().filter(|known| known.owner.is_some_and(is_of_group)).collect();
        found.sort_unstable_by_key(|known| Reverse((known.at, known.owner, known.came)));
        found.iter().map(|known| known.id.clone()).collect()
    }

    /// The ids of all transactions in the order of their openings, the newest first.
    fn of_merchant(&self) -> Vec<String> {
        self.known.iter().rev().map(|known| known.id.clone()).collect()
    }

    /// The ids of all pages. `between` is called after each.
    fn pages(&mut self, mut query: TransactionQuery, between: &mut dyn FnMut(&mut Self)) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            let page = self.ledger.list_transactions("m", &query, LocalTime::utc(self.now)).unwrap();
            assert!(page.unreadable.is_empty());
            assert!(page.transactions.len() <= query.limit);
            found.extend(page.transactions.iter().map(|shown| shown.transaction.opening.id.to_string()));
            let Some(next) = page.next else { return found };
            query.after = Some(next);
            assert!(query.has_cursor_of_order());
            between(self);
        }
    }
}

fn newest(customer: Option<u64>, limit: usize) -> TransactionQuery {
    let customer_id = customer.map(|number| number.to_string());
    TransactionQuery { order: TransactionOrder::Newest, customer_id, limit, ..TransactionQuery::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_newest_come_first_and_arrivals_move_nothing(
        steps in proptest::collection::vec((0_u8..24, 0..3_usize, 0..3_usize, 0..PAST_MS), 1..260),
        limit in prop_oneof![1..4_usize, Just(50)],
        arrivals in any::<bool>(),
    ) {
        let mut model = Model::new();
        for (what, one, other, back_ms) in steps {
            // Some are at the same time.
            let back_ms = if what % 2 == 0 { 0 } else { back_ms / 10_000 * 10_000 };
            match what {
                0..3 => model.pay(None, back_ms),
                3..5 => model.link(one),
                5 => model.merge(one, other),
                _ => model.pay(Some(one), back_ms),
            }
        }
        for customer in 0..3 {
            let want = model.of_customer(customer);
            let number = model.numbers[customer];
            let mut moves = 0;
            let found = model.pages(newest(Some(number), limit), &mut |model| {
                moves += 1;
                if arrivals && moves < 20 {
                    model.pay(Some(customer), PAST_MS / 20 * (moves % 20));
                }
            });
            let unique: HashSet<&String> = found.iter().collect();
            prop_assert_eq!(unique.len(), found.len(), "no transaction twice: {:?}", found);
            // An arrival is at the place of its time, if the pages had not come so far.
            let known: Vec<String> = found.iter().filter(|id| want.contains(id)).cloned().collect();
            prop_assert_eq!(known, want);
            let now_in_order: Vec<String> = model.of_customer(customer).into_iter().filter(|id| unique.contains(id)).collect();
            prop_assert_eq!(&now_in_order, &found);
        }
        let want = model.of_merchant();
        let found = model.pages(newest(None, limit), &mut |model| if arrivals && model.known.len() < 400 { model.pay(Some(0), 0) });
        prop_assert_eq!(found, want);
    }

    #[test]
    fn filters_select_of_the_same_order(
        payments in proptest::collection::vec((0..2_usize, 0..PAST_MS), 1..200),
        (from, to) in (0..2_500_000_i64, 0..2_500_000_i64),
        limit in 1..9_usize,
    ) {
        let mut model = Model::new();
        payments.iter().for_each(|(customer, back_ms)| model.pay(Some(*customer), *back_ms));
        let (from, to) = (NOW.plus(from - PAST_MS), NOW.plus(to - PAST_MS));
        let is_within = |model: &Model, id: &String| {
            let known = model.known.iter().find(|known| known.id == *id).unwrap();
            known.at >= from && known.at < to
        };
        for number in [Some(model.numbers[0]), None] {
            let all = if number.is_some() { model.of_customer(0) } else { model.of_merchant() };
            let want: Vec<String> = all.into_iter().filter(|id| is_within(&model, id)).collect();
            let query = TransactionQuery { from: Some(from), to: Some(to), ..newest(number, limit) };
            prop_assert_eq!(model.pages(query.clone(), &mut |_| ()), want.clone());
            let reserved = TransactionQuery { status: Some(Status::Reserved), ..query.clone() };
            prop_assert_eq!(model.pages(reserved, &mut |_| ()), want);
            let none = TransactionQuery { status: Some(Status::Denied), ..query };
            prop_assert_eq!(model.pages(none, &mut |_| ()).len(), 0);
        }
    }
}

/// A query for transactions that the list does not have, and the most that one of its pages examined.
fn most_examined(ledger: &Ledger, mut query: TransactionQuery) -> (usize, u64) {
    let (mut pages, mut most) = (0, 0);
    loop {
        let page = ledger.list_transactions("m", &query, LocalTime::utc(NOW)).unwrap();
        (pages, most) = (pages + 1, most.max(page.visited));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return (pages, most),
        }
    }
}

#[test]
fn a_page_costs_its_own_size_and_a_filter_that_matches_nothing_a_bounded_one() {
    let rules = rules();
    let payments = 30_000;
    let limits = LedgerLimits { transactions_max: 40_000, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(limits, LedgerStorage::in_memory((1, 2)));
    let customer: u64 = customer_with(&ledger, &rules, payments).parse().unwrap();
    for (query, bound) in [(newest(Some(customer), 20), 3 * 20), (newest(None, 20), 128 + 20 * LOADED_VISIT)] {
        let page = ledger.list_transactions("m", &query, LocalTime::utc(NOW)).unwrap();
        assert_eq!(page.transactions.len(), 20);
        assert_eq!(&*page.transactions[0].transaction.opening.id, "t29999");
        assert!(page.visited <= bound, "{} of {bound}", page.visited);
    }
    let none = |customer| TransactionQuery { flag: Some(Flag::Late), ..newest(customer, 20) };
    let (pages, most) = most_examined(&ledger, none(Some(customer)));
    assert_eq!(pages, 1);
    assert!(most <= payments + 64, "each summary once: {most}");
    let (pages, most) = most_examined(&ledger, none(None));
    assert!(pages > 1 && most < 2 * 16_384, "{pages} pages, {most} examined");
}
