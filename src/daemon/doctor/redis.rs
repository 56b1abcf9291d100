//! The copy in Redis: whether the server answers, how fast, and what would lose data.

use crate::{
    config::{OnOutage, Redis, RedisFiles},
    daemon::{doctor::finding::Finding, redis_copy::reader},
    replication::{RedisError, ServerFacts},
};
use std::time::{Duration, Instant};

const TOPIC: &str = "redis";
/// An answer of this time delays every answer that waits for Redis.
const SLOW_ANSWER: Duration = Duration::from_millis(20);

/// Examines the server of a configuration; `None`: there is no `[redis]`.
pub(super) fn examine_redis(redis: Option<(&Redis, &RedisFiles)>) -> Vec<Finding> {
    let Some((redis, files)) = redis else { return vec![Finding::fine(TOPIC, "not used")] };
    let mut reader = match reader(redis, files) {
        Ok(reader) => reader,
        Err(error) => return vec![Finding::error(TOPIC, format!("{error:#}"))],
    };
    // The first call connects.
    let head = match reader.head() {
        Ok(head) => head,
        Err(error) => return vec![away(redis.on_outage, &error)],
    };
    let began = Instant::now();
    let server = match reader.server() {
        Ok(server) => server,
        Err(error) => return vec![away(redis.on_outage, &error)],
    };
    let mut findings = vec![judge_answer(&server, began.elapsed())];
    findings.extend(judge_memory(&server));
    findings.push(match head {
        None => Finding::fine("copy", format!("Redis has no data under the prefix {}", redis.prefix)),
        Some(head) => {
            Finding::fine("copy", format!("of journal {}, owner {}, fence {}", head.instance, head.owner, head.fence))
        }
    });
    findings
}

/// Without Redis a daemon with `on_outage = "refuse"` answers no write.
fn away(on_outage: OnOutage, error: &RedisError) -> Finding {
    match on_outage {
        OnOutage::Refuse => Finding::error(TOPIC, format!("{error}; with on_outage = \"refuse\" every write gets 503")),
        OnOutage::Continue => {
            Finding::warning(TOPIC, format!("{error}; the daemon starts without it (on_outage = \"continue\")"))
        }
    }
}

fn judge_answer(server: &ServerFacts, took: Duration) -> Finding {
    let text = format!("version {}, answers in {} us", server.version, took.as_micros());
    match took >= SLOW_ANSWER {
        true => Finding::warning(TOPIC, format!("{text}: with ack = \"redis\" each answer waits for it")),
        false => Finding::fine(TOPIC, text),
    }
}

fn judge_memory(server: &ServerFacts) -> Option<Finding> {
    let evicts = server.bytes_max > 0 && !server.eviction_policy.is_empty() && server.eviction_policy != "noeviction";
    evicts.then(|| {
        let policy = &server.eviction_policy;
        Finding::error(
            "redis memory",
            format!("maxmemory-policy is {policy}: a deleted key of the copy cannot be restored; set noeviction"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::doctor::finding::Verdict;

    #[test]
    fn a_server_that_deletes_data_is_an_error_and_one_that_is_away_depends_on_the_rule() {
        let server = |bytes_max, policy: &str| ServerFacts {
            bytes_max,
            eviction_policy: policy.to_owned(),
            ..ServerFacts::default()
        };
        assert_eq!(judge_memory(&server(0, "allkeys-lru")), None, "no limit of memory");
        assert_eq!(judge_memory(&server(1, "noeviction")), None);
        assert_eq!(judge_memory(&server(1, "allkeys-lru")).unwrap().verdict, Verdict::Error);
        assert_eq!(judge_answer(&server(0, ""), Duration::from_millis(1)).verdict, Verdict::Fine);
        assert_eq!(judge_answer(&server(0, ""), SLOW_ANSWER).verdict, Verdict::Warning);
        let error = RedisError::Unreachable("connection refused".to_owned());
        assert_eq!(away(OnOutage::Refuse, &error).verdict, Verdict::Error);
        assert_eq!(away(OnOutage::Continue, &error).verdict, Verdict::Warning);
    }
}
