//! The configuration: the files as they are written, and their one fallible step into [`Rules`] and [`Settings`].
//!
//! [`load`] is the only door. It reads the whole folder and reports every problem that it finds at once, each with
//! its place; nothing behind it can fail for a reason that stands in a file. This room knows no clock and no request.

pub mod compile;
pub mod daemon;
pub(crate) mod effective;
pub mod lint;
pub mod parse;
pub mod report;
#[cfg(test)]
mod tests;
mod version;

pub use crate::config::daemon::credentials::Credential;
pub use crate::config::daemon::restart_settings::{changed_minor_units, incompatible};
pub use crate::config::daemon::settings::{
    Ack, Admin, Auth, Clock, ClockSource, Http, Memory, OnOutage, Redis, RedisUrl, Role, Settings, Store, StoreKind,
    Sync, Tls, Token,
};
pub use crate::config::effective::superseded;
pub use crate::config::parse::entry::Entry;
pub use crate::config::report::problem::{Also, Complaint, Problem, Problems, Severity, Style, render, tally};

use crate::config::lint::warn::Look;
use crate::config::parse::files::{File, merchant_names, no_folder};
use crate::config::parse::read::At;
use crate::config::parse::source::{Source, Span};
use crate::config::report::report::Report;
use crate::domain::{
    rules::configuration::Rules,
    usage::conversion::Rates,
    vocabulary::{names::Name, suggest, time::Millis},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A configuration that can be taken.
#[derive(Debug)]
pub struct Loaded {
    /// What decides.
    pub rules: Rules,
    /// What the daemon itself goes by.
    pub settings: Settings,
    /// What the merchants' files say of levels, as it is written.
    pub entries: Vec<Entry>,
    /// What can hardly be meant as it is written, in the order of files and lines.
    pub warnings: Vec<Problem>,
    /// The tokens; none where their files were not read: see [`load_with_tokens`].
    pub credentials: Vec<Credential>,
    /// The warnings about tokens, in words for the log.
    pub token_warnings: Vec<String>,
    /// The merchant of each of its files, by the path under the folder as it was typed.
    pub owners: BTreeMap<String, Name>,
}

impl Loaded {
    /// Takes every warning as an error.
    ///
    /// # Errors
    /// The warnings, where there are any.
    pub fn strict(self) -> Result<Self, Problems> {
        if self.warnings.is_empty() {
            return Ok(self);
        }
        let mut list = self.warnings;
        list.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        Err(Problems { list, owners: self.owners })
    }
}

/// Reads a configuration folder: `levelgate.toml`, `rates.toml` and `merchants/*.toml`, all of them optional. The files
/// of tokens are not read.
///
/// # Errors
/// Every problem of every file, where one of them is an error.
pub fn load(dir: &Path) -> Result<Loaded, Problems> {
    load_folder(dir, None)
}

/// Reads a configuration folder and the files of its tokens, as a daemon that serves it does. `now` is the wall clock.
///
/// # Errors
/// Every problem of every file, where one of them is an error; a token's file that cannot be read is one.
pub fn load_with_tokens(dir: &Path, now: Millis) -> Result<Loaded, Problems> {
    load_folder(dir, Some(now))
}

fn load_folder(dir: &Path, now: Option<Millis>) -> Result<Loaded, Problems> {
    if let Some(problem) = no_folder(dir) {
        return Err(Problems { list: vec![problem], owners: BTreeMap::new() });
    }
    let mut problems = Vec::new();
    let mut read = |name: String| File::read(dir, name, &mut problems);
    let daemon_file = read("levelgate.toml".to_owned());
    let rates_file = read("rates.toml".to_owned());
    let names = merchant_names(dir, &mut problems);
    if names.is_empty() && problems.is_empty() {
        problems.push(no_merchants(dir));
    }
    let merchant_files: Vec<File> = names.into_iter().filter_map(|name| File::read(dir, name, &mut problems)).collect();

    let read =
        daemon_file.as_ref().and_then(|file| file.parse("levelgate.toml", crate::config::daemon::read::settings));
    let (settings, places) = read.unwrap_or_default();
    let currencies = crate::config::daemon::read::currencies(&settings);
    let rates_version = digest(&rates_file);
    let read = rates_file.as_ref().and_then(|file| {
        file.parse("rates.toml", |section| crate::config::compile::rates::rates(section, &currencies, &rates_version))
            .flatten()
    });
    let rates_known = rates_file.is_none() || read.is_some();
    let rates = Arc::new(read.unwrap_or_else(|| Rates { version: rates_version.clone(), ..Rates::default() }));
    let mut merchants = crate::domain::vocabulary::names::Map::default();
    let (mut ids, mut entries) = (Ids::default(), Vec::new());
    for file in &merchant_files {
        let raw = file.parse("a merchant's file", crate::config::parse::raw::merchant);
        ids.note(raw.as_ref().and_then(|raw| raw.id.as_ref()), &file.report);
        let Some(raw) = raw else { continue };
        let Some(merchant) = crate::config::compile::merchant::merchant(&raw, &file.report, &currencies) else {
            continue;
        };
        let rates = rates_known.then_some(&*rates);
        crate::config::lint::warn::merchant(&Look {
            raw: &raw,
            merchant: &merchant,
            currencies: &currencies,
            rates,
            report: &file.report,
        });
        entries.extend(raw.levels.into_iter().filter_map(|level| level.entry(merchant.id)));
        merchants.insert(merchant.id.as_str(), Arc::new(merchant));
    }
    let version = digest(merchant_files.iter().chain(&rates_file));

    if let Some(file) = &daemon_file {
        ids.check(&places.merchants, &file.report);
    }
    let tokens = daemon_file.as_ref().zip(now).map(|(file, now)| {
        crate::config::daemon::credentials::read(&settings.auth.tokens, &places.files, &file.report, now)
    });
    let tokens = tokens.unwrap_or_default();
    let owners = ids.owners();
    let files = daemon_file.into_iter().chain(rates_file).chain(merchant_files);
    problems.extend(files.flat_map(|file| file.report.finish()));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems { list: problems, owners });
    }
    let rules = Rules { version, currencies, rates, merchants };
    let crate::config::daemon::credentials::Read { credentials, warnings: token_warnings } = tokens;
    Ok(Loaded { rules, settings, entries, warnings: problems, credentials, token_warnings, owners })
}

