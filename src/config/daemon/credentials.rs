//! The files of the tokens: read where a daemon serves the folder, and where `check` looks at it.
//!
//! Only the digest of a token is kept. No message repeats a token.

use crate::config::{
    daemon::settings::Token,
    parse::source::Span,
    report::{problem::Also, report::Report},
};
use crate::domain::vocabulary::time::{DAY_MS, Millis};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// The fewest bytes of a token.
const TOKEN_BYTES_MIN: usize = 16;
/// The most bytes of a token's file.
const FILE_BYTES_MAX: u64 = 4_096;
/// So long before a token expires `check` warns of it.
const WARN_BEFORE_MS: i64 = 30 * DAY_MS;

/// A token that callers may present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its entry under `[auth]`.
    pub token: Token,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
}

/// What was read of the files of the tokens.
#[derive(Debug, Default)]
pub(in crate::config) struct Read {
    pub(in crate::config) credentials: Vec<Credential>,
    /// The warnings of the report in words for the log.
    pub(in crate::config) warnings: Vec<String>,
}

/// Reads the file of each token. `places` are where the files are named, in the order of the tokens; `now` is the wall
/// clock. A file that cannot be read, a text that cannot be a token, and a text that two tokens share are errors; a file
/// that others may read, and a token that expires within 30 days, are warnings.
pub(in crate::config) fn read(tokens: &[Token], places: &[Span], report: &Report, now: Millis) -> Read {
    let mut read = Read::default();
    let mut known: Vec<([u8; 32], &Token, &Span)> = Vec::new();
    for (token, place) in tokens.iter().zip(places) {
        let path = token.token_file.display();
        let mut warn = |message: String, help: String| {
            read.warnings.push(format!("{message}; {help}"));
            report.warning(place, message, help);
        };
        expiry(token, now, &mut warn);
        let (text, mode) = match contents(&token.token_file) {
            Ok(contents) => contents,
            Err(error) => {
                let help = "it must be a file of at most 4,096 bytes that the daemon's user may read";
                report.error(place, format!("the token file {path} cannot be read: {error}"), help);
                continue;
            }
        };
        if mode & 0o066 != 0 {
            let message = format!("the token file {path} has mode {:04o}: group or others can read it", mode & 0o7777);
            warn(message, format!("run `chmod 600 {path}`"));
        }
        let text = text.trim_ascii();
        if text.len() < TOKEN_BYTES_MIN {
            let message = format!("the token in {path} is shorter than {TOKEN_BYTES_MIN} bytes");
            report.error(place, message, "write a random token, as `openssl rand -base64 32` makes one");
            continue;
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            let message = format!("the token in {path} holds white space or bytes that no header can carry");
            report.error(place, message, "write one line of printable ASCII without spaces");
            continue;
        }
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some((_, first, span)) = known.iter().find(|(known, ..)| *known == digest) {
            let message = format!("the tokens `{}` and `{}` have the same text", first.name, token.name);
            let also = Also::new(&report.source, span, "the other one");
            report.error_with(place, message, "give each token a text of its own", also);
            continue;
        }
        known.push((digest, token, place));
        read.credentials.push(Credential { token: token.clone(), digest });
    }
    read
}

fn expiry(token: &Token, now: Millis, warn: &mut dyn FnMut(String, String)) {
    let Some(expires) = token.expires else { return };
    let help = || "write a new token and a later `expires`, or remove the entry".to_owned();
    if expires <= now {
        warn(format!("the token `{}` expired at {expires}: calls with it get 401", token.name), help());
    } else if now.plus(WARN_BEFORE_MS) >= expires {
        let days = expires.since(now) / DAY_MS;
        warn(format!("the token `{}` expires at {expires}, in {days} days", token.name), help());
    }
}

/// The bytes of a token's file, and its mode.
fn contents(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    // Opening a pipe would wait for its writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than a token's file may be"));
    }
    Ok((bytes, metadata.mode()))
}
