//! Every route with every role: a token for all merchants, for the merchant of the call, for another one, one that has
//! expired, a wrong one and none; and with a certificate of each role. What a token for some merchants is answered names nothing of another merchant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::tls::folder_with_tls;
use crate::token_access::call;
use support::certificates::Authority;
use support::daemon::{ConfigFolder, Daemon, Settings, agent};
use support::fixtures::{CRM, acme, pay, with};

/// A route: its method, its address, who may call it, the status of a call that is let in, and its body.
///
/// `M`, `C` and `T` are the addresses of a merchant, a customer and a transaction of it; `{id}` is the customer, `{n}` a
/// different number for each call, `{m}` the merchant.
struct Route {
    method: &'static str,
    route: &'static str,
    /// The query string.
    query: &'static str,
    /// `g`ateway, `v`iewer, `o`perator; `*`: it needs no token.
    roles: &'static str,
    /// Whether a token for some merchants may call what is of no merchant.
    some: bool,
    status: u16,
    body: &'static str,
}

const fn row(method: &'static str, route: &'static str, roles: &'static str, status: u16, body: &'static str) -> Route {
    Route { method, route, query: "", roles, some: true, status, body }
}

impl Route {
    const fn of_all(self) -> Route {
        Route { some: false, ..self }
    }

    const fn query(self, query: &'static str) -> Route {
        Route { query, ..self }
    }
}

const PAYMENT: &str = r#"{"transaction_id": "walk-{n}", "direction": "deposit", "currency": "EUR", "amount": "1.00",
    "merchant_customer_identifier": "{m}-payer"}"#;
const LINE: &str = r#"{"op": "check", "merchant": "{m}", "direction": "deposit", "currency": "EUR", "amount": "1.00", "merchant_customer_identifier": "{m}-payer"}"#;
const FORM: &str = r#"{"direction": "deposit", "currency": "EUR", "merchant_customer_identifier": "{m}-payer"}"#;
const LIMIT: &str = r#"{"filters": [{"window": "daily", "amount_limit": "50.00"}]}"#;