fn digest<'f>(files: impl IntoIterator<Item = &'f File>) -> String {
    version::of(files.into_iter().map(|file| (file.name.as_str(), file.bytes.as_slice())))
}

fn no_merchants(dir: &Path) -> Problem {
    let path = dir.join("merchants").display().to_string();
    let message = "there are no merchants: every request will be answered with 404".to_owned();
    Problem::of_file(Severity::Warning, path, message, "add a file for each merchant, as merchants/acme.toml")
}

/// The ids of all merchants, each with the place that defines it.
#[derive(Default)]
struct Ids {
    places: std::collections::HashMap<Name, (Arc<Source>, Span)>,
    /// Whether a file could not be read so far as to its id: then nobody can say which merchants are unknown.
    incomplete: bool,
}

impl Ids {
    fn note(&mut self, id: Option<&At<Name>>, report: &Report) {
        let Some(id) = id else {
            self.incomplete = true;
            return;
        };
        match self.places.get(&id.value) {
            Some((source, span)) => {
                let also = Also::new(source, span, "first defined here");
                let help = "one merchant a file, each with an id of its own";
                report.error_with(&id.span, format!("merchant `{}` is defined twice", id.value), help, also);
            }
            None => _ = self.places.insert(id.value, (Arc::clone(&report.source), id.span.clone())),
        }
    }

    /// The merchant of each file; of two files with one id it is the first one's.
    fn owners(&self) -> BTreeMap<String, Name> {
        self.places.iter().map(|(id, (source, _))| (source.path.clone(), *id)).collect()
    }

    fn check(&self, named: &[At<Name>], report: &Report) {
        for name in named.iter().filter(|name| !self.incomplete && !self.places.contains_key(&name.value)) {
            let mut known: Vec<&str> = self.places.keys().map(|id| id.as_str()).collect();
            known.sort_unstable();
            let help = match suggest::nearest(name.value.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add merchants/*.toml with this id".to_owned(),
            };
            report.error(&name.span, format!("unknown merchant `{}`", name.value), help);
        }
    }
}
