//! A console for tests, and a session that visits its pages.

use crate::{
    clock::{Clock, Source},
    config::{self, Auth, Credential, FourEyesWrite, Token},
    console::{
        Console, ConsoleParts,
        page_table::{Handler, PAGES, PageMethod, PageRole, PageRow},
        pending_changes::{KeptRequest, NewChange},
        respond::CONTENT_POLICY,
        routes,
        sessions::SignedIn,
        stylesheet::{script_names, style_name},
    },
    domain::{
        customer::audit::{Author, ChangeSource},
        decision::clock_skew::ClockSkew,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{Ledger, LedgerLimits, LedgerStorage},
    service::{
        access::access_tokens::AccessTokens, commit::AnswerGate, customers::CustomerService,
        daemon_control::DaemonControl, jobs::Jobs, monitoring::status::StatusSource, payments::PaymentOperation,
        payments::PaymentService, sender_pace::UploadLimits,
    },
    storage::jobs::{JobStore, JobsOnDisk},
    telemetry::metrics::Meters,
};
use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, header},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::sync::{Semaphore, watch};

mod bulk_changes;
mod changes;
mod control;
mod customers;
mod escaping;
mod four_eyes;
mod four_eyes_rows;
mod instruments;
mod levels;
mod lists;
mod operator_pages;
mod people;
mod roles;
mod staff;
mod stumbles;

use control::RecordingControl;

/// Keeps the channel open: no test stops its console.
static STOP: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

const HOST: &str = "lg.example";
const ORIGIN: &str = "https://lg.example";
/// A name that would be a script if a page did not escape it.
const HOSTILE: &str = "<script>alert('x')</script>\"onload=\"";

/// The tokens: a word, its role, and the merchants.
const TOKENS: [(&str, config::Role, Option<&str>); 5] = [
    ("viewer", config::Role::Viewer, None),
    ("operator", config::Role::Operator, None),
    ("gateway", config::Role::Gateway, None),
    ("globex-viewer", config::Role::Viewer, Some("globex")),
    ("globex-operator", config::Role::Operator, Some("globex")),
];

fn credentials() -> Vec<Credential> {
    let credential = |(text, role, merchant): (&str, config::Role, Option<&str>)| {
        let merchants = merchant.map(|id| vec![Name::parse(id).unwrap()]);
        let name = Name::parse(text).unwrap();
        let token = Token { name, role, token_file: "t".into(), merchants, expires: None, rate: None };
        Credential { token, digest: Sha256::digest(text.as_bytes()).into() }
    };
    TOKENS.into_iter().map(credential).collect()
}

