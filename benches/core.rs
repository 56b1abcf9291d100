//! The core at size: one reserve against daily, weekly and monthly filters, amount and quantity.
//!
//! `cargo bench --bench core` prints one table. `LEVELGATE_CUSTOMERS` (1,000,000), `LEVELGATE_HOLDS` (5,000,000) and
//! `LEVELGATE_ONLY` (the name of a part) reduce it. Each operation is timed separately; the cost of the timer is printed
//! and not subtracted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use levelgate::{
    config,
    domain::{
        customer::{
            aggregate::{Customer, CustomerMemory},
            audit::{Author, ChangeSource},
            update::CustomerUpdate,
        },
        decision::{
            clock_skew::ClockSkew,
            decide::{DecisionInput, decide},
            opening::{OpeningInput, opening, preceding_events},
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        events::customer_event::RecordPosition,
        rules::configuration::Rules,
        transaction::{
            log_offset::LogOffset,
            opening::{CustomerResolution, OpeningKind},
            transition::ProcessorOutcome,
        },
        usage::series_set::UsageSeriesSet,
        vocabulary::{
            attributes::{Attribute, Attributes},
            names::Name,
            time::Millis,
        },
    },
    ledger::{Ledger, LedgerLimits, LedgerStorage, MemoryUse, Registration},
    storage::journal::{Lsn, Visited},
};
use std::{
    borrow::Cow,
    cell::Cell,
    hint::black_box,
    ops::ControlFlow,
    sync::Barrier,
    time::{Duration, Instant},
};
use support::{
    figures::{record_figure, record_number},
    fixtures::{GATES_AND_CARD, UNREACHED, one_level},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Top-level keys of the merchant.
const HEAD: &str = "default_behaviour = \"unknown_level\"\ntime_zone = \"Europe/Nicosia\"\n";

fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), one_level(HEAD, GATES_AND_CARD, &UNREACHED)).unwrap();
    config::load(folder.path()).unwrap().rules
}

fn ledger() -> Ledger {
    let skew = ClockSkew { past_ms: 300_000, future_ms: 5_000 };
    Ledger::new(LedgerLimits { transactions_max: u64::MAX, skew }, LedgerStorage::in_memory((1, 2)))
}

fn payment<'a>(rules: &'a Rules, id: &'a str, customer: &'a str) -> Payment<'a> {
    payment_of(rules, id, customer, "12.50")
}

fn payment_of<'a>(rules: &'a Rules, id: &'a str, customer: &'a str, amount: &'a str) -> Payment<'a> {
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    let request = PaymentRequest {
        transaction_id: Some(Cow::Borrowed(id)),
        direction: some("deposit"),
        amount: Some(Cow::Borrowed(amount)),
        currency: some("EUR"),
        payment_method: some("card"),
        merchant_customer_identifier: Some(Cow::Borrowed(customer)),
        customer_level: some("gold"),
        ..PaymentRequest::default()
    };
    Payment::admit(rules, "acme", request, PaymentPurpose::Record).unwrap()
}

const START: i64 = 1_790_000_000_000;
thread_local! {
    /// The number of operations. Each thread has its own counter: a shared one would be part of the measurement.
    static TICKS: Cell<u64> = const { Cell::new(0) };
}

/// The time advances by a millisecond every hundred operations, so that 20 M of them take some minutes of it: every window
/// contains the whole history of a customer, and no hold expires unless a part advances the time itself.
fn tick() -> Millis {
    Millis(START + skip(1) as i64 / 100)
}

/// Adds to the number of operations. Returns the number before.
fn skip(ticks: u64) -> u64 {
    TICKS.replace(TICKS.get() + ticks)
}

/// A portable random generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn row(name: &str, samples: &mut [u32]) {
    samples.sort_unstable();
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share) as usize];
    println!("{name:<44} {:>7} {:>7} {:>7} {:>9}", at(0.5), at(0.9), at(0.99), at(1.0));
    record_figure(&format!("core, {name}"), "ns", at(0.5).into(), Some(at(0.99).into()), samples.len() as u64);
}

fn figure(name: &str, value: impl std::fmt::Display) {
    println!("{name:<44} {value:>7}");
    record_number(&format!("core, {name}"), &value.to_string());
}

