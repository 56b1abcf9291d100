//! Reads `[redis]`.

use crate::config::{
    daemon::{
        redis_settings::{Ack, Redis, RedisTimeouts},
        redis_url::{RedisServers, RedisUrl},
        settings::{Store, StoreKind},
    },
    parse::{
        located::{Located, value_or},
        section::Section,
    },
    report::{file_report::FileReport, source::Span},
};
use std::path::PathBuf;

/// Places of settings, for checks of their files.
#[derive(Debug, Default)]
pub(in crate::config) struct RedisSpans {
    pub(in crate::config) key_file: Span,
    pub(in crate::config) password_file: Span,
    pub(in crate::config) ca: Span,
}

/// The longest times, in milliseconds: ten minutes.
const MS_MAX: u64 = 600_000;
/// The most bytes of a prefix.
const PREFIX_BYTES_MAX: usize = 64;
/// Renewals that must fit into a lease, so that one that fails does not end it.
const RENEWALS_MIN: u64 = 3;
/// What `key_file` must be, and how one makes it.
pub(in crate::config) const KEY_FILE_HELP: &str =
    "write key_file = \"redis.key\", and make the file with `openssl rand -out redis.key 32` and `chmod 600 redis.key`";

/// Reads the section; an empty one counts as absent. Problems are reported; an invalid value is replaced by its default.
pub(in crate::config) fn redis(s: &Section<'_>) -> Option<(Redis, RedisSpans)> {
    if s.is_empty() {
        return None;
    }
    let url = s.required_text("url", "write url = \"redis://127.0.0.1:6379\", or remove [redis]");
    let key_file = s.required_text("key_file", KEY_FILE_HELP);
    let (ack, on_outage) = (s.nonempty("ack"), s.word("on_outage"));
    let (lease, renew) = (s.whole("lease_ms", 100..=MS_MAX), s.whole("renew_ms", 10..=MS_MAX));
    let prefix = s.nonempty("prefix");
    let snapshot_interval = s.whole("snapshot_interval_s", 1..=86_400 * 365);
    let (password_file, ca) = (s.nonempty("password_file"), s.nonempty("ca"));
    let timeouts = s.table("timeouts", "timeouts").map(|table| timeouts(&table)).unwrap_or_default();
    s.close();

    let url_span = url.as_ref().map(|url| url.span.clone()).unwrap_or_default();
    let parsed = url.and_then(|url| parsed_url(&url, s.report));
    let ack = ack.map(|ack| parsed_ack(&ack, s.report)).unwrap_or(Ack::Local);
    if let Some(prefix) = &prefix {
        check_prefix(prefix, s.report);
    }
    if let Some(url) = &parsed {
        check_login(url, &url_span, password_file.as_ref(), ca.as_ref(), s.report);
    }
    let (lease_ms, renew_ms) = (value_or(&lease, Redis::LEASE_MS), value_or(&renew, Redis::RENEW_MS));
    if let Some(at) = renew.or(lease).filter(|_| renew_ms * RENEWALS_MIN > lease_ms) {
        let message = format!("`renew_ms = {renew_ms}` does not fit {RENEWALS_MIN} times into `lease_ms = {lease_ms}`");
        let help = format!("write a renew_ms of {} or less, or a longer lease", lease_ms / RENEWALS_MIN);
        s.report.error(&at.span, message, help);
    }
    let mut spans = RedisSpans::default();
    let mut file = |at: Option<Located<String>>, place: fn(&mut RedisSpans) -> &mut Span| {
        at.map(|at| {
            *place(&mut spans) = at.span;
            PathBuf::from(at.value)
        })
    };
    let key_file = file(key_file, |spans| &mut spans.key_file);
    let (password_file, ca) = (file(password_file, |spans| &mut spans.password_file), file(ca, |spans| &mut spans.ca));
    let default = Redis::new(parsed?, key_file?);
    let redis = Redis {
        ack,
        on_outage: value_or(&on_outage, default.on_outage),
        lease_ms,
        renew_ms,
        prefix: prefix.map_or(default.prefix, |at| at.value),
        snapshot_interval_s: value_or(&snapshot_interval, default.snapshot_interval_s),
        password_file,
        ca,
        timeouts,
        ..default
    };
    Some((redis, spans))
}

