//! What a server says about itself.

/// The facts of `INFO` that matter to a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// The version of Redis.
    pub version: String,
    /// Whether the server is a master.
    pub is_master: bool,
    /// The replicas that are connected.
    pub replicas: u32,
    /// The process of the server, and the history of its data. A failover and a restart change it. Empty: the server does not
    /// say.
    pub data: String,
    /// The bytes that the server uses.
    pub used_bytes: u64,
    /// The most bytes that it may use; 0: no limit.
    pub bytes_max: u64,
    /// The policy of the server at its memory limit; empty: unknown.
    pub eviction_policy: String,
}

impl ServerFacts {
    /// Reads the answer to `INFO`. A line that is missing leaves its field empty.
    #[must_use]
    pub fn read(info: &str) -> Self {
        let mut facts = Self::default();
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            match name {
                "redis_version" => value.clone_into(&mut facts.version),
                // `INFO` has the process before the history.
                "run_id" | "master_replid" => {
                    facts.data.push_str(value);
                    facts.data.push(' ');
                }
                "role" => facts.is_master = value == "master",
                "connected_slaves" => facts.replicas = value.parse().unwrap_or(0),
                "used_memory" => facts.used_bytes = value.parse().unwrap_or(0),
                "maxmemory" => facts.bytes_max = value.parse().unwrap_or(0),
                "maxmemory_policy" => value.clone_into(&mut facts.eviction_policy),
                _ => {}
            }
        }
        facts
    }

    /// Whether the server may delete a part of the copy when memory is short. The policies `volatile-...` may delete the
    /// lease.
    #[must_use]
    pub fn may_evict(&self) -> bool {
        !matches!(self.eviction_policy.as_str(), "" | "noeviction")
    }
}