fn run(
    rules: &Rules,
    ledger: &Ledger,
    prefix: &str,
    count: u64,
    customer: impl Fn(u64) -> String,
) -> (Vec<u32>, Vec<u32>) {
    let (mut admits, mut reserves) = (Vec::new(), Vec::new());
    for n in 0..count {
        let (id, customer) = (format!("{prefix}-{n}"), customer(n));
        let started = Instant::now();
        let payment = payment(rules, &id, &customer);
        let admitted = Instant::now();
        let answer = ledger.reserve(rules, &payment, None, tick()).unwrap();
        reserves.push(admitted.elapsed().as_nanos() as u32);
        admits.push((admitted - started).as_nanos() as u32);
        assert!(answer.violations.is_empty());
    }
    (admits, reserves)
}

/// The decision core: decides and applies one reserve of one customer, without an index lookup and without a record.
fn decide_and_apply(rules: &Rules, customer: &mut Customer, payment: &Payment<'_>, now: Millis) {
    customer.prefetch();
    let (now, _) = customer.expire_holds(now);
    let question = DecisionInput { rules, payment, now, at: now, instrument_blocked: false, counts_future: true };
    let decision = decide(&question, Some(customer), UsageSeriesSet::new(customer.usage_series(), &[]));
    assert!(decision.is_allowed());
    let recording = OpeningInput {
        opened: OpeningKind::Reserved,
        resolution: CustomerResolution::Found,
        identity: 0,
        bypassed_id: None,
    };
    let before = preceding_events(&question, Some(customer), &decision, recording.resolution, &Attributes::default());
    let opening = opening(&question, Some(customer), &decision, recording);
    let slot = customer.summaries().next_slot();
    let recorded =
        RecordPosition { number: customer.applied + 1, offset: LogOffset(now.0 as u64), key: u64::from(slot) };
    before.iter().for_each(|event| customer.apply(recorded, event));
    customer.apply_opened(recorded, slot, &opening);
}

fn core_alone(rules: &Rules) {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let merchant = rules.merchant("acme").unwrap();
    let mut all: Vec<Customer> =
        (0..customers).map(|n| Customer::with_default_label(n, merchant, Millis(START))).collect();
    for _ in 0..20 {
        all.iter_mut().for_each(|customer| decide_and_apply(rules, customer, &payment(rules, "fill", "c"), tick()));
    }
    let timed = 500_000.min(customers * 5);
    let mut samples = Vec::new();
    for n in 0..timed {
        let id = format!("one-{n}");
        let payment = payment(rules, &id, "c");
        let (place, now) = (Random(1 + n).next() % customers, tick());
        let started = Instant::now();
        decide_and_apply(rules, &mut all[place as usize], &payment, now);
        samples.push(started.elapsed().as_nanos() as u32);
    }
    row("decide and apply one reserve", &mut samples);
    // What that row consists of: the memory of a random customer, and the work itself.
    samples.clear();
    for n in 0..timed {
        let place = Random(timed + 1 + n).next() % customers;
        let started = Instant::now();
        all[place as usize].prefetch();
        samples.push(started.elapsed().as_nanos() as u32);
    }
    row("read a random customer, nothing decided", &mut samples);
    dependent_loads(customers);
    samples.clear();
    for n in 0..timed {
        let id = format!("near-{n}");
        let payment = payment(rules, &id, "c");
        let (place, now) = (n % 100.min(customers), tick());
        let started = Instant::now();
        decide_and_apply(rules, &mut all[place as usize], &payment, now);
        samples.push(started.elapsed().as_nanos() as u32);
    }
    row("decide and apply, customers in the cache", &mut samples);

    let from = skip(2 * timed);
    let mut rate = |threads: usize| {
        let barrier = Barrier::new(threads + 1);
        std::thread::scope(|scope| {
            let halves = all.chunks_mut(customers.div_ceil(2) as usize);
            for (thread, half) in halves.take(threads).enumerate() {
                let barrier = &barrier;
                scope.spawn(move || {
                    skip(from);
                    let payment = payment(rules, "two", "c");
                    barrier.wait();
                    for n in 0..timed {
                        let place = Random(77 + n + thread as u64 * 1_000_000_007).next() % half.len() as u64;
                        decide_and_apply(rules, &mut half[place as usize], &payment, tick());
                    }
                    barrier.wait();
                });
            }
            barrier.wait();
            let started = Instant::now();
            barrier.wait();
            (timed * threads as u64) as f64 / started.elapsed().as_secs_f64()
        })
    };
    let mut ratios: Vec<f64> = (0..5).map(|_| rate(2) / rate(1)).collect();
    ratios.sort_by(f64::total_cmp);
    figure("decide and apply, two threads over one", format!("{:.2}", ratios[2]));
}

