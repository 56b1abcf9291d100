//! `levelgate serve`: the wiring of the daemon, top to bottom.

use crate::{
    clock::{Clock, Source},
    config::{self, ClockSource, Loaded, Settings},
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    http::{
        self, Access, Capacity, Daemon, Health, RequestLimits, Server,
        server::pulse::{self, Pulse},
    },
    service::payments::PaymentService,
    telemetry::metrics::Meters,
};
use crate::{
    daemon::{
        data_folder::Opened,
        descriptors::Descriptors,
        listeners::{self, AdminThread},
        maintenance::{MaintenanceThread, Pace},
        name_table::NamesWatch,
        reload::{Reloader, Shared},
    },
    telemetry::log::Covering,
};
use anyhow::Context;
use arc_swap::ArcSwap;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The configuration folder
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = crate::cli::default_config())]
    config: PathBuf,
    /// Start although segments of the archive are missing or damaged, and accept the loss: it is logged, recorded and
    /// shown in /v1/status
    #[arg(long)]
    accept_lost_archive: bool,
}

/// How long callers may take to finish what they send once the daemon is told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How long whoever comes after the journal has failed is still told so, before the daemon stops.
const FAILED_MAX: Duration = Duration::from_millis(500);
/// How long those who wait for an answer then have to get it; callers who still send are cut off.
const FAILED_DRAIN_MAX: Duration = Duration::from_secs(5);
/// How long work on other threads may take to end once everything is written; the next start takes it up again.
const THREADS_END_MAX: Duration = Duration::from_secs(5);

