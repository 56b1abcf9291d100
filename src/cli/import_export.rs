//! `levelgate import`, `export` and `mock`: customers as a table, against a folder that nobody serves or, with `--url`,
//! a daemon that runs.

use crate::{
    cli::remote,
    daemon::data_folder::{self, Opened},
};
use crate::{
    clock::{Clock, Source},
    config,
    domain::{
        rules::configuration::{Merchant, Rules},
        vocabulary::{card_numbers::no_card_id, time::Millis},
    },
    http::Jobs,
    service::{
        csv::{Expected, Mock, Writer},
        import_export::{self, Imported, Mode},
    },
};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Whose customers, and where they are.
#[derive(Debug, clap::Args)]
struct Where {
    /// The merchant; may be left out where only one is configured
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
    /// The configuration folder of a data folder that is not being served
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = super::default_config())]
    config: PathBuf,
    /// A daemon that runs, instead of a folder
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with an operator's token, for the daemon
    #[arg(long, value_name = "FILE", env = "LEVELGATE_TOKEN_FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

/// What `import` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    #[command(flatten)]
    place: Where,
    /// The table
    file: PathBuf,
    /// Take the good rows where others are bad
    #[arg(long, conflicts_with = "dry_run")]
    partial: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The id of the job; with that of an import that was interrupted, it goes on [default: a new one]
    #[arg(long, value_name = "ID")]
    job: Option<String>,
}

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Where,
    /// Where the table goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What `mock` takes.
#[derive(Debug, clap::Args)]
pub(super) struct MockOptions {
    #[command(flatten)]
    place: Where,
    /// How many customers
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=crate::http::MOCK_MAX))]
    count: u64,
    /// The same seed makes the same customers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write them as a table to this file, and make nobody
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Reads a table into a folder or a daemon.
pub(super) fn import(options: &Import) -> anyhow::Result<ExitCode> {
    let mode = match (options.partial, options.dry_run) {
        (true, _) => Mode::Partial,
        (_, true) => Mode::Trial,
        _ => Mode::AllOrNothing,
    };
    let file = || File::open(&options.file).with_context(|| cannot_read(&options.file));
    let bytes = file()?.metadata().with_context(|| cannot_read(&options.file))?.len();
    let sent = Sent { bytes, done: Arc::default() };
    let id = options.job.clone().map_or_else(new_id, Ok)?;
    no_card_id("--job", &id)?;
    let Some(url) = &options.place.url else {
        return offline(&options.place, |into, jobs| {
            let (merchant, now) = (into.merchant.id, into.now);
            let look = || jobs.show(merchant, &id).ok();
            let take = || -> anyhow::Result<_> {
                let mut draft = jobs.draft(now)?;
                let mut digester = into.ledger.digester();
                let mut table = BufReader::new(sent.watch(file()?));
                loop {
                    let piece = table.fill_buf().with_context(|| cannot_read(&options.file))?;
                    if piece.is_empty() {
                        break;
                    }
                    digester.take(piece);
                    draft.write_all(piece).context("the table cannot be kept in the data folder")?;
                    let taken = piece.len();
                    table.consume(taken);
                }
                Ok(crate::http::take_table(jobs, into, (mode, Some(&id)), draft, digester.digest()))
            };
            Ok(match watched(&sent, look, take)?? {
                Ok((answer, _)) => told(&serde_json::from_value(answer)?),
                Err(problem) => refused(&problem.detail, &problem.bad_rows),
            })
        });
    };
    eprintln!("job {id}: if it is interrupted, the same command with --job {id} goes on");
    let customers = format!("/v1/merchants/{}/customers", options.place.merchant()?);
    let (table, job) = (format!("{customers}.csv?mode={}&job={id}", mode.word()), format!("{customers}/jobs/{id}"));
    let token = options.place.token_file.as_deref();
    let look = || serde_json::from_str(&remote::look(url, token, &job)?).ok();
    let mut tries = 0;
    loop {
        let send = || remote::call(url, token, &table, BufReader::new(sent.watch(file()?)));
        let answer = watched(&sent, look, send)?;
        tries += 1;
        match answer {
            Ok(answer) if !answer.asks_again() || tries == TRIES => {
                return Ok(answered(&answer));
            }
            Err(error) if tries == TRIES || !remote::may_pass(&error) => return Err(error),
            Ok(_) => eprintln!("job {id} was interrupted; it is taken up again"),
            Err(error) => eprintln!("job {id}: {error:#}; it is taken up again"),
        }
        thread::sleep(PAUSE);
    }
}

/// How often a job that is interrupted is taken up again, and what lies between.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// How often the bar is drawn.
const LOOK: Duration = Duration::from_millis(100);

