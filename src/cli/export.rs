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
    borrow::Cow,
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
    /// The columns, with commas between them, such as status,labels; the first one is always customer_id [default: all]
    #[arg(long, value_name = "LIST", conflicts_with = "transactions")]
    columns: Option<String>,
    /// Only the customers that match: a filter of the customer list and its value, such as label=vip. Several filters must
    /// all match
    #[arg(long = "filter", value_name = "KEY=VALUE", conflicts_with = "transactions", value_parser = parse_filter)]
    filters: Vec<(String, String)>,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn parse_filter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("a filter is a key, `=` and a value, such as label=vip")?;
    Ok((pair.0.trim().to_owned(), pair.1.to_owned()))
}

impl Options {
    /// The columns and the filters, as the query of a download has them.
    fn selection(&self) -> impl Iterator<Item = (&str, &str)> {
        let columns = self.columns.iter().map(|columns| ("columns", columns.as_str()));
        columns.chain(self.filters.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
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
        let mut path = format!("/v1/merchants/{}/customers.csv", source.merchant_id()?);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(options.selection()).finish();
        if !query.is_empty() {
            path.extend(["?", &query]);
        }
        return daemon_client::download(url, source.client_files(), &path, output);
    }
    let rows = source.with_data_folder(|into, _| {
        let pairs = options.selection().map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
        let selection = TableSelection::read(pairs, into.merchant);
        let selection = selection.map_err(|error| anyhow::anyhow!("--filter or --columns: {}", error.detail))?;
        Ok(export_customers(into.ledger, into.merchant, selection, into.now, output)?)
    })?;
    eprintln!("{rows} customers");
    Ok(true)
}