fn many_customers(rules: &Rules) {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let ledger = ledger();
    let before = resident_bytes();
    let filling = Instant::now();
    for round in 0..20 {
        for n in 0..customers {
            let (id, customer) = (format!("fill-{round}-{n}"), format!("c{n}"));
            ledger.reserve(rules, &payment(rules, &id, &customer), None, tick()).unwrap();
            if round == 0 && n == customers - 1 {
                figure("bytes a customer with one transaction", (resident_bytes() - before) / customers);
            }
        }
    }
    let bytes = (resident_bytes() - before) / (customers * 20);
    figure("bytes a transaction, all included", bytes);
    let filled = customers * 20 * 1000 / filling.elapsed().as_millis().max(1) as u64;
    figure("filled, transactions a second", filled);

    let timed = 500_000.min(customers * 5);
    let random = |seed: u64| move |n: u64| format!("c{}", Random(seed + n).next() % customers);
    let (mut admits, mut reserves) = run(rules, &ledger, "one", timed, random(1));
    row("admit a payment", &mut admits);
    row("reserve, one thread", &mut reserves);

    // Two threads with separate customers, compared with one thread that does the same work.
    let rate = |threads: u64| {
        let (barrier, from) = (Barrier::new(threads as usize + 1), skip(timed));
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (barrier, ledger) = (&barrier, &ledger);
                scope.spawn(move || {
                    skip(from);
                    barrier.wait();
                    let own = |n: u64| {
                        format!("c{}", Random(77 + n + thread * 1_000_000_007).next() % (customers / 2) * 2 + thread)
                    };
                    run(rules, ledger, &format!("t{thread}-{from}"), timed, own);
                    barrier.wait();
                });
            }
            barrier.wait();
            let started = Instant::now();
            barrier.wait();
            (timed * threads) as f64 / started.elapsed().as_secs_f64()
        })
    };
    let mut ratios: Vec<f64> = (0..5).map(|_| rate(2) / rate(1)).collect();
    ratios.sort_by(f64::total_cmp);
    figure("two threads over one, median of five", format!("{:.2}", ratios[2]));
}

/// The floor of reading a random customer. Each load needs the result of the load before, in as much memory as `customers`
/// take. Prints the mean.
fn dependent_loads(customers: u64) {
    /// A cache line, which contains the place of the next one.
    type Line = [u64; 8];
    /// About what a customer with twenty transactions takes.
    const BYTES: u64 = 1_000;
    let len = customers * BYTES / size_of::<Line>() as u64;
    let mut order: Vec<u64> = (0..len).collect();
    (1..len).rev().for_each(|n| order.swap(n as usize, (Random(n).next() % n) as usize));
    let mut lines = vec![Line::default(); len as usize];
    order.iter().zip(order.iter().cycle().skip(1)).for_each(|(from, to)| lines[*from as usize][0] = *to);
    let (loads, started) = (1_000_000, Instant::now());
    black_box((0..loads).fold(0, |place, _| lines[place as usize][0]));
    let nanoseconds = started.elapsed().as_nanos() as u64 / loads;
    figure("a load that waits for the one before, ns", nanoseconds);
}

/// Customers that were registered and never paid. The in-memory journal is printed separately.
fn idle_customers(rules: &Rules) {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let (ledger, merchant) = (ledger(), rules.merchant("acme").unwrap());
    let author = Author { source: ChangeSource::Api, by: None, job: None };
    let gold = Name::parse("gold").unwrap();
    let (before, mut text) = (resident_bytes(), 0);
    for n in 0..customers {
        let (identifier, email) = (format!("c{n}"), format!("c{n}@example.com"));
        text += identifier.len() + email.len();
        let attributes = vec![(Attribute::Email, email.into())];
        let update = CustomerUpdate { attributes, levels: [Some(Some(gold)), None], ..CustomerUpdate::default() };
        let identifier = Some(identifier.as_str());
        let applying = Registration { merchant, identifier, update: &update, created: None, author, is_trial: false };
        ledger.register(&applying, tick()).unwrap();
    }
    let (all, journal) = (resident_bytes() - before, ledger.journal().end().0);
    figure("bytes an idle customer's records", journal / customers);
    figure("bytes an idle customer's text", text as u64 / customers);
    figure("bytes an idle customer, without these", (all - journal - text as u64) / customers);
}

