//! The folders of one test: a configuration that may be written anew between two starts, and a data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::{COMMON, Rules, default_behaviour, deletion_grace, labels_text, levels_text, methods_text, resets};

const GATES: &str = r#"
add_all_projects_to_unknown_level = true

[[gates]]
id = "gate-a"

[[gates]]
id = "gate-b"
"#;

/// The daemon's own settings, as far as tests vary them.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `[store] kind`.
    pub(crate) kind: &'static str,
    /// `[store] sync`.
    pub(crate) sync: &'static str,
    /// `[store] segment_bytes`.
    pub(crate) segment_bytes: u64,
    /// `[store] snapshot_interval_s`.
    pub(crate) snapshot_interval_s: u64,
    /// `[store] snapshot_records`.
    pub(crate) snapshot_records: u64,
    /// `[memory] max_transactions`.
    pub(crate) max_transactions: u64,
}

impl Settings {
    /// Small segments and frequent snapshots, so that a short run meets every boundary.
    pub(crate) const BUSY: Settings = Settings {
        kind: "disk",
        sync: "interval",
        segment_bytes: 65_536,
        snapshot_interval_s: 1,
        snapshot_records: 400,
        max_transactions: 10_000_000,
    };
    /// One segment and no snapshot except on request, so that a test knows the content of the files.
    pub(crate) const CALM: Settings = Settings {
        segment_bytes: 64 << 20,
        snapshot_interval_s: 3_600,
        snapshot_records: 1_000_000_000,
        ..Settings::BUSY
    };

    fn text(&self, data: &Path) -> String {
        let Settings { kind, sync, segment_bytes, snapshot_interval_s, snapshot_records, max_transactions } = self;
        format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"{kind}\"\npath = \"{}\"\nsync = \"{sync}\"\n\
             segment_bytes = {segment_bytes}\nsnapshot_interval_s = {snapshot_interval_s}\n\
             snapshot_records = {snapshot_records}\n[memory]\nmax_transactions = {max_transactions}\n",
            data.display()
        )
    }
}

/// The folders; they go when the test ends.
#[derive(Debug)]
pub(crate) struct TestFolders {
    dir: tempfile::TempDir,
}

impl TestFolders {
    /// Two merchants alike but for who names the customers, and for what applies where no level does: `acme` names them
    /// itself, and its identifiers are sealed wherever raises are confirmed, so that reloads switch it; `globex` leaves it
    /// to the gateway.
    pub(crate) fn new(settings: &Settings) -> TestFolders {
        let folders = TestFolders { dir: tempfile::tempdir().expect("a temporary folder") };
        let merchants = folders.config().join("merchants");
        std::fs::create_dir_all(&merchants).expect("a folder");
        folders.configure(&Rules::first());
        let rates = format!("base = \"EUR\"\nas_of = 2026-11-20T00:00:00Z\n[rates]\nUSD = \"{}\"\n", COMMON.0);
        std::fs::write(folders.config().join("rates.toml"), rates).expect("a file");
        folders.settle(settings, &folders.data());
        folders
    }

    /// Writes the files of both merchants.
    pub(crate) fn configure(&self, rules: &Rules) {
        let Rules { gates, zone, hold, definition, raise_delay, raise_confirm, confirm_within, .. } = rules;
        let endpoint = |id: &str, currency: &str| {
            let methods = methods_text();
            format!(
                "  [[projects.endpoints]]\n  id = \"{id}\"\n  currency = \"{currency}\"\n  gates = {gates:?}\n{methods}"
            )
        };
        let endpoints = endpoint("web-eur", "EUR") + &endpoint("web-usd", "USD");
        // A project in a currency without payments, which can be switched off nevertheless.
        let other = endpoint("shop-gbp", "GBP");
        let (labels, levels) = (labels_text(), levels_text(rules));
        for (id, mode) in [("acme", "crm"), ("globex", "payment_gateway")] {
            let seals = *raise_confirm && id == "acme";
            let (resets, grace, default) = (resets(id), deletion_grace(id), default_behaviour(id));
            let text = format!(
                "id = \"{id}\"\noperation_mode = \"{mode}\"\ntime_zone = \"{zone}\"\nraise_delay = \"{raise_delay}\"\n\
                 seal_identifiers = {seals}\nraise_confirm = {raise_confirm}\nconfirm_within = \"{confirm_within}\"\n\
                 labels_max = 100\ndeletion_grace = \"{grace}\"\nreset_individual_settings_on_level_change = {resets}\n\
                 default_behaviour = \"{default}\"\n\
                 hold = {{ deposit = \"{hold}\", withdrawal = \"{hold}\" }}\n{GATES}\n[[projects]]\nid = \"web\"\n\
                 client_definition = {definition}\n{endpoints}\n[[projects]]\nid = \"shop\"\n{other}{labels}{levels}"
            );
            std::fs::write(self.config().join("merchants").join(format!("{id}.toml")), text).expect("a file");
        }
    }

    /// Writes the daemon's settings anew, for the next start.
    pub(crate) fn settle(&self, settings: &Settings, data: &Path) {
        std::fs::write(self.config().join("levelgate.toml"), settings.text(data)).expect("a file");
    }

    /// Sets the time of the snapshot at a stop, for the next start; 0: none.
    pub(crate) fn set_stop_snapshot(&self, seconds: u64) {
        let path = self.config().join("levelgate.toml");
        let text = std::fs::read_to_string(&path).expect("the settings");
        let text = text.replace("[memory]", &format!("stop_snapshot_s = {seconds}\n[memory]"));
        std::fs::write(path, text).expect("a file");
    }

    /// The folder of the configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Another path next to both folders.
    pub(crate) fn scratch_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Every file under a folder with its bytes, by the path from there on.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut left) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                left.push(entry);
            } else {
                let name = entry.strip_prefix(folder).expect("it is in the folder").display().to_string();
                found.insert(name, std::fs::read(&entry).expect("a file is read"));
            }
        }
    }
    found
}

/// The names of the files of a folder that end so, in order; none where there is no folder.
pub(crate) fn names(folder: &Path, end: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
    names.sort_unstable();
    names
}