/// A console over the example configuration, with one customer, an allowed and a denied payment, and a change that waits.
fn console() -> Arc<Console> {
    let console = console_with(|_| ());
    let form = [("deposit_level", "silver"), ("status", "new")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let parameters = [("merchant", "acme"), ("customer", "1000001")];
    let request = KeptRequest {
        path: "/console/m/{merchant}/customers/{customer}/change",
        parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        query: Vec::new(),
        form: form.into(),
    };
    let (person, author) = ("petra".to_owned(), HOSTILE.to_owned());
    let change = NewChange { write: FourEyesWrite::RaiseLimit, request, person, author, token: None, at: Millis(0) };
    console.pending.keep(change, 0).unwrap();
    console
}

fn status_with(payments: &Arc<PaymentService>, control: Arc<dyn DaemonControl>) -> Arc<StatusSource> {
    Arc::new(StatusSource {
        payments: Arc::clone(payments),
        health: Arc::default(),
        control,
        snapshots: None,
        keeps: "a test",
        store: "memory",
    })
}

/// A console without the change that waits, and with a control of the daemon.
fn console_of(control: Arc<dyn DaemonControl>) -> Arc<Console> {
    console_with(|parts| parts.status = status_with(&parts.payments, control))
}

/// A console without the change that waits, and with other parts.
fn console_with(alter: impl FnOnce(&mut ConsoleParts)) -> Arc<Console> {
    let loaded = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
    let Ok(loaded) = loaded else { panic!("the example configuration is valid") };
    let bounds = LedgerLimits { transactions_max: 1_000, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };
    let jobs = Arc::new(Jobs::new(Arc::new(JobStore::in_memory()), JobsOnDisk::default()).unwrap());
    let payments = Arc::new(PaymentService {
        ledger: Ledger::new(bounds, LedgerStorage::in_memory((1, 2))),
        rules: ArcSwap::from_pointee(loaded.rules),
        clock: Clock::new(Source::System),
        meters: Meters::new(),
        body_bytes_max: 65_536,
        gate: AnswerGate::local(),
    });
    for (id, amount) in [("t1", "10.00"), ("t2", "499.00")] {
        let body = serde_json::json!({
            "transaction_id": id, "direction": "deposit", "amount": amount, "currency": "EUR", "payment_method": "card",
            "merchant_customer_identifier": "alice", "customer_level": "gold", "customer": {"first_name": HOSTILE},
            "payment_instrument": "tok-1",
        });
        payments.call(PaymentOperation::Reserve, "acme", None, body.to_string().as_bytes()).unwrap();
    }
    payments.call(PaymentOperation::Approve, "acme", Some("t1"), b"{}").unwrap();
    let mut parts = ConsoleParts {
        status: status_with(&payments, Arc::new(RecordingControl::default())),
        payments,
        access: Arc::new(AccessTokens::new(&credentials(), &Auth::default())),
        failed_logins: Arc::default(),
        jobs,
        upload_limits: UploadLimits { body_timeout: Duration::from_secs(30), bytes_per_s_min: 1_024 },
        downloads: Arc::new(Semaphore::new(16)),
        stopping: STOP.subscribe(),
        secure_cookie: false,
        proxy_users: None,
        four_eyes: Vec::new(),
    };
    alter(&mut parts);
    let console = Console::new(parts);
    with_customers(&console, |customers| {
        let bulk = br#"{"select": {"ids": ["1000001"]}, "set": {"labels": ["regular"]}}"#;
        customers.bulk_change(customers.jobs, Some("job-1"), bulk).unwrap();
    });
    console
}

/// Calls the service of customers as another caller than the console.
fn with_customers<T>(console: &Console, call: impl FnOnce(&CustomerService<'_>) -> T) -> T {
    let (parts, rules) = (&console.parts, console.parts.payments.rules());
    let author = Author { source: ChangeSource::Api, by: None, job: None };
    let merchant = rules.merchant("acme").unwrap();
    let (service, jobs) = (&*parts.payments, &*parts.jobs);
    call(&CustomerService { service, jobs, rules: &rules, merchant, author, lesser: None })
}

/// Changes a customer past the console.
fn update(console: &Console, number: &str, body: &str) {
    with_customers(console, |customers| customers.update(number, body.as_bytes()).map(drop)).unwrap();
}

fn example_path(row: &PageRow) -> String {
    let mut path = row.path.to_owned();
    for (parameter, value) in [
        ("{merchant}", "acme"),
        ("{customer}", "1000001"),
        ("{transaction}", "t2"),
        ("{direction}", "deposit"),
        ("{currency}", "EUR"),
        ("{level}", "gold"),
        ("{job}", "job-1"),
        ("{instrument}", "tok-1"),
        ("{change}", PENDING),
        ("{file}", style_name()),
        ("{*rest}", "no/such/page"),
    ] {
        path = path.replace(parameter, value);
    }
    let needs_query = ["/limits/change", "/limits/raise", "/settings/change"].iter().any(|end| path.ends_with(end));
    if needs_query && row.method == PageMethod::Get {
        path.push_str(LIMITS_QUERY);
    }
    assert!(!path.contains('{'), "the test has no value for a parameter of {path}");
    path
}

/// In a path: the change that waits, whose id is random.
const PENDING: &str = "the-change-that-waits";

const LIMITS_QUERY: &str = "?direction=deposit&currency=EUR&owner=customer&level=gold";

struct Visit<'a> {
    console: &'a Arc<Console>,
    routes: &'a Router,
    /// The token of the session; `None`: there is no session.
    token: Option<&'a str>,
}

impl Visit<'_> {
    async fn send(&self, method: PageMethod, path: &str, origin: Option<&str>, form: &str) -> Response<Body> {
        let method = if method == PageMethod::Get { "GET" } else { "POST" };
        let path = &match self.console.pending.all(0).first() {
            Some(change) => path.replace(PENDING, &change.id),
            None => path.to_owned(),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        if let Some(text) = self.token {
            let parts = &self.console.parts;
            let token = parts.access.of_text(text, parts.payments.clock.wall()).unwrap();
            let signed_in = SignedIn { token, person: None };
            let id = self.console.sessions.begin(signed_in, parts.payments.clock.running_ms()).unwrap();
            request = request.header(header::COOKIE, format!("levelgate-session={id}"));
        }
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let response = TowerToHyperService::new(self.routes.clone()).call(request).await.unwrap();
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).map(|policy| policy.to_str().unwrap());
        assert_eq!(policy, Some(CONTENT_POLICY), "{method} {path}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        response
    }

    async fn status(&self, row: &PageRow, origin: Option<&str>) -> u16 {
        self.send(row.method, &example_path(row), origin, &LIMITS_QUERY[1..]).await.status().as_u16()
    }

    async fn page(&self, path: &str) -> String {
        let response = self.send(PageMethod::Get, path, None, "").await;
        assert_eq!(response.status(), 200, "{path}");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }
}
