//! Certificates of clients: who is verified, which role a common name has, and what a token in addition means.

use std::path::Path;

use serde_json::json;

use crate::tls::folder_with_tls;
use support::certificates::{Authority, KeyPair};
use support::daemon::{ConfigFolder, Daemon, agent, run};
use support::fixtures::pay;

const OPERATOR: &str = "operator-secret-0123456789";

/// A folder whose listener verifies certificates of the second authority. `auth` is the content of `[auth]`.
fn folder(auth: &str) -> (ConfigFolder, Authority, Authority) {
    let (folder, authority) = folder_with_tls("", &format!("[auth]\n{auth}\n"));
    let clients = Authority::make(authority.ca.parent().unwrap(), "clients");
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).unwrap();
    let with_clients = format!("server.key\", client_ca = {:?} }}", clients.ca);
    folder.write("levelgate.toml", &text.replace("server.key\" }", &with_clients));
    (folder, authority, clients)
}

const ROWS: &str = r#"certificates = [
  { role = "gateway", common_name = "till", merchants = ["acme"] },
  { role = "viewer", common_name = "Back Office 7" },
  { role = "operator", common_name = "admin" },
]"#;

/// The status of a call with this certificate and token, or 0 without an answer.
fn status(daemon: &Daemon, client: Option<&KeyPair>, token: &str, (method, path): (&str, &str)) -> u16 {
    let agent = agent(daemon.folder.authority.as_deref(), client);
    let mut request = ureq::http::Request::builder().method(method).uri(daemon.url(path));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if method == "POST" { pay(&format!("t-{token}-{path}"), "1.00").to_string() } else { String::new() };
    agent.run(request.body(body).unwrap()).map_or(0, |answer| answer.status().as_u16())
}

const RESERVE: (&str, &str) = ("POST", "/v1/merchants/acme/transactions");
const READ: (&str, &str) = ("GET", "/v1/merchants/acme");
const RELOAD: (&str, &str) = ("POST", "/v1/reload");
const HEALTH: (&str, &str) = ("GET", "/healthz");

