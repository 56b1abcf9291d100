//! `[http]` and `[admin]` of `levelgate.toml`: the addresses of the daemon and the limits of connections.

use crate::config::{
    daemon::settings::{Admin, Http, Tls},
    parse::{
        located::{Located, value_or},
        section::Section,
    },
    report::{file_report::FileReport, source::Span},
};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// The largest `max_body_bytes`: a gibibyte.
const BODY_BYTES_MAX: u64 = 1 << 30;
/// The longest path of a Unix socket, without the zero at its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The longest timeout in seconds: an hour.
const TIMEOUT_S_MAX: u64 = 3_600;

/// Places of `[http]`, for checks of its files.
#[derive(Debug, Default)]
pub(in crate::config) struct HttpSpans {
    /// The place of `unix_socket`.
    pub(in crate::config) unix_socket: Option<Span>,
    /// The places of `tls`.
    pub(in crate::config) tls: TlsSpans,
}

/// Places of `[http] tls`.
#[derive(Debug, Default)]
pub(in crate::config) struct TlsSpans {
    pub(in crate::config) certificate: Span,
    pub(in crate::config) key: Span,
    pub(in crate::config) client_ca: Span,
}

/// Reads `[http]`. `entries` is the number of tokens and certificates.
pub(in crate::config) fn http(s: &Section<'_>, entries: usize) -> (Http, HttpSpans) {
    let default = Http::default();
    let listen = listen(s, entries).map_or(default.listen, |at| at.value);
    let size = |at: &Option<Located<u64>>, default: usize| {
        at.as_ref().and_then(|at| usize::try_from(at.value).ok()).unwrap_or(default)
    };
    let inflight = s.whole("max_inflight_bytes", 1 << 20..=1 << 40);
    let unix_socket = s.nonempty("unix_socket");
    let mode = s.nonempty("unix_socket_mode").and_then(|at| file_mode(&at, s.report));
    let backlog = s.whole("listen_backlog", 1..=65_535).and_then(|at| u32::try_from(at.value).ok());
    let tls = s.table("tls", "tls").and_then(|table| tls(&table));
    let (tls, tls_spans) = tls.map_or((None, TlsSpans::default()), |(tls, spans)| (Some(tls), spans));
    let mut http = Http {
        listen,
        unix_socket: unix_socket.as_ref().map(|at| PathBuf::from(&at.value)),
        unix_socket_mode: mode.unwrap_or(default.unix_socket_mode),
        tls,
        max_body_bytes: size(&s.whole("max_body_bytes", 1..=BODY_BYTES_MAX), default.max_body_bytes),
        max_connections: size(&s.whole("max_connections", 1..=1_000_000), default.max_connections),
        listen_backlog: backlog.unwrap_or(default.listen_backlog),
        max_header_bytes: size(&s.whole("max_header_bytes", 8_192..=1 << 20), default.max_header_bytes),
        header_timeout_s: value_or(&s.whole("header_timeout_s", 1..=TIMEOUT_S_MAX), default.header_timeout_s),
        body_timeout_s: value_or(&s.whole("body_timeout_s", 1..=TIMEOUT_S_MAX), default.body_timeout_s),
        min_upload_bytes_per_s: value_or(
            &s.whole("min_upload_bytes_per_s", 1..=1 << 30),
            default.min_upload_bytes_per_s,
        ),
        max_inflight_bytes: size(&inflight, default.max_inflight_bytes),
        max_batches: size(&s.whole("max_batches", 1..=65_536), default.max_batches),
    };
    let needed = http.inflight_bytes_needed();
    if http.max_inflight_bytes < needed {
        if let Some(at) = inflight {
            let message = format!("`max_inflight_bytes = {}` is not enough for one batch", at.value);
            let help = format!("write {needed} or more, or a smaller max_body_bytes");
            s.report.error(&at.span, message, help);
        }
        // The daemon must be able to read every body that `max_body_bytes` allows.
        http.max_inflight_bytes = needed;
    }
    s.close();
    (http, HttpSpans { unix_socket: unix_socket.map(|at| at.span), tls: tls_spans })
}

