//! `levelgate import`, `export` and `mock`: customers as a table, against a folder that nobody serves or, with `--url`,
//! a daemon that runs.

use super::{
    folder::{self, Opened},
    remote,
};
use crate::{
    clock::{Clock, Source},
    config,
    csv::{Expected, Mock, Writer},
    domain::{
        rules::{Merchant, Rules},
        time::Millis,
    },
    http::table::{self, Imported, Mode},
};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
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
    #[arg(long)]
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
    let opened = || File::open(&options.file);
    let bytes = opened().and_then(|file| file.metadata()).with_context(|| cannot_read(&options.file))?.len();
    if let Some(url) = &options.place.url {
        let path = format!("/v1/merchants/{}/customers.csv?mode={}", options.place.merchant()?, mode.word());
        let bar = bar(bytes, "{bar:40} {bytes}/{total_bytes} sent")?;
        let file = bar.wrap_read(BufReader::new(opened().with_context(|| cannot_read(&options.file))?));
        let done = remote::send(url, options.place.token_file.as_deref(), &path, file)?;
        bar.finish_and_clear();
        return Ok(done);
    }
    offline(&options.place, |into| {
        let bar = bar(bytes, "{bar:40} {bytes}/{total_bytes} read, {msg} rows")?;
        let open = || Ok(bar.wrap_read(BufReader::new(opened()?)));
        let imported = table::import(into, mode, &open, &mut |rows| {
            if rows % 10_000 == 0 {
                bar.set_message(rows.to_string());
            }
        });
        bar.finish_and_clear();
        Ok(told(&imported.with_context(|| cannot_read(&options.file))?, mode))
    })
}

/// Writes the table of a folder's or a daemon's customers.
pub(super) fn export(options: &Export) -> anyhow::Result<ExitCode> {
    let output = || -> anyhow::Result<Box<dyn Write>> {
        Ok(match &options.out {
            Some(path) => Box::new(BufWriter::new(File::create(path).with_context(|| cannot_write(path))?)),
            None => Box::new(BufWriter::new(io::stdout().lock())),
        })
    };
    if let Some(url) = &options.place.url {
        let path = format!("/v1/merchants/{}/customers.csv", options.place.merchant()?);
        return remote::fetch(url, options.place.token_file.as_deref(), &path, &mut *output()?);
    }
    offline(&options.place, |into| {
        let rows = table::export(into.ledger, into.merchant, into.now, output()?)?;
        eprintln!("{rows} customers");
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes customers up.
pub(super) fn mock(options: &MockOptions) -> anyhow::Result<ExitCode> {
    if let Some(path) = &options.out {
        let loaded = load(&options.place.config)?;
        let merchant = options.place.among(&loaded.rules)?;
        let output = BufWriter::new(File::create(path).with_context(|| cannot_write(path))?);
        let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
        let rows = Mock::new(options.count, options.seed, crate::http::levels_of(&merchant));
        rows.into_iter().try_for_each(|row| writer.write(&row)).with_context(|| cannot_write(path))?;
        writer.finish()?.flush().with_context(|| cannot_write(path))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(url) = &options.place.url {
        let path = format!("/v1/merchants/{}/customers/mock", options.place.merchant()?);
        let body = format!("{{\"count\": {}, \"seed\": {}}}", options.count, options.seed);
        return remote::send(url, options.place.token_file.as_deref(), &path, io::Cursor::new(body));
    }
    offline(&options.place, |into| {
        let rows = Mock::new(options.count, options.seed, crate::http::levels_of(into.merchant));
        Ok(told(&table::make(into, rows), Mode::Partial))
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

/// Opens the folder as a daemon would, does what is to be done, and leaves everything on the disk.
fn offline(place: &Where, work: impl FnOnce(&table::Into<'_>) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let loaded = load(&place.config)?;
    let settings = &loaded.settings;
    anyhow::ensure!(
        settings.store.kind == config::StoreKind::Disk,
        "[store] kind is \"memory\": there is no folder; name a running daemon with --url"
    );
    let Opened { ledger, newest, .. } = folder::open(settings, super::bounds(settings))?;
    let clock = Clock::new(Source::System);
    newest.into_iter().for_each(|newest| clock.resume(newest));
    let now: Millis = clock.now(None)?;
    // What operators said of levels while a daemon ran counts here too.
    let rules = loaded.in_force(&ledger.overlay()).map_err(|problems| anyhow::anyhow!("{}", problems.join("; ")))?;
    let merchant = place.among(&rules)?;
    let done = work(&table::Into { ledger: &ledger, merchant: &merchant, by: None, now })?;
    ledger.journal().sync()?;
    Ok(done)
}

/// Prints what has become of a table.
fn told(imported: &Imported, mode: Mode) -> ExitCode {
    for bad in &imported.bad_rows {
        let column = bad.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
        eprintln!("line {}{column}: {}", bad.line, bad.reason);
    }
    let Imported { rows, created, changed, unchanged, bad, .. } = imported;
    let would = if imported.applied { "" } else { "would be " };
    super::say!("{rows} rows: {created} {would}created, {changed} {would}changed, {unchanged} unchanged, {bad} bad");
    if *bad > 0 && mode == Mode::AllOrNothing {
        eprintln!("levelgate: nothing was changed; correct the rows above, or take the good ones with --partial");
    }
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
