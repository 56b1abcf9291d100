//! Walks the table of pages with every role, without a session, and with the token of another merchant.

mod customers;

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

mod control;
mod four_eyes;
mod four_eyes_rows;
mod instruments;
mod levels;
mod people;
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

#[tokio::test]
async fn every_page_admits_its_roles_and_merchants_alone() {
    let console = console();
    let routes = routes(&console);
    for row in PAGES {
        for (token, is_operator, is_staff, reaches) in [
            (None, false, false, false),
            (Some("viewer"), false, true, true),
            (Some("operator"), true, true, true),
            (Some("gateway"), false, false, true),
            (Some("globex-viewer"), false, true, false),
            (Some("globex-operator"), true, true, false),
        ] {
            let of_merchant = row.path.contains("{merchant}");
            let allowed = match row.role {
                PageRole::Public => true,
                PageRole::Staff => is_staff,
                PageRole::Operator => is_operator,
                PageRole::DaemonOperator => is_operator && reaches,
            } && (reaches || !of_merchant);
            let want = match (row.handler, row.method) {
                (Handler::SignIn, _) => 401,
                (Handler::SignOut, _) => 303,
                (Handler::SignInForm | Handler::File, _) => 200,
                _ if token.is_none() => 303,
                _ if !allowed => 403,
                (Handler::Unknown, _) => 404,
                // It has no preview: it changes nothing that a person sees.
                (Handler::Page(_), _) if row.path.ends_with("/snapshot") => 303,
                (
                    Handler::Page(_)
                    | Handler::Download(_)
                    | Handler::Upload
                    | Handler::Confirmations
                    | Handler::Confirmation,
                    _,
                ) => 200,
            };
            let visit = Visit { console: &console, routes: &routes, token };
            assert_eq!(visit.status(row, Some(ORIGIN)).await, want, "{:?} {} by {token:?}", row.method, row.path);
            if row.method == PageMethod::Post {
                for origin in [None, Some("https://evil.example"), Some("null")] {
                    let status = visit.status(row, origin).await;
                    assert_eq!(status, 403, "{} by {token:?} from {origin:?}", row.path);
                }
            }
        }
    }
}

/// A page without the elements that load our scripts: files of the daemon, named with their hash.
fn without_our_scripts(page: &str) -> String {
    script_names().into_iter().fold(page.to_owned(), |page, name| {
        let Some((before, rest)) = page.split_once(&format!("assets/{name}\" defer></script>")) else { return page };
        let (before, _) = before.rsplit_once("<script src=\"").expect("the begin of the element");
        format!("{before}{rest}")
    })
}

#[tokio::test]
async fn every_value_is_escaped_and_no_page_has_a_script_or_a_style_of_its_own() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let mut names = 0;
    let is_page = |row: &&PageRow| row.method == PageMethod::Get && matches!(row.handler, Handler::Page(_));
    for row in PAGES.iter().filter(is_page) {
        for query in ["", "?name=%3Cscript%3Ealert&amount=%3Cscript%3E&customer_id=%3Cscript%3E&q=%3Cscript%3E"] {
            let path = example_path(row);
            let query = if path.contains('?') { query.replace('?', "&") } else { query.to_owned() };
            let page = visit.page(&format!("{path}{query}")).await;
            for forbidden in
                ["<script", "\"onload=", " style=", "<style", "javascript:", "onclick", "href=\"/", "http://"]
            {
                let found = without_our_scripts(&page).replace("http://www.w3.org/2000/svg", "").contains(forbidden);
                assert!(!found, "{path}{query} contains {forbidden}");
            }
            names += usize::from(page.contains("&lt;script&gt;alert"));
        }
    }
    assert!(names > 8, "the hostile name is shown on {names} pages");
}

