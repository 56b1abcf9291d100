//! Starts the daemon, answers requests, and stops it: the wiring, top to bottom.

use crate::{
    clock::{Clock, Source},
    config::{ClockSource, DaemonFile, Loaded, Log, LogFormat, LogLevel, Redis, RedisFiles, Settings, StoreKind},
    daemon::{
        background_tasks,
        control::ControlledParts,
        data_folder::{self, ArchiveLosses, CopiedParts, DataFolder, OpenedFolder},
        huge_pages,
        maintenance::{MaintenanceSettings, MaintenanceThread},
        open_files::OpenFiles,
        passed_sockets::PassedSockets,
        redis_copy::{self, CopyStart, RedisCopy, RestoreOrder, owner, redis_durability},
        reload::reloader::{Reloader, ReloaderParts},
        service_manager, shutdown,
        signals::{self, StopSignals, wait_until_true},
        sockets::{Answered, Sockets, to_usize},
        standby::{StandbyParts, StandbyThread, restore_if_empty},
        take_over_calls::TakeOverCalls,
    },
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    http::{
        AccessTokens, AppState, Capacity, TlsAcceptor,
        server::pulse::{self, Pulse},
    },
    replication::{ShippingState, StandbyState},
    scheduling::{background::BackgroundThreads, become_background_thread},
    service::{
        commit::AnswerGate, daemon_status::ConfigurationHealth, monitoring::status::StatusSource,
        payments::PaymentService,
    },
    storage::fs::ram::Ram,
    telemetry::{
        descriptions::describe_metrics,
        latency::JOURNAL_SYNC,
        log::{self, LineFormat},
        metrics::Meters,
        traces,
    },
};
use anyhow::Context;
use arc_swap::ArcSwap;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{signal::unix::SignalKind, sync::watch};

/// How the daemon starts.
#[derive(Debug)]
pub(crate) struct StartOptions {
    /// The configuration folder, for reloads.
    pub(crate) config_folder: PathBuf,
    /// Whether the folder has to contain `levelgate.toml`, also at reloads.
    pub(crate) daemon_file: DaemonFile,
    /// Whether a start goes on if the archive misses segments.
    pub(crate) archive_losses: ArchiveLosses,
    /// Whether this daemon replaces another one that has the lease in Redis.
    pub(crate) takes_over: bool,
    /// What is done with the data folder.
    pub(crate) folder: FolderOrder,
    /// The form of the lines of the log; `None`: that of the configuration.
    pub(crate) log_format: Option<LogFormat>,
}

/// The treatment of the data folder at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FolderOrder {
    /// It is opened.
    Open,
    /// It is empty, and is restored from Redis.
    Restore,
    /// It follows a primary, and is restored first if it is empty. With `takes_over` the daemon takes over once it has the
    /// whole stream.
    Follow,
}

/// The exit status of a daemon that another one has replaced.
const FENCED_OUT_STATUS: u8 = 4;
/// How long blocking threads may take to end once everything is written; the next start repeats their work.
const THREADS_END_MAX: Duration = Duration::from_secs(5);

/// Starts the daemon and answers requests until a signal stops it.
///
/// # Errors
/// The start is refused, or the journal has failed.
pub(crate) fn run(options: StartOptions, loaded: Loaded) -> anyhow::Result<ExitCode> {
    // Before the first thread starts: it changes the environment.
    let passed = PassedSockets::of_environment()?;
    init_log(options.log_format, loaded.settings.log);
    huge_pages::allow(loaded.settings.memory.huge_pages);
    if let Some(endpoint) = &loaded.settings.telemetry.otlp_endpoint {
        traces::start(endpoint)?;
    }
    // Before the runtime, so that a panic drops it after the tasks that it waits for.
    let background = BackgroundThreads::start().context("cannot start threads")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(pulse::workers()).enable_all().build().context("cannot start threads")?;
    let _pulse = Pulse::start(runtime.handle()).context("cannot start threads")?;
    let (force, is_forced) = watch::channel(false);
    let served = runtime.block_on(serve(options, loaded, passed, force));
    // The files that these threads still use survive a kill at any point.
    let duration_max = if *is_forced.borrow() { Duration::ZERO } else { THREADS_END_MAX };
    let began = Instant::now();
    runtime.shutdown_timeout(duration_max);
    background.end(duration_max.saturating_sub(began.elapsed()));
    if !*is_forced.borrow() {
        traces::stop();
    }
    served
}

