//! The settings of the daemon and the minor units of currencies.

use crate::config::{
    daemon::{
        redis_settings::{Redis, RedisTimeouts},
        settings::{
            Admin, Clock, Console, ConsolePeople, ConsoleUser, Http, Log, Memory, Settings, Store, Telemetry, Tls,
        },
    },
    diff::item::{Field, Item, ItemRole},
};
use crate::domain::vocabulary::{
    money::{Currencies, Currency},
    time::Millis,
};
use std::path::Path;

/// The settings that take effect at a start only.
pub(in crate::config::diff) fn restart_settings(settings: &Settings) -> Item {
    // Tokens, currencies and the level of the log take effect at a reload; they are described separately.
    let Settings { http, admin, auth: _, clock, store, memory, console, log, telemetry, currencies: _, redis } =
        settings;
    let mut fields = http_fields(http);
    let Admin { listen } = admin;
    fields.push(Field::optional("[admin] listen", listen.map(|address| address.to_string())));
    fields.extend(clock_fields(clock));
    fields.extend(store_fields(store));
    fields.extend(memory_fields(memory));
    fields.extend(console_fields(console));
    let Log { level: _, format } = log;
    fields.push(Field::optional("[log] format", format.map(|format| format.word().to_owned())));
    let Telemetry { otlp_endpoint } = telemetry;
    fields.push(Field::optional("[telemetry] otlp_endpoint", otlp_endpoint.clone()));
    fields.extend(redis_fields(redis.as_ref()));
    Item { key: String::new(), title: String::new(), role: ItemRole::RestartSettings, fields, lists: Vec::new() }
}

fn path_text(path: &Path) -> String {
    format!("{path:?}")
}

fn http_fields(http: &Http) -> Vec<Field> {
    let Http {
        listen,
        unix_socket,
        unix_socket_mode,
        tls,
        max_body_bytes,
        max_connections,
        listen_backlog,
        max_header_bytes,
        header_timeout_s,
        body_timeout_s,
        min_upload_bytes_per_s,
        max_inflight_bytes,
        max_batches,
    } = http;
    vec![
        Field::new("[http] listen", listen),
        Field::optional("[http] unix_socket", unix_socket.as_ref().map(|path| path_text(path))),
        Field::new("[http] unix_socket_mode", format!("{unix_socket_mode:04o}")),
        // Its files are read again at a reload; they are described separately.
        Field::new("[http] tls", if tls.is_some() { "on" } else { "off" }),
        Field::new("[http] max_body_bytes", max_body_bytes),
        Field::new("[http] max_connections", max_connections),
        Field::new("[http] listen_backlog", listen_backlog),
        Field::new("[http] max_header_bytes", max_header_bytes),
        Field::new("[http] header_timeout_s", header_timeout_s),
        Field::new("[http] body_timeout_s", body_timeout_s),
        Field::new("[http] min_upload_bytes_per_s", min_upload_bytes_per_s),
        Field::new("[http] max_inflight_bytes", max_inflight_bytes),
        Field::new("[http] max_batches", max_batches),
    ]
}

fn console_fields(console: &Console) -> Vec<Field> {
    let Console { enabled, secure_cookie, people, four_eyes } = console;
    let mut fields =
        vec![Field::new("[console] enabled", enabled), Field::new("[console] secure_cookie", secure_cookie)];
    let (header, proxies, users) = people.as_ref().map_or_else(Default::default, |people| {
        let ConsolePeople { user_header, trusted_proxies, users } = people;
        let proxies: Vec<String> = trusted_proxies.iter().map(ToString::to_string).collect();
        let user = |user: &ConsoleUser| format!("{} ({})", user.name, user.role.word());
        let users = users.as_ref().map(|users| users.iter().map(user).collect::<Vec<_>>().join(", "));
        (Some(user_header.clone()), Some(proxies.join(", ")), users)
    });
    fields.push(Field::optional("[console] user_header", header));
    fields.push(Field::optional("[console] trusted_proxies", proxies));
    fields.push(Field::optional("[console] users", users));
    let writes: Vec<&str> = four_eyes.iter().map(|write| write.word()).collect();
    fields.push(Field::optional("[console] four_eyes", (!writes.is_empty()).then(|| writes.join(", "))));
    fields
}

fn clock_fields(clock: &Clock) -> Vec<Field> {
    let Clock { source, max_past_ms, max_future_ms } = clock;
    vec![
        Field::new("[clock] source", source.word()),
        Field::new("[clock] max_past_seconds", max_past_ms / 1_000),
        Field::new("[clock] max_future_seconds", max_future_ms / 1_000),
    ]
}

