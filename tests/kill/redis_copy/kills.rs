//! Rounds of load, each ended by `kill -9` of the daemon. What was answered is in Redis at that moment, on the machine, and
//! in a daemon whose folder is made of what Redis has.

use support::environment::number;
use support::random::Random;
use support::redis::server::RedisServer;

use crate::redis_copy::case::{Case, Options, Rule, Times, verify};

fn rounds(name: &str, options: Options) {
    let (rounds, seed) = (number("LEVELGATE_ROUNDS", 4), number("LEVELGATE_SEED", 1));
    let mut random = Random::seeded(seed);
    let server = RedisServer::start();
    let mut case = Case::start(name, &server.url(), options);
    case.workers.iter_mut().for_each(|worker| worker.records.forgets = true);
    for round in 0..rounds {
        let answers = random.between(5, 250);
        println!("{name}, LEVELGATE_SEED={seed}, round {round}: killed after {answers} answers");
        case.load_and_kill(answers);
        case.judge_copy(&server.url());
        case.restart();
        let name = case.name().to_owned();
        verify(&case.daemon, &mut case.workers, &name);
    }
    case.judge();
}

#[test]
fn answered_operations_are_in_redis_when_the_daemon_is_killed() {
    rounds("kill -9", Options { times: Times::LONG, ..Options::of(Rule::Continue) });
}

#[test]
fn answered_operations_are_in_redis_when_a_daemon_with_a_lease_is_killed() {
    rounds("kill -9", Options { times: Times::LONG, ..Options::of(Rule::Refuse) });
}

#[test]
fn answered_operations_of_a_daemon_without_a_disk_are_in_redis() {
    let server = RedisServer::start();
    let options = Options { kind: "memory", times: Times::LONG, ..Options::of(Rule::Continue) };
    let mut case = Case::start("diskless", &server.url(), options);
    case.load_and_kill(150);
    case.judge_copy(&server.url());
}
