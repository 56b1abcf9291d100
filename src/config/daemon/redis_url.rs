//! The address of a Redis server, of its Sentinels, or of a cluster.

use std::{fmt, path::PathBuf};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an IP address; without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The servers of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// One server.
    Tcp(HostPort),
    /// One server, over a Unix socket.
    Unix(PathBuf),
    /// The master that the Sentinels name.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<HostPort>,
        /// The name of the master.
        master: String,
    },
    /// The master of a slot of a cluster.
    Cluster(Vec<HostPort>),
}

/// The address of a Redis server. It may contain a password, which `Display` and `Debug` mask.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    /// The servers.
    pub servers: RedisServers,
    /// Whether connections use TLS.
    pub is_tls: bool,
    /// The user; `None`: the default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u16,
}

/// A text that is no address of a Redis server, with the remedy. It contains no part of the text that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct RedisUrlError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: &'static str,
}

const PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;
/// The most hosts of an address.
const HOSTS_MAX: usize = 64;

fn error(message: impl Into<String>, help: &'static str) -> RedisUrlError {
    RedisUrlError { message: message.into(), help }
}

#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Sentinel,
    Cluster,
}

impl RedisUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// The text is no address of a Redis server.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        const SCHEMES: &str = "write redis://HOST:PORT, rediss:// for TLS, unix://PATH, redis+sentinel://HOST:PORT,.../MASTER, or \
                               redis+cluster://HOST:PORT,...";
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| error("`url` is not the address of a Redis server", SCHEMES))?;
        let (is_tls, kind) = match scheme {
            "unix" => return Self::unix(text, rest),
            "redis" => (false, Kind::Tcp),
            "rediss" => (true, Kind::Tcp),
            "redis+sentinel" => (false, Kind::Sentinel),
            "rediss+sentinel" => (true, Kind::Sentinel),
            "redis+cluster" => (false, Kind::Cluster),
            "rediss+cluster" => (true, Kind::Cluster),
            _ => return Err(error("`url` is not the address of a Redis server", SCHEMES)),
        };
        if rest.contains(['?', '#']) {
            return Err(error(
                "`url` contains `?` or `#`",
                "remove the parameters: each option is a key of [redis]; in a password write `%3F` or `%23`",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = login.map_or(Ok((None, None)), login_of)?;
        let default_port = if matches!(kind, Kind::Sentinel) { SENTINEL_PORT } else { PORT };
        let hosts = hosts_of(hosts, default_port)?;
        let (servers, database) = match kind {
            Kind::Tcp => match <[HostPort; 1]>::try_from(hosts) {
                Ok([host]) => (RedisServers::Tcp(host), database_of(path)?),
                Err(_) => {
                    let help = "write one host, or redis+sentinel:// or redis+cluster://";
                    return Err(error("`url` names several hosts", help));
                }
            },
            Kind::Sentinel => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    let help = "write redis+sentinel://HOST:PORT,.../MASTER, with the name of `sentinel monitor`";
                    return Err(error("`url` names Sentinels and no master", help));
                }
                (RedisServers::Sentinel { sentinels: hosts, master: decoded(master)? }, database_of(database)?)
            }
            Kind::Cluster if path.is_empty() => (RedisServers::Cluster(hosts), 0),
            Kind::Cluster => {
                return Err(error("`url` names a database of a cluster", "remove it: a cluster has one database"));
            }
        };
        Ok(Self { text: text.to_owned(), servers, is_tls, user, password, database })
    }

    fn unix(text: &str, path: &str) -> Result<Self, RedisUrlError> {
        if path.is_empty() {
            return Err(error("`url` names no socket", "write unix:///run/redis/redis-server.sock"));
        }
        let servers = RedisServers::Unix(PathBuf::from(path));
        Ok(Self { text: text.to_owned(), servers, is_tls: false, user: None, password: None, database: 0 })
    }

    /// The address with its password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn login_of(login: &str) -> Result<(Option<String>, Option<String>), RedisUrlError> {
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let nonempty = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok((nonempty(decoded(user)?), password.map(decoded).transpose()?.and_then(nonempty)))
}

