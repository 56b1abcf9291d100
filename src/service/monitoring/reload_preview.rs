//! The preview of a reload, with the text of a merchant's file on the disk.

use crate::{
    config::{
        Severity,
        diff::Difference,
        schema::texts::{NameText, SentenceText, VersionText},
    },
    service::{
        configuration::reload::{RefusedReload, ReloadReport},
        documents::{
            configuration::differences::{DifferenceLists, first_lines},
            query::TakenKeys,
        },
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// The keys of a query for a preview.
pub(crate) const PREVIEW_KEYS: TakenKeys = TakenKeys::once(&["merchant"]);

/// The file of a merchant.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MerchantFile {
    /// The merchant that the file defines.
    #[schemars(with = "NameText")]
    pub merchant: &'static str,
    /// The path of the file.
    #[schemars(with = "SentenceText")]
    pub file: String,
}

/// What a reload would do now.
#[derive(Debug, Clone)]
pub struct ReloadPreview {
    /// What it would change, or why it would be refused.
    pub outcome: Result<ReloadReport, RefusedReload>,
    /// The files of merchants, by path.
    pub files: Vec<MerchantFile>,
    /// The text of the file of one merchant; `None`: the caller named no merchant, or it has no file.
    pub text: Option<String>,
}

impl ReloadPreview {
    /// A preview without a difference and without files.
    #[must_use]
    pub fn unchanged() -> Self {
        Self { outcome: Ok(ReloadReport::default()), files: Vec::new(), text: None }
    }
}

/// What a reload would change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReloadPreview")]
pub(crate) struct PreviewDocument {
    /// Whether a reload would take effect.
    is_valid: bool,
    /// The version of the rules after it. `null`: it would be refused.
    #[schemars(with = "Option<VersionText>")]
    config_version: Option<String>,
    /// What it would change.
    #[serde(flatten)]
    differences: DifferenceLists,
    /// Why it would be refused.
    #[schemars(with = "Vec<SentenceText>")]
    problems: Vec<String>,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// Settings whose new value takes effect at a restart.
    #[schemars(with = "Vec<SentenceText>")]
    restart_needed: Vec<String>,
    /// The files of merchants, by path.
    files: Vec<MerchantFile>,
    /// The text of the file of the merchant in the query. `null`: the query names none, or it has no file.
    #[schemars(extend("maxLength" = 262_144, "examples" = ["id = \"shop\""]))]
    text: Option<String>,
}

impl PreviewDocument {
    /// The document of a preview, for a token for all merchants.
    pub(crate) fn of(preview: ReloadPreview) -> Self {
        let ReloadPreview { outcome, files, text } = preview;
        let none: [&Difference; 0] = [];
        match outcome {
            Ok(report) => {
                let differences: Vec<&Difference> = report.differences.iter().collect();
                Self {
                    is_valid: true,
                    differences: DifferenceLists::new(&differences),
                    problems: Vec::new(),
                    warnings: first_lines(report.warnings.iter()),
                    restart_needed: report.restart_needed,
                    config_version: Some(report.version),
                    files,
                    text,
                }
            }
            Err(refused) => Self {
                is_valid: false,
                differences: DifferenceLists::new(&none),
                problems: first_lines(refused.of(Severity::Error)),
                warnings: first_lines(refused.of(Severity::Warning)),
                restart_needed: Vec::new(),
                config_version: None,
                files,
                text,
            },
        }
    }
}
