//! One side of a comparison.

use crate::config::daemon::{credentials::Credential, settings::Settings};
use crate::domain::{rules::configuration::Rules, vocabulary::time::Millis};

/// A configuration to compare.
#[derive(Debug, Clone, Copy)]
pub struct ComparedConfiguration<'a> {
    /// The rules, with the overrides of the API where they are known.
    pub rules: &'a Rules,
    /// The settings of the daemon.
    pub settings: &'a Settings,
    /// The tokens with the digests of their texts; `None`: the files of tokens were not read, and texts are not compared.
    pub credentials: Option<&'a [Credential]>,
    /// When the certificate of `[http] tls` expires; `None`: there is none, or its file was not read.
    pub certificate_end: Option<Millis>,
}
