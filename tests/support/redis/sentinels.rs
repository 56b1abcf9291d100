//! A master, replicas, and three Sentinels that watch them.

use crate::process::eventually;
use crate::redis::resp::Answer;
use crate::redis::server::{RedisOptions, RedisServer};

/// The name of the master.
pub const MASTER: &str = "main";

/// The servers.
#[derive(Debug)]
pub struct Sentinels {
    /// The data servers; the first one is the master at the start.
    pub servers: Vec<RedisServer>,
    /// The Sentinels.
    pub sentinels: Vec<RedisServer>,
}

impl Sentinels {
    /// Starts a master, this many replicas and three Sentinels, and waits until the Sentinels know everything.
    pub fn start(replicas: usize) -> Sentinels {
        let master = RedisServer::start();
        let port = master.port();
        let replica = || RedisServer::with(RedisOptions { replica_of: Some(port), ..RedisOptions::default() });
        let servers: Vec<RedisServer> = std::iter::once(master).chain((0..replicas).map(|_| replica())).collect();
        servers.iter().skip(1).for_each(RedisServer::wait_until_synced);
        let lines = vec![
            format!("sentinel monitor {MASTER} 127.0.0.1 {port} 2"),
            format!("sentinel down-after-milliseconds {MASTER} 1000"),
            format!("sentinel failover-timeout {MASTER} 5000"),
        ];
        let sentinel =
            || RedisServer::spawn("redis-sentinel", RedisOptions { lines: lines.clone(), ..RedisOptions::default() });
        let sentinels: Vec<RedisServer> = (0..3).map(|_| sentinel()).collect();
        for sentinel in &sentinels {
            eventually("the Sentinels know each other and the replicas", || {
                let count = |what: &str| match sentinel.command(&format!("SENTINEL {what} {MASTER}")) {
                    Answer::List(all) => all.len(),
                    _ => 0,
                };
                count("SENTINELS") == 2 && count("REPLICAS") == replicas
            });
        }
        Sentinels { servers, sentinels }
    }

    /// The address.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// The port of the master that the Sentinels name.
    pub fn master_port(&self) -> u16 {
        let answer = self.sentinels[0].command(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}"));
        answer.list()[1].text().parse().expect("a port")
    }
}
