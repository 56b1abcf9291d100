//! Refuses requests of foreign web pages while no token is configured.
//!
//! A page of any site can make a browser on this machine send requests to the daemon. Their `Origin` or `Sec-Fetch-Site`
//! names the site. A page whose name resolves to this machine (DNS rebinding) sends its own name as `Host`. Programs other
//! than browsers send neither of the first two, and the address that they connect to as `Host`.

use crate::service::{access::peer::Peer, error::ServiceError};
use axum::http::{HeaderMap, HeaderName, Request, header};
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused: the label of the metric, and the refusal.
pub(crate) type ForeignOrigin = (&'static str, ServiceError);

/// Refuses a request of a page of another site, and a request to a host that is not this machine. Without tokens the daemon
/// listens on loopback addresses only, so their names are the only valid hosts.
pub(crate) fn check<B>(request: &Request<B>, peer: Peer) -> Result<(), ForeignOrigin> {
    let headers = request.headers();
    let hosts = || {
        let of_uri = request.uri().authority().map(|authority| authority.as_str());
        of_uri.into_iter().chain(texts(headers, &header::HOST))
    };
    if let Some(host) = hosts().find(|host| peer != Peer::Unix && !is_loopback(host)) {
        let detail = format!(
            "without tokens the daemon answers to the names of this machine alone (127.0.0.1, ::1, localhost), and not to \
             Host {host:?}; send one of them, or configure tokens under [auth]"
        );
        return Err(("host", ServiceError::forbidden(detail).at("Host")));
    }
    let is_same = |origin: &str| {
        let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        origin.is_some_and(|origin| hosts().any(|host| host.eq_ignore_ascii_case(origin)))
    };
    if let Some(origin) = texts(headers, &header::ORIGIN).find(|origin| !is_same(origin)) {
        let detail = format!(
            "without tokens the daemon takes no requests from pages of other sites, as of Origin {origin:?}; configure \
             tokens under [auth]"
        );
        return Err(("origin", ServiceError::forbidden(detail).at("Origin")));
    }
    let is_own_page = |site: &str| matches!(site, "same-origin" | "none");
    if let Some(site) = texts(headers, &SEC_FETCH_SITE).find(|site| !is_own_page(site)) {
        let detail = format!(
            "without tokens the daemon takes no requests from pages of other sites (Sec-Fetch-Site {site:?}); configure \
             tokens under [auth]"
        );
        return Err(("origin", ServiceError::forbidden(detail).at("Sec-Fetch-Site")));
    }
    Ok(())
}

/// The values of a header; a value that is no text becomes `?`, which no host and no origin equals.
fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("?"))
}

/// Whether a host, with or without a port, is a loopback address or `localhost`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || is_port(port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(peer: Peer, headers: &[(&str, &str)]) -> Option<&'static str> {
        let mut request = Request::builder().uri("/v1/status");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap(), peer).err().map(|(reason, _)| reason)
    }

    #[test]
    fn requests_of_foreign_pages_are_refused_and_requests_of_programs_are_not() {
        let tcp = Peer::Tcp("127.0.0.1:7".parse().unwrap());
        for (headers, want) in [
            (&[][..], None),
            (&[("host", "127.0.0.1:7400")], None),
            (&[("host", "127.0.0.2")], None),
            (&[("host", "localhost:7400")], None),
            (&[("host", "LOCALHOST")], None),
            (&[("host", "[::1]:7400")], None),
            (&[("host", "[::1]")], None),
            (&[("host", "evil.example:7400")], Some("host")),
            (&[("host", "localhost.evil.example")], Some("host")),
            (&[("host", "evil.example@localhost")], Some("host")),
            (&[("host", "localhost:80@evil.example")], Some("host")),
            (&[("host", "[::1]evil.example")], Some("host")),
            (&[("host", "10.0.0.1:7400")], Some("host")),
            (&[("host", "")], Some("host")),
            (&[("host", "localhost"), ("host", "evil.example")], Some("host")),
            (&[("host", "localhost:7400"), ("origin", "http://localhost:7400")], None),
            (&[("host", "localhost:7400"), ("origin", "http://localhost:3000")], Some("origin")),
            (&[("host", "localhost:7400"), ("origin", "https://evil.example")], Some("origin")),
            (&[("host", "localhost:7400"), ("origin", "null")], Some("origin")),
            (&[("host", "localhost:7400"), ("sec-fetch-site", "cross-site")], Some("origin")),
            (&[("host", "localhost:7400"), ("sec-fetch-site", "same-site")], Some("origin")),
            (&[("host", "localhost:7400"), ("sec-fetch-site", "same-origin")], None),
            (&[("host", "localhost:7400"), ("sec-fetch-site", "none")], None),
            (&[("origin", "https://evil.example")], Some("origin")),
        ] {
            assert_eq!(refused(tcp, headers), want, "{headers:?}");
        }
        assert_eq!(refused(Peer::Unix, &[("host", "anything")]), None);
        assert_eq!(refused(Peer::Unix, &[("host", "a"), ("origin", "http://b")]), Some("origin"));
    }
}
