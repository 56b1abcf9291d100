//! `levelgate.toml`: the settings of the daemon. Every key is optional.

use crate::config::{
    compile::duplicates::refuse_duplicates,
    daemon::{
        console_section,
        listeners::{self, HttpSpans},
        redis_section::{self, RedisSpans},
        settings::{Auth, CertificateRole, Clock, ClockSource, Log, Memory, RequestRate, Settings, Store, Sync, Token},
        telemetry_section::{HAS_TRACES, telemetry},
    },
    parse::{
        located::{Located, value_or},
        section::Section,
    },
    report::{file_report::FileReport, source::Span},
};
use crate::domain::vocabulary::{
    money::{Currencies, MINOR_UNITS_MAX},
    names::Name,
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Places of settings, for checks after all files are read.
#[derive(Debug, Default)]
pub(in crate::config) struct SettingSpans {
    /// The merchants that the tokens name.
    pub(in crate::config) merchants: Vec<Located<Name>>,
    /// The place of each token's `token_file`, in the order of the tokens.
    pub(in crate::config) files: Vec<Span>,
    /// The places of `[http]`.
    pub(in crate::config) http: HttpSpans,
    /// The places of `[redis]`.
    pub(in crate::config) redis: RedisSpans,
    /// `tokens = []`: there are none on purpose.
    pub(in crate::config) states_no_tokens: bool,
}

/// The longest intervals and skews, in seconds: a hundred years.
const SECONDS_MAX: u64 = 36_525 * 86_400;
/// The longest retention, in days: a hundred years.
const DAYS_MAX: u64 = 36_525;

/// Reads the file. Problems are reported; an invalid value is replaced by its default.
pub(in crate::config) fn settings(s: &Section<'_>) -> (Settings, SettingSpans) {
    let mut spans = SettingSpans::default();
    let (auth, entries) = s.table("auth", "[auth]").map(|table| auth(&table, &mut spans)).unwrap_or_default();
    let currencies = s.table("currencies", "[currencies]").map(|table| {
        let units = table.wholes_by_currency(&(0..=u64::from(MINOR_UNITS_MAX)));
        units
            .into_iter()
            .filter_map(|(currency, units)| Some((currency.value, u8::try_from(units.value).ok()?)))
            .collect()
    });
    let redis_table = s.table("redis", "[redis]");
    let has_redis = redis_table.as_ref().is_some_and(|table| !table.is_empty());
    let redis = redis_table.as_ref().and_then(redis_section::redis).map(|(redis, places)| {
        spans.redis = places;
        redis
    });
    let http =
        s.table("http", "[http]").map(|table| listeners::http(&table, entries.tokens + entries.certificates.len()));
    let (http, http_spans) = http.unwrap_or_default();
    spans.http = http_spans;
    if http.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
        for place in &entries.certificates {
            let help = "write client_ca = \"...\" under [http] tls: the authority of the clients' certificates";
            s.report.error(place, "without [http] tls.client_ca no client has a certificate", help);
        }
    }
    let admin = s.table("admin", "[admin]").map(|table| listeners::admin(&table, &http, entries.tokens));
    let console = s.table("console", "[console]");
    let console = console.map(|table| console_section::console(&table, &http, &auth, entries.tokens));
    let settings = Settings {
        http,
        admin: admin.unwrap_or_default(),
        auth,
        clock: s.table("clock", "[clock]").map(|table| clock(&table, has_redis)).unwrap_or_default(),
        store: s.table("store", "[store]").map(|table| store(&table, has_redis)).unwrap_or_default(),
        memory: s.table("memory", "[memory]").map(|table| memory(&table)).unwrap_or_default(),
        console: console.unwrap_or_default(),
        log: s.table("log", "[log]").map(|table| log(&table)).unwrap_or_default(),
        telemetry: s.table("telemetry", "[telemetry]").map(|table| telemetry(&table, HAS_TRACES)).unwrap_or_default(),
        currencies: currencies.unwrap_or_default(),
        redis,
    };
    if let (Some(table), Some(redis)) = (&redis_table, &settings.redis) {
        redis_section::check_store(redis, &settings.store, &spans.redis, table);
    }
    s.close();
    (settings, spans)
}

/// The currencies of ISO 4217, with the minor units that the settings override.
pub(in crate::config) fn currencies(settings: &Settings) -> Currencies {
    let mut currencies = Currencies::default();
    for (&currency, &units) in &settings.currencies {
        currencies.set(currency, units);
    }
    currencies
}

