//! What is wrong with a configuration, told so that it can be put right: where, what, and what to write instead.

use crate::config::parse::source::{Line, Source, Span, covered};
use crate::domain::vocabulary::{card_numbers::masked, names::Name};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range, sync::Arc};

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is not taken.
    Error,
    /// It is taken, but can hardly be meant as it is written.
    Warning,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// The file, under the folder as it was typed.
    pub file: String,
    /// Counted from 1; 0 where the problem is the file itself.
    pub line: usize,
    /// In characters, counted from 1; 0 where the problem is the file itself.
    pub column: usize,
    /// The bytes of the file that are underlined.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead; empty where there is nothing to say.
    pub help: String,
    /// Another place that matters, and what it is.
    pub also: Option<Also>,
    source: Option<Arc<Source>>,
}

/// Another place that matters to a problem: where a thing was defined first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Also {
    /// The file, under the folder as it was typed.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The bytes of that file that are underlined.
    pub span: Range<usize>,
    /// What stands there.
    pub label: String,
    source: Arc<Source>,
}

impl Also {
    pub(in crate::config) fn new(source: &Arc<Source>, span: &Span, label: impl Into<String>) -> Self {
        let line = source.line_of(span);
        Self {
            file: source.path.clone(),
            line: line.number,
            column: line.column,
            span: line.span(),
            label: label.into(),
            source: Arc::clone(source),
        }
    }
}

impl Problem {
    /// A problem at a place in a file. What it repeats of the file holds no full card number.
    pub(in crate::config) fn at(
        severity: Severity,
        source: &Arc<Source>,
        span: &Span,
        message: String,
        help: String,
    ) -> Self {
        let line = source.line_of(span);
        Self {
            severity,
            file: source.path.clone(),
            line: line.number,
            column: line.column,
            span: line.span(),
            message: without_card_number(message),
            help: without_card_number(help),
            also: None,
            source: Some(Arc::clone(source)),
        }
    }

    /// A problem of a whole file or folder.
    pub(in crate::config) fn of_file(severity: Severity, path: String, message: String, help: &str) -> Self {
        let help = help.to_owned();
        Self { severity, file: path, line: 0, column: 0, span: 0..0, message, help, also: None, source: None }
    }

    fn group(&self) -> Group<'_> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let group = Group::with_title(level.primary_title(self.message.as_str()));
        let mut group = match &self.source {
            Some(source) => {
                group.element(snippet(&source.line_of(&self.span), &self.file, AnnotationKind::Primary, None))
            }
            None => group.element(Origin::path(self.file.as_str())),
        };
        if let Some(also) = &self.also {
            let line = also.source.line_of(&also.span);
            group = group.element(snippet(&line, &also.file, AnnotationKind::Context, Some(&also.label)));
        }
        if !self.help.is_empty() {
            group = group.element(Level::HELP.message(self.help.as_str()));
        }
        group
    }
}

fn without_card_number(text: String) -> String {
    if let Cow::Owned(covered) = masked(&text) {
        return covered;
    }
    text
}

fn snippet<'s>(
    line: &Line<'_>,
    path: &'s str,
    kind: AnnotationKind,
    label: Option<&'s str>,
) -> Snippet<'s, Annotation<'s>> {
    let annotation = kind.span(line.within.clone()).label(label);
    Snippet::source(covered(line.text)).line_start(line.number).path(path).fold(false).annotation(annotation)
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files, pipes and logs.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

/// Prints problems as a compiler does: one after the other, each with its line and the place underlined.
#[must_use]
pub fn render(problems: &[Problem], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    problems.iter().map(|problem| renderer.render(&[problem.group()]) + "\n\n").collect()
}

/// How many errors and warnings these are, for the end of a report: `2 errors, 1 warning`.
#[must_use]
pub fn tally(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    match (counted(errors, "error"), counted(problems.len() - errors, "warning")) {
        (Some(errors), Some(warnings)) => format!("{errors}, {warnings}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "no problems".to_owned(),
    }
}

/// Every problem of a configuration that was not taken: errors, and the warnings beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In the order of files and lines.
    pub list: Vec<Problem>,
    /// The merchant of each file whose id could be read, by the path of [`Problem::file`]. Of two files with one id it is
    /// the first one's.
    pub owners: BTreeMap<String, Name>,
}

impl Problems {
    /// As [`render`] prints them.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        render(&self.list, style)
    }
}

impl Problems {
    /// The problems in words, each with the merchant that it is about. `in_force` are the merchants of the files in force:
    /// a file that was another merchant's is not given to the one whose id it holds now.
    #[must_use]
    pub fn complaints(&self, in_force: &BTreeMap<String, Name>) -> Vec<Complaint> {
        let is_new = |merchant: &&Name| !in_force.values().any(|known| known == *merchant);
        let owner = |file: &str| in_force.get(file).or_else(|| self.owners.get(file).filter(is_new)).copied();
        let complaint = |problem: &Problem| Complaint { merchant: owner(&problem.file), text: problem.to_string() };
        self.list.iter().map(complaint).collect()
    }
}

/// Why a configuration is not taken, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The merchant that it is about, in whose files it lies; `None`: it is about the daemon, or about several.
    pub merchant: Option<Name>,
    /// In words.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Problems {
    /// One line a problem, for logs: `config/rates.toml:3:1: error: ... (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.list.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, " ({})", self.help) }
    }
}

impl std::error::Error for Problems {}
