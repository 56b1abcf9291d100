//! The configuration folder of a command: its default, and loading it with its problems printed.

use crate::config::{self, Loaded, Style};
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

/// Loads a configuration folder. Prints the problems of an invalid configuration.
///
/// # Errors
/// The configuration is invalid.
pub(in crate::cli) fn load(folder: &Path) -> anyhow::Result<Loaded> {
    config::load(folder).map_err(|problems| {
        eprint!("{}", problems.render(style()));
        anyhow::anyhow!("the configuration in {} is not valid", folder.display())
    })
}
