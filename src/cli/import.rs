//! `levelgate import`: reads a table of customers into a data folder or a running daemon, or past payments into a data
//! folder.

use crate::{
    cli::{
        import_transactions,
        support::{
            customer_source::CustomerSource,
            daemon_client,
            import_answer::{print_answer, print_imported, print_refused},
            progress::{ReadProgress, with_import_progress},
        },
    },
    daemon::random::random_u64,
    domain::request::card_number::refuse_card_number_in_id,
    service::import_export::{
        import_job::{UploadedTable, import_table},
        outcome::ImportMode,
    },
};
use anyhow::Context;
use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

/// How often an interrupted request is sent again.
const ATTEMPTS_MAX: u32 = 30;
/// The pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

/// The arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    source: CustomerSource,
    /// The table of customers
    #[arg(required_unless_present = "transactions")]
    file: Option<PathBuf>,
    /// A file of past payments, CSV or NDJSON, to seed a data folder without transactions
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "url", "partial", "job"])]
    transactions: Option<PathBuf>,
    /// The data folder of --transactions [default: that of the configuration]
    #[arg(long, value_name = "FOLDER", requires = "transactions")]
    data: Option<PathBuf>,
    /// The project of past payments that name none
    #[arg(long, value_name = "ID", requires = "transactions")]
    project: Option<String>,
    /// The folder of temporary files of --transactions, which may become as large as the file [default: that of the
    /// system]
    #[arg(long, value_name = "FOLDER", requires = "transactions")]
    temp: Option<PathBuf>,
    /// Import the valid rows if others are invalid
    #[arg(long, conflicts_with = "dry_run")]
    partial: bool,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The id of the job. The id of an interrupted import continues it [default: a new id]
    #[arg(long, value_name = "ID")]
    job: Option<String>,
}

impl Options {
    fn mode(&self) -> ImportMode {
        match (self.partial, self.dry_run) {
            (true, _) => ImportMode::Partial,
            (_, true) => ImportMode::Trial,
            _ => ImportMode::AllOrNothing,
        }
    }

    fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }

    fn open(&self) -> anyhow::Result<File> {
        File::open(self.file()).with_context(|| self.cannot_read())
    }

    fn cannot_read(&self) -> String {
        format!("cannot read {}", self.file().display())
    }
}

/// Imports the table, or the past payments.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(file) = &options.transactions {
        let CustomerSource { config, merchant, .. } = &options.source;
        let of_payments = import_transactions::Options {
            config,
            data: options.data.as_deref(),
            merchant: merchant.as_deref(),
            project: options.project.as_deref(),
            temporary: options.temp.clone().unwrap_or_else(std::env::temp_dir),
            is_trial: options.dry_run,
        };
        return import_transactions::run(&of_payments, file);
    }
    let bytes = options.open()?.metadata().with_context(|| options.cannot_read())?.len();
    let progress = ReadProgress::new(bytes);
    let new_id = || Ok::<_, anyhow::Error>(format!("import-{:016x}", random_u64()?));
    let job = options.job.clone().map_or_else(new_id, Ok)?;
    refuse_card_number_in_id("--job", &job)?;
    match &options.source.url {
        Some(url) => import_into_daemon(options, url, &job, &progress),
        None => import_into_folder(options, &job, &progress),
    }
}

fn import_into_folder(options: &Options, job: &str, progress: &ReadProgress) -> anyhow::Result<ExitCode> {
    options.source.with_data_folder(|into, jobs| {
        let (merchant, now) = (into.merchant.id, into.now);
        let job_status = || jobs.show(merchant, job, &|_| true).ok();
        let import = || -> anyhow::Result<_> {
            let mut draft = jobs.draft(now)?;
            let mut digester = into.ledger.digester();
            let mut table = BufReader::new(progress.count(options.open()?));
            loop {
                let piece = table.fill_buf().with_context(|| options.cannot_read())?;
                if piece.is_empty() {
                    break;
                }
                digester.take(piece);
                draft.write_all(piece).context("the table cannot be stored in the data folder")?;
                let length = piece.len();
                table.consume(length);
            }
            let digest = digester.digest();
            let table = UploadedTable { mode: options.mode(), job_id: Some(job), draft, digest };
            Ok(import_table(jobs, into, table))
        };
        Ok(match with_import_progress(progress, job_status, import)?? {
            Ok(reply) => print_imported(&serde_json::from_value(reply.answer)?),
            Err(problem) => print_refused(&problem.detail, &problem.bad_rows),
        })
    })
}

fn import_into_daemon(options: &Options, url: &str, job: &str, progress: &ReadProgress) -> anyhow::Result<ExitCode> {
    eprintln!("job {job}: if the import is interrupted, the same command with --job {job} continues it");
    let customers = format!("/v1/merchants/{}/customers", options.source.merchant_id()?);
    let table_path = format!("{customers}.csv?mode={}&job={job}", options.mode().word());
    let job_path = format!("{customers}/jobs/{job}");
    let files = options.source.client_files();
    let job_status = || {
        let answer = daemon_client::get(url, files, &job_path).ok().filter(daemon_client::Answer::is_done)?;
        serde_json::from_str(answer.body()).ok()
    };
    let mut attempts = 0;
    loop {
        let send = || daemon_client::post(url, files, &table_path, BufReader::new(progress.count(options.open()?)));
        let answer = with_import_progress(progress, job_status, send)?;
        attempts += 1;
        match answer {
            Ok(answer) if !answer.is_retryable() || attempts == ATTEMPTS_MAX => {
                return Ok(print_answer(&answer));
            }
            Err(error) if attempts == ATTEMPTS_MAX || !daemon_client::is_retryable(&error) => return Err(error),
            Ok(_) => eprintln!("job {job} was interrupted; it is taken up again"),
            Err(error) => eprintln!("job {job}: {error:#}; it is taken up again"),
        }
        thread::sleep(ATTEMPT_PAUSE);
    }
}
