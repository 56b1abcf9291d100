//! Sends requests to every row of the operation table on the real router, and compares the table with its golden listing.

use super::{
    operation::{
        Availability, MerchantScope, Operation, OperationMethod, QueryKeys, RequiredRole, has_streamed_body,
        is_always_available,
    },
    table::operations,
};
use crate::{
    clock::{Clock, Source},
    config::{self, Credential, Token},
    domain::{customer::audit::Author, decision::clock_skew::ClockSkew, vocabulary::names::Name},
    http::{
        router::{admin_routes, overflow_routes, routes},
        server::capacity::Capacity,
        state::AppState,
    },
    ledger::{Ledger, LedgerLimits, LedgerStorage},
    service::{
        access::access_tokens::AccessTokens,
        commit::AnswerGate,
        configuration::{
            change::{ConfigurationChange, ConfigurationOutcome},
            reload::{RefusedReload, ReloadReport},
            trial::{ConfigurationTrial, MerchantFile},
        },
        daemon_control::DaemonControl,
        daemon_status::{ArchiveHealth, ConfigurationHealth, SnapshotReport},
        documents::query::TakenKeys,
        error::ServiceError,
        jobs::registry::Jobs,
        monitoring::status::StatusSource,
        payments::PaymentService,
    },
    storage::jobs::{JobStore, JobsOnDisk},
    telemetry::metrics::Meters,
};
use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, path::Path, sync::Arc};

const ROLES: [config::Role; 3] = [config::Role::Gateway, config::Role::Viewer, config::Role::Operator];

const fn role_word(role: config::Role) -> &'static str {
    match role {
        config::Role::Gateway => "gateway",
        config::Role::Viewer => "viewer",
        config::Role::Operator => "operator",
    }
}

/// The token of each role is its word; those for the merchant `globex` alone begin with `globex-`.
pub(in crate::http) fn credentials() -> Vec<Credential> {
    let credential = |role, text: String, merchants| {
        let name = Name::parse(&text).unwrap();
        let token = Token { name, role, token_file: "t".into(), merchants, expires: None, rate: None };
        Credential { token, digest: Sha256::digest(text.as_bytes()).into() }
    };
    let globex = || Some(vec![Name::parse("globex").unwrap()]);
    let of_role = |role| {
        let word = role_word(role);
        [credential(role, word.to_owned(), None), credential(role, format!("globex-{word}"), globex())]
    };
    ROLES.into_iter().flat_map(of_role).collect()
}

/// Accepts every reload and change, and has no data folder.
struct NoDaemon;

impl DaemonControl for NoDaemon {
    fn reload(&self, _: Author) -> Result<ReloadReport, RefusedReload> {
        Ok(ReloadReport::default())
    }

