//! A cluster of three masters, of which one has a replica.

use crate::process::eventually;
use crate::redis::resp::Answer;
use crate::redis::server::{RedisOptions, RedisServer, free_port};

/// The servers.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes: three masters, and the replica of the one that has the slot.
    pub nodes: Vec<RedisServer>,
    /// The index of the master that has the slot.
    pub owner: usize,
}

/// The slots of each master.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];
/// The index of the replica.
pub const REPLICA: usize = 3;

impl Cluster {
    /// Starts a cluster, and waits until all nodes agree. The master that has the slot of `key` gets a replica.
    pub fn start(key: &str) -> Cluster {
        let node = || {
            let lines = vec![
                "cluster-enabled yes".to_owned(),
                format!("cluster-port {}", free_port()),
                "cluster-node-timeout 1500".to_owned(),
            ];
            RedisServer::with(RedisOptions { lines, ..RedisOptions::default() })
        };
        let nodes: Vec<RedisServer> = (0..=REPLICA).map(|_| node()).collect();
        for (node, (first, last)) in nodes.iter().zip(SLOTS) {
            ok(node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for (n, node) in nodes.iter().enumerate() {
            // Each node gets a different epoch at the start, so that their slots never conflict.
            ok(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1));
        }
        for node in &nodes[1..] {
            let bus = node.command("CONFIG GET cluster-port").list()[1].text();
            ok(&nodes[0], &format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port()));
        }
        for node in &nodes {
            eventually("the nodes know each other", || {
                let info = node.command("CLUSTER INFO").text();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            });
        }
        let slot = nodes[0].command(&format!("CLUSTER KEYSLOT {key}")).number();
        let owner =
            SLOTS.iter().position(|&(first, last)| (i64::from(first)..=i64::from(last)).contains(&slot)).unwrap();
        let id = nodes[owner].command("CLUSTER MYID").text();
        // The replica learns of its master by gossip.
        eventually("the replica has a master", || {
            nodes[REPLICA].command(&format!("CLUSTER REPLICATE {id}")) == Answer::Text(b"OK".into())
        });
        nodes[REPLICA].wait_until_synced();
        for node in &nodes {
            eventually("all nodes know the replica", || {
                node.command(&format!("CLUSTER REPLICAS {id}")).list().len() == 1
            });
        }
        Cluster { nodes, owner }
    }

    /// The address, which names the nodes with these indexes.
    pub fn url(&self, seeds: &[usize]) -> String {
        let hosts: Vec<String> = seeds.iter().map(|&n| format!("127.0.0.1:{}", self.nodes[n].port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}

#[track_caller]
fn ok(node: &RedisServer, line: &str) {
    assert_eq!(node.command(line), Answer::Text(b"OK".into()), "{line}");
}