async fn serve(
    options: StartOptions,
    loaded: Loaded,
    passed: PassedSockets,
    force: watch::Sender<bool>,
) -> anyhow::Result<ExitCode> {
    let settings = loaded.settings.clone();
    if options.daemon_file == DaemonFile::Absent {
        tracing::warn!(
            "there is no levelgate.toml in {}: every setting of the daemon has its default, the data folder is {}, and no \
             tokens are configured",
            options.config_folder.display(),
            settings.store.path.display()
        );
    }
    // From here on a hangup reloads and does not end the process, however long the start takes.
    let hangups = signals::receive(SignalKind::hangup())?;
    let prometheus = install_metrics()?;
    let open_files = OpenFiles::claim(settings.http.max_connections, settings.admin.listen.is_some())?;
    let (stop, is_stopping) = watch::channel(false);
    let parts = DaemonParts { options, loaded, prometheus, open_files, is_stopping: is_stopping.clone() };
    let Assembled { daemon, maintenance, redis_copy, standby, _folder_in_memory } = assemble(parts, &settings)?;
    // A process that accepts connections stops in an orderly way. Until here a signal ends it at once.
    let stop_signals = StopSignals::receive()?;
    let is_forced = force.subscribe();
    let sockets = Sockets::open(&settings, open_files, &daemon, passed, is_stopping.clone())?;
    tokio::spawn(signals::reload_on_hangup(hangups, Arc::clone(&daemon)));
    let eraser = Arc::new(OnceLock::new());
    // It is empty until here.
    redis_copy.iter().for_each(|copy| _ = eraser.set(copy.eraser()));
    let standby = match standby {
        None => None,
        Some(standby) => Some(StandbyThread::start(StandbyParts { eraser: Arc::clone(&eraser), ..standby })?),
    };
    tokio::spawn(background_tasks::run_periodic(Arc::clone(&daemon), eraser));
    tokio::spawn(background_tasks::sample_attempts(Arc::clone(&daemon)));
    tokio::spawn(background_tasks::finish_jobs(Arc::clone(&daemon)));
    tokio::spawn(stop_signals.forward(stop.clone(), force));
    let maintenance_thread = maintenance.as_ref().map(start_maintenance).transpose()?;
    tokio::spawn(service_manager::send_signs_of_life());
    service_manager::notify_ready();
    let answered = sockets.answer(&daemon, &stop, is_stopping, is_forced.clone()).await?;
    service_manager::notify_stopping();
    let journal = Arc::clone(daemon.payments.ledger.journal());
    if let (Some(maintenance), Some(thread)) = (&maintenance, maintenance_thread) {
        stop_maintenance(maintenance, thread, is_forced.clone()).await?;
    }
    let redis_copy = match standby {
        None => redis_copy,
        Some(standby) => tokio::task::spawn_blocking(move || standby.stop()).await?,
    };
    let is_fenced_out = match redis_copy {
        None => false,
        Some(copy) => {
            journal.sync()?;
            tokio::task::spawn_blocking(move || copy.stop()).await?
        }
    };
    journal.mark_clean_stop()?;
    let admin = match answered {
        Answered::Stopped(admin) if !is_fenced_out => admin,
        Answered::Stopped(_) | Answered::FencedOut => {
            tracing::error!("fenced out: another daemon has taken over, and this one ends");
            return Ok(ExitCode::from(FENCED_OUT_STATUS));
        }
    };
    if let Some(maintenance) = &maintenance {
        let duration_max = Duration::from_secs(settings.store.stop_snapshot_s);
        shutdown::last_snapshot(maintenance, duration_max, is_forced.clone()).await;
    }
    // A snapshot records nothing; the records that it depends on are durable by now.
    journal.mark_clean_stop()?;
    if let Some(admin) = admin {
        admin.end();
    }
    tracing::info!("stopped; everything acknowledged is on the disk");
    Ok(ExitCode::SUCCESS)
}

/// Begins the log in the form of the command line, else of the configuration, else as text.
fn init_log(format: Option<LogFormat>, configured: Log) {
    let format = match format.or(configured.format) {
        Some(LogFormat::Json) => LineFormat::Json,
        Some(LogFormat::Text) | None => LineFormat::Text,
    };
    log::init(format, configured.level.map(LogLevel::word));
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    const SNAPSHOT_SECONDS: [f64; 13] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0];
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("levelgate_snapshot_seconds".to_owned()), &SNAPSHOT_SECONDS)
        .context("the buckets of levelgate_snapshot_seconds are invalid")?;
    let recorder = builder.install_recorder().context("cannot install the metrics recorder")?;
    describe_metrics();
    metrics::gauge!("levelgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    Ok(recorder)
}

