//! `levelgate export`: writes the table of a merchant's customers.

use crate::{
    cli::support::{
        customer_source::CustomerSource,
        daemon_client,
        output_file::{exit_code, write_file},
    },
    service::import_export::export::export as export_customers,
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
    /// The file of the table [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the table.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
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
    let rows =
        source.with_data_folder(|into, _| Ok(export_customers(into.ledger, into.merchant, into.now, output)?))?;
    eprintln!("{rows} customers");
    Ok(true)
}