#[test]
fn a_common_name_has_its_role_and_a_token_that_is_sent_decides() {
    let (mut folder, _, clients) =
        folder(&format!("tokens = [{{ role = \"operator\", token_file = \"op.token\" }}]\n{ROWS}"));
    folder.write("op.token", OPERATOR);
    folder.environment = vec![("LEVELGATE_LOG", "trace".to_owned())];
    let daemon = Daemon::start(folder);
    let client = |name: &str, subject: &str| clients.client(name, subject, 2);
    let (till, office, admin) =
        (client("c1", "/O=Acme/CN=till"), client("c2", "/CN=Back Office 7"), client("c3", "/CN=admin"));
    let (unknown, none, two) = (client("c4", "/CN=TILL"), client("c5", "/O=till"), client("c6", "/CN=till/CN=admin"));
    for (who, client, token, wanted) in [
        ("nobody", None, "", [401, 401, 401, 200]),
        ("till", Some(&till), "", [200, 200, 403, 200]),
        ("office", Some(&office), "", [403, 200, 403, 200]),
        ("admin", Some(&admin), "", [200, 200, 200, 200]),
        ("an unknown common name", Some(&unknown), "", [401, 401, 401, 200]),
        ("no common name", Some(&none), "", [401, 401, 401, 200]),
        ("two common names", Some(&two), "", [401, 401, 401, 200]),
        ("a token alone", None, OPERATOR, [200, 200, 200, 200]),
        ("a token and a lesser certificate", Some(&office), OPERATOR, [200, 200, 200, 200]),
        ("a token and an unknown certificate", Some(&unknown), OPERATOR, [200, 200, 200, 200]),
        ("a wrong token and a good certificate", Some(&admin), "wrong-0123456789", [401, 401, 401, 200]),
    ] {
        let got = [RESERVE, READ, RELOAD, HEALTH].map(|call| status(&daemon, client, token, call));
        assert_eq!(got, wanted, "{who}");
    }
    // The history names the common name.
    let admin = agent(daemon.folder.authority.as_deref(), Some(&admin));
    let customer = json!({ "merchant_customer_identifier": "ann" }).to_string();
    let made = admin.post(daemon.url("/v1/merchants/acme/customers")).send(&customer);
    assert_eq!(made.unwrap().status().as_u16(), 201);
    let mut found = admin.get(daemon.url("/v1/merchants/acme/audit")).call().unwrap();
    let audit = found.body_mut().read_to_string().unwrap();
    assert!(audit.contains("\"by\":\"admin\""), "{audit}");
    let log = daemon.log();
    for secret in ["O=Acme", "Acme/", OPERATOR, "wrong-0123456789", "PRIVATE KEY"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn certificates_of_other_authorities_and_expired_ones_do_not_connect() {
    let (folder, authority, clients) = folder(ROWS);
    let daemon = Daemon::start(folder);
    let good = clients.client("good", "/CN=admin", 2);
    assert_eq!(status(&daemon, Some(&good), "", RELOAD), 200);
    for (who, client) in [
        ("signed by the authority of the server", authority.client("foreign", "/CN=admin", 2)),
        ("expired", clients.client("old", "/CN=admin", -1)),
        ("a certificate of a server", clients.server("server2", 2)),
    ] {
        assert_eq!(status(&daemon, Some(&client), "", HEALTH), 0, "{who}");
    }
    assert_eq!(status(&daemon, None, "", HEALTH), 200, "a client needs no certificate");
}

#[test]
fn a_reload_changes_the_rows_for_open_connections_and_the_authority_for_new_ones() {
    let (folder, _, clients) = folder(ROWS);
    let daemon = Daemon::start(folder);
    let (till, admin) = (clients.client("t", "/CN=till", 2), clients.client("a", "/CN=admin", 2));
    let kept = agent(daemon.folder.authority.as_deref(), Some(&till));
    let kept_status = || kept.get(daemon.url(READ.1)).call().unwrap().status().as_u16();
    assert_eq!(kept_status(), 200);
    let text = std::fs::read_to_string(daemon.folder.path().join("levelgate.toml")).unwrap();
    daemon.folder.write("levelgate.toml", &text.replace("common_name = \"till\"", "common_name = \"another\""));
    let reloaded = agent(daemon.folder.authority.as_deref(), Some(&admin)).post(daemon.url(RELOAD.1)).send_empty();
    let report = reloaded.unwrap().body_mut().read_to_string().unwrap();
    assert!(report.contains("certificate till: removed") && report.contains("certificate another: added"), "{report}");
    assert_eq!(kept_status(), 401, "the row is gone");
    // Another authority: the certificates of the first one are refused in the handshake.
    let others = Authority::make(clients.ca.parent().unwrap(), "others");
    std::fs::copy(&others.ca, &clients.ca).unwrap();
    assert_eq!(status(&daemon, Some(&admin), "", RELOAD), 200);
    assert_eq!(status(&daemon, Some(&admin), "", HEALTH), 0);
    assert_eq!(status(&daemon, Some(&others.client("o", "/CN=admin", 2)), "", RELOAD), 200);
}

/// An edit of the file, and the words of its refusal; `None`: it is valid.
type Case<'e> = (&'e dyn Fn(&str) -> String, Option<&'e str>);

#[test]
fn rows_need_an_authority_and_open_other_addresses_only_with_one() {
    let check = |folder: &ConfigFolder| run(folder, &["check", folder.path().to_str().unwrap()]);
    let (folder, _, clients) = folder(ROWS);
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).unwrap();
    let cases: [Case<'_>; 8] = [
        (&|text| text.replace("127.0.0.1:0", "0.0.0.0:0"), None),
        (&|text| text.replace("client_ca", "client_ka"), Some("unknown key `client_ka`")),
        (
            &|text| without_authority(text, &clients.ca),
            Some("without [http] tls.client_ca no client has a certificate"),
        ),
        (&|text| text.replace("\"admin\"", "\"till\""), Some("`till` is defined twice")),
        (&|text| text.replace("\"acme\"", "\"amce\""), Some("`amce`")),
        (&|text| text.replace("common_name = \"admin\"", ""), Some("`common_name` is missing in a certificate")),
        (
            &|text| format!("{text}tokens = [{{ role = \"viewer\", token_file = \"x.token\", name = \"till\" }}]\n"),
            Some("as the name of a token and of a certificate,"),
        ),
        (
            &|text| format!("{}[admin]\nlisten = \"0.0.0.0:0\"\n", text.replace("127.0.0.1:0", "0.0.0.0:0")),
            Some("can be reached from other machines, and no tokens are configured"),
        ),
    ];
    for (edit, words) in cases {
        folder.write("levelgate.toml", &edit(&text));
        let ended = check(&folder);
        assert_eq!(ended.code, Some(i32::from(words.is_some())), "{words:?}: {}", ended.text);
        assert!(ended.text.contains(words.unwrap_or_default()), "{words:?}: {}", ended.text);
    }
    // An authority that cannot verify a client.
    folder.write("levelgate.toml", &text);
    for (content, words) in [("none", "contains no certificate in PEM"), ("", "contains no certificate in PEM")] {
        std::fs::write(&clients.ca, content).unwrap();
        let ended = check(&folder);
        assert!(ended.code == Some(1) && ended.text.contains(words), "{}", ended.text);
    }
}

fn without_authority(text: &str, ca: &Path) -> String {
    text.replace(&format!(", client_ca = {ca:?}"), "")
}

#[test]
fn commands_show_a_certificate_and_refusals_name_it() {
    let (folder, authority, clients) = folder(ROWS);
    let daemon = Daemon::start(folder);
    let (admin, till) = (clients.client("a", "/CN=admin", 2), clients.client("t", "/CN=till", 2));
    let url = daemon.url("");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let command = |words: &[&str], cert: &Path, key: &Path| {
        let (ca, cert, key) = (text(&authority.ca), text(cert), text(key));
        let files = ["--url", &url, "--ca", &ca, "--cert", &cert, "--key", &key];
        run(&daemon.folder, &[words, &files].concat())
    };
    for words in [
        &["health"][..],
        &["reload"],
        &["export", "--merchant", "acme"],
        &["mock", "--merchant", "acme", "--count", "2"],
    ] {
        let done = command(words, &admin.certificate, &admin.key);
        assert_eq!(done.code, Some(0), "{words:?}: {}", done.text);
    }
    for (words, refusal) in [
        (&["reload"][..], "this needs a certificate of role operator; the role of this certificate is gateway"),
        (&["export", "--merchant", "acme"], "the role of this certificate is gateway"),
    ] {
        let refused = command(words, &till.certificate, &till.key);
        assert!(refused.code == Some(1) && refused.text.contains(refusal), "{words:?}: {}", refused.text);
    }
    let elsewhere = agent(daemon.folder.authority.as_deref(), Some(&till));
    let mut answer = elsewhere.post(daemon.url("/v1/merchants/other/transactions")).send("{}").unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    assert!(body.contains("this certificate does not reach merchant"), "{body}");
    // Files that cannot be used.
    for (cert, key, words) in [
        (&admin.certificate, &till.key, "the file of --key does not belong to that of --cert"),
        (&admin.key, &admin.key, "the file of --cert, contains no certificate in PEM"),
        (&admin.certificate, &admin.certificate, "the file of --key contains no private key in PEM"),
        (&admin.certificate, &authority.ca.with_file_name("absent"), "the file of --key"),
    ] {
        let refused = command(&["reload"], cert, key);
        assert!(refused.code == Some(1) && refused.text.contains(words), "{words}: {}", refused.text);
    }
    let alone = run(&daemon.folder, &["reload", "--url", &url, "--cert", &text(&admin.certificate)]);
    assert_eq!(alone.code, Some(2), "{}", alone.text);
}
