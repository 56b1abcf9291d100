//! `levelgate mock`: generates customers for tests.

use crate::{
    cli::support::{
        configuration,
        customer_source::CustomerSource,
        daemon_client,
        import_answer::{print_answer, print_imported},
        output_file::{cannot_write, write_file},
    },
    service::{
        csv::{Expected, Mock, Writer},
        import_export::{
            generate::{GENERATED_MAX, levels_of},
            import::import_generated,
        },
    },
};
use anyhow::Context;
use std::{io, path::PathBuf, process::ExitCode};

/// The arguments of `mock`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    source: CustomerSource,
    /// The number of customers
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=GENERATED_MAX))]
    count: u64,
    /// The seed; the same seed generates the same customers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a table to this file, and create no customers
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Generates the customers.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let source = &options.source;
    if let Some(path) = &options.out {
        let loaded = configuration::load(&source.config)?;
        let merchant = source.merchant_in(&loaded.rules)?;
        return write_file(path, &mut |output| {
            let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
            let rows = Mock::new(options.count, options.seed, levels_of(&merchant));
            rows.into_iter().try_for_each(|row| writer.write(&row)).with_context(|| cannot_write(path))?;
            writer.finish()?;
            Ok(true)
        });
    }
    if let Some(url) = &source.url {
        let path = format!("/v1/merchants/{}/customers/mock", source.merchant_id()?);
        let body = serde_json::json!({ "count": options.count, "seed": options.seed }).to_string();
        return Ok(print_answer(&daemon_client::post(url, source.client_files(), &path, io::Cursor::new(body))?));
    }
    source.with_data_folder(|into, _| {
        let rows = Mock::new(options.count, options.seed, levels_of(into.merchant));
        Ok(print_imported(&import_generated(into, rows)))
    })
}