fn parsed_url(at: &Located<String>, report: &FileReport) -> Option<RedisUrl> {
    RedisUrl::parse(&at.value).map_err(|error| report.error(&at.span, error.message, error.help)).ok()
}

fn parsed_ack(at: &Located<String>, report: &FileReport) -> Ack {
    let ack = Ack::parse(&at.value);
    if ack.is_none() {
        let help = format!(
            "write \"local\", \"redis\", or \"redis+N\" with the number of replicas that must confirm, from 1 to {}",
            Ack::REPLICAS_MAX
        );
        report.error(&at.span, format!("`{}` is not a value of `ack`", at.value), help);
    }
    ack.unwrap_or(Ack::Local)
}

fn check_prefix(at: &Located<String>, report: &FileReport) {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if at.value.len() > PREFIX_BYTES_MAX || !at.value.chars().all(is_valid) {
        let message = "`prefix` contains a character that is not a letter, digit, `-`, `_`, `.` or `:`, or is too long";
        let help = "write up to 64 of these characters, without braces: levelgate adds the braces itself";
        report.error(&at.span, message, help);
    }
}

fn check_login(
    url: &RedisUrl,
    url_span: &Span,
    password_file: Option<&Located<String>>,
    ca: Option<&Located<String>>,
    report: &FileReport,
) {
    if let Some(at) = password_file.filter(|_| url.password.is_some()) {
        report.error(
            &at.span,
            "`url` contains a password, and `password_file` names another one",
            "remove one of them",
        );
    }
    if url.user.is_some() && url.password.is_none() && password_file.is_none() {
        report.error(url_span, "`url` names a user, and there is no password", "write password_file = \"...\"");
    }
    if let Some(at) = ca.filter(|_| !url.is_tls) {
        let help = match url.servers {
            RedisServers::Unix(_) => "remove it: a Unix socket has no TLS",
            _ => "write rediss:// instead of redis://, or remove `ca`",
        };
        report.error(&at.span, "`ca` is set, and `url` does not use TLS", help);
    }
}

fn timeouts(s: &Section<'_>) -> RedisTimeouts {
    let default = RedisTimeouts::default();
    let bounds = || 10..=MS_MAX;
    let total = s.whole("total_ms", bounds());
    let (connect, response) = (s.whole("connect_ms", bounds()), s.whole("response_ms", bounds()));
    let connect_ms = value_or(&connect, default.connect_ms);
    let response_ms = value_or(&response, default.response_ms);
    let needed = connect_ms + response_ms;
    let timeouts = RedisTimeouts { connect_ms, response_ms, total_ms: value_or(&total, default.total_ms.max(needed)) };
    if let Some(at) = total.filter(|at| at.value < needed) {
        let message = format!("`total_ms = {}` is less than connect_ms and response_ms together", at.value);
        s.report.error(&at.span, message, format!("write {needed} or more, or shorter times"));
    }
    s.close();
    timeouts
}

/// Reports a store that does not go together with a copy in Redis. `s` is the section `[redis]`.
pub(in crate::config) fn check_store(redis: &Redis, store: &Store, spans: &RedisSpans, s: &Section<'_>) {
    if store.kind == StoreKind::Memory && redis.ack == Ack::Local {
        let message = "`kind = \"memory\"` with [redis] needs `ack = \"redis\"`: Redis has the only copy";
        let help = "write ack = \"redis\" or \"redis+N\" under [redis], or kind = \"disk\" under [store]";
        s.report.error(&s.span, message, help);
    }
    if store.kind == StoreKind::Disk && redis.key_file.starts_with(&store.path) {
        let help = "keep it elsewhere: a lost data folder is restored with this key";
        s.report.warning(&spans.key_file, "`key_file` is in the data folder, and is lost together with it", help);
    }
}
