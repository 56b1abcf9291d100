//! Finds the server that takes writes, and connects to it.

use crate::{
    config::{HostPort, Redis, RedisFiles, RedisServers},
    replication::{
        client::{
            cause::cause_of,
            endpoint::{Endpoint, ServerRole},
            node::Node,
        },
        model::error::RedisError,
    },
};
use redis::{Client, FromRedisValue as _, Value};

/// Finds the master anew for each connection: only after a failure is it another one.
#[derive(Debug, Clone)]
pub(super) struct MasterFinder {
    endpoint: Endpoint,
    servers: RedisServers,
    connect_ms: u64,
    /// A key of the copy: its slot decides which master of a cluster is meant.
    key: String,
    /// Which of several hosts is asked first. It changes after a failure.
    first: usize,
}

impl MasterFinder {
    pub(super) fn new(settings: &Redis, files: &RedisFiles, key: String) -> Self {
        Self {
            endpoint: Endpoint::new(settings, files),
            servers: settings.url.servers.clone(),
            connect_ms: settings.timeouts.connect_ms,
            key,
            first: 0,
        }
    }

    /// Connects to the master. The caller limits the time.
    pub(super) async fn connect(&mut self) -> Result<Node, RedisError> {
        let servers = self.servers.clone();
        let connected = match &servers {
            RedisServers::Tcp(at) => self.open(&self.endpoint.tcp(at, ServerRole::Data)?, self.connect_ms).await,
            RedisServers::Unix(path) => self.open(&self.endpoint.unix(path)?, self.connect_ms).await,
            RedisServers::Sentinel { sentinels, master } => self.through_sentinels(sentinels, master).await,
            RedisServers::Cluster(seeds) => self.in_cluster(seeds).await,
        };
        if connected.is_err() {
            self.first = self.first.wrapping_add(1);
        }
        connected
    }

    async fn open(&self, client: &Client, ms: u64) -> Result<Node, RedisError> {
        Node::connect(client, &self.endpoint.options(ms), ms).await
    }

    /// The hosts, beginning with another one after each failure, and the time for each. The last part of the time is left for
    /// the master.
    fn hosts<'a>(&self, all: &'a [HostPort]) -> (impl Iterator<Item = &'a HostPort> + use<'a>, u64) {
        let parts = u64::try_from(all.len()).unwrap_or(u64::MAX).saturating_add(1);
        let first = self.first.checked_rem(all.len()).unwrap_or(0);
        (all.iter().cycle().skip(first).take(all.len()), (self.connect_ms / parts).max(1))
    }

    async fn through_sentinels(&self, sentinels: &[HostPort], master: &str) -> Result<Node, RedisError> {
        let (hosts, ms) = self.hosts(sentinels);
        let mut last = RedisError::MasterDown("no Sentinel is named".to_owned());
        for sentinel in hosts {
            match self.master_of(sentinel, master, ms).await {
                Ok(at) => match self.open_master(&at, ms).await {
                    Ok(node) => return Ok(node),
                    Err(error) => last = error,
                },
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The address of the master that a Sentinel names.
    async fn master_of(&self, sentinel: &HostPort, master: &str, ms: u64) -> Result<HostPort, RedisError> {
        const WHAT: &str = "asking a Sentinel for the master";
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let mut answer = Err(RedisError::MasterDown("no answer".to_owned()));
        for role in [ServerRole::Sentinel, ServerRole::SentinelWithPassword] {
            answer = async {
                let mut node = self.open(&self.endpoint.tcp(sentinel, role)?, ms).await?;
                node.query(&question, WHAT, ms).await
            }
            .await;
            if !matches!(answer, Err(RedisError::NotAuthenticated(_))) || !self.endpoint.has_password() {
                break;
            }
        }
        match <Option<(String, u16)>>::from_redis_value(answer?) {
            Ok(Some((host, port))) => Ok(HostPort { host, port }),
            Ok(None) => Err(RedisError::MasterDown(format!("the Sentinel {sentinel} knows no master `{master}`"))),
            Err(error) => Err(RedisError::Protocol(error.to_string())),
        }
    }

    /// Connects to a server that must be a master: a Sentinel names the old one until it has finished the failover.
    async fn open_master(&self, at: &HostPort, ms: u64) -> Result<Node, RedisError> {
        let mut node = self.open(&self.endpoint.tcp(at, ServerRole::Data)?, ms).await?;
        let role = node.query(&redis::cmd("ROLE"), "asking for the role", ms).await?;
        let is_master = match role {
            Value::Array(parts) => parts
                .into_iter()
                .next()
                .is_some_and(|role| String::from_redis_value(role).is_ok_and(|role| role == "master")),
            _ => false,
        };
        if is_master { Ok(node) } else { Err(RedisError::ReadOnly) }
    }

    /// Any node of a cluster answers with the address of the master of a slot, unless it is that master.
    async fn in_cluster(&self, seeds: &[HostPort]) -> Result<Node, RedisError> {
        let (hosts, ms) = self.hosts(seeds);
        let mut last = RedisError::MasterDown("no node is named".to_owned());
        for seed in hosts {
            match self.owner_of_slot(seed, ms).await {
                Ok(node) => return Ok(node),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn owner_of_slot(&self, seed: &HostPort, ms: u64) -> Result<Node, RedisError> {
        /// Two nodes may name each other during a failover. The number of steps ends that.
        const MOVES_MAX: usize = 3;
        const WHAT: &str = "asking a cluster for the master of a slot";
        let mut at = seed.clone();
        let mut question = redis::cmd("EXISTS");
        question.arg(&self.key);
        for _ in 0..=MOVES_MAX {
            let mut node = self.open(&self.endpoint.tcp(&at, ServerRole::Data)?, ms).await?;
            let moved = match node.send(&question, ms).await {
                Ok(_) => return Ok(node),
                Err(None) => return Err(RedisError::TimedOut { what: WHAT, ms }),
                Err(Some(error)) => error,
            };
            let Some((host, port)) = moved.redirect_node().and_then(|(address, _)| address.rsplit_once(':')) else {
                return Err(cause_of(&moved, WHAT, ms));
            };
            let port = port.parse().map_err(|_| RedisError::Protocol(format!("MOVED names the port {port}")))?;
            // A node that does not know its own address leaves the host out: it is the host of this connection.
            let host = if host.is_empty() { at.host } else { host.to_owned() };
            at = HostPort { host, port };
        }
        Err(RedisError::MasterDown("the nodes of the cluster name each other as master of the slot".to_owned()))
    }
}