fn hosts_of(text: &str, default_port: u16) -> Result<Vec<HostPort>, RedisUrlError> {
    let hosts: Vec<HostPort> = text.split(',').map(|host| host_of(host, default_port)).collect::<Result<_, _>>()?;
    if hosts.len() > HOSTS_MAX {
        return Err(error(
            format!("`url` names more than {HOSTS_MAX} hosts"),
            "name three of them: they know the others",
        ));
    }
    Ok(hosts)
}

fn host_of(text: &str, default_port: u16) -> Result<HostPort, RedisUrlError> {
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').unwrap_or(""))),
        Some(None) => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(is_valid) {
        return Err(error("a host in `url` is not valid", "write HOST:PORT, or [IPV6]:PORT"));
    }
    let port = port.map_or(Some(default_port), |port| port.parse().ok().filter(|port| *port != 0));
    let port = port.ok_or_else(|| error("a port in `url` is not valid", "write a port from 1 to 65535"))?;
    Ok(HostPort { host: host.to_owned(), port })
}

fn database_of(path: &str) -> Result<u16, RedisUrlError> {
    let help = "write the number of the database after the host, as in redis://HOST:PORT/0";
    let number = if path.is_empty() { Some(0) } else { path.parse().ok() };
    number.ok_or_else(|| error("the database in `url` is not a number", help))
}

/// Decodes `%XX`.
fn decoded(text: &str) -> Result<String, RedisUrlError> {
    let invalid = || error("`url` contains an invalid escape", "write `%25` for a percent sign in a name or password");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2).ok_or_else(invalid)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+')).ok_or_else(invalid)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::config::report::source::mask_secrets(&self.text))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let host = |host: &str, port| HostPort { host: host.to_owned(), port };
        let (tcp, cluster) = (RedisServers::Tcp, RedisServers::Cluster);
        let sentinel = |sentinels| RedisServers::Sentinel { sentinels, master: "main".to_owned() };
        let login = |user: Option<&str>, password: Option<&str>| (user.map(str::to_owned), password.map(str::to_owned));
        for (text, servers, is_tls, names, database) in [
            ("redis://h", tcp(host("h", 6379)), false, login(None, None), 0),
            ("redis://h:1/3", tcp(host("h", 1)), false, login(None, None), 3),
            ("rediss://[::1]:7", tcp(host("::1", 7)), true, login(None, None), 0),
            ("redis://me@h", tcp(host("h", 6379)), false, login(Some("me"), None), 0),
            ("redis://me:p%40%2f@h", tcp(host("h", 6379)), false, login(Some("me"), Some("p@/")), 0),
            ("redis://:p@s@h", tcp(host("h", 6379)), false, login(None, Some("p@s")), 0),
            ("unix:///a/b", RedisServers::Unix("/a/b".into()), false, login(None, None), 0),
            (
                "redis+sentinel://a,b:2/main",
                sentinel(vec![host("a", 26379), host("b", 2)]),
                false,
                login(None, None),
                0,
            ),
            ("rediss+sentinel://a:1/main/4", sentinel(vec![host("a", 1)]), true, login(None, None), 4),
            ("redis+cluster://a:1,b", cluster(vec![host("a", 1), host("b", 6379)]), false, login(None, None), 0),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(
                (url.servers, url.is_tls, (url.user, url.password), url.database),
                (servers, is_tls, names, database),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_addresses_are_refused_without_their_secrets() {
        for (text, message) in [
            ("localhost:6379", "is not the address"),
            ("http://me:secret@h", "is not the address"),
            ("redis://", "a host in `url` is not valid"),
            ("redis://me:secret@", "a host in `url` is not valid"),
            ("redis://me:secret@h:x", "a port in `url` is not valid"),
            ("redis://h:0", "a port in `url` is not valid"),
            ("redis://h:65536", "a port in `url` is not valid"),
            ("redis://[::1]x", "a port in `url` is not valid"),
            ("redis://[::1", "a host in `url` is not valid"),
            ("redis://a,b", "several hosts"),
            ("redis://h/x", "is not a number"),
            ("redis://me:se?cret@h", "contains `?` or `#`"),
            ("redis://me:secret%zz@h", "invalid escape"),
            ("redis://me:secret%4@h", "invalid escape"),
            ("redis+sentinel://a", "no master"),
            ("redis+cluster://a/1", "a database of a cluster"),
            ("unix://", "names no socket"),
        ] {
            let error = RedisUrl::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{text}: {error}");
        }
    }
}
