//! One bit is turned over in every byte of every file of a folder.

use crate::expected_state::disagreement;
use crate::harness::Harness;
use crate::power_cuts::Trial;
use crate::run::run_steps;
use crate::workload::{Action, Mix, Step};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use std::collections::BTreeMap;
use support::environment::seeds_from;

const MIX: Mix = Mix { steps: 14, side: 20, staff: 25, keeps: 0, syncs: 0, restarts: 0, reloads: 0, waits: 100 };

#[test]
fn flipped_bit_is_refused_truncated_or_harmless() {
    // Every byte takes minutes, so all are flipped only where LEVELGATE_SEEDS is set.
    let each = if std::env::var_os("LEVELGATE_SEEDS").is_some() { 1 } else { 7 };
    for seed in seeds_from(3_001, 1) {
        let mut trial = Trial::of(seed, MIX);
        // Two snapshots, and operations before, between and after them.
        for at in [5, 10] {
            let act = Action::Keep { archives: at == 5, retires: false };
            let before = trial.workload.steps[at - 1].clone();
            trial.workload.steps.insert(at, Step { act, waits: true, reply: None, recorded: false, ..before });
        }
        let steps = trial.workload.steps.len();
        let (store, index) = (Memory::new(), trial.indexes.fresh());
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (progress, harness) =
            run_steps(&trial.workload, 0..trial.workload.steps.len(), &store, &index, Sync::Always, &about);
        assert_eq!(progress.begun, steps, "{about}");
        drop(harness);
        let last = trial.workload.steps[steps - 1].last;
        // The last batch alone is not known to have been synced: no later batch confirms it.
        let known = trial.workload.steps.iter().rev().map(|step| step.last).find(|of| *of < last).unwrap_or(0);
        let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
        // The next segment's file holds nothing yet.
        for path in store.paths().into_iter().filter(|path| !path.ends_with("next.new")) {
            let bytes = store.bytes(&path).expect("a file").len();
            for offset in (0..bytes).filter(|offset| (*offset + seed as usize).is_multiple_of(each)) {
                let image = store.kill_image();
                assert!(image.flip_bit(&path, offset, (offset % 8) as u8));
                let about = format!("{about}, {path}, byte {offset} of {bytes}");
                let outcome = one(&mut trial, &image, known, last, &about);
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        println!("seed {seed}: {:?}; {outcomes:?}", store.paths());
    }
}

/// What became of a start.
fn one(trial: &mut Trial, image: &Memory, known: u64, last: u64, about: &str) -> &'static str {
    let harness = match Harness::open(image, &trial.flipped, Sync::Always, &trial.workload.first.rules, None) {
        Ok(harness) => harness,
        Err(refused) => {
            let reply = format!("{refused:#}");
            let clear =
                ["journal/", "archive/", "keys", "instance", "snapshot"].iter().any(|word| reply.contains(word));
            assert!(clear, "{about}: it says only {reply}");
            return "refused";
        }
    };
    let found = harness.journal().last().0;
    assert!(found >= known && found <= last, "{about}: the journal ends with record {found}");
    let (steps, partly) = trial.steps_of(found, about);
    if !partly {
        let expected = trial.expected(steps);
        trial.stand(&harness, steps);
        let differs = disagreement(&expected, &harness, expected.again_from, about);
        assert!(differs.is_none(), "{about}: {}", differs.unwrap_or_default());
    }
    if found < last { "cut" } else { "passed over" }
}
