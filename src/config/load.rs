//! Loads a configuration folder.

use crate::config::{
    compile,
    daemon::{
        credentials::{self, Credential},
        levelgate_toml,
        settings::Settings,
    },
    lint::{context::LintContext, merchant::lint_merchant},
    merchant_ids::MerchantIds,
    parse::{
        config_file::{ConfigFile, check_folder, merchant_file_names},
        level_entry::LevelEntry,
        raw,
    },
    report::problem::{Problem, Problems, Severity},
    version,
};
use crate::domain::{
    rules::{configuration::Rules, merchant::Merchant, rates::Rates},
    vocabulary::{
        money::Currencies,
        names::{Map, Name},
        time::Millis,
    },
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A valid configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The rules of the files.
    pub rules: Rules,
    /// The settings of the daemon.
    pub settings: Settings,
    /// The levels of the merchants' files, as they are written.
    pub level_entries: Vec<LevelEntry>,
    /// Probable mistakes, in the order of files and lines.
    pub warnings: Vec<Problem>,
    /// The tokens; empty if their files were not read: see [`load_with_tokens`].
    pub credentials: Vec<Credential>,
    /// The warnings about tokens, in words for the log.
    pub token_warnings: Vec<String>,
    /// The merchant of each merchant's file, by the path of the file as the user named the folder.
    pub owners: BTreeMap<String, Name>,
}

impl Loaded {
    /// Treats every warning as an error.
    ///
    /// # Errors
    /// The warnings, if there are any.
    pub fn strict(self) -> Result<Self, Problems> {
        if self.warnings.is_empty() {
            return Ok(self);
        }
        let mut list = self.warnings;
        list.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        Err(Problems { list, owners: self.owners })
    }
}

/// Loads a configuration folder: `levelgate.toml`, `rates.toml` and `merchants/*.toml`, all of them optional. The files
/// of tokens are not read.
///
/// # Errors
/// All problems of all files, if one of them is an error.
pub fn load(folder: &Path) -> Result<Loaded, Problems> {
    load_folder(folder, None)
}

/// Loads a configuration folder and the files of its tokens, as a daemon does. `now` is the wall clock.
///
/// # Errors
/// All problems of all files, if one of them is an error; a token file that cannot be read is one.
pub fn load_with_tokens(folder: &Path, now: Millis) -> Result<Loaded, Problems> {
    load_folder(folder, Some(now))
}

fn load_folder(folder: &Path, now: Option<Millis>) -> Result<Loaded, Problems> {
    if let Some(problem) = check_folder(folder) {
        return Err(Problems { list: vec![problem], owners: BTreeMap::new() });
    }
    let mut problems = Vec::new();
    let daemon_file = ConfigFile::read(folder, "levelgate.toml".to_owned(), &mut problems);
    let rates_file = ConfigFile::read(folder, "rates.toml".to_owned(), &mut problems);
    let names = merchant_file_names(folder, &mut problems);
    if names.is_empty() && problems.is_empty() {
        problems.push(no_merchants(folder));
    }
    let merchant_files: Vec<ConfigFile> =
        names.into_iter().filter_map(|name| ConfigFile::read(folder, name, &mut problems)).collect();

    let parsed = daemon_file.as_ref().and_then(|file| file.parse("levelgate.toml", levelgate_toml::settings));
    let (settings, token_spans) = parsed.unwrap_or_default();
    let currencies = levelgate_toml::currencies(&settings);
    let (rates, rates_known) = load_rates(rates_file.as_ref(), &currencies);
    let merchants = load_merchants(&merchant_files, &currencies, rates_known.then_some(&*rates));
    let version = digest(merchant_files.iter().chain(&rates_file));

    if let Some(file) = &daemon_file {
        merchants.ids.check_references(&token_spans.merchants, &file.report);
    }
    let tokens = daemon_file
        .as_ref()
        .zip(now)
        .map(|(file, now)| credentials::load_credentials(&settings.auth.tokens, &token_spans.files, &file.report, now));
    let tokens = tokens.unwrap_or_default();
    let owners = merchants.ids.owners();
    let files = daemon_file.into_iter().chain(rates_file).chain(merchant_files);
    problems.extend(files.flat_map(|file| file.report.finish()));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems { list: problems, owners });
    }
    Ok(Loaded {
        rules: Rules { version, currencies, rates, merchants: merchants.compiled },
        settings,
        level_entries: merchants.level_entries,
        warnings: problems,
        credentials: tokens.credentials,
        token_warnings: tokens.warnings,
        owners,
    })
}

/// The rates, and whether they are known: an invalid file has none.
fn load_rates(file: Option<&ConfigFile>, currencies: &Currencies) -> (Arc<Rates>, bool) {
    let version = digest(file);
    let parsed = file.and_then(|file| {
        file.parse("rates.toml", |section| compile::rates::rates(section, currencies, &version)).flatten()
    });
    let is_known = file.is_none() || parsed.is_some();
    (Arc::new(parsed.unwrap_or_else(|| Rates { version, ..Rates::default() })), is_known)
}

/// The merchants of all merchants' files.
#[derive(Default)]
struct LoadedMerchants {
    ids: MerchantIds,
    level_entries: Vec<LevelEntry>,
    compiled: Map<&'static str, Arc<Merchant>>,
}

fn load_merchants(files: &[ConfigFile], currencies: &Currencies, rates: Option<&Rates>) -> LoadedMerchants {
    let mut loaded = LoadedMerchants::default();
    for file in files {
        let raw = file.parse("a merchant's file", raw::merchant);
        loaded.ids.add(raw.as_ref().and_then(|raw| raw.id.as_ref()), &file.report);
        let Some(raw) = raw else { continue };
        let Some(merchant) = compile::merchant::merchant(&raw, &file.report, currencies) else { continue };
        lint_merchant(&LintContext { raw: &raw, merchant: &merchant, currencies, rates, report: &file.report });
        loaded.level_entries.extend(raw.levels.into_iter().filter_map(|level| level.entry(merchant.id)));
        loaded.compiled.insert(merchant.id.as_str(), Arc::new(merchant));
    }
    loaded
}

fn digest<'f>(files: impl IntoIterator<Item = &'f ConfigFile>) -> String {
    version::version_of(files.into_iter().map(|file| (file.name.as_str(), file.bytes.as_slice())))
}

fn no_merchants(folder: &Path) -> Problem {
    let path = folder.join("merchants").display().to_string();
    let message = "there are no merchants: every request will be answered with 404".to_owned();
    Problem::of_file(Severity::Warning, path, message, "add a file for each merchant, such as merchants/acme.toml")
}
