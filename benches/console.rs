//! The pages of the console with many customers: the time to answer, and the bytes of each.
//!
//! `cargo bench --bench console` starts a daemon in memory, fills it with `LEVELGATE_CUSTOMERS` (1,000,000) customers who have
//! paid once, and asks for each page of the page table `LEVELGATE_TURNS` (21) times. It prints the first answer, the median
//! and the slowest in milliseconds, and the bytes; then the requests and bytes of two flows of support staff. With
//! `LEVELGATE_JSON` the figures are appended to that file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "figures for people")]

#[allow(dead_code, reason = "other benches use the rest")]
mod load;

use levelgate::console::page_paths;
use load::{setting, start};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};
use support::figures::record_figure;

/// The lines of a batch.
const BATCH_LINES: u64 = 20_000;
/// The answer of a page that is too slow, by the specification of the console.
const SLOW: Duration = Duration::from_millis(50);

/// Pages in states that their address alone does not have.
const STATES: [&str; 15] = [
    "/console/m/acme/customers?email=payer5@example.com",
    "/console/m/acme/customers?email=pay",
    "/console/m/acme/customers?name=Pay",
    "/console/m/acme/customers?status=new&deposit_level=gold",
    "/console/m/acme/customers?status=fraud",
    "/console/m/acme/transactions?status=denied",
    "/console/m/acme/transactions?customer_id=1000001",
    "/console/m/acme/transactions?order=oldest",
    "/console/m/acme/transactions?flag=late",
    "/console/m/acme/customers/1000001/orders?order=oldest",
    "/console/audit?customer_id=1000001",
    "/console/audit?by=nobody",
    "/console/audit?kind=erasure",
    "/console/audit?kind=payment&by=nobody",
    "/console/m/acme/decide?merchant_customer_identifier=c1&direction=deposit&amount=400.00&currency=EUR&payment_method=card",
];

/// The flows: what an agent opens, one address after the other.
const FLOWS: [(&str, &[&str]); 2] = [
    (
        "why was a payment denied, and what would pass",
        &[
            "/console/m/acme/customers",
            "/console/m/acme/customers?email=payer5@example.com",
            "/console/m/acme/customers/1000001",
        ],
    ),
    ("how far is a limit used", &["/console/m/acme/customers/1000001", "/console/m/acme/customers/1000001/usage"]),
];

/// The address of a row of the page table; `None`: it is no page, or this bench has no id for a parameter.
fn address_of(path: &str) -> Option<String> {
    if path == "/console/{*rest}" {
        return None;
    }
    let mut address = path.to_owned();
    for (parameter, value) in [
        ("{merchant}", "acme"),
        ("{customer}", "1000001"),
        ("{transaction}", "fill-0"),
        ("{direction}", "deposit"),
        ("{currency}", "EUR"),
        ("{level}", "gold"),
    ] {
        address = address.replace(parameter, value);
    }
    if address.ends_with("/limits/change") {
        address.push_str("?direction=deposit&currency=EUR&owner=customer");
    }
    (!address.contains('{')).then_some(address)
}

/// Changes of the first customers by an operator, which the audit shows. A million payments are recorded after them.
fn change(agent: &ureq::Agent, root: &str, customers: u64) {
    for n in 1..=customers.min(100) {
        let url = format!("{root}/v1/merchants/acme/customers/{}", 1_000_000 + n);
        let answer = agent.patch(url).send(format!("{{\"comment\":\"change {n}\"}}")).expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

/// Customers who have paid once, with an e-mail address and a name; the last hundred are denied once.
fn fill(agent: &ureq::Agent, root: &str, customers: u64) {
    let mut from = 0;
    while from < customers {
        let end = customers.min(from + BATCH_LINES);
        let mut body = String::new();
        for n in from..end {
            let amount = if n + 100 >= customers { "900000000.00" } else { "12.50" };
            let _ = writeln!(
                body,
                "{{\"op\":\"reserve\",\"merchant\":\"acme\",\"transaction_id\":\"fill-{n}\",\"direction\":\"deposit\",\
                 \"amount\":\"{amount}\",\"currency\":\"EUR\",\"payment_method\":\"card\",\"merchant_customer_identifier\":\"c{n}\",\
                 \"customer_level\":\"gold\",\"customer\":{{\"email\":\"payer{n}@example.com\",\"first_name\":\"Payer\",\
                 \"last_name\":\"N{n}\"}}}}"
            );
        }
        let mut answer = agent.post(format!("{root}/v1/batch")).send(body).expect("an answer");
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().expect("the answers");
        assert!(answer.status().is_success(), "{text}");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains("\"decision\""), "{first}");
        if from == 0 {
            change(agent, root, end);
        }
        from = end;
    }
}

/// The bytes and the time of an answer.
fn ask(agent: &ureq::Agent, url: &str) -> (usize, Duration) {
    let began = Instant::now();
    let mut answer = agent.get(url).call().expect("an answer");
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("a page");
    (body.len(), began.elapsed())
}

fn main() {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let turns = setting("LEVELGATE_TURNS", 21).max(1);
    let daemon = start("kind = \"memory\"");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let root = format!("http://{}", daemon.address);
    fill(&agent, &root, customers);
    println!(
        "{:<90} {:>9} {:>9} {:>9} {:>9}",
        format!("pages with {customers} customers"),
        "first ms",
        "median",
        "slowest",
        "bytes"
    );
    let mut slow = Vec::new();
    let pages = page_paths().filter_map(address_of).chain(STATES.map(str::to_owned));
    for page in pages {
        let url = format!("{root}{page}");
        let (bytes, first) = ask(&agent, &url);
        let mut took: Vec<Duration> = (0..turns).map(|_| ask(&agent, &url).1).collect();
        took.sort();
        let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
        let ms = |took: Duration| format!("{}.{:02}", took.as_millis(), took.as_micros() % 1_000 / 10);
        println!("{page:<90} {:>9} {:>9} {:>9} {bytes:>9}", ms(first), ms(median), ms(slowest));
        let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap();
        record_figure(&format!("console, {page}"), "us", micros(median), Some(micros(slowest)), turns);
        if median > SLOW {
            slow.push(page);
        }
    }
    println!(
        "\npages above {} ms: {}",
        SLOW.as_millis(),
        if slow.is_empty() { "none".to_owned() } else { slow.join(", ") }
    );
    for (flow, pages) in FLOWS {
        let sizes = pages.iter().map(|page| ask(&agent, &format!("{root}{page}")).0);
        let bytes: usize = sizes.sum();
        println!("{flow}: {} requests, {bytes} bytes, and once the stylesheet and the icon", pages.len());
    }
}
