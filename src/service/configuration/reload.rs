//! The outcome of a reload: what it changed, or why it was refused.

use crate::{
    config::{ProblemText, Severity, diff::Difference},
    domain::vocabulary::time::Millis,
};

/// A reload that took effect.
#[derive(Debug, Clone, Default)]
pub struct ReloadReport {
    /// When.
    pub at: Millis,
    /// The version of the rules in force since then.
    pub version: String,
    /// Every difference from the configuration before.
    pub differences: Vec<Difference>,
    /// Probable mistakes in the files, and versions of the API that the files replaced.
    pub warnings: Vec<ProblemText>,
    /// The settings whose value in the file is not the one of the start.
    pub restart_needed: Vec<String>,
}

/// A reload that was refused. Nothing was changed.
#[derive(Debug, Clone)]
pub struct RefusedReload {
    /// When.
    pub at: Millis,
    /// Errors and warnings.
    pub problems: Vec<ProblemText>,
}

impl RefusedReload {
    /// The problems of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &ProblemText> {
        self.problems.iter().filter(move |problem| problem.severity == severity)
    }
}