#[tokio::test]
async fn a_viewer_sees_no_form_that_changes_something() {
    let console = console();
    let routes = routes(&console);
    let posts = |page: &str| page.matches("method=\"post\"").count();
    for row in PAGES.iter().filter(|row| row.method == PageMethod::Get && row.role == PageRole::Staff) {
        if !matches!(row.handler, Handler::Page(_)) {
            continue;
        }
        let page = Visit { console: &console, routes: &routes, token: Some("viewer") }.page(&example_path(row)).await;
        assert_eq!(posts(&page), 1, "{}: signing out alone", row.path);
        assert!(!page.contains("/change\""), "{}", row.path);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let console = console();
    let routes = routes(&console);
    let parts = &console.parts;
    let token = parts.access.of_text("viewer", parts.payments.clock.wall()).unwrap();
    let id = console.sessions.begin(SignedIn { token, person: None }, parts.payments.clock.running_ms()).unwrap();
    let get = async || {
        let request = Request::builder().uri("/console").header(header::COOKIE, format!("levelgate-session={id}"));
        let request = request.body(Body::empty()).unwrap();
        TowerToHyperService::new(routes.clone()).call(request).await.unwrap().status().as_u16()
    };
    assert_eq!(get().await, 200);
    let without: Vec<Credential> =
        credentials().into_iter().filter(|sent| sent.token.name.as_str() != "viewer").collect();
    parts.access.replace(&without, &Auth::default());
    assert_eq!(get().await, 303, "a reload without the token ends the session");
    parts.access.replace(&credentials(), &Auth::default());
    assert_eq!(get().await, 303, "and it stays ended");
}

#[tokio::test]
async fn a_change_is_previewed_then_made_and_refused_if_the_customer_has_changed() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let path = "/console/m/acme/customers/1000001/change";
    let modified_at = |page: &str| {
        let (_, rest) = page.split_once("name=\"modified_at\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    };
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, path, Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let begun = modified_at(&visit.page(path).await);
    let fields = "deposit_level=silver&withdrawal_level=&status=new&label=regular";
    let (status, preview) = send(&format!("{fields}&step=preview&modified_at=x")).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("silver"), "{preview}");
    let profile = "/console/m/acme/customers/1000001";
    assert!(!visit.page(profile).await.contains(">silver<"), "a preview changes nothing");
    let (status, again) = send(&format!("{fields}&step=confirm&modified_at=x")).await;
    assert!(status == 200 && again.contains("has changed since the preview"), "{again}");
    let (status, _) = send(&format!("{fields}&step=confirm&modified_at={begun}")).await;
    assert_eq!(status, 303);
    assert!(visit.page(profile).await.contains(">silver<"));
    assert!(visit.page(&format!("{profile}/history")).await.contains("<strong>operator</strong>"));
    let (_, same) = send(&format!("{fields}&step=preview&modified_at={begun}")).await;
    assert!(same.contains("Nothing changes"), "{same}");
    let (status, refused) = send("deposit_level=nope&status=new&label=regular&step=preview").await;
    assert!(status == 200 && refused.contains("role=\"alert\""), "{refused}");
}

#[tokio::test]
async fn limits_are_previewed_then_set() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let path = "/console/m/acme/customers/1000001/limits";
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, &format!("{path}/change"), Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    // What the hidden fields of a preview send.
    let confirmation = |page: &str| {
        let (_, rest) = page.split_once("name=\"seen\" value=\"").expect("a preview");
        let seen = rest.split('"').next().unwrap().replace("&quot;", "\"");
        form_urlencoded::Serializer::new(String::new())
            .append_pair("step", "confirm")
            .append_pair("seen", &seen)
            .finish()
    };
    let subject = &LIMITS_QUERY[1..];
    let own = format!(
        "{subject}&name=mine&window=daily&amount_limit=77.00&quantity_limit=3&name=&window=&amount_limit=&quantity_limit="
    );
    let (status, preview) = send(&own).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("77.00 EUR"), "{preview}");
    assert!(!visit.page(path).await.contains("77.00"), "a preview changes nothing");
    let (_, stale) = send(&format!("{own}&step=confirm&seen=x")).await;
    assert!(stale.contains("have changed since the preview"), "{stale}");
    assert_eq!(send(&format!("{own}&{}", confirmation(&preview))).await.0, 303);
    assert!(visit.page(path).await.contains("77.00 EUR, 3 payments"));
    // A raise waits; the preview says until when.
    let raise = own.replace("77.00", "88.00");
    let (_, preview) = send(&raise).await;
    assert!(preview.contains("Waits") && preview.contains("takes effect at"), "{preview}");
    let operator =
        format!("{}&until=2999-01-31", own.replace("owner=customer", "owner=operator").replace("77.00", "66.00"));
    let (_, preview) = send(&operator).await;
    assert!(preview.contains("Until ") && preview.contains("66.00 EUR"), "{preview}");
    assert_eq!(send(&format!("{operator}&{}", confirmation(&preview))).await.0, 303);
    assert!(visit.page(path).await.contains("Set by an operator"));
    for (form, words) in [
        (own.replace("window=daily", "window=never"), "window"),
        (own.replace("77.00", "much"), "amount_limit"),
        (own.replace("quantity_limit=3", "quantity_limit=few"), "quantity_limit"),
        (operator.replace("2999-01-31", ""), "until"),
    ] {
        let (status, refused) = send(&form).await;
        assert!(status == 200 && refused.contains("role=\"alert\"") && refused.contains(words), "{form}: {refused}");
    }
}

#[tokio::test]
async fn the_figures_of_a_denial_and_what_would_pass_are_shown() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let denied = visit.page("/console/m/acme/transactions/t2").await;
    for part in
        ["daily amount limit exceeded", "500.00 EUR", "10.00 EUR", "490.00 EUR", "499.00 EUR", "Why it was denied"]
    {
        assert!(denied.contains(part), "{part}: {denied}");
    }
    let ask = "/console/m/acme/decide?merchant_customer_identifier=alice&direction=deposit&amount=499.00&currency=EUR&payment_method=card";
    let answer = visit.page(ask).await;
    for part in ["What would pass", "490.00 EUR", "quarter", "A denied payment has no gates"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let passes = visit.page(&ask.replace("499.00", "490.00")).await;
    for part in ["The bounds", "gate-a", "As it would be after this payment", "0.00 left"] {
        assert!(passes.contains(part), "{part}: {passes}");
    }
    let card = visit.send(PageMethod::Get, "/console/m/acme/customers?name=4111111111111111", None, "").await;
    assert_eq!(card.status(), 400, "a full card number is refused");
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_a_page_and_the_policy() {
    let console = console();
    let routes = routes(&console);
    for (method, path, allowed) in [
        ("POST", "/console/live", "GET,HEAD"),
        ("DELETE", "/console/m/acme", "GET,HEAD"),
        ("GET", "/console/logout", "POST"),
    ] {
        let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        let request = request.header(header::ORIGIN, ORIGIN).body(Body::from("a=b")).unwrap();
        let response = TowerToHyperService::new(routes.clone()).call(request).await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(header::CONTENT_SECURITY_POLICY), CONTENT_POLICY);
        assert_eq!(
            (header(header::ALLOW), header(header::CONTENT_TYPE)),
            (allowed.into(), "text/html; charset=utf-8".into())
        );
    }
}

