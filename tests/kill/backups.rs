//! Copies that are taken while the daemon is under load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::daemon::{Daemon, inspect, run};
use crate::folders::{Settings, TestFolders};
use crate::worker::Worker;
use support::process::eventually;

#[test]
fn a_backup_under_load_holds_what_was_answered_before_it_began() {
    let folders = TestFolders::new(&Settings { segment_bytes: 16_384, ..Settings::BUSY });
    let daemon = Daemon::start(&folders);
    let mut before = Worker::new("before", 5, 25);
    let mut busy: Vec<Worker> = (0..3).map(|n| Worker::new(&format!("busy{n}"), 50 + n, 25)).collect();
    let path = |name: &str| folders.scratch_path(name).display().to_string();
    for copy in 0..4 {
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut begun = Vec::new();
        // Its operations end before the copy begins; those of the others continue after it.
        before.send(&mut daemon.client(), 150);
        thread::scope(|scope| {
            let loads: Vec<_> = busy
                .iter_mut()
                .map(|worker| {
                    let (mut client, stop, answered) = (daemon.client(), &stop, &answered);
                    scope.spawn(move || worker.load(&mut client, stop, answered))
                })
                .collect();
            eventually("they are under way", || answered.load(Ordering::Relaxed) > 100);
            let from = answered.load(Ordering::Relaxed);
            let made =
                run(&["backup", &path("data"), &path(&format!("copy{copy}")), "--keys", &path(&format!("keys{copy}"))]);
            begun.push(answered.load(Ordering::Relaxed) - from);
            stop.store(true, Ordering::Relaxed);
            assert_eq!(made.code, Some(0), "{made:?}");
            loads.into_iter().for_each(|load| load.join().expect("all are answered"));
        });
        println!("copy {copy}: {begun:?} operations were answered during the copy");
        let (from, to) = (path(&format!("copy{copy}")), path(&format!("restored{copy}")));
        let without = run(&["restore", &from, &path(&format!("keyless{copy}"))]);
        assert!(without.code == Some(1) && without.text.contains("--keys"), "{without:?}");
        let made = run(&["restore", &from, &to, "--keys", &path(&format!("keys{copy}")), "--verify"]);
        assert!(made.code == Some(0) && made.text.contains("verified"), "{made:?}");
        let other = TestFolders::new(&Settings::CALM);
        other.settle(&Settings::CALM, &folders.scratch_path(&format!("restored{copy}")));
        let restored = Daemon::start(&other);
        let mut known = before.clone();
        known.context = format!("copy {copy}");
        known.verify(&mut restored.client(), true);
        for worker in &busy {
            worker.assert_prefix(&mut restored.client());
        }
        drop(restored);
        let looked = inspect(&folders.scratch_path(&format!("restored{copy}")));
        assert_eq!(looked.code, Some(0), "{looked:?}");
    }
}
