//! `levelgate generate`: writes the artefacts that belong to the program.

use crate::{cli::support::output_file::write_file, http::openapi::document};
use anyhow::Context;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

const SERVICE: &str = include_str!("../../packaging/systemd/levelgate.service");
const SOCKET: &str = include_str!("../../packaging/systemd/levelgate.socket");
const NOTIFY_RELOAD: &str = include_str!("../../packaging/systemd/levelgate.service.d/notify-reload.conf");
const DASHBOARD: &str = include_str!("../../packaging/grafana/levelgate.json");
const ALERTS: &str = include_str!("../../packaging/prometheus/levelgate-alerts.yml");

/// The arguments of `generate`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    artefact: Artefact,
}

/// An artefact.
#[derive(Debug, clap::Subcommand)]
enum Artefact {
    /// Manual pages: one of the program, and with --out one of each command
    Man(IntoFolder),
    /// Completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
        #[command(flatten)]
        output: IntoFile,
    },
    /// The unit for systemd, and with --out its sockets and a drop-in for systemd 253 and newer
    Systemd(IntoFolder),
    /// A dashboard for Grafana
    Grafana(IntoFile),
    /// Alert rules for Prometheus
    Alerts(IntoFile),
    /// The OpenAPI document of the HTTP interface
    Openapi(IntoFile),
}

#[derive(Debug, clap::Args)]
struct IntoFile {
    /// The file; by default standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct IntoFolder {
    /// The folder of the files; by default the first one goes to standard output
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// A file of an artefact: its path in the folder of the output, and its content.
type GeneratedFile = (String, Vec<u8>);

/// Writes the artefact.
///
/// # Errors
/// The output cannot be written.
pub(super) fn run(options: &Options, parser: clap::Command) -> anyhow::Result<ExitCode> {
    match &options.artefact {
        Artefact::Man(output) => into_folder(output, &manual_pages(parser)?),
        Artefact::Completions { shell, output } => {
            let (mut parser, mut script) = (parser, Vec::new());
            clap_complete::generate(*shell, &mut parser, "levelgate", &mut script);
            into_file(output, &script)
        }
        Artefact::Systemd(output) => {
            let files = [
                ("levelgate.service", SERVICE),
                ("levelgate.socket", SOCKET),
                ("levelgate.service.d/notify-reload.conf", NOTIFY_RELOAD),
            ];
            into_folder(output, &files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())))
        }
        Artefact::Grafana(output) => into_file(output, DASHBOARD.as_bytes()),
        Artefact::Alerts(output) => into_file(output, ALERTS.as_bytes()),
        Artefact::Openapi(output) => {
            let mut document =
                serde_json::to_vec_pretty(&document()).context("the document cannot be written as JSON")?;
            document.push(b'\n');
            into_file(output, &document)
        }
    }
}

/// The page of the program, then one of each command and of each command in a command.
fn manual_pages(parser: clap::Command) -> anyhow::Result<Vec<GeneratedFile>> {
    let mut parser = parser.disable_help_subcommand(true);
    parser.build();
    let mut pages = Vec::new();
    add_pages(&parser, "levelgate", &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &clap::Command, name: &str, pages: &mut Vec<GeneratedFile>) -> anyhow::Result<()> {
    let mut page = Vec::new();
    let titled = command.clone().display_name(name);
    clap_mangen::Man::new(titled).render(&mut page).context("a manual page cannot be rendered")?;
    pages.push((format!("{name}.1"), page));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add_pages(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

fn into_folder(output: &IntoFolder, files: &[GeneratedFile]) -> anyhow::Result<ExitCode> {
    let Some(folder) = &output.out else {
        return files.first().map_or(Ok(ExitCode::SUCCESS), |(_, content)| print(content));
    };
    for (name, content) in files {
        let path = folder.join(name);
        let within = path.parent().unwrap_or(folder);
        fs::create_dir_all(within).with_context(|| format!("{} cannot be created", within.display()))?;
        write(&path, content)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn into_file(output: &IntoFile, content: &[u8]) -> anyhow::Result<ExitCode> {
    match &output.out {
        Some(path) => write(path, content),
        None => print(content),
    }
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<ExitCode> {
    write_file(path, &mut |file| file.write_all(content).map(|()| true).map_err(anyhow::Error::from))
}

/// Prints the content. A closed pipe is no error; a full disk is one, because the output is incomplete.
fn print(content: &[u8]) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