/// The entries of `[auth]`, with the invalid ones.
#[derive(Debug, Default)]
struct AuthEntries {
    tokens: usize,
    /// The place of each certificate.
    certificates: Vec<Span>,
}

/// The valid tokens and certificates, and all entries.
fn auth(s: &Section<'_>, spans: &mut SettingSpans) -> (Auth, AuthEntries) {
    let (tables, certificate_tables) = (s.tables("tokens", "a token"), s.tables("certificates", "a certificate"));
    spans.states_no_tokens = s.content().is_empty_list("tokens");
    s.close();
    let (tokens, names): (Vec<_>, Vec<_>) = tables.iter().filter_map(|table| token(table, spans)).unzip();
    let help = "write another name = \"...\": the history shows it as the author of a change";
    refuse_duplicates(names.iter().map(Some), "token", help, s.report);
    let read = certificate_tables.iter().filter_map(|table| certificate(table, spans));
    let (certificates, common_names): (Vec<_>, Vec<_>) = read.unzip();
    let help = "write one entry for each common name";
    refuse_duplicates(common_names.iter().map(Some), "certificate", help, s.report);
    for common_name in &common_names {
        if let Some(token) = names.iter().find(|name| name.value == common_name.value) {
            let what = format!("`{}`, as the name of a token and of a certificate,", common_name.value);
            let help = "write another name = \"...\" for the token: the history shows both as authors of changes";
            s.report.defined_twice(&common_name.span, &token.span, &what, help);
        }
    }
    let entries = AuthEntries {
        tokens: tables.len(),
        certificates: certificate_tables.iter().map(|table| table.span.clone()).collect(),
    };
    (Auth { tokens, certificates }, entries)
}

/// A certificate, and the place of its common name.
fn certificate(s: &Section<'_>, spans: &mut SettingSpans) -> Option<(CertificateRole, Located<Name>)> {
    let role = s.required_word("role");
    let help = "write common_name = \"...\": the common name (CN) of the certificate's subject";
    let common_name = s.required_text("common_name", help).and_then(|_| s.name("common_name"));
    let merchants = merchants(s, "certificate", spans);
    s.close();
    let (role, common_name) = (role?.value, common_name?);
    Some((CertificateRole { common_name: common_name.value, role, merchants }, common_name))
}

/// The merchants of a token or a certificate; `None`: all.
fn merchants(s: &Section<'_>, what: &str, spans: &mut SettingSpans) -> Option<Vec<Name>> {
    let list = s.names("merchants")?;
    if list.value.is_empty() {
        let help = format!("list the merchants, or remove `merchants`: then the {what} is valid for all");
        s.report.warning(&list.span, format!("a {what} for no merchant can do nothing"), help);
    }
    let names = list.value.iter().map(|at| at.value).collect();
    spans.merchants.extend(list.value);
    Some(names)
}

/// A token, and the place of its name.
fn token(s: &Section<'_>, spans: &mut SettingSpans) -> Option<(Token, Located<Name>)> {
    let role = s.required_word("role");
    let named = s.name("name");
    let token_file = s.required_text("token_file", "write token_file = \"...\": the file that contains the token");
    let merchants = merchants(s, "token", spans);
    let expires = s.instant("expires");
    let rate = request_rate(s);
    s.close();
    let name = if s.has("name") { named } else { token_file.as_ref().and_then(|file| name_of_file(file, s.report)) };
    let (name, role, file) = (name?, role?.value, token_file?);
    spans.files.push(file.span);
    let (token_file, expires) = (PathBuf::from(file.value), expires.map(|at| at.value));
    Some((Token { name: name.value, role, token_file, merchants, expires, rate }, name))
}

/// The limit on the requests of a token. The burst is one second of requests by default.
fn request_rate(s: &Section<'_>) -> Option<RequestRate> {
    let bounds = || 1..=u64::from(RequestRate::MAX);
    let (per_second, burst) = (s.whole("requests_per_second", bounds()), s.whole("burst", bounds()));
    if let (None, Some(burst)) = (&per_second, &burst)
        && !s.has("requests_per_second")
    {
        let message = "`burst` without `requests_per_second` limits nothing";
        s.report.error(&burst.span, message, "write requests_per_second = ..., or remove `burst`");
    }
    let number = |at: &Located<u64>| u32::try_from(at.value).ok();
    let per_second = number(&per_second?)?;
    Some(RequestRate { per_second, burst: burst.as_ref().and_then(number).unwrap_or(per_second) })
}

