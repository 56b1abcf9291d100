//! A folder that is restored from raw ranges, keys and a snapshot has the state of the original.

use crate::harness::Indexes;
use crate::power_cuts::{DeadDaemon, Trial};
use crate::run::run_steps;
use crate::workload::Mix;
use levelgate::storage::{
    fs::{
        Store,
        memory::{Keep, Memory},
    },
    journal::{Instance, Journal, Lsn, Sync},
    keys::Keys,
    restored_folder::{IncompleteGroup, RestoredFolder},
};
use std::sync::Arc;
use support::environment::seeds;
use support::random::Random;

const MIX: Mix = Mix { steps: 120, side: 15, staff: 25, keeps: 7, syncs: 3, restarts: 4, reloads: 5, waits: 70 };

/// Restores a copy of a folder from its parts, with ranges of any sizes.
fn restored(original: &Memory, journal: &Journal, seed: u64) -> Memory {
    let (restored, mut random) = (Memory::new(), Random::seeded(seed));
    let instance = Instance::known(original).expect("an instance").expect("an instance");
    let keys = Keys::open(&original.kill_image(), instance.id.0).expect("keys");
    let store = Arc::new(restored.clone());
    let mut folder = RestoredFolder::begin(store, instance, 3_000).expect("an empty folder");
    let mut slot = 0;
    loop {
        let entries = keys.entries_after(slot, 7).expect("entries");
        let Some((last, _)) = entries.last() else { break };
        slot = last + 1;
        folder.put_keys(&entries.iter().map(|(_, entry)| *entry).collect::<Vec<_>>()).expect("keys are written");
    }
    let names = original.list("snapshots").expect("a list");
    if let Some(name) = names.iter().rfind(|name| name.ends_with(".snap")) {
        let bytes = original.bytes(&format!("snapshots/{name}")).expect("a snapshot");
        let begin = name.trim_end_matches(".snap").parse().expect("a number");
        let mut chunks = bytes.chunks(900).map(|chunk| Ok(chunk.to_vec()));
        folder.put_snapshot(Lsn(begin), &mut chunks).expect("a snapshot");
    }
    let mut after = Lsn(journal.begins_at().0 - 1);
    while let Some(raw) = journal.raw_after(after, random.place(3_000)).expect("records") {
        after = raw.last;
        folder.put_records(&raw, 0).expect("records are written");
    }
    let report = folder.finish(IncompleteGroup::Write).expect("it is whole");
    assert_eq!(report.last, journal.last());
    restored
}

#[test]
fn a_restored_folder_has_the_state_of_the_original() {
    for seed in seeds(3) {
        let mut trial = Trial::of(seed, MIX);
        let (store, indexes) = (Memory::new(), Indexes::new());
        let steps = trial.workload.steps.len();
        let about = format!("seed {seed}, restored");
        let (progress, harness) =
            run_steps(&trial.workload, 0..steps, &store, &indexes.fresh(), Sync::Interval, &about);
        let harness = harness.expect("it runs to its end");
        harness.journal().sync().expect("all is synced");
        let (last, copy) = (harness.journal().last(), restored(&store, harness.journal(), seed));
        drop(harness);
        for image in [copy.kill_image(), copy.crash_image(&mut |_| Keep::Nothing)] {
            let left = DeadDaemon { image: &image, index: &indexes.fresh(), sync: Sync::Interval };
            trial.check(&left, last.0, progress, false, &about);
        }
    }
}
