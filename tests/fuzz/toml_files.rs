//! Configuration files.

use crate::edits::{Edits, TIME_MS, edited};
use levelgate::config;
use std::{path::Path, time::Duration};

/// A broken file is refused with its name, and nothing else happens.
#[test]
fn configuration_files_are_loaded_or_refused_by_name() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files: Vec<(&str, Vec<u8>)> = ["levelgate.toml", "rates.toml", "merchants/acme.toml", "merchants/globex.toml"]
        .into_iter()
        .map(|name| (name, std::fs::read(samples.join(name)).unwrap()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let broken = usize::from(*number) % files.len();
            for (place, (name, text)) in files.iter().enumerate() {
                let text = if place == broken { edited(text, edits) } else { text.clone() };
                std::fs::write(folder.path().join(name), text).unwrap();
            }
            if let Err(problems) = config::load(folder.path()) {
                let words = problems.render(config::Style::Plain);
                assert!(words.contains(".toml"), "{words}");
            }
        },
    );
}
