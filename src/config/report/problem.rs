//! Problems of a configuration, each with its place, what is wrong, and the remedy; and how they are printed.

use crate::config::{
    daemon::settings::Settings,
    report::source::{Line, Source, Span, mask_secrets},
};
use crate::domain::vocabulary::{card_numbers::masked, names::Name};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range, path::Path, sync::Arc};

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is invalid.
    Error,
    /// The configuration is valid, but probably not what its author means.
    Warning,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The severity.
    pub severity: Severity,
    /// The path of the file, as the user named the folder.
    pub file: String,
    /// The line, counted from 1; 0: the problem is the file itself.
    pub line: usize,
    /// The column in characters, counted from 1; 0: the problem is the file itself.
    pub column: usize,
    /// The bytes of the file that are underlined.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// The remedy; may be empty.
    pub help: String,
    /// Another place that belongs to the problem.
    pub related: Option<RelatedPlace>,
    source: Option<Arc<Source>>,
}

/// Another place of a problem, such as the first definition of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedPlace {
    /// The path of the file, as the user named the folder.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes of that file that are underlined.
    pub span: Range<usize>,
    /// What is at the place.
    pub label: String,
    source: Arc<Source>,
}

impl RelatedPlace {
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
    /// A problem at a place in a file. Card numbers in the texts are masked.
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
            message: mask_card_numbers(message),
            help: mask_card_numbers(help),
            related: None,
            source: Some(Arc::clone(source)),
        }
    }

    /// A problem of a whole file or folder.
    #[must_use]
    pub fn of_file(severity: Severity, path: String, message: String, help: &str) -> Self {
        let help = help.to_owned();
        Self { severity, file: path, line: 0, column: 0, span: 0..0, message, help, related: None, source: None }
    }

    /// The problem and its remedy in one line, for an answer.
    pub(in crate::config) fn sentence(&self) -> String {
        format!("{}: {}", self.message, self.help)
    }

    /// The problem in one line, without the remedy.
    pub(in crate::config) fn without_help(&self) -> String {
        Self { help: String::new(), source: None, related: None, ..self.clone() }.to_string()
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
        if let Some(related) = &self.related {
            let line = related.source.line_of(&related.span);
            group = group.element(snippet(&line, &related.file, AnnotationKind::Context, Some(&related.label)));
        }
        if !self.help.is_empty() {
            group = group.element(Level::HELP.message(self.help.as_str()));
        }
        group
    }
}

fn mask_card_numbers(text: String) -> String {
    if let Cow::Owned(masked) = masked(&text) {
        return masked;
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
    Snippet::source(mask_secrets(line.text)).line_start(line.number).path(path).fold(false).annotation(annotation)
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files, pipes and logs.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

/// Prints problems as a compiler does: each with its line, and the place underlined.
#[must_use]
pub fn render(problems: &[Problem], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    problems.iter().map(|problem| renderer.render(&[problem.group()]) + "\n\n").collect()
}

/// The number of errors and warnings, such as `2 errors, 1 warning`.
#[must_use]
pub fn tally(problems: &[Problem]) -> String {
    tally_of(problems.iter().map(|problem| problem.severity))
}

fn tally_of(severities: impl Iterator<Item = Severity>) -> String {
    let (mut errors, mut warnings) = (0, 0);
    severities.for_each(|severity| match severity {
        Severity::Error => errors += 1,
        Severity::Warning => warnings += 1,
    });
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    match (counted(errors, "error"), counted(warnings, "warning")) {
        (Some(errors), Some(warnings)) => format!("{errors}, {warnings}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "no problems".to_owned(),
    }
}

/// All problems of an invalid configuration: errors and warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In the order of files and lines.
    pub list: Vec<Problem>,
    /// The merchant of each file with a valid id, by [`Problem::file`]. Of two files with one id, only the first is included.
    pub owners: BTreeMap<String, Name>,
    /// The settings, if no file defines a merchant: then the loss of all merchants may be the cause of the problems.
    pub settings_without_merchants: Option<Box<Settings>>,
}

impl Problems {
    /// Problems whose files define merchants, or whose settings are unknown.
    #[must_use]
    pub fn new(list: Vec<Problem>, owners: BTreeMap<String, Name>) -> Self {
        Self { list, owners, settings_without_merchants: None }
    }

    /// Prints the problems as [`render`] does.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        render(&self.list, style)
    }

    /// The problems in words, each with its merchant. `in_force` are the owners of the files in force: a file that belongs to
    /// one merchant stays with it if the new content has the id of another.
    #[must_use]
    pub fn texts(&self, in_force: &BTreeMap<String, Name>) -> Vec<ProblemText> {
        let is_new = |merchant: &&Name| !in_force.values().any(|known| known == *merchant);
        let owner = |file: &str| in_force.get(file).or_else(|| self.owners.get(file).filter(is_new)).copied();
        let text = |problem: &Problem| ProblemText {
            merchant: owner(&problem.file),
            severity: problem.severity,
            text: problem.to_string(),
            folder: folder_of(&problem.file),
        };
        self.list.iter().map(text).collect()
    }
}

/// A problem of a configuration in words, for the log and the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemText {
    /// The merchant whose file has the problem; `None`: the problem concerns the daemon or several merchants.
    pub merchant: Option<Name>,
    /// The severity.
    pub severity: Severity,
    /// The problem, with place and remedy.
    pub text: String,
    /// The configuration folder, if the text names a file in it; empty: it names none.
    pub folder: String,
}

impl ProblemText {
    /// The problem for a caller who is not shown the paths of the machine: files begin in the configuration folder.
    #[must_use]
    pub fn without_folder(&self) -> Cow<'_, str> {
        match self.folder.as_str() {
            "" => Cow::Borrowed(&self.text),
            folder => Cow::Owned(self.text.replace(&format!("{folder}/"), "")),
        }
    }
}

/// The configuration folder of a file, as the user named it.
fn folder_of(file: &str) -> String {
    let parent = Path::new(file).parent();
    let folder = match parent.filter(|parent| parent.ends_with("merchants")) {
        Some(merchants) => merchants.parent(),
        None => parent,
    };
    folder.map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// The number of errors and of warnings, such as `2 errors, 1 warning`.
#[must_use]
pub fn tally_texts(problems: &[ProblemText]) -> String {
    tally_of(problems.iter().map(|problem| problem.severity))
}

impl fmt::Display for ProblemText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Problems {
    /// One line for each problem: `config/rates.toml:3:1: error: ... (help)`.
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