/// The mode of a file in octal digits, as `chmod` takes it.
fn file_mode(at: &Located<String>, report: &FileReport) -> Option<u32> {
    let is_octal = |text: &&str| text.len() == 3 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let digits = Some(at.value.strip_prefix('0').unwrap_or(&at.value)).filter(is_octal);
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    if mode.is_none() {
        report.error(&at.span, format!("`{}` is no mode of a file", at.value), "write octal digits, such as \"0660\"");
    }
    mode
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// Reports a path at which the daemon cannot create a Unix socket.
pub(in crate::config) fn check_socket_path(path: &Path, place: &Span, report: &FileReport) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display();
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let message = format!("`unix_socket` is longer than {SOCKET_PATH_BYTES_MAX} bytes");
        report.error(place, message, "write a shorter path");
    } else if !folder.is_dir() {
        let message = format!("the folder of `unix_socket`, {}, does not exist", folder.display());
        report.error(place, message, "create the folder, or write another path");
    } else if fs::symlink_metadata(path).is_ok() && !is_socket(path) {
        let message = format!("`unix_socket` names {shown}, which exists and is no socket");
        report.error(place, message, "remove the file, or write another path");
    }
}

/// Reads `[admin]`. The address of the main listener is an error; so is an address that other machines can reach if no token
/// is configured: `entries` is the number of tokens, because this listener sees no certificate.
pub(in crate::config) fn admin(s: &Section<'_>, http: &Http, entries: usize) -> Admin {
    let listen = listen(s, entries);
    if let Some(at) = listen.as_ref().filter(|at| overlap(at.value, http.listen)) {
        let message = format!("`{}` is taken by [http] listen", at.value);
        s.report.error(&at.span, message, "write another port: the admin listener needs a separate one");
    }
    s.close();
    Admin { listen: listen.map(|at| at.value) }
}

/// Whether two listeners cannot both have their address. Port 0 means any free port.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// The `listen` of a section. An address that other machines can reach needs tokens or certificates.
fn listen(s: &Section<'_>, entries: usize) -> Option<Located<SocketAddr>> {
    let written = s.nonempty("listen")?;
    let listen = address(&written, s.report)?;
    if entries == 0 && !listen.ip().is_loopback() {
        let message = format!("`{}` can be reached from other machines, and no tokens are configured", written.value);
        s.report.error(
            &written.span,
            message,
            "write tokens = [{ role = \"gateway\", token_file = \"...\" }] under [auth], or listen on 127.0.0.1",
        );
    }
    Some(Located { value: listen, span: written.span })
}

fn address(at: &Located<String>, report: &FileReport) -> Option<SocketAddr> {
    let address = at.value.parse().ok();
    if address.is_none() {
        let help = "write an IP address and a port, such as \"127.0.0.1:7400\" or \"[::1]:7400\"";
        report.error(&at.span, format!("`{}` is no address to listen on", at.value), help);
    }
    address
}

fn tls(s: &Section<'_>) -> Option<(Tls, TlsSpans)> {
    let needed = |key| s.required_text(key, "write the path of the file: certificate and key are both needed");
    let (certificate, key, client_ca) = (needed("certificate"), needed("key"), s.nonempty("client_ca"));
    s.close();
    let (certificate, key) = (certificate?, key?);
    let spans = TlsSpans {
        certificate: certificate.span,
        key: key.span,
        client_ca: client_ca.as_ref().map(|at| at.span.clone()).unwrap_or_default(),
    };
    let tls = Tls {
        certificate: PathBuf::from(certificate.value),
        key: PathBuf::from(key.value),
        client_ca: client_ca.map(|at| PathBuf::from(at.value)),
    };
    Some((tls, spans))
}
