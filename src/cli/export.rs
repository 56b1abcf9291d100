//! `levelgate export`: writes the table of a merchant's customers, or all transactions.

use crate::{
    cli::{
        export_transactions,
        support::{
            customer_source::CustomerSource,
            daemon_client,
            output_file::{exit_code, write_file},
        },
    },
    domain::vocabulary::words::Word,
    service::{
        import_export::export::{TableSelection, export as export_customers},
        transaction_history::export::HistoryFormat,
    },
};
use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

/// The arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    source: CustomerSource,
    /// Export all transactions of a data folder, as `import --transactions` reads them
    #[arg(long, conflicts_with = "url")]
    transactions: bool,
    /// The format of --transactions
    #[arg(long, value_name = "FORMAT", requires = "transactions", default_value = "csv", value_parser = ["csv", "ndjson"])]
    format: String,
    /// The data folder of --transactions [default: that of the configuration]
    #[arg(long, value_name = "FOLDER", requires = "transactions")]
    data: Option<PathBuf>,
    /// The folder of temporary files of --transactions, which may become as large as the file [default: that of the
    /// system]
    #[arg(long, value_name = "FOLDER", requires = "transactions")]
    temp: Option<PathBuf>,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the table, or the transactions.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.transactions {
        let CustomerSource { config, merchant, .. } = &options.source;
        return export_transactions::run(&export_transactions::Options {
            config,
            data: options.data.as_deref(),
            merchant: merchant.as_deref(),
            format: HistoryFormat::parse(&options.format).unwrap_or(HistoryFormat::Csv),
            temporary: options.temp.clone().unwrap_or_else(std::env::temp_dir),
            out: options.out.as_deref(),
        });
    }
    match &options.out {
        Some(path) => write_file(path, &mut |output| write_table(options, output)),
        None => Ok(exit_code(write_table(options, &mut BufWriter::new(io::stdout().lock()))?)),
    }
}

/// Writes the table; returns whether it is complete.
fn write_table(options: &Options, output: &mut dyn Write) -> anyhow::Result<bool> {
    let source = &options.source;
    if let Some(url) = &source.url {
        let path = format!("/v1/merchants/{}/customers.csv", source.merchant_id()?);
        return daemon_client::download(url, source.token_file.as_deref(), &path, output);
    }
    let rows = source.with_data_folder(|into, _| {
        Ok(export_customers(into.ledger, into.merchant, TableSelection::default(), into.now, output)?)
    })?;
    eprintln!("{rows} customers");
    Ok(true)
}
