//! One call fails, and all others work: each in turn, in each way.

use crate::disk_images::ImageKind;
use crate::power_cuts::{DeadDaemon, Trial, degree};
use crate::run::run_steps;
use crate::workload::Mix;
use levelgate::storage::fs::memory::{EIO, ENOSPC, Fault, Memory};
use support::environment::seeds_from;

const MIX: Mix = Mix { steps: 26, side: 15, staff: 25, keeps: 12, syncs: 6, restarts: 4, reloads: 5, waits: 75 };

#[test]
fn failing_call_loses_no_acknowledged_operation() {
    for seed in seeds_from(2_001, 2) {
        let sync = degree(seed);
        let mut trial = Trial::of(seed, MIX);
        let (calls, mut failed) = (trial.calls(sync), 0);
        for call in 1..=calls {
            // A write that is short writes half; any other call only fails.
            let fault = match (call + seed) % 3 {
                0 => Fault::Error(EIO),
                1 => Fault::Error(ENOSPC),
                _ => Fault::Short(ENOSPC),
            };
            let (store, index) = (Memory::new(), trial.indexes.fresh());
            store.fail_at(call, fault);
            let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}, call {call} fails with {fault:?}");
            let (progress, harness) =
                run_steps(&trial.workload, 0..trial.workload.steps.len(), &store, &index, sync, &about);
            let stopped = harness.as_ref().is_none_or(|harness| harness.journal().failed());
            assert!(stopped || progress.begun == trial.workload.steps.len(), "{about}: it stopped for no reason");
            failed += u64::from(progress.failed);
            drop(harness);
            let kind = if call.is_multiple_of(2) { ImageKind::Killed } else { ImageKind::of(call / 2) };
            let about = format!("{about}, image {kind:?}");
            let least = progress.least(sync, kind == ImageKind::Killed);
            let goes_on = call.is_multiple_of(7);
            let left = DeadDaemon { image: &kind.of_store(&store), index: &index, sync };
            trial.check(&left, least, progress, goes_on, &about);
        }
        println!("seed {seed}, {sync:?}: {calls} calls, {failed} failed the journal, {} images", trial.images);
        assert!(failed > 0, "seed {seed}: no call failed the journal");
    }
}
