//! Whether a configuration folder has to contain `levelgate.toml`.
//!
//! A folder without the file compiles to the defaults. If the file has vanished, the defaults name another data folder and
//! no tokens. So the absence of the file has to be stated.

use crate::config::{
    load::Loaded,
    report::problem::{Problem, Severity},
};

/// What the caller states about `levelgate.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonFile {
    /// The folder contains it.
    Required,
    /// The folder does not contain it, and every setting has its default (`--default-settings`).
    Absent,
}

impl DaemonFile {
    /// `Absent` if the option `--default-settings` is given.
    #[must_use]
    pub fn of_option(default_settings: bool) -> Self {
        if default_settings { Self::Absent } else { Self::Required }
    }

    /// An error if the files of a folder contradict the statement.
    #[must_use]
    pub fn problem(self, files: &Loaded) -> Option<Problem> {
        let (message, help) = match (self, files.statements.has_daemon_file) {
            (Self::Required, true) | (Self::Absent, false) => return None,
            (Self::Required, false) => (
                format!(
                    "the file is missing: every setting would have its default, with the data folder {} and no tokens",
                    files.settings.store.path.display()
                ),
                "restore the file; if the defaults are meant, write an empty file, or name --default-settings",
            ),
            (Self::Absent, true) => (
                "the file exists, and --default-settings states that there is none".to_owned(),
                "start without --default-settings, or remove the file",
            ),
        };
        let path = files.folder.join("levelgate.toml").display().to_string();
        Some(Problem::of_file(Severity::Error, path, message, help))
    }
}