/// How much of a table was read.
struct Sent {
    bytes: u64,
    done: Arc<AtomicU64>,
}

impl Sent {
    /// Counts what is read, from the start.
    fn watch(&self, file: File) -> Counting {
        self.done.store(0, Ordering::Relaxed);
        Counting { file, done: Arc::clone(&self.done) }
    }
}

struct Counting {
    file: File,
    done: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Works while a bar shows how far the table is sent and, from then on, how far the job is, where a terminal watches.
fn watched<T: Send>(
    sent: &Sent,
    look: impl Fn() -> Option<serde_json::Value>,
    work: impl FnOnce() -> T + Send,
) -> anyhow::Result<T> {
    let bar = bar(sent.bytes, "{bar:40} {pos}/{len} {msg}")?;
    let (done, ended) = mpsc::channel::<()>();
    let worked = thread::scope(|scope| {
        let working = scope.spawn(move || {
            let worked = work();
            drop(done);
            worked
        });
        while ended.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
            if bar.is_hidden() {
                continue;
            }
            let job = look();
            let count = |name: &str| job.as_ref().and_then(|job| job[name].as_u64());
            match (count("rows"), count("rows_done"), job.as_ref().and_then(|job| job["state"].as_str())) {
                (Some(rows), Some(rows_done), Some(state)) => {
                    bar.set_length(rows);
                    bar.set_position(rows_done);
                    bar.set_message(format!("rows, {state}"));
                }
                _ => {
                    bar.set_position(sent.done.load(Ordering::Relaxed));
                    bar.set_message("bytes sent");
                }
            }
        }
        working.join()
    });
    bar.finish_and_clear();
    worked.map_err(|_| anyhow::anyhow!("the import died"))
}

fn new_id() -> anyhow::Result<String> {
    Ok(format!("import-{:016x}", super::random_key()?.0))
}

/// What a daemon's problem document says of a table.
#[derive(serde::Deserialize)]
struct Refused {
    detail: String,
    #[serde(default)]
    bad_rows: Vec<import_export::BadRow>,
}

/// Prints what a daemon has made of a table.
fn answered(answer: &remote::Answer) -> ExitCode {
    match answer.read::<Imported, Refused>() {
        Some(Ok(imported)) => told(&imported),
        Some(Err(Refused { detail, bad_rows })) => refused(&detail, &bad_rows),
        None => answer.say(),
    }
}

/// Prints why a table was not taken.
fn refused(detail: &str, bad_rows: &[import_export::BadRow]) -> ExitCode {
    say_rows(bad_rows);
    eprintln!("levelgate: {detail}");
    if !bad_rows.is_empty() {
        eprintln!("levelgate: nothing was changed; correct the rows above, or take the good ones with --partial");
    }
    ExitCode::FAILURE
}

fn say_rows(rows: &[import_export::BadRow]) {
    for bad in rows {
        let column = bad.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
        eprintln!("line {}{column}: {}", bad.line, bad.reason);
    }
}

/// Writes the table of a folder's or a daemon's customers.
pub(super) fn export(options: &Export) -> anyhow::Result<ExitCode> {
    match &options.out {
        Some(path) => into_file(path, &mut |output| export_to(options, output)),
        None => Ok(code(export_to(options, &mut BufWriter::new(io::stdout().lock()))?)),
    }
}

/// Writes it; says whether it is whole.
fn export_to(options: &Export, output: &mut dyn Write) -> anyhow::Result<bool> {
    if let Some(url) = &options.place.url {
        let path = format!("/v1/merchants/{}/customers.csv", options.place.merchant()?);
        return remote::fetch(url, options.place.token_file.as_deref(), &path, output);
    }
    let rows =
        offline(&options.place, |into, _| Ok(import_export::export(into.ledger, into.merchant, into.now, output)?))?;
    eprintln!("{rows} customers");
    Ok(true)
}