fn long_history(rules: &Rules) {
    for length in [10, 1_000, 100_000] {
        let ledger = ledger();
        run(rules, &ledger, "past", length, |_| "c".to_owned());
        let others = 2_000;
        let (_, mut reserves) = run(rules, &ledger, "now", others.min(length.max(200)), |_| "c".to_owned());
        row(&format!("reserve, one customer with {length}"), &mut reserves);
    }
}

fn open_holds(rules: &Rules) {
    let holds = setting("LEVELGATE_HOLDS", 5_000_000);
    let customers = holds / 10;
    let ledger = ledger();
    let before = resident_bytes();
    run(rules, &ledger, "hold", holds, |n| format!("c{}", n % customers));
    figure("bytes an open hold, all included", (resident_bytes() - before) / holds);
    let visited = ledger.holds_visited();
    // All holds end before this. Each is visited when its customer is next settled; nothing searches for it.
    skip(100 * 3_600_000 * 2);
    let (_, mut reserves) = run(rules, &ledger, "after", customers, |n| format!("c{n}"));
    row("reserve that lets ten holds run out", &mut reserves);
    let visited = ledger.holds_visited() - visited;
    figure("entries visited per hold that ran out", format!("{:.3}", visited as f64 / holds as f64));
    let (_, mut reserves) = run(rules, &ledger, "later", customers, |n| format!("c{n}"));
    row("reserve after that", &mut reserves);
}

/// What the transactions of one kind take, bytes a transaction.
struct TransactionBytes {
    /// Summary, usage entry, end of the hold, entry of the index.
    bytes: [f64; 4],
    /// By the wall clock. The machine can stop the thread in the middle of a reserve.
    slowest: Slowest,
    /// By the processor time of the thread, which has page faults and no waiting.
    slowest_processor: Slowest,
}

/// The slowest of many reserves.
#[derive(Default)]
struct Slowest {
    ns: u128,
    /// How many took more than a millisecond.
    above_ms: u64,
}

impl Slowest {
    fn record(&mut self, took: Duration) {
        self.ns = self.ns.max(took.as_nanos());
        self.above_ms += u64::from(took > Duration::from_millis(1));
    }
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Fills a ledger with transactions of one kind: each customer pays `round_ms` after the payment before, on average.
fn transaction_bytes(rules: &Rules, name: &str, outcome: Option<ProcessorOutcome>, round_ms: u64) -> TransactionBytes {
    let customers = setting("LEVELGATE_CUSTOMERS", 200_000);
    let rounds = setting("LEVELGATE_ROUNDS", 20);
    let ledger = ledger();
    let (mut slowest, mut slowest_processor) = (Slowest::default(), Slowest::default());
    for round in 0..rounds {
        for n in 0..customers {
            let random = Random(round * customers + n).next();
            // Amounts of up to 400.00; those of denied payments are above the limit of the method.
            let cents = random % 39_900 + if name == "denied" { 200_000 } else { 100 };
            let (id, customer) = (format!("{name}-{round}-{n}"), format!("c{n}"));
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            let now = Millis(START + (round * round_ms + n * round_ms / customers) as i64);
            let payment = payment_of(rules, &id, &customer, &amount);
            let (started, worked) = (Instant::now(), thread_time());
            ledger.reserve(rules, &payment, outcome, now).unwrap();
            slowest_processor.record(thread_time() - worked);
            slowest.record(started.elapsed());
        }
    }
    let MemoryUse { customers: CustomerMemory { summaries, usage, holds, .. }, index } = ledger.memory_use();
    let bytes = [summaries, usage, holds, index];
    let bytes = bytes.map(|bytes| bytes as f64 / (customers * rounds) as f64);
    TransactionBytes { bytes, slowest, slowest_processor }
}

/// What a customer and a transaction take in memory, by place. Payments of a customer are two minutes apart while they are
/// held, otherwise three hours.
fn memory(rules: &Rules) {
    let (minutes, hours) = (120_000, 3 * 3_600_000);
    let [idle, paying] = [Customer::bytes_idle(), Customer::bytes_paying()];
    println!("{:<44} {idle:>7}", "bytes of a customer without payments");
    println!("{:<44} {paying:>7}", "bytes of a customer with payments");
    let [bytes, slowest] = ["bytes a transaction", "slowest reserve, us"];
    println!("{:<10}{bytes:>45}{slowest:>18}{:>18}", "", "of processor time");
    let line = |name: &str, columns: &[String]| {
        let columns: Vec<String> = columns.iter().map(|column| format!("{column:>9}")).collect();
        println!("{name:<10}{}", columns.concat());
    };
    line("kind", &["summary", "usage", "hold", "index", "all", "us", "> 1 ms", "us", "> 1 ms"].map(str::to_owned));
    for (name, outcome, round_ms) in [
        ("held", None, minutes),
        ("settled", Some(ProcessorOutcome::Approved), hours),
        ("declined", Some(ProcessorOutcome::Declined), hours),
        ("denied", None, hours),
    ] {
        // A kind of millions of customers takes minutes, so each is printed at its end.
        let TransactionBytes { bytes, slowest, slowest_processor } = transaction_bytes(rules, name, outcome, round_ms);
        let mut columns: Vec<String> = bytes.iter().map(|bytes| format!("{bytes:.1}")).collect();
        columns.push(format!("{:.1}", bytes.iter().sum::<f64>()));
        for Slowest { ns, above_ms } in [slowest, slowest_processor] {
            columns.extend([format!("{:.0}", ns as f64 / 1_000.0), above_ms.to_string()]);
        }
        line(name, &columns);
    }
}

/// For instruction counts: two runs with different `LEVELGATE_TIMED` differ by exactly that many reserves.
fn counted(rules: &Rules) {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000);
    let ledger = ledger();
    for n in 0..customers * 20 {
        let (id, customer) = (format!("fill-{n}"), format!("c{}", n % customers));
        ledger.reserve(rules, &payment(rules, &id, &customer), None, tick()).unwrap();
    }
    let admitted = setting("LEVELGATE_ADMITTED", 1);
    for n in 0..setting("LEVELGATE_TIMED", 10_000) {
        let (id, customer) = (format!("one-{n}"), format!("c{}", Random(1 + n).next() % customers));
        (1..admitted).for_each(|_| drop(std::hint::black_box(payment(rules, &id, &customer))));
        ledger.reserve(rules, &payment(rules, &id, &customer), None, tick()).unwrap();
    }
}

