//! `levelgate help`: the commands, one command, or a guide.

use crate::{
    docs::{self, GUIDES},
    domain::vocabulary::text::suggest::did_you_mean,
};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

/// The exit status of wrong usage, as that of the argument parser.
const USAGE: u8 = 2;

/// What `help` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A command, or the topic of a guide
    topic: Option<String>,
}

/// Prints the help of a command, a guide as Markdown, or the list of both.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(options: &Options, parser: clap::Command) -> anyhow::Result<ExitCode> {
    let Some(topic) = options.topic.as_deref() else {
        of_command(parser, &["levelgate", "--help"])?;
        return print(&topics());
    };
    // A name of both is a guide: `levelgate NAME --help` prints the command.
    if let Some(guide) = docs::guide(topic) {
        return print(guide.text);
    }
    if parser.find_subcommand(topic).is_some() {
        return of_command(parser, &["levelgate", topic, "--help"]);
    }
    let commands: Vec<&str> = parser.get_subcommands().map(clap::Command::get_name).collect();
    let names = || GUIDES.iter().map(|guide| guide.name);
    let hint = did_you_mean(topic, names().chain(commands.iter().copied()));
    eprintln!(
        "levelgate: no guide and no command is called `{topic}`{hint}\n\nGuides: {}\nCommands: {}",
        names().collect::<Vec<_>>().join(", "),
        commands.join(", ")
    );
    Ok(ExitCode::from(USAGE))
}

/// Prints what the argument parser prints for `--help`.
fn of_command(mut parser: clap::Command, words: &[&str]) -> anyhow::Result<ExitCode> {
    let Err(help) = parser.try_get_matches_from_mut(words) else { return Ok(ExitCode::SUCCESS) };
    match help.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn topics() -> String {
    let width = GUIDES.iter().map(|guide| guide.name.len()).max().unwrap_or_default();
    let mut text = "\nGuides (levelgate help TOPIC; a running daemon serves them at /docs):\n".to_owned();
    for guide in GUIDES {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {:width$}  {}", guide.name, guide.readers);
    }
    text
}

/// Prints a text. A reader that closes the pipe has read enough.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