fn store_fields(store: &Store) -> Vec<Field> {
    let Store {
        kind,
        path,
        sync,
        sync_interval_ms,
        snapshot_interval_s,
        snapshot_records,
        segment_bytes,
        min_free_bytes,
        stop_snapshot_s,
    } = store;
    vec![
        Field::new("[store] kind", kind.word()),
        Field::new("[store] path", path_text(path)),
        Field::new("[store] sync", sync.word()),
        Field::new("[store] sync_interval_ms", sync_interval_ms),
        Field::new("[store] snapshot_interval_s", snapshot_interval_s),
        Field::new("[store] snapshot_records", snapshot_records),
        Field::new("[store] segment_bytes", segment_bytes),
        Field::optional("[store] min_free_bytes", min_free_bytes.map(|bytes| bytes.to_string())),
        Field::new("[store] stop_snapshot_s", stop_snapshot_s),
    ]
}

fn memory_fields(memory: &Memory) -> Vec<Field> {
    let Memory { retention_days, max_transactions, archive_days, huge_pages } = memory;
    vec![
        Field::new("[memory] retention_days", retention_days),
        Field::new("[memory] max_transactions", max_transactions),
        Field::new("[memory] archive_days", archive_days),
        Field::new("[memory] huge_pages", huge_pages),
    ]
}

fn redis_fields(redis: Option<&Redis>) -> Vec<Field> {
    let Some(redis) = redis else { return Vec::new() };
    let Redis {
        url,
        ack,
        on_outage,
        lease_ms,
        renew_ms,
        prefix,
        snapshot_interval_s,
        key_file,
        password_file,
        ca,
        timeouts: RedisTimeouts { connect_ms, response_ms, total_ms },
    } = redis;
    vec![
        // The address may contain a password.
        Field::secret("[redis] url", Some(url.as_str().to_owned())),
        Field::new("[redis] ack", ack),
        Field::new("[redis] on_outage", on_outage.word()),
        Field::new("[redis] lease_ms", lease_ms),
        Field::new("[redis] renew_ms", renew_ms),
        Field::new("[redis] prefix", prefix),
        Field::new("[redis] snapshot_interval_s", snapshot_interval_s),
        Field::new("[redis] key_file", path_text(key_file)),
        Field::optional("[redis] password_file", password_file.as_ref().map(|path| path_text(path))),
        Field::optional("[redis] ca", ca.as_ref().map(|path| path_text(path))),
        Field::new("[redis] timeouts.connect_ms", connect_ms),
        Field::new("[redis] timeouts.response_ms", response_ms),
        Field::new("[redis] timeouts.total_ms", total_ms),
    ]
}

/// The files of TLS and the end of its certificate, which take effect at a reload.
pub(in crate::config::diff) fn tls_files(tls: Option<&Tls>, certificate_end: Option<Millis>) -> Item {
    let fields = tls.map(|Tls { certificate, key, client_ca }| {
        vec![
            Field::new("[http] tls.certificate", path_text(certificate)),
            Field::new("[http] tls.key", path_text(key)),
            Field::optional("[http] tls.client_ca", client_ca.as_ref().map(|path| path_text(path))),
            Field::optional("the certificate of [http] tls is valid until", certificate_end.map(|end| end.to_string())),
        ]
    });
    let fields = fields.unwrap_or_default();
    Item { key: String::new(), title: String::new(), role: ItemRole::Other, fields, lists: Vec::new() }
}

/// The level of the log, which takes effect at a reload.
pub(in crate::config::diff) fn log_level(log: &Log) -> Item {
    let fields = vec![Field::optional("[log] level", log.level.map(|level| level.word().to_owned()))];
    Item { key: String::new(), title: String::new(), role: ItemRole::Other, fields, lists: Vec::new() }
}

/// The minor units of all currencies that differ from ISO 4217.
pub(in crate::config::diff) fn currencies(currencies: &Currencies) -> Item {
    let standard = Currencies::default();
    let differing = Currency::every().filter(|code| currencies.minor_units(*code) != standard.minor_units(*code));
    let field = |code: Currency| {
        let units = currencies.minor_units(code).map(|units| format!("{units} minor units"));
        Field::optional(format!("[currencies] {code}"), units)
    };
    Item {
        key: String::new(),
        title: String::new(),
        role: ItemRole::Other,
        fields: differing.map(field).collect(),
        lists: Vec::new(),
    }
}