/// Starts the daemon and answers until it is told to stop.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LEVELGATE_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Covering(std::io::stderr()))
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let loaded = match config::load_with_tokens(&options.config, Clock::new(Source::System).wall()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprint!("{}", problems.render(crate::cli::style()));
            eprintln!("levelgate: the configuration in {} is not valid", options.config.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(pulse::workers()).enable_all().build().context("cannot start threads")?;
    let _pulse = Pulse::start(runtime.handle()).context("cannot start threads")?;
    let (hurry, hurried) = watch::channel(false);
    let served = runtime.block_on(serve(options, loaded, hurry));
    // What a thread still does rests on files that a kill may interrupt at any point.
    runtime.shutdown_timeout(if *hurried.borrow() { Duration::ZERO } else { THREADS_END_MAX });
    served.map(|()| ExitCode::SUCCESS)
}

fn pace(settings: &Settings) -> Pace {
    Pace {
        interval: Duration::from_secs(settings.store.snapshot_interval_s),
        records: settings.store.snapshot_records,
        retention_days: settings.memory.retention_days,
        archive_days: settings.memory.archive_days,
    }
}

async fn serve(options: &Options, loaded: Loaded, hurry: watch::Sender<bool>) -> anyhow::Result<()> {
    let settings = loaded.settings.clone();
    anyhow::ensure!(
        settings.http.tls.is_none(),
        "[http] tls is not served by this version; take it out and let a proxy speak TLS"
    );
    anyhow::ensure!(settings.redis.is_none(), "[redis] is not served by this version; take the section out");
    // From here on a hangup asks for a reload and ends nothing, however long the start takes.
    let hangups = heard(SignalKind::hangup())?;
    let prometheus = recorder()?;
    let (http, admin) = (&settings.http, settings.admin.listen);
    let descriptors = Descriptors::claim(http.max_connections, admin.is_some())?;
    let places = |places: u64| usize::try_from(places).unwrap_or(usize::MAX);
    let capacity = Capacity::new(http, places(descriptors.connections), places(descriptors.overflow));
    let source = match settings.clock.source {
        ClockSource::Request => Source::Requests,
        ClockSource::System => Source::System,
    };
    let (bounds, lost) = (crate::cli::bounds(&settings), options.accept_lost_archive);
    let mut opened = crate::daemon::data_folder::open_accepting(&settings, bounds, Some(&loaded.rules), lost)?;
    let jobs = Arc::new(opened.jobs()?);
    let Opened { mut ledger, newest, folder, keeps, .. } = opened;
    let clock = Clock::new(source);
    // The HTTP library ends every connection on such a machine, because its answers carry a date.
    anyhow::ensure!(
        clock.wall() >= Millis(0),
        "the system clock says {}, before 1970: no HTTP answer can carry that date; set the system clock and start again",
        clock.wall()
    );
    clock.resume(newest);
    ledger.bound_times(clock.newest_told());
    let desk = Arc::new(PaymentService {
        ledger,
        rules: ArcSwap::from_pointee(Rules::default()),
        clock,
        meters: Meters::new(),
        body_bytes_max: settings.http.max_body_bytes,
    });
    let health = Arc::new(Mutex::new(Health { applied_at: desk.clock.wall(), failed: None }));
    let access = Arc::new(Access::new(&loaded.credentials));
    let shared = Shared { desk: Arc::clone(&desk), access: Arc::clone(&access), health: Arc::clone(&health) };
    let reloader = Reloader::begin(options.config.clone(), settings.clone(), loaded, shared);
    let reloader = Arc::new(reloader.map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let problems = problems.join("\n");
        anyhow::anyhow!("the configuration does not go together with what was set through the API:\n{problems}")
    })?);
    let configurer = Arc::clone(&reloader);
    let keeper = folder.map(|folder| Arc::new(MaintenanceThread::new(folder, Arc::clone(&desk), pace(&settings))));
    let (stop, stopped) = watch::channel(false);
    let hurried = hurry.subscribe();
    let daemon = Arc::new(Daemon {
        desk,
        access,
        failures: http::Failures::default(),
        reload: Box::new(move || reloader.reload()),
        configure: Box::new(move |change| configurer.change(change)),
        jobs,
        capacity: Arc::new(capacity),
        health,
        prometheus,
        snapshot: keeper.as_ref().map(|keeper| {
            let keeper = Arc::clone(keeper);
            Box::new(move || keeper.snapshot().map_err(|error| crate::daemon::snapshots::problem(&error))) as Box<_>
        }),
        snapshots: keeper.as_ref().map(|keeper| keeper.state()),
        archive: keeper.as_ref().map(|keeper| {
            let keeper = Arc::clone(keeper);
            Box::new(move || keeper.archive_health()) as Box<_>
        }),
        store: settings.store.kind.word(),
        keeps,
        stopping: stopped.clone(),
    });
    tracing::info!("kept: {keeps}");
    if daemon.access.is_open() {
        tracing::warn!("no tokens are configured: listening on loopback only, where everybody may do everything");
    }
    // Whoever finds it listening may end it in order. Until then nothing is answered, and it may end at once.
    let ends = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    let limits = RequestLimits {
        header_bytes_max: http.max_header_bytes,
        header_timeout: Duration::from_secs(http.header_timeout_s),
        body_timeout: Duration::from_secs(http.body_timeout_s),
    };
    let routes = (http::routes(Arc::clone(&daemon)), http::overflow_routes(Arc::clone(&daemon)));
    let server = Server::new(routes, limits, Arc::clone(&daemon.capacity), stopped.clone());
    let tcp = listeners::tcp(http.listen, http.listen_backlog)?;
    let address = tcp.local_addr().context("the listener has no address")?;
    let unix = listeners::unix(http.unix_socket.as_deref(), http.listen_backlog)?;
    let admin = match admin {
        None => None,
        Some(address) => {
            let routes = http::admin_routes(Arc::clone(&daemon));
            let capacity = Arc::new(Capacity::new(http, places(descriptors.admin), 0));
            let server = |stop| Server::new((routes.clone(), routes), limits, capacity, stop);
            Some(AdminThread::start(address, http.listen_backlog, server)?)
        }
    };
    tokio::spawn(reload_on_hangup(hangups, Arc::clone(&daemon)));
    tokio::spawn(upkeep(Arc::clone(&daemon)));
    tokio::spawn(finish_jobs(Arc::clone(&daemon)));
    tokio::spawn(stop_on_signal(ends, stop.clone(), hurry));
    let keeping = keeper.as_ref().map(|keeper| {
        let keeper = Arc::clone(keeper);
        std::thread::spawn(move || keeper.run())
    });
    tracing::info!("listening on http://{address}");
    let overdue = async {
        is_set(stopped).await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    let journal = Arc::clone(daemon.desk.ledger.journal());
    let on_unix = {
        let server = Arc::clone(&server);
        async move {
            if let Some(unix) = unix {
                server.serve(unix).await;
            }
        }
    };
    // Dropped, it cuts off whoever is still connected.
    let mut served = Box::pin(async { tokio::join!(server.serve(tcp), on_unix) });
    tokio::select! {
        _ = &mut served => tracing::info!("every request was answered"),
        () = overdue => {
            tracing::warn!("some callers still send after {} s; they are cut off", DRAIN_MAX.as_secs());
        }
        () = is_set(hurried.clone()) => {
            tracing::warn!("a second signal: callers who are still connected are cut off");
        }
        failed = journal.when_failed() => {
            // Whoever waits is told that the outcome is unknown; the next start tells what became of it. Nobody who was
            // heard is left without an answer because the machine is slow.
            let told = async {
                tokio::time::sleep(FAILED_MAX).await;
                stop.send_replace(true);
                tokio::time::sleep(FAILED_DRAIN_MAX).await;
            };
            tokio::select! {
                _ = &mut served => {}
                () = told => {}
                () = is_set(hurried.clone()) => {}
            }
            daemon.jobs.stop();
            anyhow::bail!("{failed}");
        }
    }
    drop(served);
    daemon.jobs.stop();
    if let (Some(keeper), Some(thread)) = (&keeper, keeping) {
        keeper.stop();
        tokio::select! {
            ended = tokio::task::spawn_blocking(move || thread.join()) => {
                ended?.map_err(|_| anyhow::anyhow!("the keeper died"))?;
            }
            // A snapshot that is being written may be given up: the one before it and the journal hold everything.
            () = is_set(hurried.clone()) => tracing::warn!("a second signal: no snapshot is waited for"),
        }
    }
    journal.mark_clean_stop()?;
    if let Some(keeper) = &keeper {
        let within = Duration::from_secs(settings.store.stop_snapshot_s);
        crate::daemon::shutdown::last_snapshot(keeper, within, hurried.clone()).await;
    }
    // A snapshot records nothing; what it rests on is kept by now.
    journal.mark_clean_stop()?;
    if let Some(admin) = admin {
        admin.end();
    }
    tracing::info!("stopped; everything acknowledged is on the disk");
    Ok(())
}