#[tokio::test]
async fn pages_about_all_merchants_show_a_token_its_merchants_alone() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("globex-operator") };
    let all = Visit { console: &console, routes: &routes, token: Some("operator") };
    for path in ["live", "gates", "rates", "events", "audit", "system"] {
        let page = visit.page(&format!("/console/{path}")).await.to_lowercase();
        assert!(!page.contains("acme"), "{path}: {page}");
        assert!(
            !page.contains("/change\"") && !page.contains("/snapshot") && !page.contains("/reload"),
            "{path}: {page}"
        );
    }
    for path in ["live", "gates", "events", "audit"] {
        let path = format!("/console/{path}?merchant=acme");
        assert_eq!(visit.send(PageMethod::Get, &path, None, "").await.status(), 403, "{path}");
        assert_eq!(all.send(PageMethod::Get, &path, None, "").await.status(), 200, "{path}");
        let unknown = path.replace("acme", "nowhere");
        assert_eq!(all.send(PageMethod::Get, &unknown, None, "").await.status(), 404, "{path}");
    }
    let live = all.page("/console/live").await;
    for part in ["Decisions", "limit exceeded", "Acme", "Gates of", "id=\"live\""] {
        assert!(live.contains(part), "{part}: {live}");
    }
    assert!(all.page("/console/system").await.contains("Settings in force"));
}

#[tokio::test]
async fn events_are_the_newest_first_with_filters() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let page = visit.page("/console/events").await;
    let place = |id: &str| page.find(&format!("/transactions/{id}\"")).expect("the transaction");
    assert!(place("t1") < place("t2"), "the approval of t1 is the newest: {page}");
    let denied = visit.page("/console/events?merchant=acme&event=denied").await;
    assert!(denied.contains("/transactions/t2\"") && !denied.contains("/transactions/t1\""), "{denied}");
    let none = visit.page("/console/events?event=charged_back").await;
    assert!(none.contains("There is no such event"), "{none}");
    assert!(visit.page("/console/events?event=nope").await.contains("role=\"alert\""));
    let overview = visit.page("/console/m/acme").await;
    assert!(overview.contains("Recent denials") && overview.contains("/transactions/t2\""), "{overview}");
}

#[tokio::test]
async fn gates_show_their_attempts() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let before = visit.page("/console/gates?merchant=acme").await;
    assert!(before.contains("No attempt was reported") && before.contains("gate-a"), "{before}");
    let payments = &console.parts.payments;
    for (attempt, outcome) in [(1, "declined"), (2, "approved")] {
        let body = serde_json::json!({ "attempt": attempt, "gate": "gate-a", "outcome": outcome }).to_string();
        payments.call(PaymentOperation::Attempt, "acme", Some("t1"), body.as_bytes()).unwrap();
    }
    let after = visit.page("/console/gates?merchant=acme&span=1h").await;
    for part in ["Attempts at gate-a", "50 %", "1 failed", "1 approved"] {
        assert!(after.contains(part), "{part}: {after}");
    }
}

#[tokio::test]
async fn a_script_of_an_ended_session_loads_the_page_anew_and_does_not_keep_the_session() {
    let console = console();
    let routes = routes(&console);
    let request = Request::builder().uri("/console/live").header(header::HOST, HOST).header("hx-request", "true");
    let request = request.body(Body::empty()).unwrap();
    let response = TowerToHyperService::new(routes).call(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["hx-refresh"].to_str().unwrap()), (204, "true"));
}

#[tokio::test]
async fn rates_are_previewed_before_they_are_set() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, "/console/rates/change", Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let page = visit.page("/console/rates/change").await;
    let (_, rest) = page.split_once("name=\"version\" value=\"").expect("a form");
    let version = rest.split('"').next().unwrap();
    let fields = "base=EUR&as_of=2036-11-20T10:00:00Z&max_age=2d&currency=USD&rate=1.5&currency=&rate=";
    let (status, preview) = send(&format!("{fields}&step=preview")).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("1.5"), "{preview}");
    let (_, stale) = send(&format!("{fields}&step=confirm&version=x")).await;
    assert!(stale.contains("have changed since the preview"), "{stale}");
    assert_eq!(send(&format!("{fields}&step=confirm&version={version}")).await.0, 303);
}