const ROUTES: &[Route] = &[
    row("GET", "/healthz", "*", 200, ""),
    row("GET", "/readyz", "*", 200, ""),
    row("GET", "/", "*", 200, ""),
    row("GET", "/docs", "*", 200, ""),
    row("GET", "/docs/api", "*", 200, ""),
    row("GET", "/openapi.json", "*", 200, ""),
    row("GET", "/docs/style.css", "*", 200, ""),
    row("GET", "/docs/concepts", "*", 200, ""),
    row("GET", "/metrics", "gvo", 200, "").of_all(),
    row("GET", "/v1/status", "gvo", 200, ""),
    row("GET", "/v1/events", "gvo", 200, ""),
    row("GET", "/v1/events/latest", "gvo", 200, ""),
    row("GET", "/v1/series", "gvo", 200, ""),
    row("GET", "/v1/settings", "vo", 200, "").of_all(),
    row("GET", "/v1/reload", "vo", 200, "").of_all(),
    row("GET", "/v1/rates", "gvo", 200, ""),
    row("PUT", "/v1/rates", "o", 200, r#"{"base": "EUR", "as_of": "2026-11-20T00:00:01Z"}"#).of_all(),
    row("POST", "/v1/reload", "o", 200, "").of_all(),
    row("POST", "/v1/snapshot", "o", 422, "").of_all(),
    row("POST", "/v1/take-over", "o", 409, "").of_all(),
    row("POST", "/v1/clock/accept", "o", 200, "").of_all(),
    row("POST", "/v1/batch", "go", 200, LINE),
    row("GET", "/v1/merchants", "gvo", 200, ""),
    row("GET", "M", "gvo", 200, ""),
    row("GET", "M/audit", "vo", 200, ""),
    row("GET", "M/series", "gvo", 200, ""),
    row("GET", "M/gates", "gvo", 200, ""),
    row("GET", "M/levels", "gvo", 200, ""),
    row("DELETE", "M/levels/{direction}/{currency}", "o", 200, ""),
    row("GET", "M/levels/{direction}/{currency}/{name}", "gvo", 200, ""),
    row("PUT", "M/levels/{direction}/{currency}/{name}", "o", 201, "{}"),
    row("GET", "M/levels/{direction}/{currency}/{name}/status", "gvo", 200, ""),
    row("GET", "M/levels/{direction}/{currency}/{name}/gates", "gvo", 200, ""),
    row("GET", "M/levels/{direction}/{currency}/{name}/above", "vo", 400, "").query("filter=none"),
    row("POST", "M/levels/{direction}/{currency}/{name}/reset", "o", 404, ""),
    row("GET", "M/file", "vo", 200, ""),
    row("DELETE", "M/levels/{direction}/{currency}/{name}", "o", 200, ""),
    row("POST", "M/levels/{direction}/{currency}/{name}", "o", 404, r#"{"to": "{m}-best"}"#),
    row("POST", "M/transactions", "go", 200, PAYMENT),
    row("GET", "M/transactions", "gvo", 200, ""),
    row("POST", "M/decisions", "gvo", 200, PAYMENT),
    row("POST", "M/payment-form", "gvo", 200, FORM),
    row("GET", "T", "gvo", 200, ""),
    row("POST", "T/approve", "go", 200, ""),
    row("POST", "T/decline", "go", 200, ""),
    row("POST", "T/cancel", "go", 200, ""),
    row("POST", "T/refund", "go", 422, ""),
    row("POST", "T/chargeback", "go", 422, ""),
    row("POST", "T/extend", "go", 200, r#"{"until": "2099-01-01T00:00:00Z"}"#),
    row("POST", "T/attempts", "go", 200, r#"{"attempt": 1, "gate": "gate-a", "outcome": "declined"}"#),
    row("POST", "T/customer", "o", 409, r#"{"merchant_customer_identifier": "{m}-walker-{n}"}"#),
    row("GET", "M/customers", "vo", 200, ""),
    row("GET", "M/customers", "gvo", 200, "").query("customer_id={id}"),
    row("GET", "M/customers", "gvo", 200, "").query("merchant_customer_identifier={m}-payer&limit=1"),
    row("GET", "M/customers", "vo", 200, "").query("deposit_level=unknown"),
    row("GET", "M/customers", "vo", 200, "").query("name=payer&email=pay"),
    row("POST", "M/customers", "go", 201, r#"{"merchant_customer_identifier": "{m}-new-{n}"}"#),
    row("GET", "M/customers.csv", "vo", 200, ""),
    row("POST", "M/customers.csv", "o", 200, "merchant_customer_identifier\n{m}-table-{n}\n"),
    row("GET", "M/customers/template.csv", "vo", 200, ""),
    row("POST", "M/customers/mock", "o", 200, r#"{"count": 1, "seed": {n}}"#),
    row("POST", "M/customers/bulk", "o", 200, r#"{"select": {"ids": ["{id}"]}, "set": {"status": "member"}}"#),
    row("GET", "M/customers/jobs", "vo", 200, ""),
    row("GET", "M/customers/jobs/{job}", "vo", 404, ""),
    row("GET", "C", "gvo", 200, ""),
    row("PATCH", "C", "o", 200, r#"{"first_name": "Ann"}"#),
    row("DELETE", "C", "o", 200, ""),
    row("GET", "C/usage", "gvo", 200, ""),
    row("GET", "C/transactions", "gvo", 200, ""),
    row("GET", "C/history", "gvo", 200, ""),
    row("GET", "C/export", "vo", 200, ""),
    row("POST", "C/merge", "o", 422, r#"{"into": "{id}"}"#),
    row("POST", "C/signals", "go", 200, r#"{"signal": "cleared"}"#),
    row("GET", "C/instruments/{instrument}", "gvo", 404, ""),
    row("PUT", "C/instruments/{instrument}", "o", 200, "{}"),
    row("DELETE", "C/instruments/{instrument}", "o", 404, ""),
    row("GET", "C/instruments/{instrument}/transactions", "gvo", 200, ""),
    row("GET", "C/instruments/{instrument}/history", "gvo", 200, ""),
    row("GET", "C/settings/{direction}/{currency}/{level}", "gvo", 200, ""),
    row("PUT", "C/settings/{direction}/{currency}/{level}", "o", 200, "{}"),
    row("DELETE", "C/settings/{direction}/{currency}/{level}", "o", 200, ""),
    row("GET", "C/limits/{direction}/{currency}", "gvo", 200, ""),
    row("PUT", "C/limits/{direction}/{currency}", "go", 200, LIMIT),
    row("DELETE", "C/limits/{direction}/{currency}", "go", 200, ""),
    row("DELETE", "C/limits/{direction}/{currency}/pending", "go", 200, ""),
    row("POST", "C/limits/{direction}/{currency}/pending/confirm", "go", 422, ""),
];

/// Each role for all merchants and for each of the two.
const ROLES: [(char, &str); 3] = [('g', "gateway"), ('v', "viewer"), ('o', "operator")];
const MERCHANTS: [&str; 2] = ["acme", "globex"];

fn token_of(name: &str) -> String {
    format!("token-{name}-0123456789")
}

fn globex() -> String {
    acme(CRM, &[]).replace("\"acme\"", "\"globex\"").replace("Acme Games", "globex games")
}

/// Two merchants; everything of the second one has `globex` in its name.
pub(crate) fn daemon() -> Daemon {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[])), ("globex", globex())]);
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    let mut add = |name: &str, role: &str, more: &str| {
        folder.write(&format!("{name}.token"), &token_of(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        text.push_str(&format!("  {{ role = {role:?}, token_file = {file:?}{more} }},\n"));
    };
    for (_, role) in ROLES {
        add(&format!("all-{role}"), role, "");
        for merchant in MERCHANTS {
            add(&format!("{merchant}-{role}"), role, &format!(", merchants = [{merchant:?}]"));
        }
    }
    add("expired", "operator", ", expires = 2026-01-01T00:00:00Z");
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

fn document(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

/// A daemon, and how its callers show who they are: by a name such as `all-operator`, or not, by an empty one.
struct Callers {
    daemon: Daemon,
    /// The client of each name, with its certificate; empty: callers send tokens.
    certificates: BTreeMap<String, ureq::Agent>,
}

impl Callers {
    fn call(&self, method: &str, path: &str, name: &str, body: &str) -> (u16, String) {
        if self.certificates.is_empty() {
            let token = if name.is_empty() { String::new() } else { token_of(name) };
            return call(&self.daemon, method, path, &token, body);
        }
        let request = ureq::http::Request::builder().method(method).uri(self.daemon.url(path)).body(body.to_owned());
        let mut answer = self.certificates[name].run(request.expect("a request")).expect("an answer");
        let body = answer.body_mut().with_config().limit(1 << 28).read_to_string().expect("a body");
        (answer.status().as_u16(), format!("\r\n\r\n{body}"))
    }
}

/// The two merchants, and a certificate for each role and reach.
fn certified() -> Callers {
    let (mut folder, authority) = folder_with_tls("", "");
    let clients = Authority::make(folder.scratch_path("x").parent().expect("a folder"), "clients");
    folder.write("merchants/globex.toml", &globex());
    let (mut rows, mut certificates) = (String::new(), BTreeMap::new());
    certificates.insert(String::new(), agent(Some(&authority.ca), None));
    for (_, role) in ROLES {
        for (reach, merchants) in
            [("all", ""), ("acme", ", merchants = [\"acme\"]"), ("globex", ", merchants = [\"globex\"]")]
        {
            let name = format!("{reach}-{role}");
            rows.push_str(&format!("  {{ role = {role:?}, common_name = {name:?}{merchants} }},\n"));
            let pair = clients.client(&name, &format!("/CN={name}"), 2);
            certificates.insert(name, agent(Some(&authority.ca), Some(&pair)));
        }
    }
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    let text = text.replace("server.key\" }", &format!("server.key\", client_ca = {:?} }}", clients.ca));
    folder.write("levelgate.toml", &format!("{text}\n[auth]\ncertificates = [\n{rows}]\n"));
    folder.authority = Some(authority.ca);
    Callers { daemon: Daemon::start(folder), certificates }
}

/// A call of a row about a merchant.
struct PreparedCall {
    path: String,
    body: String,
}

/// Creates what a call needs: its number, and a customer and a transaction where it names them.
fn ready(callers: &Callers, route: &Route, merchant: &str, is_needed: bool) -> PreparedCall {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let n = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    let operator = "all-operator";
    let m = format!("/v1/merchants/{merchant}");
    let all = [route.route, route.query, route.body].concat();
    let (mut id, transaction) = ("1000001".to_owned(), format!("{merchant}-tx-{n}"));
    if is_needed && (route.route.starts_with('C') || all.contains("{id}")) {
        let body = json!({ "merchant_customer_identifier": format!("{merchant}-customer-{n}") }).to_string();
        let (status, answer) = callers.call("POST", &format!("{m}/customers"), operator, &body);
        assert_eq!(status, 201, "{answer}");
        id = document(&answer)["customer_id"].as_str().expect("an id").to_owned();
    }
    if is_needed && route.route.starts_with('T') {
        let named = json!({ "merchant_customer_identifier": format!("{merchant}-payer"), "customer_level": null });
        let body = with(pay(&transaction, "1.00"), &named).to_string();
        let (status, answer) = callers.call("POST", &format!("{m}/transactions"), operator, &body);
        assert_eq!(status, 200, "{answer}");
    }
    let (first, rest) = match route.route.find('/') {
        Some(at) => route.route.split_at(at),
        None => (route.route, ""),
    };
    let start = match first {
        "M" => m,
        "C" => format!("{m}/customers/{id}"),
        "T" => format!("{m}/transactions/{transaction}"),
        _ => String::new(),
    };
    let rest = rest.replace("{direction}", "deposit").replace("{currency}", "EUR");
    // A level that is put is a new one each time; the level `unknown` can be deleted always.
    let name = match route.method {
        "PUT" => format!("walk-{n}"),
        // A `POST` to the path of a level is a rename: of the level `EUR`, which does not exist.
        "POST" => "rename".to_owned(),
        _ => "unknown".to_owned(),
    };
    let rest = rest.replace("{name}", &name).replace("{level}", "unknown").replace(['{', '}'], "");
    let fill = |text: &str| text.replace("{id}", &id).replace("{n}", &n).replace("{m}", merchant);
    let query = if route.query.is_empty() { String::new() } else { format!("?{}", fill(route.query)) };
    PreparedCall { path: format!("{start}{rest}{query}"), body: fill(route.body) }
}

#[test]
fn every_route_answers_each_certificate_as_the_table_says() {
    let callers = certified();
    let wrong = walk(&callers);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Calls every route as every caller, and without a token and a certificate. Returns the wrong answers.
fn walk(callers: &Callers) -> Vec<String> {
    let mut wrong = Vec::new();
    for route in ROUTES {
        let is_of_a_merchant = ["M", "C", "T"].iter().any(|start| route.route.split('/').next() == Some(start));
        for merchant in MERCHANTS {
            for (initial, role) in ROLES {
                for reach in ["all", "acme", "globex"] {
                    let has_role = route.roles == "*" || route.roles.contains(initial);
                    let has_reach = reach == "all" || if is_of_a_merchant { reach == merchant } else { route.some };
                    let want = if has_role && has_reach { route.status } else { 403 };
                    let PreparedCall { path, body } = ready(callers, route, merchant, want == route.status);
                    let name = format!("{reach}-{role}");
                    let (status, answer) = callers.call(route.method, &path, &name, &body);
                    if status != want {
                        wrong
                            .push(format!("{} {path} by {reach}-{role}: {status}, not {want}: {answer}", route.method));
                    }
                    // Calls about its merchant, or about none, name nothing of the other one.
                    let names_other = reach == "acme" && merchant == "acme" && answer.contains("globex");
                    let names_other =
                        names_other || (reach == "globex" && merchant == "globex" && answer.contains("acme"));
                    if names_other {
                        wrong.push(format!("{} {path} by {reach}-{role} names the other: {answer}", route.method));
                    }
                }
            }
        }
        let PreparedCall { path, body } = ready(callers, route, "acme", false);
        let (status, answer) = callers.call(route.method, &path, "", &body);
        let want = if route.roles == "*" { route.status } else { 401 };
        if status != want {
            wrong.push(format!("{} {path} without a token: {status}, not {want}: {answer}", route.method));
        }
    }
    wrong
}

#[test]
fn every_route_answers_each_token_as_the_table_says() {
    let callers = Callers { daemon: daemon(), certificates: BTreeMap::new() };
    let mut wrong = walk(&callers);
    // Wrong tokens are answered late: all of them at a time.
    std::thread::scope(|scope| {
        let attempts = ROUTES.iter().filter(|route| route.roles != "*").flat_map(|route| {
            [("wrong", "unauthorized"), ("expired", "token_expired")].map(|(token, code)| {
                let PreparedCall { path, body } = ready(&callers, route, "acme", false);
                let token = if token == "wrong" { "wrong-0123456789".to_owned() } else { token_of(token) };
                let daemon = &callers.daemon;
                scope.spawn(move || (call(daemon, route.method, &path, &token, &body), path, code))
            })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            let ((status, answer), path, code) = attempt.join().expect("an answer");
            if status != 401 || !answer.contains(&format!("\"code\":\"{code}\"")) {
                wrong.push(format!("{path} with a token that is no more: {answer}"));
            }
        }
    });
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The table has every operation of the daemon, with the roles that may call it.
#[test]
fn route_table_is_complete() {
    let listing = include_str!("../../src/http/operations/golden.txt");
    let (mut missing, mut operations) = (Vec::new(), 0);
    for line in listing.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let [method, path, roles] = [(); 3].map(|()| words.next().expect("a method, a path and roles"));
        // The method tells the rename from a level that is called `rename`.
        let path = path.replace("/levels/{direction}/{name}/rename", "/levels/{direction}/{currency}/{name}");
        let path = path
            .replace("/v1/merchants/{merchant}/customers/{customer}", "C")
            .replace("/v1/merchants/{merchant}/transactions/{transaction}", "T")
            .replace("/v1/merchants/{merchant}", "M")
            .replace("{guide}", "concepts");
        let roles = match roles {
            "public" => "*",
            "any" => "gvo",
            "viewer,operator" => "vo",
            "gateway,operator" => "go",
            "operator" => "o",
            other => panic!("no such roles: {other}"),
        };
        operations += 1;
        let is_row = |row: &&Route| row.method == method && row.route == path && row.roles == roles;
        if !ROUTES.iter().any(|row| is_row(&row)) {
            missing.push(format!("{method} {path} {roles}"));
        }
    }
    assert!(missing.is_empty(), "without a row: {missing:?}");
    assert!(operations >= 61, "the operations were found: {operations}");
}

#[test]
fn customer_of_another_merchant_is_not_found() {
    let daemon = daemon();
    let (operator, own) = (token_of("all-operator"), token_of("acme-operator"));
    let body = json!({ "merchant_customer_identifier": "globex-ann" }).to_string();
    let (status, answer) = call(&daemon, "POST", "/v1/merchants/globex/customers", &operator, &body);
    assert_eq!(status, 201, "{answer}");
    let theirs = document(&answer)["customer_id"].as_str().expect("an id").to_owned();
    let body = json!({ "merchant_customer_identifier": "acme-ann" }).to_string();
    let (_, answer) = call(&daemon, "POST", "/v1/merchants/acme/customers", &operator, &body);
    let ours = document(&answer)["customer_id"].as_str().expect("an id").to_owned();
    let by_id = |id: &str| {
        let at = |below: &str| format!("/v1/merchants/acme/customers/{id}{below}");
        let merge = json!({ "into": id }).to_string();
        let bulk = json!({ "select": { "ids": [id] }, "set": { "status": "fraud" } }).to_string();
        let table = format!("customer_id,status\n{id},fraud\n");
        let calls = [
            ("GET", at(""), String::new()),
            ("PATCH", at(""), "{}".to_owned()),
            ("DELETE", at(""), String::new()),
            ("GET", at("/usage"), String::new()),
            ("GET", at("/transactions"), String::new()),
            ("GET", at("/history"), String::new()),
            ("GET", at("/export"), String::new()),
            ("POST", at("/signals"), "{\"signal\":\"cleared\"}".to_owned()),
            ("PUT", at("/instruments/tok"), "{}".to_owned()),
            ("PUT", at("/limits/deposit/EUR"), LIMIT.to_owned()),
            ("POST", at("/merge"), json!({ "into": ours }).to_string()),
            ("POST", format!("/v1/merchants/acme/customers/{ours}/merge"), merge),
            ("GET", format!("/v1/merchants/acme/customers?customer_id={id}"), String::new()),
            ("GET", format!("/v1/merchants/acme/transactions?customer_id={id}"), String::new()),
            ("POST", "/v1/merchants/acme/customers/bulk?job=same".to_owned(), bulk),
            ("POST", "/v1/merchants/acme/customers.csv".to_owned(), table),
        ];
        calls.map(|(method, path, body)| {
            let (status, answer) = call(&daemon, method, &path, &own, &body);
            let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
            // Jobs and requests have ids of their own.
            let without_ids = serde_json::from_str::<Value>(body).ok().map(|mut body| {
                body.as_object_mut()
                    .into_iter()
                    .for_each(|fields| ["job", "request_id"].iter().for_each(|id| _ = fields.remove(*id)));
                body.to_string()
            });
            let body = without_ids.unwrap_or_else(|| body.to_owned());
            (status, path.replace(id, "ID"), body.replace(id, "ID"))
        })
    };
    let (of_theirs, of_nobody) = (by_id(&theirs), by_id("1999999"));
    for ((status, path, theirs), (of_nobody, _, nobodys)) in of_theirs.iter().zip(&of_nobody) {
        // The ids of bulk jobs are compared with their content, which differs.
        if !path.contains("bulk") {
            assert_eq!((status, theirs), (of_nobody, nobodys), "{path}");
        }
        assert!(!theirs.contains("globex"), "{path}: {theirs}");
    }
    assert_eq!(of_theirs[0].0, 404);
    let (_, answer) = call(&daemon, "GET", &format!("/v1/merchants/globex/customers/{theirs}"), &operator, "");
    assert_eq!((&document(&answer)["status"], &document(&answer)["labels"]), (&json!("new"), &json!([])), "{answer}");
}

#[test]
fn the_status_shows_a_token_for_some_its_own_files_alone_and_no_figures_of_all() {
    let daemon = daemon();
    let status = |name: &str| document(&call(&daemon, "GET", "/v1/status", &token_of(name), "").1);
    assert!(status("all-viewer")["customers"].is_u64());
    for figure in ["customers", "transactions", "levels_turned_away", "lsn", "synced_lsn"] {
        assert_eq!(status("acme-viewer")[figure], Value::Null, "{figure}");
    }
    let reload = || call(&daemon, "POST", "/v1/reload", &token_of("all-operator"), "").0;
    let problems = |name: &str| {
        let status = status(name);
        let since = status["config"]["failed_since"].is_string();
        (since, status["config"]["problems"].to_string())
    };
    let good = |id: &str| std::fs::read_to_string(daemon.folder.path().join(format!("merchants/{id}.toml"))).unwrap();
    let (of_acme, of_globex) = (good("acme"), good("globex"));
    // One that can still be read so far as to its id, and one that is no TOML at all.
    for bad in [format!("{of_globex}\n[[labels]]\nnme = \"x\"\n"), "id = \"globex\nname".to_owned()] {
        daemon.folder.write("merchants/globex.toml", &bad);
        daemon.folder.write("merchants/acme.toml", &of_acme);
        assert_eq!(reload(), 422);
        let (has_failed, shown) = problems("acme-viewer");
        assert!(
            has_failed && !shown.contains("globex") && !shown.contains("error:"),
            "it failed, and no more: {shown}"
        );
        assert!(
            problems("globex-viewer").1.contains("globex.toml") && problems("all-viewer").1.contains("globex.toml")
        );
        daemon.folder.write("merchants/acme.toml", &format!("{of_acme}\nnonsense = 1\n"));
        assert_eq!(reload(), 422);
        let (_, shown) = problems("acme-viewer");
        assert!(shown.contains("nonsense") && !shown.contains("globex"), "{shown}");
        assert!(!problems("globex-viewer").1.contains("nonsense"));
    }
    // A file that takes another merchant's id, or another file's, is not shown to that merchant.
    daemon.folder.write("merchants/acme.toml", &of_acme);
    daemon.folder.write("merchants/globex.toml", &of_globex.replace("id = \"globex\"", "id = \"acme\""));
    assert_eq!(reload(), 422);
    assert!(!problems("acme-viewer").1.contains("globex"), "{:?}", problems("acme-viewer"));
    daemon.folder.write("merchants/globex.toml", &of_globex);
    assert_eq!(reload(), 200);
    assert_eq!(problems("acme-viewer"), (false, "[]".to_owned()));
}
