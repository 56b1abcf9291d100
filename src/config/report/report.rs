//! The problems of one file, gathered while it is read and compiled.

use crate::config::{
    parse::source::{Source, Span},
    report::problem::{Also, Problem, Severity},
};
use crate::domain::vocabulary::names::{Name, NameError};
use std::{cell::RefCell, sync::Arc};

/// The problems found in one file.
#[derive(Debug)]
pub(in crate::config) struct Report {
    pub(in crate::config) source: Arc<Source>,
    problems: RefCell<Vec<Problem>>,
    /// The merchant for whom a request sent it; `None`: a file, or what is recorded already.
    sent_for: Option<Name>,
}

impl Report {
    pub(in crate::config) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), problems: RefCell::default(), sent_for: None }
    }

    /// The report of a body that a request sends for a merchant, to which its new names count.
    pub(in crate::config) fn sent_for(self, merchant: Option<Name>) -> Self {
        Self { sent_for: merchant, ..self }
    }

    /// The name of a text of the file.
    pub(in crate::config) fn name(&self, text: &str) -> Result<Name, NameError> {
        self.sent_for.map_or_else(|| Name::parse(text), |merchant| Name::keep(merchant, text))
    }

    fn add(&self, severity: Severity, span: &Span, message: String, help: String, also: Option<Also>) {
        let mut problem = Problem::at(severity, &self.source, span, message, help);
        problem.also = also;
        self.problems.borrow_mut().push(problem);
    }

    pub(in crate::config) fn error(&self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), help.into(), None);
    }

    pub(in crate::config) fn warning(&self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), help.into(), None);
    }

    /// A warning that points at another place of the same file too.
    pub(in crate::config) fn warning_with(&self, span: &Span, message: String, help: &str, also: &Span, label: &str) {
        let also = Also::new(&self.source, also, label);
        self.add(Severity::Warning, span, message, help.to_owned(), Some(also));
    }

    /// An error that points at another place, perhaps of another file, too.
    pub(in crate::config) fn error_with(&self, span: &Span, message: String, help: &str, also: Also) {
        self.add(Severity::Error, span, message, help.to_owned(), Some(also));
    }

    /// Something is defined a second time.
    pub(in crate::config) fn twice(&self, span: &Span, first: &Span, what: &str, help: &str) {
        let also = Also::new(&self.source, first, "first defined here");
        self.error_with(span, format!("{what} is defined twice"), help, also);
    }

    pub(in crate::config) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems, in the order of the file.
    pub(in crate::config) fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.severity, problem.span.end));
        problems
    }
}
