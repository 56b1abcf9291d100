//! A disk that stalls under the wire: reads of memory and health answer before it goes on, payments after.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use levelgate::{
    clock::{Clock, Source},
    config,
    daemon::data_folder,
    domain::{customer::audit::Author, decision::clock_skew::ClockSkew, vocabulary::names::Name},
    http::{self, AccessTokens, server::pulse::Pulse},
    ledger::LedgerLimits,
    service::{
        commit::AnswerGate,
        configuration::{
            change::{ConfigurationChange, ConfigurationOutcome},
            reload::{RefusedReload, ReloadReport},
            trial::{ConfigurationTrial, MerchantFile},
        },
        daemon_control::DaemonControl,
        daemon_status::{ArchiveHealth, ConfigurationHealth, SnapshotReport},
        error::ServiceError,
        jobs::Jobs,
        monitoring::status::StatusSource,
        payments::PaymentService,
    },
    storage::{
        fs::memory::{Memory, StalledCalls},
        jobs::{JobStore, JobsOnDisk},
        journal::{Options, Sync},
    },
    telemetry::metrics::Meters,
};
use serde_json::json;
use tokio::runtime::Runtime;

use support::daemon::{ConfigFolder, Settings};
use support::fixtures::{gold, pay, with};
use support::raw_http;

const TRANSACTIONS: &str = "/v1/merchants/acme/transactions";

/// A daemon without configuration files and data folder.
struct NoControl;

impl DaemonControl for NoControl {
    fn reload(&self, _: Author) -> Result<ReloadReport, RefusedReload> {
        Ok(ReloadReport::default())
    }

    fn configure(&self, _: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError> {
        unreachable!("no test configures")
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

/// The wire over a store in memory, on a runtime of two workers.
struct Wire {
    port: u16,
    store: Memory,
    _stop: tokio::sync::watch::Sender<bool>,
    _runtime: Runtime,
    _pulse: Pulse,
    _index: tempfile::TempDir,
}

impl Wire {
    fn start(sync: Sync, segment_bytes: u64) -> Self {
        let folder =
            ConfigFolder::new(&Settings::SYSTEM, &[("acme", gold("window = \"daily\"; amount_limit = \"500.00\""))]);
        let Ok(loaded) = config::load(folder.path()) else { panic!("the configuration is valid") };
        let (store, index) = (Memory::new(), tempfile::tempdir().expect("a folder"));
        let options =
            Options { sync, sync_interval: Duration::from_millis(20), segment_bytes, tail_bytes: 64 * 1024 * 1024 };
        let bounds =
            LedgerLimits { transactions_max: 1_000_000, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };
        let opened = data_folder::recover(Arc::new(store.clone()), &index.path().join("index.redb"), options, bounds);
        let (ledger, _folder) = opened.expect("an empty folder");
        let desk = Arc::new(PaymentService {
            ledger,
            rules: ArcSwap::from_pointee(loaded.rules),
            clock: Clock::new(Source::System),
            meters: Meters::new(),
            body_bytes_max: 65_536,
            gate: AnswerGate::local(),
        });
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let health = Arc::new(parking_lot::Mutex::new(ConfigurationHealth::default()));
        let status = StatusSource {
            payments: Arc::clone(&desk),
            health: Arc::clone(&health),
            control: Arc::new(NoControl),
            snapshots: None,
            keeps: "a test",
            store: "disk",
        };
        let daemon = Arc::new(http::AppState {
            payments: desk,
            access: Arc::new(AccessTokens::new(&[], &config::Auth::default())),
            tls: None,
            failed_logins: Arc::default(),
            control: Arc::new(NoControl),
            jobs: Arc::new(Jobs::new(Arc::new(JobStore::in_memory()), JobsOnDisk::default()).expect("no jobs")),
            health,
            status: Arc::new(status),
            prometheus: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
            capacity: Arc::new(http::Capacity::new(&config::Http::default(), 1_000, 0)),
            stopping,
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        let pulse = Pulse::start(runtime.handle()).expect("a thread");
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let limits = http::RequestLimits {
            header_bytes_max: 16_384,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
        };
        let routes = http::Routes {
            main: http::routes(Arc::clone(&daemon)),
            overflow: http::overflow_routes(Arc::clone(&daemon)),
            fast_path: Some(Arc::clone(&daemon)),
        };
        let server = http::Server::new(routes, limits, Arc::clone(&daemon.capacity), daemon.stopping.clone());
        runtime.spawn(server.serve(listener, None));
        Self { port, store, _stop: stop, _runtime: runtime, _pulse: pulse, _index: index }
    }

    fn pays(&self, id: &str, of: &str) -> thread::JoinHandle<u16> {
        let who = json!({ "merchant_customer_identifier": of, "customer": { "first_name": of } });
        let (port, body) = (self.port, with(pay(id, "1.00"), &who));
        thread::spawn(move || raw_http::send(port, "POST", TRANSACTIONS, body.to_string().as_bytes()).status)
    }
}

#[test]
fn stalled_disk_delays_payments_and_not_reads() {
    let stalls = [
        (Sync::Interval, StalledCalls::Writes("journal")),
        (Sync::Never, StalledCalls::Writes("journal")),
        (Sync::Interval, StalledCalls::Writes("")),
        (Sync::Always, StalledCalls::Writes("journal")),
        (Sync::Always, StalledCalls::Syncs("journal")),
        (Sync::Interval, StalledCalls::Names),
        (Sync::Never, StalledCalls::Names),
    ];
    for (sync, stalls) in stalls {
        let is_rotation = stalls == StalledCalls::Names;
        let wire = Wire::start(sync, if is_rotation { 1_000 } else { 64 * 1024 * 1024 });
        let first = raw_http::send(wire.port, "POST", TRANSACTIONS, pay("first", "1.00").to_string().as_bytes()).ok();
        let customer = first["customer"]["customer_id"].as_str().expect("a customer").to_owned();
        let stall = wire.store.stall(stalls);
        let payments: Vec<_> = (0..20).map(|n| wire.pays(&format!("t{n}"), &format!("person-{n}"))).collect();
        stall.until_a_call_waits();
        let customer = format!("/v1/merchants/acme/customers/{customer}");
        let first = format!("{TRANSACTIONS}/first");
        let configured = ["/v1/merchants/acme", "/v1/merchants/acme/levels", "/v1/rates"];
        let others = ["/healthz", "/readyz", "/metrics", "/v1/status", &first, &customer];
        let paths = others.iter().chain(&configured);
        // More than once: the pulse may have to wake the other worker first.
        for path in paths.clone().chain(paths).copied().chain([&*format!("{customer}/usage")]) {
            let answer = raw_http::send(wire.port, "GET", path, b"");
            assert_eq!(answer.status, 200, "{sync:?}, {stalls:?}, {path}: {answer:?}");
        }
        let answered = payments.iter().filter(|payment| payment.is_finished()).count();
        assert!(answered < 20, "{sync:?}, {stalls:?}: payments wait");
        assert!(is_rotation || answered == 0, "{sync:?}, {stalls:?}: {answered} were acknowledged and not kept");
        drop(stall);
        for payment in payments {
            assert_eq!(payment.join().expect("an answer"), 200, "{sync:?}, {stalls:?}");
        }
    }
}