/// What [`assemble`] consumes.
struct DaemonParts {
    options: StartOptions,
    loaded: Loaded,
    prometheus: PrometheusHandle,
    open_files: OpenFiles,
    is_stopping: watch::Receiver<bool>,
}

/// What [`assemble`] returns.
struct Assembled {
    daemon: Arc<AppState>,
    /// It is not started yet; `None`: there is no folder.
    maintenance: Option<Arc<MaintenanceThread>>,
    /// `None` without `[redis]`.
    redis_copy: Option<RedisCopy>,
    /// What follows the primary of a standby, before it starts.
    standby: Option<StandbyParts>,
    /// The folder in memory of a daemon without a disk. It has no maintenance thread.
    _folder_in_memory: Option<DataFolder>,
}

/// Recovers the state and connects the services.
fn assemble(parts: DaemonParts, settings: &Settings) -> anyhow::Result<Assembled> {
    let DaemonParts { options, loaded, prometheus, open_files, is_stopping } = parts;
    let capacity = Capacity::new(&settings.http, to_usize(open_files.connections), to_usize(open_files.overflow));
    let owner = owner();
    let redis = settings.redis.clone().zip(loaded.redis_files.clone());
    let is_standby = options.folder == FolderOrder::Follow;
    let ram = Ram::new();
    if is_standby {
        let (redis, files) = redis.as_ref().context(NO_REDIS)?;
        anyhow::ensure!(options.archive_losses == ArchiveLosses::Refuse, NO_LOSSES);
        restore_if_empty(settings, (redis, files), &owner, &ram)?;
    } else if let Some((redis, files)) = &redis {
        let restores = options.folder == FolderOrder::Restore;
        let order = RestoreOrder { restores, takes_over: options.takes_over };
        redis_copy::prepare_folder(settings, (redis, files), order, &ram)?;
    }
    let mut opened = data_folder::open_with(settings, Some(&loaded.rules), options.archive_losses, ram)?;
    let jobs = Arc::new(opened.jobs()?);
    let OpenedFolder { mut ledger, newest_time, folder, durability, .. } = opened;
    let clock = start_clock(settings, newest_time)?;
    ledger.limit_caller_times(clock.latest_time());
    // Before anything is recorded: another daemon may have taken over.
    ledger.journal().observe_syncs(|took| JOURNAL_SYNC.record(took));
    let (mut redis_copy, mut following) = (None, None);
    if let (Some((redis, files)), Some(folder)) = (redis, &folder) {
        let (state, copied) = (RedisCopy::new_state(&redis, settings.store.kind), folder.copied_parts());
        if is_standby {
            copied.journal.begin_following()?;
            ledger.begin_replication(copied.journal.last());
            let standby = Arc::new(StandbyState::new(copied.journal.last()));
            following = Some(Following { redis: (redis, files), copied, state: standby, shipping: state });
        } else {
            let start = CopyStart { state, owner: owner.clone(), takes_over: options.takes_over };
            redis_copy = Some(RedisCopy::start(settings, (&redis, files), copied, start)?);
        }
    }
    let gate = match (&redis_copy, &following) {
        (Some(copy), _) => AnswerGate::shipped(Arc::clone(copy.state())),
        (None, Some(following)) => {
            AnswerGate::of_standby(Arc::clone(&following.shipping), Arc::clone(&following.state))
        }
        (None, None) => AnswerGate::local(),
    };
    let payments = Arc::new(PaymentService {
        ledger,
        rules: ArcSwap::from_pointee(Rules::default()),
        clock,
        meters: Meters::new(),
        body_bytes_max: settings.http.max_body_bytes,
        gate,
    });
    if payments.clock.source() == Source::System {
        payments.meters.series.begin(payments.clock.recording_time());
    }
    let health = Arc::new(Mutex::new(ConfigurationHealth {
        applied_at: payments.clock.wall(),
        ..ConfigurationHealth::default()
    }));
    let access = Arc::new(AccessTokens::new(&loaded.credentials, &loaded.settings.auth));
    let tls = loaded.tls_files.as_ref().map(TlsAcceptor::new);
    let memory = folder.as_ref().map(|folder| Arc::clone(folder.configuration_file()));
    let reloader = Reloader::start(
        ReloaderParts {
            config_folder: options.config_folder,
            daemon_file: options.daemon_file,
            settings: settings.clone(),
            payments: Arc::clone(&payments),
            access: Arc::clone(&access),
            tls: tls.clone(),
            health: Arc::clone(&health),
            memory,
        },
        loaded,
    )?;
    let is_on_disk = settings.store.kind == StoreKind::Disk;
    let (folder, folder_in_memory) = if is_on_disk { (folder, None) } else { (None, folder) };
    let maintenance = folder
        .map(|folder| Arc::new(MaintenanceThread::new(folder, Arc::clone(&payments), maintenance_settings(settings))));
    let (calls, receiver) = TakeOverCalls::new();
    let take_over = following.is_some().then_some(calls);
    let capacity = Arc::new(capacity);
    let parts =
        ControlledParts { reloader, capacity: Arc::clone(&capacity), maintenance: maintenance.clone(), take_over };
    let control = Arc::new(parts);
    let status = Arc::new(StatusSource {
        payments: Arc::clone(&payments),
        health: Arc::clone(&health),
        control: Arc::clone(&control) as _,
        snapshots: maintenance.as_ref().map(|maintenance| maintenance.snapshot_state()),
        keeps: durability,
        store: settings.store.kind.word(),
    });
    let daemon = Arc::new(AppState {
        payments,
        access,
        tls,
        failed_logins: Arc::default(),
        control: Arc::clone(&control) as _,
        jobs,
        capacity,
        health,
        prometheus,
        status,
        stopping: is_stopping,
    });
    if let Some(copy) = &mut redis_copy {
        copy.proceed(&daemon.payments);
    }
    tracing::info!("durability: {durability}");
    if let Some(redis) = &settings.redis {
        tracing::info!("durability: {}", redis_durability(redis, settings.store.kind));
    }
    if daemon.access.is_open() {
        tracing::warn!(
            "no tokens are configured: the daemon listens on loopback only, and every caller has the operator role"
        );
    }
    let standby = following.map(|Following { redis, copied, state, shipping }| StandbyParts {
        settings: settings.clone(),
        redis,
        copied,
        payments: Arc::clone(&daemon.payments),
        control,
        state,
        shipping,
        calls: receiver,
        owner,
        takes_over: options.takes_over,
        eraser: Arc::default(),
    });
    Ok(Assembled { daemon, maintenance, redis_copy, standby, _folder_in_memory: folder_in_memory })
}

