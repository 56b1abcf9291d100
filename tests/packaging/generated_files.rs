//! `levelgate generate`.

use crate::{printed, run_system};
use support::process::{Ended, program, run};

fn generate(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.arg("generate").args(arguments);
    run(command)
}

fn file_of(path: &str) -> String {
    std::fs::read_to_string(support::environment::repository().join(path)).unwrap()
}

#[test]
fn files_of_packaging_are_printed_and_written_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (artefact, source) in [
        ("systemd", "packaging/systemd/levelgate.service"),
        ("grafana", "packaging/grafana/levelgate.json"),
        ("alerts", "packaging/prometheus/levelgate-alerts.yml"),
    ] {
        let printed = generate(&[artefact]);
        assert_eq!((printed.code, printed.text), (Some(0), file_of(source)), "{artefact}");
        let out = folder.path().join(artefact);
        let written = generate(&[artefact, "--out", out.to_str().unwrap()]);
        assert_eq!((written.code, written.text.as_str()), (Some(0), ""), "{artefact}");
        let file = if artefact == "systemd" { out.join("levelgate.service") } else { out };
        assert_eq!(std::fs::read_to_string(file).unwrap(), file_of(source), "{artefact}");
    }
    let units = folder.path().join("systemd");
    assert_eq!(
        std::fs::read_to_string(units.join("levelgate.socket")).unwrap(),
        file_of("packaging/systemd/levelgate.socket")
    );
    assert!(units.join("levelgate.service.d/notify-reload.conf").is_file());
    serde_json::from_str::<serde_json::Value>(&file_of("packaging/grafana/levelgate.json")).unwrap();
    let refused = generate(&["alerts", "--out", "/proc/nowhere/alerts.yml"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("cannot write /proc/nowhere/alerts.yml"), "{}", refused.text);
}

#[test]
fn every_command_has_a_manual_page_that_groff_formats_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let written = generate(&["man", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{}", written.text);
    let mut help = program();
    help.arg("--help");
    let help = run(help).text;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> =
        commands.filter(|line| !line.starts_with("   ")).filter_map(|l| l.split_whitespace().next()).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for name in commands.iter().map(|command| format!("levelgate-{command}")).chain(["levelgate".to_owned()]) {
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(&name);
        let formatted = run_system("groff", &["-man", "-Tutf8", "-ww", "-z"], &page);
        assert!(formatted.status.success() && formatted.stderr.is_empty(), "{name}: {}", printed(&formatted));
        let text = String::from_utf8(run_system("groff", &["-man", "-Tascii", "-P-cbou"], &page).stdout).unwrap();
        assert!(text.contains("SYNOPSIS"), "{name}: {text}");
    }
    let page = generate(&["man"]);
    assert!(page.text.contains(".TH levelgate 1"), "{}", page.text);
}

#[test]
fn completions_are_those_of_the_older_command_and_bash_reads_them() {
    for shell in ["bash", "fish", "zsh"] {
        let mut older = program();
        older.args(["completions", shell]);
        let printed = generate(&["completions", shell]);
        assert_eq!((printed.code, &printed.text), (Some(0), &run(older).text), "{shell}");
    }
    let script = generate(&["completions", "bash"]).text;
    let read = run_system("bash", &["-n"], &script);
    assert!(read.status.success(), "{}", printed(&read));
}