/// Has a file written: beside it first, so that what stands there stays until the new one is whole.
fn into_file(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<bool>) -> anyhow::Result<ExitCode> {
    // A pipe or a device is written as it is; a link stays one.
    let is_special = path.metadata().is_ok_and(|found| !found.is_file());
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let cannot = || cannot_write(path);
    if is_special {
        return write(&mut File::create(path).with_context(cannot)?).map(code);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut file = BufWriter::new(File::create(&beside).with_context(cannot)?);
    let written = write(&mut file).and_then(|is_whole| {
        file.flush().with_context(cannot)?;
        Ok(is_whole)
    });
    let written = written.and_then(|is_whole| {
        if is_whole {
            std::fs::rename(&beside, path).with_context(cannot)?;
        }
        Ok(is_whole)
    });
    if !matches!(written, Ok(true)) {
        // The error of the write is what the caller needs to know.
        let _removed = std::fs::remove_file(&beside);
    }
    written.map(code)
}

fn code(is_done: bool) -> ExitCode {
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes customers up.
pub(super) fn mock(options: &MockOptions) -> anyhow::Result<ExitCode> {
    if let Some(path) = &options.out {
        let loaded = load(&options.place.config)?;
        let merchant = options.place.among(&loaded.rules)?;
        return into_file(path, &mut |output| {
            let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
            let rows = Mock::new(options.count, options.seed, crate::http::levels_of(&merchant));
            rows.into_iter().try_for_each(|row| writer.write(&row)).with_context(|| cannot_write(path))?;
            writer.finish()?;
            Ok(true)
        });
    }
    if let Some(url) = &options.place.url {
        let path = format!("/v1/merchants/{}/customers/mock", options.place.merchant()?);
        let body = format!("{{\"count\": {}, \"seed\": {}}}", options.count, options.seed);
        let token = options.place.token_file.as_deref();
        return Ok(answered(&remote::call(url, token, &path, io::Cursor::new(body))?));
    }
    offline(&options.place, |into, _| {
        let rows = Mock::new(options.count, options.seed, crate::http::levels_of(into.merchant));
        Ok(told(&import_export::make(into, rows)))
    })
}

impl Where {
    /// The merchant's id, which a daemon has to be told.
    fn merchant(&self) -> anyhow::Result<&str> {
        self.merchant.as_deref().context("--merchant is needed with --url: say whose customers are meant")
    }

    /// The merchant of a configuration.
    fn among(&self, rules: &Rules) -> anyhow::Result<Arc<Merchant>> {
        let merchants = &rules.merchants;
        let known = || {
            let mut known: Vec<&str> = merchants.keys().copied().collect();
            known.sort_unstable();
            known.join(", ")
        };
        match &self.merchant {
            Some(id) => merchants
                .get(id.as_str())
                .cloned()
                .with_context(|| format!("the configuration has no merchant {id:?}; it has {}", known())),
            None => {
                let mut all = merchants.values();
                match (all.next(), all.next()) {
                    (Some(only), None) => Ok(Arc::clone(only)),
                    _ => anyhow::bail!("--merchant is needed: the configuration has {}", known()),
                }
            }
        }
    }
}

fn load(dir: &Path) -> anyhow::Result<config::Loaded> {
    config::load(dir).map_err(|problems| {
        eprint!("{}", problems.render(super::style()));
        anyhow::anyhow!("the configuration in {} is not valid", dir.display())
    })
}

/// Opens the folder as a daemon would, finishes what one had begun, does what is to be done, and leaves everything on
/// the disk.
fn offline<T>(
    place: &Where,
    work: impl FnOnce(&import_export::Into<'_>, &Jobs) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let loaded = load(&place.config)?;
    let settings = &loaded.settings;
    anyhow::ensure!(
        settings.store.kind == config::StoreKind::Disk,
        "[store] kind is \"memory\": there is no folder; name a running daemon with --url"
    );
    let mut opened = data_folder::open(settings, super::bounds(settings), Some(&loaded.rules))?;
    let jobs = opened.jobs()?;
    let Opened { ledger, newest, .. } = opened;
    let clock = Clock::new(Source::System);
    clock.resume(newest);
    let now: Millis = clock.stamp(None)?.at;
    // What operators said of levels while a daemon ran counts here too.
    let rules = loaded.in_force(&ledger.overlay()).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", texts.join("; "))
    })?;
    let merchant = place.among(&rules)?;
    jobs.finish(&ledger, &rules, now);
    let new_from = ledger.next_customer();
    let done = work(&import_export::Into { ledger: &ledger, merchant: &merchant, by: None, now, new_from }, &jobs)?;
    ledger.journal().mark_clean_stop()?;
    Ok(done)
}

/// Prints what has become of a table.
fn told(imported: &Imported) -> ExitCode {
    say_rows(&imported.bad_rows);
    let Imported { rows, created, changed, unchanged, bad, .. } = imported;
    let would = if imported.applied { "" } else { "would be " };
    super::say!("{rows} rows: {created} {would}created, {changed} {would}changed, {unchanged} unchanged, {bad} bad");
    if *bad > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A bar where a terminal watches.
fn bar(length: u64, template: &str) -> anyhow::Result<ProgressBar> {
    if !io::IsTerminal::is_terminal(&io::stderr()) {
        return Ok(ProgressBar::hidden());
    }
    Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(template)?))
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
