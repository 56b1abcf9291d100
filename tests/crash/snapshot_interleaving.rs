//! A snapshot between whose pieces operations go on, in an order that a seed gives.

use crate::disk_images::Kind;
use crate::power_cuts::{Left, Trial};
use crate::run::live;
use crate::workload::Mix;
use levelgate::journal::Sync;
use levelgate::store::memory::Memory;
use support::environment::seeds;
use support::random::Random;

const MIX: Mix = Mix { steps: 170, side: 12, staff: 25, keeps: 9, syncs: 0, restarts: 1, reloads: 5, waits: 70 };

#[test]
fn snapshot_interleaved_with_operations_recovers_the_same_state() {
    for seed in seeds(4).map(|seed| seed + 4_000) {
        let mut trial = Trial::of(seed, MIX);
        let mut chance = Random::seeded(seed);
        let steps = trial.story.steps.len();
        for _ in 0..4 {
            let from = 20 + chance.place(steps - 40);
            let (store, index) = (Memory::new(), trial.indexes.fresh());
            let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, a snapshot after step {from}");
            let (mut promised, stage) = live(&trial.story, 0..from, &store, &index, Sync::Always, &about);
            let stage = stage.expect("a stage");
            promised.begun = trial.snapshot_amid(&stage, &store, from, &mut chance, &about);
            let least = stage.journal().last().0;
            drop(stage);
            for lost in [false, true] {
                let found = if lost { trial.indexes.fresh() } else { index.clone() };
                let about = format!("{about} up to step {}, index lost: {lost}", promised.begun);
                let left = Left { image: &Kind::Killed.of_store(&store), index: &found, sync: Sync::Always };
                trial.check(&left, least, promised, lost, &about);
            }
        }
        println!("seed {seed}: {} images", trial.images);
    }
}
