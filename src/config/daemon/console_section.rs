//! `[console]` of `levelgate.toml`: the pages for staff, the people who act there, and the writes that need two of them.

use crate::config::{
    compile::duplicates::refuse_duplicates,
    daemon::settings::{Auth, Console, ConsolePeople, ConsoleUser, Http, Role, TrustedProxy},
    parse::{
        located::{Located, value_or},
        section::Section,
    },
    report::{file_report::FileReport, source::Span},
};
use crate::domain::vocabulary::names::Name;
use std::{fmt, net::IpAddr};

/// The most bytes of a person's name. The history shows two people with their tokens in one name of
/// [`NAME_BYTES_MAX`](crate::domain::vocabulary::names::NAME_BYTES_MAX) bytes.
pub(crate) const USER_NAME_BYTES_MAX: usize = 40;
/// The most bytes of the name of a token that is shown together with those of people.
const TOKEN_NAME_BYTES_MAX: usize = 20;
/// The most bytes of the name of a header.
const HEADER_BYTES_MAX: usize = 64;
/// Headers with another meaning: the console reads them itself, or every client sends them.
const OTHER_HEADERS: [&str; 8] =
    ["authorization", "cookie", "host", "origin", "content-length", "content-type", "user-agent", "referer"];

/// Whether a text can be the name of a person: visible ASCII without separators of lists.
pub(crate) fn is_user_name(text: &str) -> bool {
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b".@_+-|:/=~".contains(&byte);
    (1..=USER_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_taken)
}

/// Reads `[console]`. `token_count` is the number of tokens, with the invalid ones.
pub(in crate::config) fn console(s: &Section<'_>, http: &Http, auth: &Auth, token_count: usize) -> Console {
    let default = Console::default();
    let mut four_eyes = Vec::new();
    let writes = s.words("four_eyes");
    for write in writes.iter().flat_map(|writes| &writes.value) {
        if !four_eyes.contains(&write.value) {
            four_eyes.push(write.value);
        }
    }
    if let Some(writes) = writes.as_ref().filter(|writes| !writes.value.is_empty()) {
        check_tokens("four_eyes", &writes.span, auth, token_count, s.report);
    }
    let console = Console {
        enabled: value_or(&s.flag("enabled"), default.enabled),
        secure_cookie: value_or(&s.flag("secure_cookie"), default.secure_cookie),
        people: people(s, http, auth, token_count),
        four_eyes,
    };
    s.close();
    console
}

/// Reads how a proxy names people.
fn people(s: &Section<'_>, http: &Http, auth: &Auth, token_count: usize) -> Option<ConsolePeople> {
    let (header, proxies) = (header(s), proxies(s, http));
    let users = s.has("users").then(|| users(s));
    if !s.has("user_header") {
        for needless in ["trusted_proxies", "users"].into_iter().filter_map(|key| s.content().get(key)) {
            let help = "write user_header = \"...\": the header in which the proxy names the person";
            s.report.error(&needless.span, "no header names the people, because there is no `user_header`", help);
        }
        return None;
    }
    let header = header?;
    check_tokens("user_header", &header.span, auth, token_count, s.report);
    if !s.has("trusted_proxies") {
        let help = "write trusted_proxies = [\"127.0.0.1\"], with the address that the proxy connects from";
        s.report.error(&header.span, "no proxy may send the header, because there are no `trusted_proxies`", help);
    }
    Some(ConsolePeople { user_header: header.value, trusted_proxies: proxies, users })
}

/// The name of the header, in lower case.
fn header(s: &Section<'_>) -> Option<Located<String>> {
    let written = s.nonempty("user_header")?;
    let name = written.value.to_ascii_lowercase();
    // A token of RFC 9110, section 5.6.2.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_name || name.len() > HEADER_BYTES_MAX {
        let message = format!("`user_header` is no name of a header, or longer than {HEADER_BYTES_MAX} bytes");
        s.report.error(&written.span, message, "write the header that the proxy sets, such as \"X-Forwarded-User\"");
        return None;
    }
    if OTHER_HEADERS.contains(&name.as_str()) {
        let message = format!("`{}` has another meaning, so it names no person", written.value);
        s.report.error(&written.span, message, "write the header that the proxy sets, such as \"X-Forwarded-User\"");
        return None;
    }
    Some(Located { value: name, span: written.span })
}

fn proxies(s: &Section<'_>, http: &Http) -> Vec<TrustedProxy> {
    let Some(list) = s.names("trusted_proxies") else { return Vec::new() };
    if list.value.is_empty() {
        let help = "write the address that the proxy connects from, such as \"127.0.0.1\" or \"10.1.0.0/16\"";
        s.report.error(&list.span, "`trusted_proxies` is empty, so no proxy may send the header", help);
    }
    let proxy = |at: &Located<Name>| match TrustedProxy::parse(at.value.as_str()) {
        Ok(proxy) => {
            if proxy == TrustedProxy::Unix && http.unix_socket.is_none() {
                let message = "`unix` names the Unix socket, and there is none";
                s.report.error(&at.span, message, "write unix_socket = \"...\" under [http], or remove it here");
            }
            Some(proxy)
        }
        Err(fault) => {
            s.report.error(&at.span, format!("`{}` {}", at.value, fault.message), fault.help);
            None
        }
    };
    list.value.iter().filter_map(proxy).collect()
}

