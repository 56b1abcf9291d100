//! The configuration folder of a command: its default, and loading it with its problems printed.

use crate::{
    clock::{Clock, Source},
    config::{self, Loaded, Problem, Problems, Style},
};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

/// The configuration folder if the arguments name none.
pub(in crate::cli) fn default_folder() -> PathBuf {
    PathBuf::from("config")
}

/// How problems are printed: with colours on a terminal.
pub(in crate::cli) fn style() -> Style {
    if std::io::stderr().is_terminal() { Style::Coloured } else { Style::Plain }
}

/// Prints problems on standard error: all of them, or many of one kind in a few lines.
pub(in crate::cli) fn print_problems(problems: &[Problem], all: bool) {
    let text = if all { config::render(problems, style()) } else { config::render_folded(problems, style()) };
    eprint!("{text}");
}

/// Refuses files without `levelgate.toml`, which names the data folder. For a command that opens the folder of the files.
///
/// # Errors
/// The file is missing.
pub(in crate::cli) fn require_daemon_file(files: &Loaded) -> anyhow::Result<()> {
    anyhow::ensure!(
        files.statements.has_daemon_file,
        "there is no levelgate.toml in {}, so the data folder is not known; restore the file, or write an empty one if \
         every setting has its default",
        files.folder.display()
    );
    Ok(())
}

/// Loads a configuration folder. Prints the problems of an invalid configuration.
///
/// # Errors
/// The configuration is invalid.
pub(in crate::cli) fn load(folder: &Path) -> anyhow::Result<Loaded> {
    config::load(folder).map_err(|problems| not_valid(&problems, folder))
}

/// [`load`], and reads the files of tokens and of `[redis]`.
///
/// # Errors
/// The configuration is invalid, or a file cannot be read.
pub(in crate::cli) fn load_with_secrets(folder: &Path) -> anyhow::Result<Loaded> {
    let loaded = config::load_with_tokens(folder, Clock::new(Source::System).wall());
    loaded.map_err(|problems| not_valid(&problems, folder))
}

fn not_valid(problems: &Problems, folder: &Path) -> anyhow::Error {
    print_problems(&problems.list, false);
    anyhow::anyhow!("the configuration in {} is not valid", folder.display())
}
