//! A snapshot between whose pieces operations go on, in an order that a seed gives.

use crate::disk_images::ImageKind;
use crate::power_cuts::{DeadDaemon, Trial};
use crate::run::run_steps;
use crate::workload::Mix;
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use support::environment::seeds_from;
use support::random::Random;

const MIX: Mix = Mix { steps: 170, side: 12, staff: 25, keeps: 9, syncs: 0, restarts: 1, reloads: 5, waits: 70 };

#[test]
fn snapshot_interleaved_with_operations_recovers_the_same_state() {
    for seed in seeds_from(4_001, 4) {
        let mut trial = Trial::of(seed, MIX);
        let mut random = Random::seeded(seed);
        let steps = trial.workload.steps.len();
        for _ in 0..4 {
            let from = 20 + random.place(steps - 40);
            let (store, index) = (Memory::new(), trial.indexes.fresh());
            let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, a snapshot after step {from}");
            let (mut progress, harness) = run_steps(&trial.workload, 0..from, &store, &index, Sync::Always, &about);
            let harness = harness.expect("a stage");
            progress.begun = trial.snapshot_interleaved(&harness, &store, from, &mut random, &about);
            let least = harness.journal().last().0;
            drop(harness);
            for is_index_lost in [false, true] {
                let found = if is_index_lost { trial.indexes.fresh() } else { index.clone() };
                let about = format!("{about} up to step {}, index lost: {is_index_lost}", progress.begun);
                let left = DeadDaemon { image: &ImageKind::Killed.of_store(&store), index: &found, sync: Sync::Always };
                trial.check(&left, least, progress, is_index_lost, &about);
            }
        }
        println!("seed {seed}: {} images", trial.images);
    }
}
