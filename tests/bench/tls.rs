//! The bench against a daemon with TLS and certificates of clients, and with hostile clients.

use crate::{assert_valid, bench, measured};
use serde_json::Value;
use support::{
    certificates::Authority,
    daemon::{ConfigFolder, Daemon, Settings},
};

#[test]
fn a_daemon_with_tls_is_measured_by_a_client_with_a_certificate_also_under_attack() {
    let merchant = bench(&["--print-merchant"]).text;
    let mut folder = ConfigFolder::new(&Settings::SYSTEM, &[("bench", merchant)]);
    let authority = Authority::make(folder.scratch_path("ca").parent().unwrap(), "ca");
    let (server, client) = (authority.server("server", 2), authority.client("client", "/CN=bench", 2));
    let tls = format!(
        "[http]\ntls = {{ certificate = {:?}, key = {:?}, client_ca = {:?} }}\n",
        server.certificate, server.key, authority.ca
    );
    let role = "[auth]\ncertificates = [{ role = \"operator\", common_name = \"bench\" }]\n";
    folder.authority = Some(authority.ca.clone());
    folder.write("levelgate.toml", &format!("{}\n{role}", Settings::SYSTEM.text().replace("[http]\n", &tls)));
    let daemon = Daemon::start(folder);
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (url, ca) = (format!("https://localhost:{}", daemon.port()), text(&authority.ca));
    let (cert, key) = (text(&client.certificate), text(&client.key));
    let target = ["--url", &url, "--merchant", "bench", "--ca", &ca, "--cert", &cert, "--key", &key];
    let scratch = tempfile::tempdir().unwrap();
    let kinds = ["slow-head", "half-open", "big-body", "bad-json", "handshake-flood"];
    let all = kinds.join(",");
    let sizes =
        ["--rate", "100", "--seconds", "1", "--hostile", &all, "--hostile-clients", "8", "--hostile-rate", "400"];
    let (text, report) = measured(scratch.path(), &[&target[..], &sizes].concat());
    assert_valid(&report, 1);
    assert_eq!(report["runs"].as_array().unwrap().len(), 1 + kinds.len());
    for kind in kinds {
        assert!(text.contains(kind), "{kind} in {text}");
        let work = &report["disturbances"][format!("{kind} 100/s")];
        // A slow head and a half request end after `header_timeout_s` and `body_timeout_s`.
        let ends_soon = !matches!(kind, "slow-head" | "half-open");
        assert!(work["finished"].as_u64().is_some_and(|count| count > 0 || !ends_soon), "{kind}: {work}");
    }
    assert!(report["runs"].as_array().unwrap().iter().all(|run| run["refused"] == Value::Object(Default::default())));

    let without = bench(&["--url", &url, "--merchant", "bench", "--ca", &ca, "--rate", "10", "--seconds", "1"]);
    // The answer names the cause.
    let words = "does not show the merchant bench: send a valid token";
    assert!(without.code == Some(1) && without.text.contains(words), "{}", without.text);
}

#[test]
fn hostile_clients_attack_a_daemon_that_the_bench_starts_and_handshakes_need_tls() {
    let scratch = tempfile::tempdir().unwrap();
    let small = ["--rate", "100", "--seconds", "1", "--hostile-clients", "4", "--hostile"];
    let (text, report) = measured(scratch.path(), &[&small[..], &["bad-json,big-body"]].concat());
    assert_valid(&report, 1);
    assert!(text.contains("p99 / quiet"), "{text}");
    let refused = bench(&[&small[..], &["handshake-flood", "--customers", "10", "--warm-up", "0"]].concat());
    assert!(refused.code == Some(1) && refused.text.contains("needs a daemon with TLS"), "{}", refused.text);
}
