//! However many threads bring a state back, it is the same, and so is what is refused.

use crate::harness::{BOUNDS, Indexes, options};
use crate::power_cuts::degree;
use crate::run::run_steps;
use crate::workload::{Mix, Workload};
use levelgate::ledger::{Ledger, LedgerStorage, StateRecovery};
use levelgate::storage::fs::{Store, memory::Memory};
use levelgate::storage::{
    encoding,
    journal::{Instance, Journal, Keys, Lsn},
    snapshot,
};
use std::sync::Arc;
use support::environment::seeds_from;

const MIX: Mix = Mix { steps: 160, side: 25, keeps: 3, syncs: 3, restarts: 2, waits: 60, reloads: 5, staff: 12 };

/// The state of a store as so many threads bring it back: every piece of a snapshot of it, and its newest time.
fn state(store: &Memory, threads: usize) -> Result<Vec<String>, String> {
    let store = store.kill_image();
    let instance = Instance::known(&store).unwrap().expect("an instance");
    let keys = Arc::new(Keys::open(&store, instance.id.0).unwrap());
    let mut recovery = StateRecovery::with_threads(instance.secret, &keys, threads).unwrap();
    let newest = store.list("snapshots").unwrap().into_iter().rfind(|name| name.ends_with(".snap"));
    let (mut begin, mut end) = (Lsn::NONE, Lsn::NONE);
    if let Some(name) = newest {
        let file = store.open(&format!("snapshots/{name}")).unwrap();
        let mut reader = snapshot::Reader::open(file, instance.id.0).map_err(|error| error.to_string())?;
        begin = Lsn(reader.header().begin_lsn);
        while let Some(frame) = reader.next_frame().map_err(|error| error.to_string())? {
            end = recovery.restore(&frame).map_err(|error| error.to_string())?.unwrap_or(end);
        }
    }
    let options = options(levelgate::storage::journal::Sync::Interval);
    let opened = Journal::open(Arc::new(store), instance.id, options, None, begin, end, &mut recovery);
    let (journal, _) = opened.map_err(|error| error.to_string())?;
    let ground = LedgerStorage { journal, keys, archive: None, secret: instance.secret };
    let (ledger, newest) = recovery.finish(BOUNDS, ground);
    let mut all = vec![format!("{newest:?}")];
    all.extend(pieces(&ledger));
    Ok(all)
}

/// Every piece of a snapshot of a ledger.
pub fn pieces(ledger: &Ledger) -> Vec<String> {
    let mut pieces = Vec::new();
    ledger
        .snapshot(&mut |mut piece| {
            if let snapshot::Piece::Customer(head) = &mut piece {
                // Each sealing is another.
                head.attributes = vec![u8::from(!head.attributes.is_empty())];
                if let Some(snapshot::IdentifierDto::Sealed { sealed, .. }) = &mut head.identifier {
                    *sealed = vec![u8::from(!sealed.is_empty())];
                }
                let profile = std::mem::take(&mut head.profile);
                if !profile.is_empty() {
                    // Unopened: what is sealed is known by its digest.
                    pieces.push(format!("{:?}", encoding::decode(&profile, &mut |_| Ok(None)).unwrap()));
                }
            }
            if let snapshot::Piece::Global(world) = &mut piece {
                world.levels.sort_by_key(|level| (level.merchant.clone(), level.created, level.name.clone()));
            }
            pieces.push(format!("{piece:?}"));
            Ok(())
        })
        .unwrap();
    pieces
}

#[test]
fn recovered_state_is_independent_of_thread_count() {
    for seed in seeds_from(6_001, 4) {
        let (workload, indexes, store) = (Workload::write(seed, MIX), Indexes::new(), Memory::new());
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (_, harness) =
            run_steps(&workload, 0..workload.steps.len(), &store, &indexes.fresh(), degree(seed), &about);
        harness.expect("a life").journal().close().expect("closed");
        let alone = state(&store, 1).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert!(alone.len() > 3, "{about}");
        // From the journal alone, too.
        let without = store.kill_image();
        for name in without.list("snapshots").unwrap() {
            without.remove(&format!("snapshots/{name}")).unwrap();
        }
        let from_the_journal = state(&without, 1).unwrap_or_else(|error| panic!("{about}: {error}"));
        for threads in [2, 3, 16] {
            assert!(state(&store, threads).as_ref() == Ok(&alone), "{about}: {threads} threads differ");
            assert!(state(&without, threads).as_ref() == Ok(&from_the_journal), "{about}: {threads} threads differ");
        }
    }
}

#[test]
fn first_bad_record_is_named_for_any_thread_count() {
    let (workload, indexes, store) = (Workload::write(6_010, MIX), Indexes::new(), Memory::new());
    let (_, harness) = run_steps(
        &workload,
        0..workload.steps.len(),
        &store,
        &indexes.fresh(),
        degree(6_010),
        "a story with bad records",
    );
    let harness = harness.expect("a life");
    // Whole records of customers whom no record made, and one that is no event.
    let first = harness.journal().append(1_900_000_001, &[4, 1, 2]).lsn;
    for n in 2..200 {
        harness.journal().append(1_900_000_000 + n, if n == 77 { &[0] } else { &[4, 1, 2] });
    }
    harness.journal().close().expect("closed");
    drop(harness);
    let want = format!("record {first} in ");
    for threads in [1, 2, 3, 16] {
        let error = state(&store, threads).expect_err("a refusal");
        assert!(error.starts_with(&want) && error.contains("no record created customer 1900000001"), "{error}");
    }
}
