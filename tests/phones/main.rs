//! Phone numbers of all regions, in many forms, are read as Google's libphonenumber reads them: the judge is Python's
//! `phonenumbers`, with the metadata of the library that is judged.
//!
//! `LEVELGATE_SEED` chooses what is generated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use levelgate::domain::vocabulary::contact::phone::{Country, compared, e164, national_prefixes, valid};
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// How many numbers are generated; the judge writes each in three forms.
const NUMBERS: u64 = 30_000;
/// How many judges run at a time.
const JUDGES: u64 = 2;

/// The result of one share: how many texts were compared, how many are numbers, and the differences.
fn judged(python: &Path, seed: u64) -> (usize, usize, Vec<String>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones/judge.py");
    let count = (NUMBERS / JUDGES).to_string();
    let mut judge = Command::new(python)
        .args([script.as_os_str(), seed.to_string().as_ref(), count.as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let (mut texts, mut numbers, mut wrong) = (0, 0, Vec::new());
    for line in BufReader::new(judge.stdout.take().unwrap()).lines() {
        let (country, text, want): (Option<String>, String, Option<String>) =
            serde_json::from_str(&line.unwrap()).unwrap();
        let region = country.as_deref().map(|code| Country::parse(code).expect("a known region"));
        let read = valid(region, &text).map(|number| e164(&number));
        // The form of a number is the number's.
        if let Some(form) = &read {
            assert_eq!(valid(None, form).map(|number| e164(&number)).as_ref(), Some(form), "{text:?}");
            assert_eq!(compared(region, &text).as_ref(), Some(&form.into()), "{text:?}");
        }
        if read != want {
            wrong.push(format!("{text:?}, default country {country:?}: read {read:?}, judged {want:?}"));
        }
        texts += 1;
        numbers += usize::from(want.is_some());
    }
    assert!(judge.wait().unwrap().success(), "the judge failed");
    (texts, numbers, wrong)
}

/// The interpreter with the judge's library. It is installed once.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("phones-venv");
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones/install");
        let installed = Command::new(install).arg(&venv).status().expect("bash");
        assert!(installed.success(), "python3 with venv and pip are needed; tests/run installs them");
        venv.join("bin/python")
    })
}

/// The daemon does not ask the library about a text that begins with no national prefix. So each that the library knows
/// must be listed.
#[test]
fn national_prefixes_are_those_of_the_metadata() {
    let listed: BTreeMap<u16, &[&str]> =
        (1..1_000).filter_map(|code| Some((code, national_prefixes::of(code)?))).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones/judge.py");
    let judged = Command::new(python()).arg(script).arg(serde_json::to_string(&listed).unwrap()).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    assert_eq!(String::from_utf8_lossy(&judged.stdout), "", "[country code, a national number that may be changed]");
    assert_eq!(listed.len(), 215);
}

#[test]
fn phone_numbers_agree_with_the_reference_implementation() {
    let seed: u64 = env::var("LEVELGATE_SEED").map_or(1, |seed| seed.parse().expect("LEVELGATE_SEED is a number"));
    let shares: Vec<_> = std::thread::scope(|scope| {
        let python = python();
        let judges: Vec<_> = (0..JUDGES).map(|n| scope.spawn(move || judged(python, seed * JUDGES + n))).collect();
        judges.into_iter().map(|judge| judge.join().unwrap()).collect()
    });
    let wrong: Vec<&String> = shares.iter().flat_map(|(_, _, wrong)| wrong).collect();
    let (texts, numbers) = shares.iter().fold((0, 0), |(texts, numbers), share| (texts + share.0, numbers + share.1));
    assert!(texts as u64 == 3 * NUMBERS && numbers > texts / 3, "{texts} texts, {numbers} numbers");
    let shown = wrong.iter().take(40).map(|one| one.as_str()).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "seed {seed}: {} of {texts} texts are read otherwise:\n{shown}", wrong.len());
}
