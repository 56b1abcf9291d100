//! `levelgate replay`: runs operations from a file through the payment service of the daemon.

use crate::{
    cli::support::{
        configuration::{default_folder, style},
        progress,
    },
    clock::{Clock, Source},
    config,
    daemon::memory_ledger::memory_ledger,
    domain::vocabulary::money::{Decimal, Minor, power_of_ten},
    ledger::{DefaultCountries, TestMerchants},
    service::{
        commit::AnswerGate,
        documents::problem::ProblemDocument,
        payments::{
            PaymentService,
            lines::{LineSplitter, answer_line},
        },
    },
    telemetry::metrics::Meters,
};
use anyhow::Context;
use arc_swap::ArcSwap;
use indicatif::ProgressBar;
use serde_json::{Value, value::RawValue};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

/// The arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(long, value_name = "DIR", default_value_os_t = default_folder())]
    config: PathBuf,
    /// The file of operations, one a line; `-` is standard input
    file: PathBuf,
    /// The file of answers, one a line [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The merchant of lines without a merchant
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
    /// The project of lines without a project
    #[arg(long, value_name = "ID")]
    project: Option<String>,
}

/// Replays the file and prints a summary.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprint!("{}", problems.render(style()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let settings = &loaded.settings;
    let ledger = memory_ledger(settings)?;
    ledger.set_default_countries(DefaultCountries::of(&loaded.rules), &mut || {});
    ledger.separate_test_merchants(TestMerchants::of(&loaded.rules));
    let payments = PaymentService {
        ledger,
        rules: ArcSwap::from_pointee(loaded.rules),
        clock: Clock::new(Source::Requests),
        meters: Meters::new(),
        body_bytes_max: settings.http.max_body_bytes,
        gate: AnswerGate::local(),
    };
    let mut input = open(&options.file)?;
    let mut output: Box<dyn Write> = match &options.out {
        Some(path) => {
            Box::new(BufWriter::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let bar = bar(options)?;
    let (started, mut summary) = (Instant::now(), Summary::default());
    let (mut lines, mut out) = (LineSplitter::new(payments.body_bytes_max), Vec::new());
    loop {
        let piece = input.fill_buf().with_context(|| format!("cannot read {}", options.file.display()))?;
        let length = piece.len();
        let mut each = |line: Result<&[u8], usize>| {
            let completed = line.map(|line| with_defaults(line, options));
            let start = out.len();
            let problem = answer_line(&payments, completed.as_deref().map_err(|&limit| limit), &mut out, |_| Ok(()));
            summary.count(out.get(start..).unwrap_or_default(), line.unwrap_or_default(), problem.as_ref());
        };
        if length == 0 {
            lines.end(&mut each);
        } else {
            lines.feed(piece, &mut each);
        }
        output.write_all(&out).context("cannot write the answers")?;
        out.clear();
        if length == 0 {
            break;
        }
        bar.inc(length as u64);
        input.consume(length);
    }
    output.flush().context("cannot write the answers")?;
    bar.finish_and_clear();
    eprint!("{}", summary.to_text(started.elapsed()));
    Ok(ExitCode::SUCCESS)
}

fn open(path: &PathBuf) -> anyhow::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

fn bar(options: &Options) -> anyhow::Result<ProgressBar> {
    let length = std::fs::metadata(&options.file).map_or(0, |metadata| metadata.len());
    if length == 0 {
        return Ok(ProgressBar::hidden());
    }
    progress::bar(length, "{wide_bar} {bytes}/{total_bytes} {eta}")
}

/// Adds the merchant and the project of the arguments to a line without them.
fn with_defaults(line: &[u8], options: &Options) -> Vec<u8> {
    let defaults = [("merchant", &options.merchant), ("project", &options.project)];
    if defaults.iter().all(|(_, value)| value.is_none()) {
        return line.to_vec();
    }
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line) else { return line.to_vec() };
    let op = fields.get("op").map(|raw| raw.get());
    // A fact on a transaction takes no project; an approval takes one together with the fields of a reserve.
    let takes_project = match op {
        Some(r#""reserve""# | r#""check""# | r#""payment""#) => true,
        Some(r#""approve""#) => fields.contains_key("currency"),
        _ => false,
    };
    let mut completed = line.to_vec();
    for (name, value) in defaults {
        let absent = fields.get(name).is_none_or(|raw| raw.get() == "null");
        let Some(value) = value.as_ref().filter(|_| absent && (name == "merchant" || takes_project)) else { continue };
        if fields.contains_key(name) {
            // A `null` means that the field is absent; the line is written again without it.
            let mut rest: BTreeMap<String, Value> = serde_json::from_slice(&completed).unwrap_or_default();
            rest.insert(name.to_owned(), Value::String(value.clone()));
            completed = serde_json::to_vec(&rest).unwrap_or(completed);
            continue;
        }
        let Some(end) = completed.iter().rposition(|&byte| byte == b'}') else { continue };
        let comma = if fields.is_empty() { "" } else { ", " };
        let addition = format!("{comma}\"{name}\": {}", Value::String(value.clone()));
        completed.splice(end..end, addition.bytes());
    }
    completed
}

/// The counts and sums of a replay.
#[derive(Default)]
struct Summary {
    operations: u64,
    allowed: u64,
    checked: u64,
    transitions: u64,
    denied: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    /// The sum and its fraction digits, by currency and decision.
    amounts: BTreeMap<(String, &'static str), (u128, u8)>,
}

impl Summary {
    fn count(&mut self, answer: &[u8], line: &[u8], problem: Option<&ProblemDocument>) {
        self.operations += 1;
        if let Some(problem) = problem {
            *self.refused.entry(format!("{} {}", problem.status, problem.code)).or_default() += 1;
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let decision = match word("decision").as_str() {
            "allow" => "allowed",
            "deny" => "denied",
            _ => {
                self.transitions += 1;
                return;
            }
        };
        if word("status") == "checked" {
            self.checked += 1;
            return;
        }
        if decision == "allowed" {
            self.allowed += 1;
        } else {
            let code = answer.get("code").and_then(Value::as_u64).unwrap_or_default();
            *self.denied.entry(format!("{code} {}", word("reason"))).or_default() += 1;
        }
        self.add_amount(line, decision);
    }

    fn add_amount(&mut self, line: &[u8], decision: &'static str) {
        let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line) else { return };
        let text = |name: &str| fields.get(name).map(|raw| raw.get().trim_matches('"').to_owned());
        let (Some(currency), Some(amount)) = (text("currency"), text("amount")) else { return };
        let Ok(amount) = Decimal::parse(&amount) else { return };
        let (sum, scale) = self.amounts.entry((currency, decision)).or_insert((0, 0));
        let power = |digits: u8| power_of_ten(u32::from(digits)).unwrap_or(1);
        if amount.scale > *scale {
            *sum = sum.saturating_mul(power(amount.scale - *scale));
            *scale = amount.scale;
        }
        *sum = sum.saturating_add(amount.mantissa.saturating_mul(power(*scale - amount.scale)));
    }

    fn to_text(&self, duration: std::time::Duration) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let mut row = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{name:<44} {value:>20}");
        };
        row("operations", &self.operations);
        row("allowed", &self.allowed);
        row("denied", &self.denied.values().sum::<u64>());
        self.denied.iter().for_each(|(code, count)| row(&format!("  {code}"), count));
        row("checked", &self.checked);
        row("transitions", &self.transitions);
        row("refused", &self.refused.values().sum::<u64>());
        self.refused.iter().for_each(|(code, count)| row(&format!("  {code}"), count));
        for ((currency, decision), (sum, scale)) in &self.amounts {
            row(&format!("{currency} {decision}"), &Minor { value: *sum, units: *scale }.to_string());
        }
        row("seconds", &format!("{}.{:03}", duration.as_secs(), duration.subsec_millis()));
        text
    }
}
