//! A verdict on one thing that was examined.

/// Whether something is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is.
    Fine,
    /// The daemon starts, and something will be slow or short.
    Warning,
    /// The daemon does not start, or does not do its work.
    Error,
}

impl Verdict {
    /// The word in the output.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A verdict about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The thing.
    pub(crate) topic: &'static str,
    /// Whether it is well.
    pub(crate) verdict: Verdict,
    /// What was found, and the remedy.
    pub(crate) text: String,
}

impl Finding {
    /// It is well.
    pub(crate) fn fine(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Fine, text: text.into() }
    }

    /// It will be slow or short.
    pub(crate) fn warning(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Warning, text: text.into() }
    }

    /// It does not work.
    pub(crate) fn error(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Error, text: text.into() }
    }
}
