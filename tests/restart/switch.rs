//! One of two processes is killed while another policy takes over.

use super::*;
use std::io::{BufRead, BufReader};

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// As soon as the first process has been told of the policy.
    AtOnce,
    /// When it says from when on that holds.
    Said,
    /// A while later, when decisions go by it.
    Later,
}

/// Whichever of them it is, and however near the change: what was shown stays, another shape goes on, and
/// the journal makes the same decisions again.
#[test]
fn one_of_two_processes_is_killed_around_a_change_of_the_policy() {
    let mut shop = Shop::new(60_000, "learning.toml");
    let at = shop.arguments.iter().position(|word| word == "--policy");
    let at = at.expect("a policy is given") + 1;
    let one = std::fs::read_to_string(&shop.arguments[at]).unwrap();
    let two = one
        .replace("name = \"learning\"", "name = \"quick\"")
        .replace("cooldown = \"10s\"", "cooldown = \"2s\"");
    let policy = shop.path("live.toml");
    shop.arguments[at] = text(&policy).into();
    for (turn, (victim, moment)) in [
        (0, Moment::AtOnce),
        (1, Moment::AtOnce),
        (0, Moment::Said),
        (1, Moment::Said),
        (0, Moment::Later),
        (1, Moment::Later),
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("process {victim}, {moment:?}");
        shop.clear();
        shop.of_first.clear();
        std::fs::write(&policy, &one).unwrap();
        let mut children = shop.start(&[1, 1], None);
        until("it writes", || !shop.out().is_empty());
        std::fs::write(&policy, &two).unwrap();
        signal("-HUP", children[0].id());
        if moment != Moment::AtOnce {
            let mut lines = BufReader::new(children[0].stderr.take().unwrap()).lines();
            let says = lines.any(|line| line.unwrap().contains("take over at"));
            assert!(says, "{what}: it says nothing of the policy");
        }
        if moment == Moment::Later {
            std::thread::sleep(Duration::from_millis(40));
        }
        children[victim].kill().unwrap();
        let ended = ends(children);
        assert_eq!(ended[victim].status.signal(), Some(9), "{what}");
        let other = &ended[1 - victim];
        assert_eq!(other.status.code(), Some(1), "{what}: {}", said(other));
        let shown = shop.out();
        // Known already, or from now on.
        shop.of_first = ["--policy-from", "now"].map(String::from).into();
        for output in ends(shop.start(SHAPES[(turn + 1) % 5], None)) {
            assert!(output.status.success(), "{what}: {}", said(&output));
        }
        let decisions = shop.out();
        assert!(decisions.starts_with(&shown), "{what}: it was taken back");
        for name in ["learning@", "quick@"] {
            let name = format!("\"policy\":\"{name}");
            let names = String::from_utf8_lossy(&decisions).contains(&name);
            assert!(names, "{what}: nothing was decided by {name}");
        }
        let (log, again) = (shop.path("log.csv"), shop.path("again.jsonl"));
        let journal = shop.path("out.jsonl.rules");
        let by_journal = restage()
            .args(["replay", text(&log), "--policy-schedule", text(&journal)])
            .args(["--out", text(&again)])
            .output()
            .unwrap();
        assert!(by_journal.status.success(), "{}", said(&by_journal));
        let again = std::fs::read(again).unwrap();
        assert!(
            again == decisions,
            "{what}: the journal says something else"
        );
    }
}
