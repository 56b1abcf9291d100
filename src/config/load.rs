//! Loads a configuration folder.

use crate::config::{
    compile,
    daemon::{
        credentials::{self, Credential},
        levelgate_toml, listeners,
        redis_files::{self, RedisFiles},
        settings::Settings,
        tls_files::{self, TlsFiles},
    },
    diff::ComparedConfiguration,
    lint::{context::LintContext, merchant::lint_merchant},
    load::{
        merchant_ids::MerchantIds,
        statements::{MerchantStatements, Statements},
    },
    parse::{
        config_file::{ConfigFile, Presence, check_folder, merchant_file_names},
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
use crate::scheduling::give_way;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

mod merchant_ids;
pub(super) mod statements;

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
    /// The warnings about tokens and about the files of `[redis]` and `[http] tls`, in words for the log.
    pub token_warnings: Vec<String>,
    /// The contents of the files of `[redis]`; `None`: there is no `[redis]`, or its files were not read.
    pub redis_files: Option<RedisFiles>,
    /// What the files of `[http] tls` give; `None`: there is no `tls`, or its files were not read.
    pub tls_files: Option<TlsFiles>,
    /// The merchant of each merchant's file, by the path of the file as the user named the folder.
    pub owners: BTreeMap<String, Name>,
    /// The folder, as the user named it.
    pub folder: PathBuf,
    /// The empty parts that the files state on purpose.
    pub statements: Statements,
}

impl Loaded {
    /// These files for a comparison. `rules` are those that are made of them.
    #[must_use]
    pub fn compared<'a>(&'a self, rules: &'a Rules) -> ComparedConfiguration<'a> {
        ComparedConfiguration {
            rules,
            settings: &self.settings,
            credentials: Some(&self.credentials),
            certificate_end: self.tls_files.as_ref().map(TlsFiles::expires),
        }
    }

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
        Err(Problems::new(list, self.owners))
    }
}

/// Loads a configuration folder: `levelgate.toml`, `rates.toml` and `merchants/*.toml`, all of them optional. The files
/// of tokens, of `[redis]` and of `[http] tls` are not read.
///
/// # Errors
/// All problems of all files, if one of them is an error.
pub fn load(folder: &Path) -> Result<Loaded, Problems> {
    load_folder(folder, None)
}

/// Loads a configuration folder and the files of its tokens, of `[redis]` and of `[http] tls`, as a daemon does. `now` is the wall clock.
///
/// # Errors
/// All problems of all files, if one of them is an error; a token file that cannot be read is one.
pub fn load_with_tokens(folder: &Path, now: Millis) -> Result<Loaded, Problems> {
    load_folder(folder, Some(now))
}

fn load_folder(folder: &Path, now: Option<Millis>) -> Result<Loaded, Problems> {
    if let Some(problem) = check_folder(folder) {
        return Err(Problems::new(vec![problem], BTreeMap::new()));
    }
    let mut problems = Vec::new();
    let mut optional = |name: &str| ConfigFile::read(folder, name.to_owned(), Presence::Optional, &mut problems);
    let (daemon_file, rates_file) = (optional("levelgate.toml"), optional("rates.toml"));
    let names = merchant_file_names(folder, &mut problems);
    if names.is_empty() && problems.is_empty() {
        problems.push(no_merchants(folder));
    }
    let has_files = !names.is_empty();
    let mut listed = |name| ConfigFile::read(folder, name, Presence::Listed, &mut problems);
    let merchant_files: Vec<ConfigFile> = names.into_iter().filter_map(&mut listed).collect();

    let parsed = daemon_file.as_ref().and_then(|file| file.parse("levelgate.toml", levelgate_toml::settings));
    let (settings, spans) = parsed.unwrap_or_default();
    let currencies = levelgate_toml::currencies(&settings);
    let (rates, rates_known) = load_rates(rates_file.as_ref(), &currencies);
    let mut merchants = load_merchants(&merchant_files, &currencies, rates_known.then_some(&*rates));
    merchants.statements.has_daemon_file = daemon_file.is_some();
    merchants.statements.has_no_tokens = spans.states_no_tokens;
    let version = digest(merchant_files.iter().chain(&rates_file));

    if let Some(file) = &daemon_file {
        merchants.ids.check_references(&spans.merchants, &file.report);
    }
    if let (Some(file), Some(_), Some(path), Some(place)) =
        (&daemon_file, now, &settings.http.unix_socket, &spans.http.unix_socket)
    {
        listeners::check_socket_path(path, place, &file.report);
    }
    let tokens = daemon_file
        .as_ref()
        .zip(now)
        .map(|(file, now)| credentials::load_credentials(&settings.auth.tokens, &spans.files, &file.report, now));
    let mut tokens = tokens.unwrap_or_default();
    let mut redis_files = None;
    if let (Some(file), Some(_), Some(redis)) = (&daemon_file, now, &settings.redis) {
        let (read, warnings) = redis_files::load_redis_files(redis, &spans.redis, &file.report);
        redis_files = read;
        tokens.warnings.extend(warnings);
    }
    let mut tls_files = None;
    if let (Some(file), Some(now), Some(tls)) = (&daemon_file, now, &settings.http.tls) {
        let (read, warnings) = tls_files::load_tls_files(tls, &spans.http.tls, &file.report, now);
        tls_files = read;
        tokens.warnings.extend(warnings);
    }
    let owners = merchants.ids.owners();
    let files = daemon_file.into_iter().chain(rates_file).chain(merchant_files);
    problems.extend(files.flat_map(|file| file.report.finish()));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        let settings_without_merchants = (!has_files).then(|| Box::new(settings));
        return Err(Problems { list: problems, owners, settings_without_merchants });
    }
    Ok(Loaded {
        rules: Rules { version, currencies, rates, merchants: merchants.compiled },
        settings,
        level_entries: merchants.level_entries,
        warnings: problems,
        credentials: tokens.credentials,
        token_warnings: tokens.warnings,
        redis_files,
        tls_files,
        owners,
        folder: folder.to_owned(),
        statements: merchants.statements,
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
    statements: Statements,
}

fn load_merchants(files: &[ConfigFile], currencies: &Currencies, rates: Option<&Rates>) -> LoadedMerchants {
    let mut loaded = LoadedMerchants::default();
    for file in files {
        give_way();
        let read = file.parse("a merchant's file", |s| (MerchantStatements::read(s), raw::merchant(s)));
        let id = read.as_ref().and_then(|(_, raw)| raw.id.as_ref());
        loaded.ids.add(id, &file.report);
        id.iter().zip(&read).for_each(|(id, (stated, _))| loaded.statements.add(id.value, *stated));
        let Some((_, raw)) = read.filter(|(stated, _)| !stated.is_removed) else { continue };
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
