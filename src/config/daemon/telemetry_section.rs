//! Reads `[telemetry]`.

use crate::config::{daemon::settings::Telemetry, parse::section::Section};
use axum::http::Uri;

/// Whether this build can send traces.
pub(in crate::config) const HAS_TRACES: bool = cfg!(feature = "otlp");

/// What is wrong with an address of a collector, and what to write instead; `None`: nothing. No message contains the
/// address, which may have a password.
fn problem(address: &str) -> Option<(&'static str, &'static str)> {
    let help = "write otlp_endpoint = \"http://127.0.0.1:4318\": the address of a collector that takes OTLP over HTTP";
    let Ok(uri) = address.parse::<Uri>() else { return Some(("`otlp_endpoint` is no URL", help)) };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => Some((
            "`otlp_endpoint` contains a user or a password",
            "remove it; the collector takes a header from the variable OTEL_EXPORTER_OTLP_HEADERS",
        )),
        (Some("http" | "https"), Some(_)) if uri.query().is_some() => Some(("`otlp_endpoint` has a query", help)),
        (Some("http" | "https"), Some(_)) => None,
        _ => Some(("`otlp_endpoint` is no http or https URL", help)),
    }
}

/// Reads the section. Problems are reported. `has_traces`: whether this build can send traces.
pub(in crate::config) fn telemetry(s: &Section<'_>, has_traces: bool) -> Telemetry {
    let endpoint = s.nonempty("otlp_endpoint");
    s.close();
    let Some(at) = endpoint else { return Telemetry::default() };
    let problem = match has_traces {
        true => problem(&at.value),
        false => Some((
            "this build of levelgate sends no traces",
            "remove `otlp_endpoint`, or build levelgate with `cargo build --release --locked --features otlp`",
        )),
    };
    if let Some((message, help)) = problem {
        s.report.error(&at.span, message, help);
        return Telemetry::default();
    }
    Telemetry { otlp_endpoint: Some(at.value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        parse::value::Table,
        report::{file_report::FileReport, source::Source},
    };
    use toml::de::DeTable;

    /// What is read from a section, and the problems.
    fn read(text: &str, has_traces: bool) -> (Telemetry, Vec<String>) {
        let table = Table::from_toml(DeTable::parse(text).unwrap().get_ref());
        let report = FileReport::new(Source { path: "levelgate.toml".to_owned(), text: text.to_owned() });
        let read = telemetry(&Section::new(&report, &table, "[telemetry]", 0..0), has_traces);
        (read, report.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_address_of_a_collector_is_read_and_others_are_refused() {
        for address in ["http://127.0.0.1:4318", "https://collector.internal/otlp/"] {
            let (read, problems) = read(&format!("otlp_endpoint = {address:?}"), true);
            assert_eq!((read.otlp_endpoint.as_deref(), problems.as_slice()), (Some(address), &[][..]));
        }
        for (address, words) in [
            ("127.0.0.1:4318", "no http or https URL"),
            ("grpc://collector:4317", "no http or https URL"),
            ("http://user:hunter2@collector", "a user or a password"),
            ("http://collector/?key=hunter2", "has a query"),
            ("http://a b", "is no URL"),
        ] {
            let (read, problems) = read(&format!("otlp_endpoint = {address:?}"), true);
            assert!(read.otlp_endpoint.is_none() && problems[0].contains(words), "{address}: {problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }

    #[test]
    fn a_build_without_traces_refuses_an_address_and_names_the_feature() {
        let (read, problems) = read("otlp_endpoint = \"http://127.0.0.1:4318\"", false);
        assert!(read.otlp_endpoint.is_none());
        assert!(problems[0].contains("this build of levelgate sends no traces"), "{problems:?}");
        assert!(problems[0].contains("--features otlp"), "{problems:?}");
        let (_, none) = self::read("", false);
        assert!(none.is_empty(), "{none:?}");
    }
}
