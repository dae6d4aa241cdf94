//! Files that are wrong when a live job starts again: what its state has recorded stays in force.

use super::stock::{ITEMS, POLICY, decisions, until};
use super::*;

/// The child of a supervisor, once it has one.
fn child_of(supervisor: &Layer) -> u32 {
    let id = supervisor.child.id();
    let children = format!("/proc/{id}/task/{id}/children");
    until("a child", || {
        let ids = std::fs::read_to_string(&children).ok()?;
        ids.split_whitespace().next()?.parse().ok()
    })
}

/// Kills it, and waits until its successor says so much, so often; what was said by then.
fn restarted(supervisor: &Layer, times: usize, words: &str) -> String {
    let id = child_of(supervisor).to_string();
    let killed = Command::new("kill").args(["-KILL", &id]).status();
    assert!(killed.expect("it runs").success());
    until(words, || {
        let said = supervisor.said();
        (said.matches(words).count() >= times).then_some(said)
    })
}

#[test]
fn files_that_are_wrong_at_a_restart_keep_no_supervised_job_down() {
    let (_guard, dir) = folder();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    let named =
        |name: &str| POLICY.replacen("version = 1", &format!("version = 1\nname = \"{name}\""), 1);
    write("shop.toml", &named("one"));
    write("items.csv", ITEMS);
    let flags = "run lane.jsonl --policy shop.toml --catalogue items.csv --out decisions.jsonl \
                 --state state --snapshot-every 200ms --policy-from now --monitor 127.0.0.1:0";
    let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restage"));
        let ended = command.args(arguments).current_dir(&dir).output();
        let ended = ended.expect("the program starts");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.code(), said)
    };

    // Where nothing was recorded there is nothing to go on with.
    write("shop.toml", "version = 1\noops = 1\n");
    let (code, said) = program(&flags);
    assert!(
        code == Some(2) && said.contains("shop.toml: line 2"),
        "{said}"
    );
    assert!(!dir.join("state").exists());
    write("shop.toml", &named("one"));

    let collector = collect(&dir, "lane.jsonl");
    let mut send = sender(collector.addresses[0]);
    let job = Layer::start(&dir, &[&flags[..], &["--supervise"]].concat(), 1);
    send(0);
    until("ten pages", || (decisions(&dir).len() >= 10).then_some(()));

    // It cannot be read; it may not follow; it is not there.
    let (up, stays) = (
        "monitor at http://",
        "as the state has recorded it, stays in force",
    );
    write("shop.toml", "version = 1\noops = 1\n");
    let said = restarted(&job, 1, up);
    assert!(
        said.contains("warning: shop.toml: line 2") && said.contains(stays),
        "{said}"
    );
    assert!(said.contains("policy one@"), "{said}");
    write("shop.toml", &(named("two") + "[session]\nidle = \"10m\"\n"));
    let said = restarted(&job, 2, up);
    assert_eq!(said.matches(stays).count(), 2, "{said}");
    assert!(said.contains("session"), "{said}");
    std::fs::remove_file(dir.join("shop.toml")).expect("it was there");
    write("items.csv", &format!("{ITEMS}d,cheap,\n"));
    let said = restarted(&job, 3, up);
    assert_eq!(said.matches(stays).count(), 4, "{said}");
    assert!(said.contains("items.csv, line 5: `price` cheap"), "{said}");
    assert!(said.contains("catalogue items.csv, as the state"), "{said}");
    let (before, number) = (decisions(&dir).len(), 3);
    send(number);
    until("pages by what was recorded", || {
        let all = decisions(&dir);
        let new = all.get(before..)?;
        (!new.is_empty()).then(|| assert!(new.iter().all(|(_, _, items)| items == "a b")))
    });

    // A run at a prompt is refused, and takes nothing away from the job.
    let replay = [
        "replay",
        "lane.jsonl",
        "--policy",
        "shop.toml",
        "--state",
        "state",
    ];
    let (code, said) = program(&replay);
    assert!(
        code == Some(2) && said.contains("shop.toml could not be read"),
        "{said}"
    );

    // What is put right is taken up as in any live job.
    write("items.csv", &format!("{ITEMS}a,,0\n"));
    until("the catalogue", || {
        let said = job.said();
        said.contains("catalogue items.csv was taken up: a row")
            .then_some(())
    });
    write("shop.toml", &named("two"));
    job.signal("-HUP");
    until("the policy", || {
        job.said().contains("policy two@").then_some(())
    });
    let text = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    assert_eq!(collector.terminate(), Some(0));
    let rules = ["lane.jsonl", "--policy-schedule", "decisions.jsonl.rules"];
    check_replay(&dir, &rules, &text);
}
