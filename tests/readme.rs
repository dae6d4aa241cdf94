//! What the README shows is what a reader gets.

mod common;

use common::{run, text};

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The report in the README, line by line up to the digest.
#[test]
fn the_report_shown_is_the_report_printed() {
    let readme = readme();
    let shown = readme
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/data/demo.csv");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("decisions.jsonl");
    let output = run(&["replay", demo, "--out", text(&out)]);
    let printed = String::from_utf8(output.stdout)
        .unwrap()
        .replace(demo, "data/demo.csv")
        .replace(text(&out), "decisions.jsonl");
    for (shown, printed) in shown
        .lines()
        .take_while(|line| *line != "…")
        .zip(printed.lines())
    {
        assert_eq!(shown, printed);
    }
    assert!(shown.contains("digest "));
}

/// Every command that the README and the other pages name exists.
#[test]
fn the_commands_shown_exist() {
    for page in [
        "README.md",
        "docs/formats.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/forgetting.md",
    ] {
        let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        for rest in page.split("restage ").skip(1) {
            let command: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if [
                "replay", "explain", "import", "validate", "simulate", "policy", "erase",
            ]
            .contains(&command.as_str())
            {
                let output = run(&[&command, "--help"]);
                assert!(output.status.success(), "restage {command} --help");
            }
        }
    }
}

/// Every subcommand's help has examples, and names only flags that exist.
#[test]
fn help_has_examples() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        let (usage, examples) = help.split_once("Examples:").expect(command);
        for flag in examples
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            assert!(
                usage.contains(flag),
                "{command}: the example's {flag} does not exist"
            );
        }
    }
}
