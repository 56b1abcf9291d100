//! The folder and its files, before anything in them is understood.

use crate::config::{
    parse::{read::Section, source::Source},
    report::{
        problem::{Problem, Severity},
        report::Report,
    },
};
use std::{fs, io, path::Path};
use toml::de::DeTable;

/// The most bytes of one file.
const FILE_BYTES_MAX: usize = 64 << 20;

/// One file of the folder, read.
pub(in crate::config) struct File {
    /// Its name in the folder, the same on every machine.
    pub(in crate::config) name: String,
    /// Its content.
    pub(in crate::config) bytes: Vec<u8>,
    /// What is wrong with it so far.
    pub(in crate::config) report: Report,
    readable: bool,
}

impl File {
    /// Reads a file; `None` where there is none, or where it cannot be read, which is a problem.
    pub(in crate::config) fn read(dir: &Path, name: String, problems: &mut Vec<Problem>) -> Option<Self> {
        let path = dir.join(&name);
        let shown = path.display().to_string();
        let bytes = match fs::read(&path) {
            Ok(bytes) if bytes.len() <= FILE_BYTES_MAX => bytes,
            Ok(_) => {
                let message = format!("the file holds more than {} MiB", FILE_BYTES_MAX >> 20);
                problems.push(Problem::of_file(Severity::Error, shown, message, "split it: one merchant a file"));
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let message = format!("the file cannot be read: {}", error.kind());
                let help = "it must be a file that the daemon's user may read";
                problems.push(Problem::of_file(Severity::Error, shown, message, help));
                return None;
            }
        };
        let valid = std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let report = Report::new(Source { path: shown, text });
        if let Err(at) = valid {
            report.error(&(at..at + 1), "the file is not UTF-8 from here on", "save it as UTF-8");
        }
        let readable = valid.is_ok();
        Some(Self { name, bytes, report, readable })
    }

    /// Parses the file and hands its top level to a reader; `None` where it is no TOML, which is reported.
    pub(in crate::config) fn parse<T>(
        &self,
        what: &'static str,
        reader: impl FnOnce(&Section<'_, '_>) -> T,
    ) -> Option<T> {
        if !self.readable {
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(&self.report.source.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            self.report.error(
                &span,
                format!("this is not TOML: {}", error.message().trim()),
                help_for(error.message()),
            );
        }
        if !errors.is_empty() {
            return None;
        }
        Some(reader(&Section::new(&self.report, table.get_ref(), what, 0..0)))
    }
}

/// What to write instead; the parser says only what it did not find.
fn help_for(message: &str) -> &'static str {
    let helps = [
        ("duplicate", "write each key and each [table] once"),
        ("string values must be quoted", "put texts in quotes, as \"card\"; numbers, true and false stand without"),
        ("unclosed table", "close the header, as [http] or [[gates]]"),
        ("unclosed array", "close the list with ]"),
        ("basic string", "close the text with a quote on the same line; a backslash in it is written twice"),
        ("extra", "end the line here: one key = value a line"),
    ];
    let known = helps.iter().find(|(part, _)| message.contains(part));
    known.map_or("write key = value lines below [tables]; https://toml.io shows the format", |(_, help)| help)
}

/// What is wrong with the folder itself.
pub(in crate::config) fn no_folder(dir: &Path) -> Option<Problem> {
    let problem = |message: &str| {
        let help = "make it, or name another folder";
        Some(Problem::of_file(Severity::Error, dir.display().to_string(), message.to_owned(), help))
    };
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => problem("this is a file, not a configuration folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => problem("there is no such configuration folder"),
        Err(error) => problem(&format!("the configuration folder cannot be read: {}", error.kind())),
    }
}

/// The names of the merchants' files, sorted; as everywhere, `*.toml` does not mean hidden files.
pub(in crate::config) fn merchant_names(dir: &Path, problems: &mut Vec<Problem>) -> Vec<String> {
    let folder = dir.join("merchants");
    let mut unreadable = |error: &io::Error| {
        let message = format!("the folder cannot be read: {}", error.kind());
        let help = "it must be a folder that the daemon's user may read";
        problems.push(Problem::of_file(Severity::Error, folder.display().to_string(), message, help));
    };
    let mut names = Vec::new();
    match fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => names.push(entry.file_name().to_string_lossy().into_owned()),
                    Err(error) => unreadable(&error),
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => unreadable(&error),
    }
    names.retain(|name| name.ends_with(".toml") && !name.starts_with('.'));
    names.sort_unstable();
    names.into_iter().map(|name| format!("merchants/{name}")).collect()
}
