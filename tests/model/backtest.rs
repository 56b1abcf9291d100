//! A daemon records a generated stream; a back-test of its folder under the same configuration changes no decision.

use crate::{generated, lines_of};
use serde_json::Value;
use std::path::Path;
use support::{
    daemon::{ConfigFolder, Daemon, Settings, run},
    environment::seeds,
    raw_http,
};

/// Small segments, and a retention that evicts nothing: the stream spans years.
const STORE: &str = "kind = \"disk\"\nsegment_bytes = 65536\nsnapshot_interval_s = 3600\nstop_snapshot_s = 0\n\n[memory]\nretention_days = 4000";

fn copy(from: &Path, folder: &ConfigFolder) {
    for name in ["rates.toml".to_owned()].into_iter().chain((0..4).map(|n| format!("merchants/m{n}.toml"))) {
        let text = std::fs::read_to_string(from.join(&name)).expect("a file of the configuration");
        folder.write(&name, &text);
    }
}

#[test]
fn a_back_test_of_a_generated_history_changes_no_decision() {
    let mut judged = 0;
    for seed in seeds(4).map(|seed| seed + 5_000_000) {
        println!("seed {seed}");
        let config = tempfile::tempdir().expect("a temporary folder");
        let played = generated(seed, config.path(), false);
        let folder = ConfigFolder::new(&Settings { store: STORE, ..Settings::REQUEST }, &[]);
        copy(config.path(), &folder);
        let mut daemon = Daemon::start(folder);
        // A restart and two snapshots in between.
        let third = played.len() / 3;
        for (part, lines) in played.chunks(third.max(1)).enumerate() {
            let answer = raw_http::post_streamed(daemon.port(), "/v1/batch", lines_of(lines).into_bytes());
            assert_eq!(answer.status, 200, "{}", answer.body);
            daemon.post_nothing("/v1/snapshot").ok();
            if part == 0 {
                daemon.kill_and_start();
            }
        }
        let arguments = ["backtest", "--config", ".", "--data", "data", "--format", "json", "--list", "changes.csv"];
        let ended = run(&daemon.folder, &arguments);
        assert_eq!(ended.code, Some(0), "seed {seed}: {ended:?}");
        let json = ended.text.find('{').expect("a document");
        let report: Value = serde_json::from_str(&ended.text[json..]).expect("JSON");
        let list = std::fs::read_to_string(daemon.folder.path().join("changes.csv")).expect("the list");
        assert_eq!(
            (&report["differences"], &report["not_judged_decisions"]),
            (&0.into(), &0.into()),
            "seed {seed}: {list}"
        );
        judged += report["judged"].as_u64().expect("a count");
    }
    assert!(judged > 200, "only {judged} decisions were judged");
}
