//! The cookie that contains the id of a session.
//!
//! It has no `Path`: a browser then returns it to addresses below `/console`, also where a proxy serves the console under
//! another path.

use axum::http::{HeaderMap, HeaderValue, header};

const NAME: &str = "levelgate-session";

/// The id that a request sends.
pub(super) fn session_id(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// The header that sets the id; `None`: the header that removes it.
pub(super) fn set_cookie(id: Option<&str>, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let end = if id.is_none() { "; Max-Age=0" } else { "" };
    let id = id.unwrap_or_default();
    HeaderValue::from_str(&format!("{NAME}={id}; HttpOnly; SameSite=Strict{secure}{end}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_among_other_cookies_and_scripts_and_other_sites_do_not_get_it() {
        let headers = |text: &'static str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))]);
        for (sent, want) in [
            ("levelgate-session=ab", Some("ab")),
            ("a=b; levelgate-session=ab; c=d", Some("ab")),
            ("levelgate-session2=ab", None),
            ("a=levelgate-session=ab", None),
        ] {
            assert_eq!(session_id(&headers(sent)), want, "{sent}");
        }
        let text = |id, secure| set_cookie(id, secure).unwrap().to_str().unwrap().to_owned();
        assert_eq!(text(Some("ab"), false), "levelgate-session=ab; HttpOnly; SameSite=Strict");
        assert_eq!(text(Some("ab"), true), "levelgate-session=ab; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(text(None, false), "levelgate-session=; HttpOnly; SameSite=Strict; Max-Age=0");
    }
}
