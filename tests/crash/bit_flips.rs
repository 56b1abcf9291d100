//! One bit is turned over in every byte of every file of a folder.

use crate::expected_state::disagreement;
use crate::harness::Stage;
use crate::power_cuts::Trial;
use crate::run::live;
use crate::workload::{Act, Mix, Step};
use levelgate::journal::Sync;
use levelgate::store::memory::Memory;
use std::collections::BTreeMap;
use support::environment::seeds;

const MIX: Mix = Mix { steps: 14, side: 20, staff: 25, keeps: 0, syncs: 0, restarts: 0, reloads: 0, waits: 100 };

#[test]
fn flipped_bit_is_refused_truncated_or_harmless() {
    // Every byte takes minutes, so all are flipped only where LEVELGATE_SEEDS is set.
    let each = if std::env::var_os("LEVELGATE_SEEDS").is_some() { 1 } else { 7 };
    for seed in seeds(1).map(|seed| seed + 3_000) {
        let mut trial = Trial::of(seed, MIX);
        // Two snapshots, and operations before, between and after them.
        for at in [5, 10] {
            let act = Act::Keep { archives: at == 5, retires: false };
            let before = trial.story.steps[at - 1].clone();
            trial.story.steps.insert(at, Step { act, waits: true, said: None, recorded: false, ..before });
        }
        let steps = trial.story.steps.len();
        let (store, index) = (Memory::new(), trial.indexes.fresh());
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (promised, stage) = live(&trial.story, 0..trial.story.steps.len(), &store, &index, Sync::Always, &about);
        assert_eq!(promised.begun, steps, "{about}");
        drop(stage);
        let last = trial.story.steps[steps - 1].last;
        // The last batch alone is not known to have been synced: no later batch confirms it.
        let known = trial.story.steps.iter().rev().map(|step| step.last).find(|of| *of < last).unwrap_or(0);
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
    let stage = match Stage::open(image, &trial.flipped, Sync::Always, &trial.story.first.rules, None) {
        Ok(stage) => stage,
        Err(refused) => {
            let said = format!("{refused:#}");
            let clear = ["journal/", "archive/", "keys", "instance", "snapshot"].iter().any(|word| said.contains(word));
            assert!(clear, "{about}: it says only {said}");
            return "refused";
        }
    };
    let found = stage.journal().last().0;
    assert!(found >= known && found <= last, "{about}: the journal ends with record {found}");
    let (steps, partly) = trial.steps_of(found, about);
    if !partly {
        let expected = trial.expected(steps);
        trial.stand(&stage, steps);
        let differs = disagreement(&expected, &stage, expected.again_from, about);
        assert!(differs.is_none(), "{about}: {}", differs.unwrap_or_default());
    }
    if found < last { "cut" } else { "passed over" }
}
