//! `levelgate.toml`: the daemon's own file. Every key is optional.

use crate::config::{
    compile::merchant::{no_duplicates, or},
    daemon::{
        listeners,
        settings::{Ack, Auth, Clock, ClockSource, Memory, OnOutage, Redis, RedisUrl, Settings, Store, Token},
    },
    parse::{
        read::{At, Section},
        source::Span,
    },
    report::report::Report,
};
use crate::domain::vocabulary::{
    money::{Currencies, MINOR_UNITS_MAX},
    names::Name,
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Where the file says what about tokens, for what is looked up once all files are read.
#[derive(Debug, Default)]
pub(in crate::config) struct TokenPlaces {
    /// The merchants that tokens name.
    pub(in crate::config) merchants: Vec<At<Name>>,
    /// Where the file of each token is named, in the order of the tokens.
    pub(in crate::config) files: Vec<Span>,
}

/// The longest intervals and skews, in seconds: a hundred years.
const SECONDS_MAX: u64 = 36_525 * 86_400;
/// The longest retention, in days: a hundred years.
const DAYS_MAX: u64 = 36_525;

/// Reads the daemon's file; what is wrong is reported, and its default stands in.
pub(in crate::config) fn settings(s: &Section<'_, '_>) -> (Settings, TokenPlaces) {
    let mut places = TokenPlaces::default();
    let (auth, tokens_written) = s.table("auth", "[auth]").map(|auth| tokens(&auth, &mut places)).unwrap_or_default();
    let currencies = s.table("currencies", "[currencies]").map(|table| {
        let units = table.wholes_by_currency(&(0..=u64::from(MINOR_UNITS_MAX)));
        units
            .into_iter()
            .filter_map(|(currency, units)| Some((currency.value, u8::try_from(units.value).ok()?)))
            .collect()
    });
    let redis = s.table("redis", "[redis]").and_then(|table| redis(&table));
    let http = s.table("http", "[http]").map(|table| listeners::http(&table, tokens_written)).unwrap_or_default();
    let admin = s.table("admin", "[admin]").map(|table| listeners::admin(&table, &http, tokens_written));
    let settings = Settings {
        http,
        admin: admin.unwrap_or_default(),
        auth,
        clock: s.table("clock", "[clock]").map(|table| clock(&table, redis.as_ref())).unwrap_or_default(),
        store: s.table("store", "[store]").map(|table| store(&table)).unwrap_or_default(),
        memory: s.table("memory", "[memory]").map(|table| memory(&table)).unwrap_or_default(),
        currencies: currencies.unwrap_or_default(),
        redis,
    };
    s.close();
    (settings, places)
}

/// ISO 4217 with the minor units that the settings override.
pub(in crate::config) fn currencies(settings: &Settings) -> Currencies {
    let mut currencies = Currencies::default();
    for (&currency, &units) in &settings.currencies {
        currencies.set(currency, units);
    }
    currencies
}

/// A path that a key names.
pub(in crate::config) fn path(s: &Section<'_, '_>, key: &'static str) -> Option<PathBuf> {
    s.nonempty(key).map(|at| PathBuf::from(at.value))
}

/// The tokens, and how many are written: one that is wrong is one nevertheless.
fn tokens(s: &Section<'_, '_>, places: &mut TokenPlaces) -> (Auth, usize) {
    let tables = s.tables("tokens", "a token");
    s.close();
    let (tokens, names): (Vec<_>, Vec<_>) = tables.iter().filter_map(|table| token(table, places)).unzip();
    let help = "write another name = \"...\": by it the history says who did something";
    no_duplicates(names.iter().map(Some), "token", help, s.report);
    (Auth { tokens }, tables.len())
}

/// A token, and where its name is written.
fn token(s: &Section<'_, '_>, places: &mut TokenPlaces) -> Option<(Token, At<Name>)> {
    let role = s.needed_word("role");
    let named = s.name("name");
    let token_file = s.needed_text("token_file", "write token_file = \"...\": the file that holds the token itself");
    let listed = s.names("merchants");
    let expires = s.instant("expires");
    s.close();
    let name = if s.has("name") { named } else { token_file.as_ref().and_then(|file| stem(file, s.report)) };
    let merchants = listed.map(|list| {
        if list.value.is_empty() {
            let help = "name the merchants, or leave `merchants` out: then the token is good for all";
            s.report.warning(&list.span, "a token for no merchant can do nothing", help);
        }
        let names = list.value.iter().map(|at| at.value).collect();
        places.merchants.extend(list.value);
        names
    });
    let (name, role, file) = (name?, role?.value, token_file?);
    places.files.push(file.span);
    let (token_file, expires) = (PathBuf::from(file.value), expires.map(|at| at.value));
    Some((Token { name: name.value, role, token_file, merchants, expires }, name))
}

/// The name of a token that is given none: that of its file.
fn stem(file: &At<String>, report: &Report) -> Option<At<Name>> {
    let stem = Path::new(&file.value).file_stem().and_then(OsStr::to_str);
    let name = stem.and_then(|stem| Name::parse(stem).ok());
    if name.is_none() {
        let message = "this file's name cannot be the token's";
        report.error(&file.span, message, "write name = \"...\": who calls with the token, as the history shows it");
    }
    Some(At { value: name?, span: file.span.clone() })
}

fn clock(s: &Section<'_, '_>, redis: Option<&Redis>) -> Clock {
    let default = Clock::default();
    let source = s.word("source");
    if let Some(at) = source.as_ref().filter(|at| at.value == ClockSource::Request && redis.is_some()) {
        let message =
            "`source = \"request\"` does not go with [redis]: another daemon would take over with another clock";
        s.report.error(&at.span, message, "write source = \"system\", or take [redis] out");
    }
    let ms = |at: Option<At<u64>>, default| {
        at.and_then(|at| i64::try_from(at.value).ok()).map_or(default, |seconds| seconds * 1_000)
    };
    let clock = Clock {
        source: or(&source, default.source),
        max_past_ms: ms(s.whole("max_past_seconds", 0..=SECONDS_MAX), default.max_past_ms),
        max_future_ms: ms(s.whole("max_future_seconds", 0..=SECONDS_MAX), default.max_future_ms),
    };
    s.close();
    clock
}

fn store(s: &Section<'_, '_>) -> Store {
    let default = Store::default();
    let store = Store {
        kind: or(&s.word("kind"), default.kind),
        path: path(s, "path").unwrap_or(default.path),
        sync: or(&s.word("sync"), default.sync),
        sync_interval_ms: or(&s.whole("sync_interval_ms", 1..=3_600_000), default.sync_interval_ms),
        snapshot_interval_s: or(&s.whole("snapshot_interval_s", 1..=SECONDS_MAX), default.snapshot_interval_s),
        snapshot_records: or(&s.whole("snapshot_records", 1..=u64::from(u32::MAX)), default.snapshot_records),
        segment_bytes: or(&s.whole("segment_bytes", 4_096..=1 << 40), default.segment_bytes),
        min_free_bytes: s.whole("min_free_bytes", 0..=1 << 50).map(|at| at.value),
        stop_snapshot_s: or(&s.whole("stop_snapshot_s", 0..=3_600), default.stop_snapshot_s),
    };
    s.close();
    store
}

fn memory(s: &Section<'_, '_>) -> Memory {
    let default = Memory::default();
    let days = |at: Option<&At<u64>>, default| at.and_then(|at| i64::try_from(at.value).ok()).unwrap_or(default);
    let retention = s.whole("retention_days", 1..=DAYS_MAX);
    let transactions_max = s.whole("max_transactions", 1..=u64::from(u32::MAX));
    let archive = s.whole("archive_days", 1..=DAYS_MAX);
    let retention_days = days(retention.as_ref(), default.retention_days);
    let memory = Memory {
        retention_days,
        max_transactions: or(&transactions_max, default.max_transactions),
        archive_days: days(archive.as_ref(), default.archive_days.max(retention_days)),
    };
    if let Some(at) = archive.filter(|_| memory.archive_days < retention_days) {
        let message = format!("`archive_days = {}` is less than `retention_days = {retention_days}`", at.value);
        s.report.error(&at.span, message, "keep in the archive for at least as long as in memory");
    }
    s.close();
    memory
}

/// The section; an empty one is as if it were absent.
fn redis(s: &Section<'_, '_>) -> Option<Redis> {
    if s.is_empty() {
        return None;
    }
    let url = s.needed_text("url", "write url = \"redis://127.0.0.1:6379\", or take [redis] out");
    let (ack, on_outage) = (s.word("ack"), s.word("on_outage"));
    s.close();
    let url = url?;
    let scheme = url.value.split_once("://").map_or("", |(scheme, _)| scheme);
    if !scheme.starts_with("redis") && scheme != "unix" {
        let help = "write redis://HOST:PORT, or rediss:// for TLS";
        s.report.error(&url.span, "`url` is no address of a Redis", help);
    }
    Some(Redis { url: RedisUrl(url.value), ack: or(&ack, Ack::Local), on_outage: or(&on_outage, OnOutage::Continue) })
}
