//! `levelgate serve`: the wiring of the daemon, top to bottom.

use super::{
    folder::Opened,
    keeper::{Keeper, Pace},
    log::Covering,
    reload::Reloader,
};
use crate::{
    clock::{Clock, Source},
    config::{self, ClockSource, Loaded, Settings},
    domain::rules::Rules,
    http::{
        self, Access, Daemon, Health,
        desk::Desk,
        pulse::{self, Pulse},
    },
    ledger::Countries,
    metrics::Meters,
};
use anyhow::Context;
use arc_swap::ArcSwap;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = super::default_config())]
    config: PathBuf,
}

/// How long callers may take to finish what they send once the daemon is told to stop.
const DRAIN_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// How long whoever comes after the journal has failed is still told so, before the daemon stops.
const FAILED_MAX: std::time::Duration = std::time::Duration::from_millis(500);
/// How long those who wait for an answer then have to get it; callers who still send are cut off.
const FAILED_DRAIN_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// Starts the daemon and answers until it is told to stop.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LEVELGATE_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Covering(std::io::stderr()))
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprint!("{}", problems.render(super::style()));
            eprintln!("levelgate: the configuration in {} is not valid", options.config.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(pulse::workers()).enable_all().build().context("cannot start threads")?;
    let _pulse = Pulse::start(runtime.handle()).context("cannot start threads")?;
    runtime.block_on(serve(options, loaded))?;
    Ok(ExitCode::SUCCESS)
}

fn pace(settings: &Settings) -> Pace {
    Pace {
        interval: std::time::Duration::from_secs(settings.store.snapshot_interval_s),
        records: settings.store.snapshot_records,
        retention_days: settings.memory.retention_days,
        archive_days: settings.memory.archive_days,
    }
}