/// A standby that applies the records of its primary, one step at a time: one thread reads the journal and applies.
fn standby(rules: &Rules) {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let primary = ledger();
    for round in 0..5 {
        for n in 0..customers {
            let (id, customer) = (format!("fill-{round}-{n}"), format!("c{n}"));
            primary.reserve(rules, &payment(rules, &id, &customer), None, tick()).unwrap();
        }
    }
    let before = resident_bytes();
    let limits = LedgerLimits { transactions_max: u64::MAX, skew: primary.clock_skew() };
    let standby = Ledger::new(limits, primary.storage());
    let (mut after, mut records, mut applying) = (Lsn::NONE, 0_u64, Duration::ZERO);
    let started = Instant::now();
    while after < primary.journal().last() {
        let followed = primary.journal().follow(after, &mut |visited| {
            let Visited::Records(step) = visited else { panic!("{visited:?}") };
            let began = Instant::now();
            standby.apply_replicated(step).unwrap();
            applying += began.elapsed();
            records += step.len() as u64;
            ControlFlow::Continue(())
        });
        after = followed.unwrap().next;
    }
    let a_second = |time: Duration| records * 1_000 / (time.as_millis() as u64).max(1);
    assert_eq!(standby.transactions_len(), primary.transactions_len());
    figure("standby, records applied a second", a_second(applying));
    figure("the same, with reading the journal", a_second(started.elapsed()));
    figure("bytes a transaction of a standby", (resident_bytes() - before) / records);
}

fn main() {
    let rules = rules();
    println!("{:<44} {:>7} {:>7} {:>7} {:>9}", "nanoseconds", "median", "p90", "p99", "max");
    let mut timer: Vec<u32> = (0..100_000).map(|_| Instant::now().elapsed().as_nanos() as u32).collect();
    row("the timer itself", &mut timer);
    let only = std::env::var("LEVELGATE_ONLY").unwrap_or_default();
    for (name, part) in [
        ("core", core_alone as fn(&Rules)),
        ("customers", many_customers),
        ("idle", idle_customers),
        ("history", long_history),
        ("holds", open_holds),
        ("memory", memory),
        ("counted", counted),
        ("standby", standby),
    ] {
        if only.is_empty() || only == name {
            part(&rules);
        }
    }
}