/// The name of a token without `name`: that of its file.
fn name_of_file(file: &Located<String>, report: &FileReport) -> Option<Located<Name>> {
    let stem = Path::new(&file.value).file_stem().and_then(OsStr::to_str);
    let name = stem.and_then(|stem| Name::parse(stem).ok());
    if name.is_none() {
        let message = "this file's name is not a valid name for the token";
        report.error(
            &file.span,
            message,
            "write name = \"...\": the client that uses the token, as the history shows it",
        );
    }
    Some(Located { value: name?, span: file.span.clone() })
}

fn clock(s: &Section<'_>, has_redis: bool) -> Clock {
    let default = Clock::default();
    let source = s.word("source");
    if let Some(at) = source.as_ref().filter(|at| at.value == ClockSource::Request && has_redis) {
        let message =
            "`source = \"request\"` conflicts with [redis]: the daemon that takes over would have another clock";
        s.report.error(&at.span, message, "write source = \"system\", or remove [redis]");
    }
    let ms = |at: Option<Located<u64>>, default| {
        at.and_then(|at| i64::try_from(at.value).ok()).map_or(default, |seconds| seconds * 1_000)
    };
    let clock = Clock {
        source: value_or(&source, default.source),
        max_past_ms: ms(s.whole("max_past_seconds", 0..=SECONDS_MAX), default.max_past_ms),
        max_future_ms: ms(s.whole("max_future_seconds", 0..=SECONDS_MAX), default.max_future_ms),
    };
    s.close();
    clock
}

fn store(s: &Section<'_>, has_redis: bool) -> Store {
    let default = Store::default();
    let sync = s.word("sync");
    if let Some(at) = sync.as_ref().filter(|at| at.value == Sync::Never && has_redis) {
        let message = "`sync = \"never\"` conflicts with [redis]: only records that are synced are sent";
        s.report.error(&at.span, message, "write sync = \"interval\" or \"always\", or remove [redis]");
    }
    let store = Store {
        kind: value_or(&s.word("kind"), default.kind),
        path: s.path("path").unwrap_or(default.path),
        sync: value_or(&sync, default.sync),
        sync_interval_ms: value_or(&s.whole("sync_interval_ms", 1..=3_600_000), default.sync_interval_ms),
        snapshot_interval_s: value_or(&s.whole("snapshot_interval_s", 1..=SECONDS_MAX), default.snapshot_interval_s),
        snapshot_records: value_or(&s.whole("snapshot_records", 1..=u64::from(u32::MAX)), default.snapshot_records),
        segment_bytes: value_or(&s.whole("segment_bytes", 4_096..=1 << 40), default.segment_bytes),
        min_free_bytes: s.whole("min_free_bytes", 0..=1 << 50).map(|at| at.value),
        stop_snapshot_s: value_or(&s.whole("stop_snapshot_s", 0..=3_600), default.stop_snapshot_s),
    };
    s.close();
    store
}

fn log(s: &Section<'_>) -> Log {
    let log = Log { level: s.word("level").map(|at| at.value), format: s.word("format").map(|at| at.value) };
    s.close();
    log
}

fn memory(s: &Section<'_>) -> Memory {
    let default = Memory::default();
    let days = |at: Option<&Located<u64>>, default| at.and_then(|at| i64::try_from(at.value).ok()).unwrap_or(default);
    let retention = s.whole("retention_days", 1..=DAYS_MAX);
    let transactions_max = s.whole("max_transactions", 1..=u64::from(u32::MAX));
    let archive = s.whole("archive_days", 1..=DAYS_MAX);
    let retention_days = days(retention.as_ref(), default.retention_days);
    let memory = Memory {
        retention_days,
        max_transactions: value_or(&transactions_max, default.max_transactions),
        archive_days: days(archive.as_ref(), default.archive_days.max(retention_days)),
        huge_pages: value_or(&s.flag("huge_pages"), default.huge_pages),
    };
    if let Some(at) = archive.filter(|_| memory.archive_days < retention_days) {
        let message = format!("`archive_days = {}` is less than `retention_days = {retention_days}`", at.value);
        s.report.error(&at.span, message, "write an archive_days that is not less than retention_days");
    }
    s.close();
    memory
}