/// The people who may act.
fn users(s: &Section<'_>) -> Vec<ConsoleUser> {
    let read = s.tables("users", "a user").into_iter().filter_map(|table| {
        let name = table.required_text("name", "write name = \"...\": the person, as the proxy names them");
        let role = table.required_word::<Role>("role");
        table.close();
        if let Some(role) = role.as_ref().filter(|role| role.value == Role::Gateway) {
            let help = "write role = \"operator\" or role = \"viewer\"";
            s.report.error(&role.span, "a person cannot be a `gateway`: that is for programs", help);
        }
        let name = name?;
        let lower = name.value.to_ascii_lowercase();
        if !is_user_name(&lower) {
            let message = format!("`{}` is no name of a person", name.value);
            let help =
                format!("write at most {USER_NAME_BYTES_MAX} letters, digits and characters of . @ _ + - | : / = ~");
            s.report.error(&name.span, message, help);
            return None;
        }
        let name = Located { value: Name::parse(&lower).ok()?, span: name.span };
        Some((ConsoleUser { name: name.value, role: role?.value }, name))
    });
    let (users, names): (Vec<_>, Vec<_>) = read.unzip();
    refuse_duplicates(names.iter().map(Some), "user", "write one entry for each person", s.report);
    users
}

/// Reports that there are no tokens, or that their names do not fit next to those of people in a history.
fn check_tokens(key: &str, place: &Span, auth: &Auth, token_count: usize, report: &FileReport) {
    if token_count == 0 {
        let message = format!("`{key}` needs tokens: without them everyone on this machine may do everything");
        report.error(place, message, "write tokens = [{ role = \"operator\", token_file = \"...\" }] under [auth]");
    }
    for token in auth.tokens.iter().filter(|token| token.role != Role::Gateway) {
        let name = token.name.as_str();
        if name.len() > TOKEN_NAME_BYTES_MAX || name.contains([',', '(', ')']) {
            let message =
                format!("with `{key}` the history shows token `{name}` together with people, and it does not fit");
            let help = format!(
                "write another name = \"...\" for the token: at most {TOKEN_NAME_BYTES_MAX} bytes, without comma and parentheses"
            );
            report.error(place, message, help);
        }
    }
}

/// Why a text names no proxy.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct ProxyFault {
    message: &'static str,
    help: String,
}

impl TrustedProxy {
    /// Reads `unix`, an address, or a network in CIDR notation.
    fn parse(text: &str) -> Result<Self, ProxyFault> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let example = || "write an address, a network such as \"10.1.0.0/16\", or \"unix\"".to_owned();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let no_address = || ProxyFault { message: "is no address and no network", help: example() };
        let address: IpAddr = address.parse().map_err(|_| no_address())?;
        let width: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().map_err(|_| no_address())?,
            Some(_) => return Err(no_address()),
        };
        if bits > width {
            let help = format!("write at most /{width}");
            return Err(ProxyFault { message: "has more bits than the address", help });
        }
        if bits == 0 {
            return Err(ProxyFault { message: "trusts every address: anyone could name any person", help: example() });
        }
        let network = Self::Network { address: first_address(address, bits), bits };
        if network != (Self::Network { address, bits }) {
            let help = format!("write \"{network}\"");
            return Err(ProxyFault { message: "has bits after the prefix", help });
        }
        Ok(network)
    }

    /// Whether an address is one of the network. An IPv4 address that is written as IPv6 counts as IPv4.
    pub(crate) fn contains(self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match self {
            Self::Unix => false,
            Self::Network { address, bits } => {
                address.is_ipv4() == peer.is_ipv4() && first_address(peer, bits) == address
            }
        }
    }
}

/// The first address of a network: the bits after the prefix are zero.
fn first_address(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("unix"),
            Self::Network { address, bits } if *bits == if address.is_ipv4() { 32 } else { 128 } => address.fmt(f),
            Self::Network { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_contain_their_addresses_alone() {
        for (text, inside, outside) in [
            ("127.0.0.1", &["127.0.0.1", "::ffff:127.0.0.1"][..], &["127.0.0.2", "::1"][..]),
            ("10.1.0.0/16", &["10.1.0.0", "10.1.255.255"], &["10.2.0.0", "10.0.255.255", "::10.1.0.1"]),
            ("128.0.0.0/1", &["255.255.255.255"], &["127.255.255.255"]),
            ("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::1", "2001:db9::"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
        ] {
            let proxy = TrustedProxy::parse(text).unwrap();
            assert_eq!(proxy.to_string(), text);
            let contains = |peer: &&str| proxy.contains(peer.parse().unwrap());
            assert!(inside.iter().all(contains) && !outside.iter().any(contains), "{text}");
        }
        assert_eq!(TrustedProxy::parse("unix"), Ok(TrustedProxy::Unix));
        assert!(!TrustedProxy::Unix.contains("127.0.0.1".parse().unwrap()));
        for bad in
            ["", "localhost", "10.1.0.1/16", "10.0.0.0/33", "::/0", "0.0.0.0/0", "10.0.0.0/+8", "10.0.0.0/", "unix/1"]
        {
            assert!(TrustedProxy::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(TrustedProxy::parse("10.1.2.3/16").unwrap_err().help, "write \"10.1.0.0/16\"");
    }

    #[test]
    fn names_of_people_are_short_and_plain() {
        let longest = "a".repeat(USER_NAME_BYTES_MAX);
        for (name, want) in [
            ("ann@example.com", true),
            ("auth0|5f7c", true),
            (longest.as_str(), true),
            (&format!("{longest}a"), false),
            ("", false),
            ("ann ben", false),
            ("ann,ben", false),
            ("ann (x)", false),
            ("<b>", false),
            ("\u{e4}nn", false),
        ] {
            assert_eq!(is_user_name(name), want, "{name}");
        }
    }
}
