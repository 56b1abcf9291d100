//! The files of the configuration folder: finding, reading, and parsing as TOML.

use crate::config::{
    parse::{section::Section, value::Table},
    report::{
        file_report::FileReport,
        problem::{Problem, Severity},
        source::Source,
    },
};
use std::{fs, io, path::Path};
use toml::de::DeTable;

/// The most bytes of one file.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A file of the folder.
pub(in crate::config) struct ConfigFile {
    /// Its path in the folder, such as `merchants/acme.toml`.
    pub(in crate::config) name: String,
    /// Its content.
    pub(in crate::config) bytes: Vec<u8>,
    /// The problems found so far.
    pub(in crate::config) report: FileReport,
    is_utf8: bool,
}

/// Whether a file must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Presence {
    /// It may be absent.
    Optional,
    /// The folder lists it.
    Listed,
}

impl ConfigFile {
    /// Reads a file; `None`: it is optional and does not exist, or it cannot be read, which is reported.
    pub(in crate::config) fn read(
        folder: &Path,
        name: String,
        presence: Presence,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let path = folder.join(&name);
        let shown = path.display().to_string();
        let bytes = match read_regular_file(&path) {
            Ok(bytes) => bytes,
            Err(Unreadable::Absent) if presence == Presence::Optional => return None,
            Err(error) => {
                let (message, help) = error.texts();
                problems.push(Problem::of_file(Severity::Error, shown, message, help));
                return None;
            }
        };
        let valid = std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let report = FileReport::new(Source { path: shown, text });
        if let Err(at) = valid {
            report.error(&(at..at + 1), "the file is not UTF-8 from here on", "save it as UTF-8");
        }
        let is_utf8 = valid.is_ok();
        Some(Self { name, bytes, report, is_utf8 })
    }

    /// Parses the file and passes its top level to `reader`; `None`: it is not TOML, which is reported.
    pub(in crate::config) fn parse<T>(&self, what: &'static str, reader: impl FnOnce(&Section<'_>) -> T) -> Option<T> {
        if !self.is_utf8 {
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
        let table = Table::from_toml(table.get_ref());
        Some(reader(&Section::new(&self.report, &table, what, 0..0)))
    }
}

/// Why a file of the folder has no content.
enum Unreadable {
    /// There is no entry of this name.
    Absent,
    /// The entry is a symbolic link that leads to no file.
    DanglingLink,
    /// The entry is a folder, a pipe or a device.
    NoRegularFile,
    /// The file is longer than [`FILE_BYTES_MAX`].
    TooLong,
    /// The system returned an error.
    Io(io::Error),
}

impl Unreadable {
    /// What is wrong, and the remedy.
    fn texts(&self) -> (String, &'static str) {
        match self {
            Self::Absent => (
                "the file cannot be read: the folder lists it, and it cannot be found".to_owned(),
                "give it a name in UTF-8, or check again if it was replaced in this moment",
            ),
            Self::DanglingLink => (
                "the file cannot be read: it is a symbolic link that leads to no file".to_owned(),
                "point the link to the file, or remove the link",
            ),
            Self::NoRegularFile => (
                "the file cannot be read: it is a folder, a pipe or a device".to_owned(),
                "put a regular file there, or give the entry a name that does not end in .toml",
            ),
            Self::TooLong => (
                format!("the file holds more than {} MiB", FILE_BYTES_MAX >> 20),
                "split it: write one merchant in each file",
            ),
            Self::Io(error) => {
                (format!("the file cannot be read: {}", error.kind()), "allow the daemon's user to read the file")
            }
        }
    }
}

/// The bytes of a regular file. A pipe is not opened, because that would wait for its other end.
fn read_regular_file(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let absent_or = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if fs::symlink_metadata(path).is_ok() => Unreadable::DanglingLink,
        io::ErrorKind::NotFound => Unreadable::Absent,
        _ => Unreadable::Io(error),
    };
    if !fs::metadata(path).map_err(absent_or)?.is_file() {
        return Err(Unreadable::NoRegularFile);
    }
    let bytes = fs::read(path).map_err(absent_or)?;
    if bytes.len() <= FILE_BYTES_MAX { Ok(bytes) } else { Err(Unreadable::TooLong) }
}

/// The remedy for a parser's message, which names only what the parser did not find.
fn help_for(message: &str) -> &'static str {
    let helps = [
        ("duplicate", "write each key and each [table] once"),
        (
            "string values must be quoted",
            "put texts in quotes, such as \"card\"; write numbers, true and false without quotes",
        ),
        ("unclosed table", "close the header, such as [http] or [[gates]]"),
        ("unclosed array", "close the list with ]"),
        ("basic string", "close the text with a quote on the same line; write a backslash twice"),
        ("extra", "end the line here: write one key = value a line"),
    ];
    let known = helps.iter().find(|(part, _)| message.contains(part));
    known.map_or("write key = value lines below [tables]; https://toml.io shows the format", |(_, help)| help)
}

/// The problem of the folder itself, if it has one.
pub(in crate::config) fn check_folder(folder: &Path) -> Option<Problem> {
    let problem = |message: &str| {
        let help = "create it, or name another folder";
        Some(Problem::of_file(Severity::Error, folder.display().to_string(), message.to_owned(), help))
    };
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => problem("this is a file, not a configuration folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => problem("there is no such configuration folder"),
        Err(error) => problem(&format!("the configuration folder cannot be read: {}", error.kind())),
    }
}

/// The names of the merchants' files, sorted. Hidden files are left out. A folder that exists and cannot be read is
/// reported; a missing one has no files.
pub(in crate::config) fn merchant_file_names(folder: &Path, problems: &mut Vec<Problem>) -> Vec<String> {
    let folder = folder.join("merchants");
    let mut report = |message: String, help: &str| {
        problems.push(Problem::of_file(Severity::Error, folder.display().to_string(), message, help));
    };
    let unreadable = |error: &io::Error| format!("the folder cannot be read: {}", error.kind());
    const ALLOW: &str = "allow the daemon's user to read the folder";
    let mut names = Vec::new();
    match fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => names.push(entry.file_name().to_string_lossy().into_owned()),
                    Err(error) => report(unreadable(&error), ALLOW),
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(&folder).is_ok() {
                let message = "the folder cannot be read: it is a symbolic link that leads to no folder".to_owned();
                report(message, "point the link to the folder of the merchants' files");
            }
        }
        Err(error) => report(unreadable(&error), ALLOW),
    }
    names.retain(|name| name.ends_with(".toml") && !name.starts_with('.'));
    names.sort_unstable();
    names.into_iter().map(|name| format!("merchants/{name}")).collect()
}
