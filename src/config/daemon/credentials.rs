//! The files of the tokens, which a daemon and `levelgate check` read.
//!
//! Only the digest of a token stays in memory. No message contains a token.

use crate::config::{
    daemon::{
        secret_file::{SECRET_BYTES_MAX, open_to_others, read_file, unreadable},
        settings::Token,
    },
    report::{file_report::FileReport, problem::RelatedPlace, source::Span},
};
use crate::domain::vocabulary::time::{DAY_MS, Millis};
use sha2::{Digest, Sha256};

/// The fewest bytes of a token.
const TOKEN_BYTES_MIN: usize = 16;
/// A token that expires within this time gets a warning.
const WARN_BEFORE_MS: i64 = 30 * DAY_MS;

/// A token that a request may present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its entry under `[auth]`.
    pub token: Token,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
}

/// The tokens whose files were read.
#[derive(Debug, Default)]
pub(in crate::config) struct LoadedCredentials {
    pub(in crate::config) credentials: Vec<Credential>,
    /// The warnings of the report, in words for the log.
    pub(in crate::config) warnings: Vec<String>,
}

/// Reads the file of each token. `places` are the places of `token_file`, in the order of the tokens; `now` is the wall
/// clock. Errors: a file that cannot be read, a text that is not a valid token, a text that two tokens share. Warnings: a
/// file that other users can read, a token that expires within 30 days.
pub(in crate::config) fn load_credentials(
    tokens: &[Token],
    places: &[Span],
    report: &FileReport,
    now: Millis,
) -> LoadedCredentials {
    let mut loaded = LoadedCredentials::default();
    let mut known: Vec<([u8; 32], &Token, &Span)> = Vec::new();
    for (token, place) in tokens.iter().zip(places) {
        let path = token.token_file.display();
        let mut warn = |message: String, help: String| {
            loaded.warnings.push(format!("{message}; {help}"));
            report.warning(place, message, help);
        };
        warn_of_expiry(token, now, &mut warn);
        let (text, mode) = match read_file(&token.token_file, SECRET_BYTES_MAX) {
            Ok(file) => file,
            Err(error) => {
                let help = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        format!("make one: `(umask 077; openssl rand -base64 32 > {path})`, or correct `token_file`")
                    }
                    _ => "write a file of at most 4,096 bytes that the daemon's user may read".to_owned(),
                };
                report.error(place, format!("the token file {path} {}", unreadable(&token.token_file, &error)), help);
                continue;
            }
        };
        if let Some(message) = open_to_others("token file", &token.token_file, mode) {
            warn(message, format!("run `chmod 600 {path}`"));
        }
        let text = text.trim_ascii();
        if text.len() < TOKEN_BYTES_MIN {
            let message = format!("the token in {path} is shorter than {TOKEN_BYTES_MIN} bytes");
            report.error(place, message, "write a random token; `openssl rand -base64 32` makes one");
            continue;
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            let message = format!("the token in {path} contains white space or bytes that an HTTP header cannot carry");
            report.error(place, message, "write one line of printable ASCII without spaces");
            continue;
        }
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some((_, first, span)) = known.iter().find(|(known, ..)| *known == digest) {
            let message = format!("the tokens `{}` and `{}` have the same text", first.name, token.name);
            let also = RelatedPlace::new(&report.source, span, "the other token");
            report.error_with(place, message, "write another text for one of the tokens", also);
            continue;
        }
        known.push((digest, token, place));
        loaded.credentials.push(Credential { token: token.clone(), digest });
    }
    loaded
}

fn warn_of_expiry(token: &Token, now: Millis, warn: &mut dyn FnMut(String, String)) {
    let Some(expires) = token.expires else { return };
    let help = || "write a new token and a later `expires`, or remove the entry".to_owned();
    if expires <= now {
        warn(format!("the token `{}` expired at {expires}: calls with it get 401", token.name), help());
    } else if now.plus(WARN_BEFORE_MS) >= expires {
        let days = expires.since(now) / DAY_MS;
        warn(format!("the token `{}` expires at {expires}, in {days} days", token.name), help());
    }
}
