//! How a durable run ends when it is asked to, and who starts it again.

use super::*;

/// Asked to end, it commits and ends with 0; so does its report, once it is through, say all.
#[test]
fn asked_to_end_a_run_commits_and_goes_on_later() {
    let shop = Shop::new(60_000, "learning.toml");
    let mut children = shop.start(&[1], None);
    while shop.out().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    let id = children[0].id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = children.remove(0).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(
        said(&output).contains("goes on from there"),
        "{}",
        said(&output)
    );
    shop.check("asked to end");
    assert!(shop.out().len() < shop.right.len());
    let on = shop
        .durable()
        .arg("--json")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let through = shop
        .command()
        .arg("--json")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(shop.out() == shop.right);
    check_reports(&on, &through, "the run that was taken up");
}

/// A second signal, whichever it is, does not wait for the first one's commit.
#[test]
fn asked_twice_a_run_ends_at_once() {
    let shop = Shop::new(60_000, "learning.toml");
    let mut children = shop.start(&[1], None);
    until("it writes", || !shop.out().is_empty());
    let id = children[0].id();
    // Both are there when it wakes.
    for name in ["-STOP", "-TERM", "-INT", "-CONT"] {
        signal(name, id);
    }
    let output = children.remove(0).wait_with_output().unwrap();
    assert!(
        matches!(output.status.code(), Some(130 | 143)),
        "{}",
        output.status
    );
    assert!(!said(&output).contains("committed"), "{}", said(&output));
    shop.check("asked twice");
    let on = ends(shop.start(&[2], None));
    assert!(on[0].status.success() && shop.out() == shop.right);
}

/// There is nothing to commit while the other process is waited for: that is a good end as well.
#[test]
fn asked_to_end_while_it_waits_a_run_ends_well() {
    let shop = Shop::new(2_000, "learning.toml");
    let mut children = shop.start(&[1, 1], None);
    let (mut first, mut second) = (children.remove(0), children.remove(0));
    second.kill().unwrap();
    second.wait().unwrap();
    until("the folder", || shop.path("state").exists());
    signal("-TERM", first.id());
    until("its end", || first.try_wait().unwrap().is_some());
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// Started again as often as it is allowed to, and no more.
#[test]
fn a_supervisor_starts_a_broken_run_again() {
    let shop = Shop::new(8_000, "learning.toml");
    let mut command = shop.durable();
    command.args(["--supervise", "--supervise-limit", "2"]);
    let output = command
        .env("RESTAGE_FAILPOINT", "8:before")
        .output()
        .unwrap();
    let words = said(&output);
    assert_eq!(output.status.code(), Some(137), "{words}");
    assert!(
        words.contains("restart 2 in 1000 ms") && words.contains("giving up"),
        "{words}"
    );
    let mut command = shop.durable();
    let output = command.arg("--supervise").output().unwrap();
    assert!(
        output.status.success() && shop.out() == shop.right,
        "{}",
        said(&output)
    );
}

/// Two supervised runs on one folder: the second takes it over, and the first is not started again.
#[test]
fn of_two_supervisors_the_first_gives_way() {
    let shop = Shop::new(200_000, "learning.toml");
    let start = || shop.durable().arg("--supervise").spawn().unwrap();
    let first = start();
    until("it writes", || !shop.out().is_empty());
    let second = start();
    let [first, second] = [first, second].map(|child| child.wait_with_output().unwrap());
    assert_eq!(first.status.code(), Some(4), "{}", said(&first));
    assert!(said(&first).contains("superseded by generation 2"));
    assert!(second.status.success(), "{}", said(&second));
    for output in [&first, &second] {
        assert!(!said(output).contains("restart"), "{}", said(output));
    }
    assert!(shop.out() == shop.right);
}

/// A ^C, which the whole group of the terminal gets, is no second signal; and the supervisor's own end, of
/// whatever kind, is the run's.
#[test]
fn a_supervised_run_ends_with_its_supervisor() {
    use std::os::unix::process::CommandExt;
    let shop = Shop::new(60_000, "learning.toml");
    for (name, code) in [("-INT", Some(130)), ("-KILL", None)] {
        shop.clear();
        let mut command = shop.durable();
        let supervisor = command.arg("--supervise").process_group(0).spawn().unwrap();
        until("it writes", || !shop.out().is_empty());
        let id = supervisor.id();
        signal(name, format!("-{id}"));
        // Its stderr is closed only when the run itself has ended.
        let output = supervisor.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code, "{name}: {}", said(&output));
        assert!(said(&output).contains("is committed"), "{}", said(&output));
        assert!(shop.out().len() < shop.right.len());
        shop.check(name);
    }
    let on = ends(shop.start(&[1], None));
    assert!(on[0].status.success() && shop.out() == shop.right);
}
