//! Collects the problems of one file while it is read and compiled.

use crate::config::report::{
    problem::{Problem, RelatedPlace, Severity},
    source::{Source, Span},
};
use crate::domain::vocabulary::names::{Name, NameError};
use std::{cell::RefCell, sync::Arc};

/// The problems of one file.
#[derive(Debug)]
pub(in crate::config) struct FileReport {
    pub(in crate::config) source: Arc<Source>,
    problems: RefCell<Vec<Problem>>,
    /// The merchant whose quota new names of a request's body count against; `None`: a file, or a recorded body.
    sent_for: Option<Name>,
}

impl FileReport {
    pub(in crate::config) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), problems: RefCell::default(), sent_for: None }
    }

    /// The report of a request's body: its new names count against the merchant's quota.
    pub(in crate::config) fn sent_for(self, merchant: Option<Name>) -> Self {
        Self { sent_for: merchant, ..self }
    }

    /// Parses a text as a name.
    pub(in crate::config) fn name(&self, text: &str) -> Result<Name, NameError> {
        self.sent_for.map_or_else(|| Name::parse(text), |merchant| Name::intern_for(merchant, text))
    }

    fn add(&self, severity: Severity, span: &Span, message: String, help: String, related: Option<RelatedPlace>) {
        let mut problem = Problem::at(severity, &self.source, span, message, help);
        problem.related = related;
        self.problems.borrow_mut().push(problem);
    }

    pub(in crate::config) fn error(&self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), help.into(), None);
    }

    pub(in crate::config) fn warning(&self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), help.into(), None);
    }

    /// A warning with another place of the same file.
    pub(in crate::config) fn warning_with(
        &self,
        span: &Span,
        message: String,
        help: &str,
        related: &Span,
        label: &str,
    ) {
        let related = RelatedPlace::new(&self.source, related, label);
        self.add(Severity::Warning, span, message, help.to_owned(), Some(related));
    }

    /// An error with another place, possibly in another file.
    pub(in crate::config) fn error_with(&self, span: &Span, message: String, help: &str, related: RelatedPlace) {
        self.add(Severity::Error, span, message, help.to_owned(), Some(related));
    }

    /// Reports a second definition.
    pub(in crate::config) fn defined_twice(&self, span: &Span, first: &Span, what: &str, help: &str) {
        let related = RelatedPlace::new(&self.source, first, "first defined here");
        self.error_with(span, format!("{what} is defined twice"), help, related);
    }

    /// Whether a problem was reported in this part of the file.
    pub(in crate::config) fn has_problem_in(&self, span: &Span) -> bool {
        self.problems.borrow().iter().any(|problem| span.contains(&problem.span.start))
    }

    pub(in crate::config) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems, in the order of their places.
    pub(in crate::config) fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.severity, problem.span.end));
        problems
    }
}