/// What a standby follows with.
struct Following {
    redis: (Redis, RedisFiles),
    copied: CopiedParts,
    state: Arc<StandbyState>,
    shipping: Arc<ShippingState>,
}

const NO_REDIS: &str = "--standby needs [redis] in levelgate.toml: a standby follows the copy in Redis";
const NO_LOSSES: &str = "--standby records nothing, so it accepts no lost segments of the archive: put the folder `archive` \
                         in place, or accept the loss after the take-over";

fn start_clock(settings: &Settings, newest_time: Option<Millis>) -> anyhow::Result<Clock> {
    let clock = Clock::new(match settings.clock.source {
        ClockSource::Request => Source::Requests,
        ClockSource::System => Source::System,
    });
    // The HTTP library closes every connection on such a machine, because its answers carry a date.
    anyhow::ensure!(
        clock.wall() >= Millis(0),
        "the system clock says {}, before 1970, and no HTTP answer can carry that date; set the system clock and start \
         again",
        clock.wall()
    );
    clock.resume(newest_time);
    Ok(clock)
}

fn maintenance_settings(settings: &Settings) -> MaintenanceSettings {
    MaintenanceSettings {
        snapshot_interval: Duration::from_secs(settings.store.snapshot_interval_s),
        snapshot_records: settings.store.snapshot_records,
        retention_days: settings.memory.retention_days,
        archive_days: settings.memory.archive_days,
    }
}

fn start_maintenance(maintenance: &Arc<MaintenanceThread>) -> anyhow::Result<JoinHandle<()>> {
    let maintenance = Arc::clone(maintenance);
    let thread = std::thread::Builder::new().name("maintenance".to_owned()).spawn(move || {
        become_background_thread();
        maintenance.run();
    });
    thread.context("cannot start threads")
}

/// Ends the maintenance thread. A second signal stops waiting for it.
async fn stop_maintenance(
    maintenance: &MaintenanceThread,
    thread: JoinHandle<()>,
    is_forced: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    maintenance.stop();
    tokio::select! {
        ended = tokio::task::spawn_blocking(move || thread.join()) => {
            ended?.map_err(|_| anyhow::anyhow!("the maintenance thread panicked"))?;
        }
        // An unfinished snapshot can be abandoned: the snapshot before it and the journal have all records.
        () = wait_until_true(is_forced) => tracing::warn!("a second signal: the unfinished snapshot is abandoned"),
    }
    Ok(())
}