fn recorder() -> anyhow::Result<PrometheusHandle> {
    const SECONDS: [f64; 12] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1];
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("levelgate_answer_seconds".to_owned()), &SECONDS)
        .context("wrong buckets")?;
    builder.install_recorder().context("cannot count")
}

/// Hears a signal from now on, in the place of what the system does about it.
fn heard(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot hear signals")
}

async fn reload_on_hangup(mut hangups: Signal, daemon: Arc<Daemon>) {
    while hangups.recv().await.is_some() {
        let daemon = Arc::clone(&daemon);
        // Its problems are logged and shown in the status.
        let _ = tokio::task::spawn_blocking(move || (daemon.reload)()).await;
    }
}

/// Keeps histograms from growing while nobody reads them, and shows what is held.
async fn upkeep(daemon: Arc<Daemon>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    let mut names = NamesWatch::default();
    loop {
        ticks.tick().await;
        names.look();
        daemon.prometheus.run_upkeep();
        erase_due(&daemon).await;
        let ledger = &daemon.desk.ledger;
        metrics::gauge!("levelgate_transactions_held")
            .set(f64::from(u32::try_from(ledger.transactions_len()).unwrap_or(u32::MAX)));
        metrics::gauge!("levelgate_customers")
            .set(f64::from(u32::try_from(ledger.customers_len()).unwrap_or(u32::MAX)));
        let journal = ledger.journal();
        let behind = journal.last().0.saturating_sub(journal.synced().0);
        metrics::gauge!("levelgate_journal_records_unsynced").set(f64::from(u32::try_from(behind).unwrap_or(u32::MAX)));
        metrics::counter!("levelgate_journal_slow_writes_total").absolute(journal.slow_writes());
        metrics::counter!("levelgate_journal_rotations_total").absolute(journal.rotations());
        metrics::counter!("levelgate_journal_rotations_postponed_total").absolute(journal.rotations_postponed());
        metrics::gauge!("levelgate_journal_oldest_unwritten_seconds").set(journal.oldest_unwritten().as_secs_f64());
        metrics::counter!("levelgate_attributes_unsealed_total").absolute(ledger.unsealed());
        metrics::counter!("levelgate_levels_turned_away_total").absolute(ledger.levels_turned_away());
    }
}

/// Finishes what the last daemon had begun, as soon as the time can be told.
async fn finish_jobs(daemon: Arc<Daemon>) {
    let now = loop {
        match daemon.desk.time() {
            Ok(now) => break now,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    };
    let finishing = tokio::task::spawn_blocking(move || {
        let desk = &daemon.desk;
        daemon.jobs.finish(&desk.ledger, &desk.rules.load(), now);
    });
    // A panic in it is logged by the runtime's hook.
    let _ = finishing.await;
}

/// Erases whose time of grace is over.
async fn erase_due(daemon: &Arc<Daemon>) {
    const AT_MOST: usize = 1_000;
    let daemon = Arc::clone(daemon);
    let erasing = tokio::task::spawn_blocking(move || {
        // Nothing is erased while the clock is not accepted. This also logs what became of the clock.
        let Ok(now) = daemon.desk.clock.now(None) else { return };
        match daemon.desk.ledger.erase_due(&daemon.desk.rules.load(), now, AT_MOST) {
            Ok(0) => {}
            Ok(erased) => tracing::info!("the personal attributes of {erased} customers were erased"),
            Err(error) => tracing::error!("a key could not be erased and is tried again: {error}"),
        }
    });
    // A panic in it is logged by the runtime's hook.
    let _ = erasing.await;
}

/// The first signal asks for an end in order; the second one waits for nobody any more.
async fn stop_on_signal(
    (mut terminate, mut interrupt): (Signal, Signal),
    stop: watch::Sender<bool>,
    hurry: watch::Sender<bool>,
) {
    let steps = [
        (stop, "stopping: requests under way are answered first; a second signal cuts them off"),
        (hurry, "stopping at once: a second signal came"),
    ];
    for (step, words) in steps {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("{words}");
        step.send_replace(true);
    }
}

/// Waits until a switch is on. A sender that is gone means the same.
async fn is_set(mut switch: watch::Receiver<bool>) {
    let _ = switch.wait_for(|on| *on).await;
}