async fn serve(options: &Options, loaded: Loaded) -> anyhow::Result<()> {
    let settings = loaded.settings.clone();
    anyhow::ensure!(
        settings.http.tls.is_none(),
        "[http] tls is not served by this version; take it out and let a proxy speak TLS"
    );
    anyhow::ensure!(settings.redis.is_none(), "[redis] is not served by this version; take the section out");
    // From here on a hangup asks for a reload and ends nothing, however long the start takes.
    let hangups = heard(SignalKind::hangup())?;
    let prometheus = recorder()?;
    let source = match settings.clock.source {
        ClockSource::Request => Source::Requests,
        ClockSource::System => Source::System,
    };
    let countries = Countries::of(&loaded.rules);
    let mut opened = super::folder::open(&settings, super::bounds(&settings), countries)?;
    let jobs = Arc::new(opened.jobs()?);
    let Opened { ledger, newest, folder, keeps } = opened;
    let clock = Clock::new(source);
    newest.into_iter().for_each(|newest| clock.resume(newest));
    let desk = Arc::new(Desk {
        ledger,
        rules: ArcSwap::from_pointee(Rules::default()),
        clock,
        meters: Meters::new(),
        body_bytes_max: settings.http.max_body_bytes,
    });
    let health = Arc::new(Mutex::new(Health { applied_at: desk.clock.wall(), failed: None }));
    let reloader =
        Reloader::begin(options.config.clone(), settings.clone(), loaded, Arc::clone(&desk), Arc::clone(&health));
    let reloader = Arc::new(reloader.map_err(|problems| {
        anyhow::anyhow!(
            "the configuration does not go together with what was set through the API:\n{}",
            problems.join("\n")
        )
    })?);
    let configurer = Arc::clone(&reloader);
    let keeper = folder.map(|folder| Arc::new(Keeper::new(folder, Arc::clone(&desk), pace(&settings))));
    let (stop, stopped) = watch::channel(false);
    let daemon = Arc::new(Daemon {
        desk,
        access: access(&settings)?,
        reload: Box::new(move || reloader.reload()),
        configure: Box::new(move |change| configurer.change(change)),
        jobs,
        health,
        prometheus,
        snapshot: keeper.as_ref().map(|keeper| {
            let keeper = Arc::clone(keeper);
            Box::new(move || keeper.snapshot().map_err(|error| format!("{error:#}"))) as Box<_>
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
    let routes = http::routes(Arc::clone(&daemon)).into_make_service_with_connect_info::<http::Working>();
    let listener = TcpListener::bind(settings.http.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.http.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let on_unix = unix_socket(settings.http.unix_socket.as_deref())?;
    tokio::spawn(reload_on_hangup(hangups, Arc::clone(&daemon)));
    tokio::spawn(upkeep(Arc::clone(&daemon)));
    tokio::spawn(finish_jobs(Arc::clone(&daemon)));
    tokio::spawn(stop_on_signal(ends, stop.clone()));
    let keeping = keeper.as_ref().map(|keeper| {
        let keeper = Arc::clone(keeper);
        std::thread::spawn(move || keeper.run())
    });
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Answers are small and waited for; a delay to fill packets would cost each of them milliseconds.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    let until = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let room = Arc::new(tokio::sync::Semaphore::new(settings.http.max_connections));
    let listener = http::Bounded::new(listener, Arc::clone(&room));
    let on_unix = on_unix.map(|listener| http::Bounded::new(listener, room));
    let tcp = axum::serve(listener, routes.clone()).with_graceful_shutdown(until(stopped.clone()));
    let unix = {
        let stopped = stopped.clone();
        async move {
            match on_unix {
                Some(listener) => axum::serve(listener, routes).with_graceful_shutdown(until(stopped)).await,
                None => Ok(()),
            }
        }
    };
    tracing::info!("listening on http://{address}");
    let overdue = async {
        until(stopped).await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    let journal = Arc::clone(daemon.desk.ledger.journal());
    let mut served = std::pin::pin!(async { tokio::join!(tcp, unix) });
    tokio::select! {
        (tcp, unix) = &mut served => {
            tcp.and(unix)?;
            tracing::info!("every request was answered");
        }
        () = overdue => {
            tracing::warn!("some callers still send after {} s; they are cut off", DRAIN_MAX.as_secs());
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
            }
            daemon.jobs.stop();
            anyhow::bail!("{failed}");
        }
    }
    daemon.jobs.stop();
    if let (Some(keeper), Some(thread)) = (&keeper, keeping) {
        keeper.stop();
        tokio::task::spawn_blocking(move || thread.join()).await?.map_err(|_| anyhow::anyhow!("the keeper died"))?;
    }
    journal.sync()?;
    // The head of the next segment names the synced number, so that damage before it is known to be no power cut.
    journal.rotate()?;
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

fn unix_socket(path: Option<&Path>) -> anyhow::Result<Option<UnixListener>> {
    let Some(path) = path else { return Ok(None) };
    // A socket that nobody listens on any more is left behind by a killed process.
    let is_socket =
        std::fs::metadata(path).is_ok_and(|file| std::os::unix::fs::FileTypeExt::is_socket(&file.file_type()));
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    tracing::info!("listening on unix:{}", path.display());
    Ok(Some(listener))
}

fn access(settings: &Settings) -> anyhow::Result<Access> {
    let mut grants = Vec::new();
    for token in &settings.auth.tokens {
        let text = std::fs::read_to_string(&token.token_file)
            .with_context(|| format!("cannot read the token in {}", token.token_file.display()))?;
        let text = text.trim();
        anyhow::ensure!(text.len() >= 16, "the token in {} is shorter than 16 bytes", token.token_file.display());
        let role = match token.role {
            config::Role::Gateway => http::Role::Gateway,
            config::Role::Operator => http::Role::Operator,
            config::Role::Viewer => http::Role::Viewer,
        };
        let merchants = token.merchants.as_ref().map(|listed| listed.iter().map(ToString::to_string).collect());
        grants.push(http::Grant::of(role, token.name, text, merchants));
    }
    Ok(Access(grants))
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
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        ticks.tick().await;
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
            Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
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
        // Without a time nothing is due.
        let Ok(now) = daemon.desk.time() else { return };
        match daemon.desk.ledger.erase_due(&daemon.desk.rules.load(), now, AT_MOST) {
            Ok(0) => {}
            Ok(erased) => tracing::info!("the personal attributes of {erased} customers were erased"),
            Err(error) => tracing::error!("a key could not be erased and is tried again: {error}"),
        }
    });
    // A panic in it is logged by the runtime's hook.
    let _ = erasing.await;
}

async fn stop_on_signal((mut terminate, mut interrupt): (Signal, Signal), stop: watch::Sender<bool>) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: requests under way are answered first");
    // Nobody listens any more only where the daemon has stopped already.
    let _ = stop.send(true);
}
