//! Who may ask: the tokens, where requests come from, failed sign-ins; once for the API and the console.

pub(crate) mod access_tokens;
pub(crate) mod author_text;
pub(crate) mod bearer;
pub(crate) mod client_certificate;
pub(crate) mod failed_logins;
pub(crate) mod origin;
pub(crate) mod peer;
pub(crate) mod proxy_users;
pub(crate) mod rate_limit;
