//! How a durable run ends when it is asked to, and who starts it again.

use super::*;

/// Events of a log that is not over when a signal comes, however late a busy machine sends that.
const LONG: usize = 200_000;

/// Asked to end, it commits and ends with 0; so does its report, once it is through, say all.
#[test]
fn asked_to_end_a_run_commits_and_goes_on_later() {
    let shop = Shop::new(LONG, "learning.toml");
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
    let shop = Shop::new(LONG, "learning.toml");
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
    let hosts = std::fs::read_to_string(shop.path("hosts")).unwrap();
    let own = hosts.lines().next().unwrap();
    until("it waits", || std::net::TcpStream::connect(own).is_ok());
    signal("-TERM", first.id());
    until("its end", || first.try_wait().unwrap().is_some());
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// Told to end, a process tells the others: whoever was told as well ends with 0, whoever was not says who
/// was, and may be started again.
#[test]
fn processes_that_are_asked_to_end_do_so_together() {
    let shop = Shop::new(LONG, "learning.toml");
    for told in [&[0, 1][..], &[1, 0], &[1], &[0]] {
        shop.clear();
        let children = shop.start(&[1, 1], None);
        until("it writes", || !shop.out().is_empty());
        for &process in told {
            signal("-TERM", children[process].id());
        }
        for (process, output) in ends(children).iter().enumerate() {
            let words = said(output);
            let what = format!("{told:?}, process {process}: {words}");
            let is_told = told.contains(&process);
            assert_eq!(
                output.status.code(),
                Some([5, 0][usize::from(is_told)]),
                "{what}"
            );
            let other = format!("process {} was told to end", 1 - process);
            assert!(is_told || words.contains(&other), "{what}");
            assert!(words.contains("goes on from"), "{what}");
            assert!(!words.contains("error"), "{what}");
        }
        shop.check("asked to end");
    }
    let on = ends(shop.start(&[2], None));
    assert!(on[0].status.success() && shop.out() == shop.right);
}

/// A file of decisions that somebody cuts, or moves away, while the run writes to it would have a hole.
#[test]
fn a_file_of_decisions_that_is_cut_ends_the_run() {
    let shop = Shop::new(LONG, "learning.toml");
    let mut children = shop.start(&[1], None);
    until("it writes", || !shop.out().is_empty());
    std::fs::write(shop.path("out.jsonl"), "").unwrap();
    let output = children.remove(0).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(
        said(&output).contains("out.jsonl has 0 bytes"),
        "{}",
        said(&output)
    );
    // What no manifest says the file has for certain is written again; the rest is gone.
    let again = ends(shop.start(&[1], None));
    match again[0].status.code() {
        Some(0) => assert!(shop.out() == shop.right),
        code => assert_eq!(code, Some(4), "{}", said(&again[0])),
    }
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
    let shop = Shop::new(LONG, "learning.toml");
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
