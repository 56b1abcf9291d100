//! The token in the header `Authorization`.

use crate::service::access::access_tokens::TokenError;
use axum::http::{HeaderMap, header};

/// The token that a request sends.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = sent.next().ok_or(TokenError::Missing)?;
    if sent.next().is_some() { Err(TokenError::Malformed) } else { bearer_text(value.as_bytes()) }
}

/// The token of the value of `Authorization` (RFC 6750, section 2.1); the scheme is written in any case (RFC 9110, section
/// 11.1).
pub(crate) fn bearer_text(value: &[u8]) -> Result<&str, TokenError> {
    let is_visible = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let text = std::str::from_utf8(value).ok().filter(|_| is_visible).ok_or(TokenError::Malformed)?;
    let (scheme, token) = text.trim().split_once(' ').ok_or(TokenError::Malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() { Err(TokenError::Malformed) } else { Ok(token) }
}
