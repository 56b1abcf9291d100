//! The bench against a stand-in of the daemon that is honest, or lies once.

use crate::cli::bench::{
    connection::ServerAddress,
    read_back::ReadBack,
    requests::Endpoint,
    session::{LoadSettings, RunReport, Session},
    workload::Mix,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What the stand-in does wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    /// It answers a reserve, and records nothing.
    DropsReserve,
    /// It records the repetition of a reserve as another transaction.
    CountsRetry,
    /// It answers a decline, and goes on counting.
    DropsDecline,
    /// It counts a cent more.
    AddsCent,
}

/// How many operations of the kind are honest before the lie.
const HONEST: u32 = 5;

#[derive(Debug, Clone, Copy, Default)]
struct Payment {
    customer: u64,
    cents: u64,
    is_approved: bool,
}

#[derive(Debug, Default)]
struct Records {
    payments: HashMap<String, Payment>,
    customers: BTreeMap<String, u64>,
    /// Cents and transactions, gross and net, by customer.
    used: HashMap<u64, [(u64, u64); 2]>,
    /// Operations so far, by the lie that they could be.
    so_far: HashMap<&'static str, u32>,
}

#[derive(Clone)]
struct StandIn {
    lie: Lie,
    records: Arc<Mutex<Records>>,
}

impl StandIn {
    /// Whether this operation is the one to lie about.
    fn lies(&self, records: &mut Records, lie: Lie, operation: &'static str) -> bool {
        let so_far = records.so_far.entry(operation).or_default();
        *so_far += 1;
        self.lie == lie && *so_far == HONEST
    }
}

fn add(used: &mut [(u64, u64); 2], which: &[usize], cents: u64) {
    which.iter().for_each(|&place| used[place] = (used[place].0 + cents, used[place].1 + 1));
}

fn subtract(used: &mut [(u64, u64); 2], which: &[usize], cents: u64) {
    which.iter().for_each(|&place| used[place] = (used[place].0 - cents, used[place].1 - 1));
}

async fn reserve(State(stand_in): State<StandIn>, body: Bytes) -> String {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let mut records = stand_in.records.lock().unwrap();
    let known = records.customers.len() as u64 + 1_000_001;
    let customer = *records.customers.entry(text("merchant_customer_identifier")).or_insert(known);
    let cents: u64 = text("amount").replace('.', "").parse().unwrap();
    let is_known = records.payments.contains_key(&text("transaction_id"));
    let is_counted = if is_known {
        stand_in.lies(&mut records, Lie::CountsRetry, "retry")
    } else {
        !stand_in.lies(&mut records, Lie::DropsReserve, "reserve")
    };
    let more = u64::from(!is_known && stand_in.lies(&mut records, Lie::AddsCent, "cent"));
    if is_counted {
        add(records.used.entry(customer).or_default(), &[0, 1], cents + more);
    }
    if !is_known {
        records.payments.insert(text("transaction_id"), Payment { customer, cents, is_approved: false });
        // A dropped reserve still counts as zero, so that later steps of the transaction can be subtracted.
        if !is_counted {
            records.payments.get_mut(&text("transaction_id")).unwrap().customer = 0;
            add(records.used.entry(0).or_default(), &[0, 1], cents);
        }
    }
    json!({ "decision": "allow", "customer": { "customer_id": customer.to_string() } }).to_string()
}

async fn check() -> String {
    json!({ "decision": "allow", "status": "checked" }).to_string()
}

async fn step(State(stand_in): State<StandIn>, Path((id, operation)): Path<(String, String)>) -> String {
    let mut records = stand_in.records.lock().unwrap();
    let payment = records.payments[&id];
    let is_dropped = operation == "decline" && stand_in.lies(&mut records, Lie::DropsDecline, "decline");
    let which: &[usize] = match operation.as_str() {
        "approve" => {
            records.payments.get_mut(&id).unwrap().is_approved = true;
            &[]
        }
        "cancel" if payment.is_approved => &[1],
        "cancel" | "decline" => &[0, 1],
        other => panic!("{other}"),
    };
    if !is_dropped {
        subtract(records.used.entry(payment.customer).or_default(), which, payment.cents);
    }
    json!({ "transaction_id": id, "status": "approved" }).to_string()
}

async fn usage(State(stand_in): State<StandIn>, Path(customer): Path<u64>) -> String {
    let used = stand_in.records.lock().unwrap().used.get(&customer).copied().unwrap_or_default();
    let [gross, net] = used.map(
        |(cents, quantity)| json!({ "amount": format!("{}.{:02}", cents / 100, cents % 100), "quantity": quantity }),
    );
    let total = json!({ "direction": "deposit", "currency": "EUR", "level": "gold", "gross": gross, "net": net });
    json!({ "usage": [], "totals": [total], "server_time": "" }).to_string()
}

/// Starts a stand-in on a thread that lives as long as the process. Returns its address.
fn start(lie: Lie) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stand_in = StandIn { lie, records: Arc::default() };
    let routes = Router::new()
        .route("/v1/merchants/bench/transactions", post(reserve))
        .route("/v1/merchants/bench/decisions", post(check))
        .route("/v1/merchants/bench/transactions/{id}/{operation}", post(step))
        .route("/v1/merchants/bench/customers/{customer}/usage", get(usage))
        .with_state(stand_in);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
    });
    address
}

fn bench(lie: Lie, threads: u32, rate: Option<u64>) -> (RunReport, ReadBack) {
    let load = LoadSettings {
        seed: 1,
        customers: 40,
        connections: 6,
        threads,
        mix: Mix::DEFAULT,
        warm_up: Duration::from_millis(50),
        duration: Duration::from_millis(400),
        lag_max: Duration::from_secs(60),
    };
    let endpoint = Endpoint {
        address: ServerAddress::plain(start(lie)),
        merchant: "bench".to_owned(),
        token: None,
        prefix: String::new(),
    };
    let mut session = Session::new(endpoint, None, load);
    session.fill().unwrap();
    let run = session.run("stand-in", rate).unwrap();
    (run, session.read_back().unwrap())
}

#[test]
fn the_usage_of_an_honest_daemon_is_equal() {
    for (threads, rate) in [(1, Some(1_000)), (2, Some(1_000)), (1, None), (3, None)] {
        let (run, usage) = bench(Lie::None, threads, rate);
        assert_eq!(run.invalid, Vec::<String>::new());
        assert!(usage.is_equal(), "{:?}", usage.differences);
        assert_eq!((usage.customers, usage.uncertain), (40, 0));
        assert!(usage.transactions > 40 && usage.net_cents < usage.gross_cents);
        assert_eq!(run.done.values().sum::<u64>(), run.requests);
        if rate.is_some() {
            assert_eq!(run.requests, 400);
        }
    }
}

#[test]
fn one_lie_of_a_daemon_is_found() {
    for lie in [Lie::DropsReserve, Lie::CountsRetry, Lie::DropsDecline, Lie::AddsCent] {
        let (_, usage) = bench(lie, 1, Some(1_000));
        assert_eq!(usage.different, 1, "{lie:?}: {:?}", usage.differences);
        assert!(!usage.is_equal());
    }
}
