//! The files of `[redis]`, which a daemon and `levelgate check` read. No message contains their contents.

use crate::config::{
    daemon::{
        redis_section::RedisSpans,
        redis_settings::Redis,
        secret_file::{SECRET_BYTES_MAX, open_to_others, read_file, unreadable},
    },
    report::{file_report::FileReport, source::Span},
};
use std::{fmt, path::Path};

/// The bytes of `key_file`.
const KEY_BYTES: usize = 32;
/// The most bytes of `ca`.
const CA_BYTES_MAX: u64 = 1 << 20;

/// The contents of the files of `[redis]`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisFiles {
    /// The key that wraps the customers' keys and the digest secret.
    pub wrapping_key: [u8; KEY_BYTES],
    /// The password, of its file or of the address.
    pub password: Option<String>,
    /// The authorities of the server's certificate, in PEM.
    pub ca: Option<Vec<u8>>,
}

impl fmt::Debug for RedisFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisFiles(secret)")
    }
}

/// Reads the files. Problems are reported; `None`: one of them is an error. The warnings are also returned, in words for the
/// log.
pub(in crate::config) fn load_redis_files(
    redis: &Redis,
    spans: &RedisSpans,
    report: &FileReport,
) -> (Option<RedisFiles>, Vec<String>) {
    let mut files = Files { report, warnings: Vec::new() };
    let key = files.key(&redis.key_file, &spans.key_file);
    let password = redis.password_file.as_ref().map(|path| files.password(path, &spans.password_file));
    let ca = redis.ca.as_ref().map(|path| files.ca(path, &spans.ca));
    let loaded = (|| {
        let password = password.map_or(Some(redis.url.password.clone()), |read| read.map(Some))?;
        let ca = ca.map_or(Some(None), |read| read.map(Some))?;
        Some(RedisFiles { wrapping_key: key?, password, ca })
    })();
    (loaded, files.warnings)
}

struct Files<'a> {
    report: &'a FileReport,
    warnings: Vec<String>,
}

impl Files<'_> {
    fn secret(&mut self, what: &str, path: &Path, place: &Span, help: &str) -> Option<Vec<u8>> {
        let shown = path.display();
        match read_file(path, SECRET_BYTES_MAX) {
            Ok((bytes, mode)) => {
                if let Some(message) = open_to_others(what, path, mode) {
                    let help = format!("run `chmod 600 {shown}`");
                    self.warnings.push(format!("{message}; {help}"));
                    self.report.warning(place, message, help);
                }
                Some(bytes)
            }
            Err(error) => {
                self.report.error(place, format!("the {what} {shown} {}", unreadable(path, &error)), help);
                None
            }
        }
    }

    fn key(&mut self, path: &Path, place: &Span) -> Option<[u8; KEY_BYTES]> {
        let shown = path.display();
        let help = format!(
            "restore the key of this instance, without which nothing in Redis can be read; for a new instance make one with \
             `openssl rand -out {shown} {KEY_BYTES}` and `chmod 600 {shown}`, and keep a copy"
        );
        let bytes = self.secret("key file", path, place, &help)?;
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok();
        if key.is_none() {
            let message = format!("the key file {shown} has {} bytes and not {KEY_BYTES}", bytes.len());
            self.report.error(place, message, help);
        }
        key
    }

    fn password(&mut self, path: &Path, place: &Span) -> Option<String> {
        let help = "write a file of at most 4,096 bytes that the daemon's user may read";
        let bytes = self.secret("password file", path, place, help)?;
        let password = std::str::from_utf8(bytes.trim_ascii()).ok().filter(|text| !text.is_empty());
        if password.is_none() {
            let message = format!("the password file {} is empty or is not UTF-8", path.display());
            self.report.error(place, message, "write the password into the file, in one line");
        }
        password.map(str::to_owned)
    }

    fn ca(&mut self, path: &Path, place: &Span) -> Option<Vec<u8>> {
        let help = "write the path of a PEM file with the authority that signed the server's certificate";
        let read = read_file(path, CA_BYTES_MAX).map_err(|error| unreadable(path, &error));
        let read = read.and_then(|(bytes, _)| {
            let has_certificate = String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----");
            has_certificate.then_some(bytes).ok_or_else(|| "contains no certificate in PEM".to_owned())
        });
        read.map_err(|flaw| self.report.error(place, format!("the file of `ca`, {}, {flaw}", path.display()), help))
            .ok()
    }
}