    fn configure(&self, _: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError> {
        Ok(ConfigurationOutcome::default())
    }

    fn try_configure(&self, _: &ConfigurationChange) -> Result<ConfigurationTrial, ServiceError> {
        Ok(ConfigurationTrial::default())
    }

    fn merchant_file(&self, _: Name) -> Result<MerchantFile, ServiceError> {
        Ok(MerchantFile::default())
    }

    fn snapshot(&self) -> Result<SnapshotReport, ServiceError> {
        Err(ServiceError::no_snapshots())
    }

    fn archive(&self) -> Option<ArchiveHealth> {
        None
    }
}

/// A daemon in memory with the merchants of the example configuration, `acme` and `globex`.
fn state() -> Arc<AppState> {
    state_with(&credentials(), Source::System)
}

/// The same with these tokens and this clock.
pub(in crate::http) fn state_with(credentials: &[Credential], source: Source) -> Arc<AppState> {
    let loaded = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
    let Ok(loaded) = loaded else { panic!("the example configuration is valid") };
    let bounds = LedgerLimits { transactions_max: 1_000, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };
    let payments = Arc::new(PaymentService {
        ledger: Ledger::new(bounds, LedgerStorage::in_memory((1, 2))),
        rules: ArcSwap::from_pointee(loaded.rules),
        clock: Clock::new(source),
        meters: Meters::new(),
        body_bytes_max: 65_536,
        gate: AnswerGate::local(),
    });
    let (stop, stopping) = tokio::sync::watch::channel(false);
    // Without a sender, waiting calls would end at once.
    std::mem::forget(stop);
    let health = Arc::new(parking_lot::Mutex::new(ConfigurationHealth::default()));
    let status = StatusSource {
        payments: Arc::clone(&payments),
        health: Arc::clone(&health),
        control: Arc::new(NoDaemon),
        snapshots: None,
        keeps: "a test",
        store: "memory",
    };
    Arc::new(AppState {
        payments,
        access: Arc::new(AccessTokens::new(credentials, &config::Auth::default())),
        tls: None,
        failed_logins: Arc::default(),
        control: Arc::new(NoDaemon),
        jobs: Arc::new(Jobs::new(Arc::new(JobStore::in_memory()), JobsOnDisk::default()).unwrap()),
        capacity: Arc::new(Capacity::new(&config::Http::default(), 10, 10)),
        health,
        status: Arc::new(status),
        prometheus: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
        stopping,
    })
}

/// The path of an operation with a value for each parameter.
fn example_path(operation: &Operation) -> String {
    let mut path = operation.path.to_owned();
    for (parameter, value) in [
        ("{merchant}", "acme"),
        ("{customer}", "1000001"),
        ("{transaction}", "t1"),
        ("{direction}", "deposit"),
        ("{currency}", "EUR"),
        ("{name}", "gold"),
        ("{level}", "gold"),
        ("{instrument}", "tok"),
        ("{job}", "j1"),
        ("{guide}", "concepts"),
    ] {
        path = path.replace(parameter, value);
    }
    assert!(!path.contains('{'), "the test has no value for a parameter of {path}");
    path
}

/// The status and the problem code of an answer; the code of another document is empty.
async fn send(routes: &Router, method: &str, uri: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = TowerToHyperService::new(routes.clone()).call(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = document["code"].as_str().filter(|_| status >= 400).unwrap_or_default();
    (status, code.to_owned())
}

async fn send_to(routes: &Router, operation: &Operation, query: &str, token: Option<&str>) -> (u16, String) {
    let uri = format!("{}{query}", example_path(operation));
    send(routes, operation.method.word(), &uri, token).await
}

#[test]
fn the_golden_listing_shows_every_operation() {
    let mut rows: Vec<&Operation> = operations().collect();
    rows.sort_by_key(|operation| (operation.path, operation.method));
    let lines: Vec<String> = rows
        .into_iter()
        .map(|operation| {
            let Operation { method, path, role, merchants, query, .. } = operation;
            let merchants = match merchants {
                MerchantScope::OfPath => "of-path",
                MerchantScope::OfToken => "of-token",
                MerchantScope::All => "all",
            };
            format!("{:<6} {path} {} {merchants} {query}", method.word(), role.word())
        })
        .collect();
    let listing = lines.join("\n") + "\n";
    let golden = include_str!("golden.txt");
    let golden: String = golden.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert!(listing == golden, "src/http/operations/golden.txt is not the table's listing, which is\n{listing}");
}

#[test]
fn each_method_and_path_is_one_row_with_a_summary_and_an_answer() {
    let mut known_rows = BTreeSet::new();
    for operation in operations() {
        let Operation { method, path, summary, answers, .. } = operation;
        assert!(known_rows.insert((*method, *path)), "{} {path} has two rows", method.word());
        assert!(summary.ends_with('.') && !summary.contains('\n'), "{path}: the summary is one sentence: {summary}");
        assert!(answers.iter().all(|answer| (200..300).contains(&answer.status)), "{path}: no answer is a problem");
        assert!(!answers.is_empty(), "{path}: it has an answer");
        let codes: Vec<&str> = operation.problem_codes().collect();
        let is_code = |code: &&str| {
            !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(codes.iter().all(is_code), "{path}: {codes:?}");
    }
}

#[test]
fn the_rules_on_paths_agree_with_the_rows() {
    for operation in operations() {
        let path = example_path(operation);
        let names_merchant = operation.path.starts_with("/v1/merchants/{merchant}");
        assert_eq!(operation.merchants == MerchantScope::OfPath, names_merchant, "{path}");
        assert_eq!(operation.availability == Availability::Always, is_always_available(&path), "{path}");
        if operation.method == OperationMethod::Post {
            assert_eq!(operation.body.is_streamed(), has_streamed_body(&path), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_reachable_and_reads_its_path() {
    let routes = routes(state());
    for operation in operations() {
        let (status, code) = send_to(&routes, operation, "", Some("operator")).await;
        let line = format!("{} {}: {status} {code}", operation.method.word(), operation.path);
        let refusals = ["path_not_found", "path_malformed", "method_not_allowed", "internal", "forbidden"];
        assert!(!refusals.contains(&code.as_str()), "{line}");
        assert!(status < 500, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_refuses_a_query_key_that_it_does_not_list() {
    let routes = routes(state());
    for operation in operations() {
        let (status, code) = send_to(&routes, operation, "?no_such_key=1", Some("operator")).await;
        let is_refused = (status, code.as_str()) == (400, "unknown_field");
        let is_ignored = matches!(operation.query, QueryKeys::Ignored);
        assert_eq!(is_refused, !is_ignored, "{} {}: {status} {code}", operation.method.word(), operation.path);
        let Some(TakenKeys { keys, repeatable }) = operation.query.taken() else { continue };
        for key in keys {
            let (status, code) = send_to(&routes, operation, &format!("?{key}=1&{key}=1"), Some("operator")).await;
            let is_refused = (status, code.as_str()) == (400, "duplicate_field");
            assert_eq!(is_refused, !repeatable.contains(key), "{} twice: {key}: {status} {code}", operation.path);
            // The handler reads every key that its row lists.
            let (_, code) = send_to(&routes, operation, &format!("?{key}=1"), Some("operator")).await;
            assert_ne!(code, "unknown_field", "{}: {key}", operation.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_refuses_a_missing_token_and_a_role_that_is_too_small() {
    let routes = routes(state());
    for operation in operations() {
        let line = format!("{} {}", operation.method.word(), operation.path);
        let is_public = operation.role == RequiredRole::Public;
        let (status, code) = send_to(&routes, operation, "", None).await;
        assert_eq!(code == "unauthorized", !is_public, "{line} without a token: {status}");
        for role in ROLES {
            let word = role_word(role);
            // A gateway may look a customer up, and may not list customers.
            let is_list = operation.path.ends_with("/customers") && operation.method == OperationMethod::Get;
            let query = if is_list { "?customer_id=1" } else { "" };
            let (status, code) = send_to(&routes, operation, query, Some(word)).await;
            let is_allowed = is_public || operation.role.word() == "any" || operation.role.word().contains(word);
            assert_eq!(code != "forbidden", is_allowed, "{line} by {word}: {status} {code}");
            let (status, code) = send_to(&routes, operation, query, Some(&format!("globex-{word}"))).await;
            let is_allowed = is_allowed && (is_public || operation.merchants == MerchantScope::OfToken);
            assert_eq!(code != "forbidden", is_allowed, "{line} by a token for globex: {status} {code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_is_told_that_a_path_or_a_method_does_not_exist() {
    let state = state();
    let (routes, admin) = (routes(Arc::clone(&state)), admin_routes(state));
    let of_role = |role| [role_word(role).to_owned(), format!("globex-{}", role_word(role))];
    let tokens: Vec<String> = ROLES.into_iter().flat_map(of_role).collect();
    for (method, uri, want) in [
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("DELETE", "/v1/nothing", 404),
        ("GET", "/v1/merchants/acme/nothing", 404),
        ("PUT", "/v1/merchants/acme/nothing", 404),
        ("PATCH", "/v1/merchants/nobody/nothing", 404),
        ("POST", "/v1/merchants/acme/transactions/t1/aprove", 404),
        ("POST", "/v1/merchants/acme/customers/1/limits", 404),
        ("PUT", "/v1/merchants/acme/transactions", 405),
        ("PUT", "/v1/batch", 405),
        ("POST", "/v1/events", 405),
        ("PUT", "/v1/merchants/acme/customers", 405),
        ("DELETE", "/v1/merchants/acme/audit", 405),
        ("POST", "/v1/merchants/acme/levels/deposit/EUR/gold", 405),
        ("DELETE", "/v1/rates", 405),
        ("POST", "/metrics", 405),
    ] {
        let code = if want == 404 { "path_not_found" } else { "method_not_allowed" };
        for token in &tokens {
            let got = send(&routes, method, uri, Some(token)).await;
            assert_eq!(got, (want, code.to_owned()), "{method} {uri} by {token}");
        }
        assert_eq!(send(&routes, method, uri, None).await.0, 401, "{method} {uri} without a token");
        // The other listener knows fewer paths, and has the same rule.
        assert_eq!(
            send(&admin, method, uri, None).await.0,
            401,
            "{method} {uri} without a token, on the admin listener"
        );
        let code = if uri == "/metrics" { "method_not_allowed" } else { "path_not_found" };
        assert_eq!(send(&admin, method, uri, Some("globex-gateway")).await.1, code, "{method} {uri}, admin listener");
    }
    // A rename is the operation of an operator, in any encoding of its path.
    for path in ["rename", "%72ename"] {
        let path = format!("/v1/merchants/acme/levels/deposit/gold/{path}");
        assert_eq!(send(&routes, "POST", &path, Some("gateway")).await.0, 403, "{path}");
        assert_ne!(send(&routes, "POST", &path, Some("operator")).await.0, 405, "{path}");
    }
    // Public paths stay public.
    for operation in operations().filter(|operation| operation.role == RequiredRole::Public) {
        let answer = send(&routes, "PATCH", &example_path(operation), None).await;
        assert_eq!(answer, (405, "method_not_allowed".to_owned()), "{}", operation.path);
    }
    assert_eq!(send(&routes, "GET", "/docs/nothing", None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_by_the_admin_listener_and_beyond_the_connections() {
    let state = state();
    let (admin, overflow) = (admin_routes(Arc::clone(&state)), overflow_routes(state));
    for operation in operations() {
        let is_always = operation.availability == Availability::Always;
        let (status, code) = send_to(&admin, operation, "", Some("operator")).await;
        assert_eq!(status == 200, is_always, "admin: {}: {code}", operation.path);
        let (status, code) = send_to(&overflow, operation, "", Some("operator")).await;
        assert_eq!(status == 200, is_always, "overflow: {}: {code}", operation.path);
        assert_eq!(code == "too_many_connections", !is_always, "overflow: {}", operation.path);
    }
}
