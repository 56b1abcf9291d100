//! Outages that end: the same server answers again, with all that it had.

use std::time::Duration;

use support::process::eventually;
use support::redis::proxy::{Fault, Proxy};
use support::redis::resp::Answer;
use support::redis::server::{RedisServer, free_port};

use crate::daemon::Daemon;
use crate::redis_copy::case::{Case, Options, Rule, status, wait_for_outage, with_both};
use support::redis::daemons::durable;

/// Lets something make Redis unusable under load until the outage is established, and something end it.
fn outage(
    name: &str,
    start: fn() -> RedisServer,
    begin: impl Fn(&RedisServer) + Sync,
    end: impl Fn(&RedisServer) + Sync,
) {
    with_both(|rule| {
        let server = start();
        let mut case = Case::start(name, &server.url(), Options::of(rule));
        case.load(|daemon| {
            begin(&server);
            wait_for_outage(daemon);
            end(&server);
            // Under load there are always records that Redis does not have yet.
            eventually("the outage is over", || status(daemon)["redis"]["state"] == "shipping");
        });
        case.judge();
    });
}

/// Sends a command that succeeds.
fn command(server: &RedisServer, line: &str) {
    assert_eq!(server.command(line), Answer::Text(b"OK".into()), "{line}");
}

#[test]
fn a_stopped_process() {
    outage("SIGSTOP", durable, |server| server.signal("STOP"), |server| server.signal("CONT"));
}

#[test]
fn no_memory() {
    let begin = |server: &RedisServer| command(server, "CONFIG SET maxmemory-policy noeviction maxmemory 1000000");
    outage("out of memory", RedisServer::start, begin, |server| command(server, "CONFIG SET maxmemory 0"));
}

#[test]
fn a_read_only_replica() {
    // It keeps its data: its master does not answer.
    let begin = |server: &RedisServer| command(server, &format!("REPLICAOF 127.0.0.1 {}", free_port()));
    outage("read-only", RedisServer::start, begin, |server| command(server, "REPLICAOF NO ONE"));
}

#[test]
fn a_key_of_another_type() {
    let begin = |server: &RedisServer| {
        command(server, "RENAME {levelgate}:stream {levelgate}:aside");
        command(server, "SET {levelgate}:stream text");
    };
    let end = |server: &RedisServer| command(server, "RENAME {levelgate}:aside {levelgate}:stream");
    outage("wrong type", RedisServer::start, begin, end);
}

#[test]
fn a_server_that_is_down_while_the_daemon_starts() {
    with_both(|rule| {
        let mut server = durable();
        let mut case = Case::start("down at start", &server.url(), Options::of(rule));
        case.load_and_kill(80);
        server.kill();
        case.configure();
        case.daemon = Daemon::launch(&case.folders);
        case.daemon.wait_until_listening();
        if rule == Rule::Continue {
            // The folder has the newest fence, and the daemon goes on without Redis.
            case.wait_until_ready();
            case.settle();
            case.load(|_| server.restart());
        } else {
            let mut client = case.daemon.client();
            let answer = client.get("/readyz").expect("an answer");
            assert_eq!(answer.status, 503, "{answer:?}");
            server.restart();
            case.settle();
            case.load(|_| {});
        }
        case.judge();
    });
}

#[test]
fn connections_that_are_slow_or_cut_or_lose_replies() {
    with_both(|rule| {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let mut case = Case::start("proxy", &proxy.url(), Options::of(rule));
        case.load(|_| proxy.set(Fault::DelayReplies(Duration::from_millis(40))));
        // Each number ends within another reply, some within their first bytes.
        for rest in [1, 3, 40, 200, 701, 1_500] {
            case.load(|_| proxy.set(Fault::CutRepliesAfter(rest)));
        }
        case.load(|daemon| {
            proxy.set(Fault::DropReplies);
            wait_for_outage(daemon);
            proxy.set(Fault::None);
        });
        case.load(|daemon| {
            proxy.set(Fault::Refuse);
            wait_for_outage(daemon);
            // While a batch is on its way, there are new records: Redis never has all of them.
            proxy.set(Fault::DelayReplies(Duration::from_millis(100)));
            eventually("the outage is over", || status(daemon)["redis"]["state"] == "shipping");
            proxy.set(Fault::None);
        });
        case.judge();
    });
}

#[test]
fn a_policy_that_deletes_data_is_warned_about() {
    let server = RedisServer::start();
    server.command("CONFIG SET maxmemory-policy allkeys-lru");
    let case = Case::start("eviction", &server.url(), Options::of(Rule::Continue));
    eventually("the policy is named", || case.daemon.log().contains("maxmemory-policy allkeys-lru"));
    assert_eq!(case.daemon.log().matches("maxmemory-policy").count(), 2, "one line names it twice");
}
