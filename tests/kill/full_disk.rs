//! A disk that becomes full during an upload: the caller gets a refusal, the file is removed, and payments go on.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::json;

use crate::daemon::Daemon;
use crate::folders::{Settings, TestFolders, files};

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
/// Bytes of a file, beyond which the system takes no more.
const FILE_BYTES_MAX: u64 = 300_000;

#[test]
fn upload_on_a_full_disk_is_refused_and_payments_continue() {
    let mut table = String::from("merchant_customer_identifier,email\n");
    for n in 0..30_000 {
        let _ = writeln!(table, "row-{n},personal-{n}@example.com");
    }
    for sync in ["interval", "always", "never"] {
        let folders = TestFolders::new(&Settings { sync, ..Settings::CALM });
        let mut daemon = Daemon::launch_ignoring_file_limits(&folders);
        daemon.wait_until_ready();
        let limit = format!("--fsize={FILE_BYTES_MAX}");
        let limited = Command::new("prlimit").args(["--pid", &daemon.id().to_string(), &limit]).status();
        assert!(limited.expect("`prlimit` is there").success(), "a limit is set");
        let mut client = daemon.client();
        for n in 0..5 {
            let path = format!("{CUSTOMERS}.csv");
            // A refusal may come before everything is sent, and then the connection breaks.
            if let Some(refused) = daemon.client().call("POST", &path, &table) {
                assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
                assert_eq!(refused.json()["code"], "storage_full", "{refused:?}");
            }
            let body = json!({ "transaction_id": format!("t{n}"), "direction": "deposit", "currency": "EUR",
                "amount": "1.00", "merchant_customer_identifier": "alice", "customer_level": "gold" });
            let answer = client.post("/v1/merchants/acme/transactions", &body).expect("the daemon lives").ok();
            assert_eq!(answer["decision"], "allow", "{answer}");
        }
        let status = client.get("/v1/status").expect("the daemon lives").ok();
        assert_eq!(status["customers"], 1, "nothing of the table is taken");
        support::process::eventually("nothing is left of the uploads", || {
            files(&folders.data().join("jobs")).is_empty()
        });
        assert!(daemon.log().contains("refused because the disk has no room"), "{}", daemon.log());
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    }
}
