//! Policies that change under a live job.

use super::*;

/// The journal beside the decisions, once it has so many lines.
fn journal(dir: &Path, lines: usize) -> String {
    let (begin, path) = (Instant::now(), dir.join("decisions.jsonl.rules"));
    loop {
        let journal = std::fs::read_to_string(&path).unwrap_or_default();
        if journal.lines().count() >= lines || begin.elapsed() > Duration::from_secs(20) {
            assert_eq!(journal.lines().count(), lines, "{journal}");
            return journal;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_policy_changes_under_a_live_job_and_a_bad_one_leaves_the_old_in_force() {
    let (_guard, dir) = folder();
    let runtime = runtime();
    let policy = |name: &str, cooldown: &str| {
        let shipped = restage::visit::policy::LEARNING_POLICY;
        let policy = shipped
            .replace("name = \"learning\"", &format!("name = \"{name}\""))
            .replace("cooldown = \"10s\"", &format!("cooldown = \"{cooldown}\""));
        std::fs::write(dir.join("shop.toml"), policy).expect("a file");
    };
    let start = |workers: &str| {
        let flags = "run lane.jsonl --policy shop.toml --out decisions.jsonl --state state \
                     --snapshot-every 200ms --policy-from now --monitor 127.0.0.1:0 -w";
        let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
        Layer::start(&dir, &[&flags[..], &[workers]].concat(), 1)
    };
    policy("one", "10s");
    let collector = collect(&dir, "lane.jsonl");
    let mut client = Client::new(collector.addresses[0]);
    let signer = signer();
    let mut numbers = 0..;
    // Visitors by the first letter of their names.
    let mut send = |many: usize, of: &str| {
        for number in numbers.by_ref().take(many) {
            let names = format!("\"visitor\":\"{of}");
            let body = batch(number)
                .replace("\"visitor\":\"v", &names)
                .into_bytes();
            let answer = runtime.block_on(client.post("/v1/events", body, Some(&signer)));
            assert_eq!(answer.expect("it answers").0, 204);
        }
    };
    let job = start("2");
    send(15, "v");
    policy("two", "0s");
    job.signal("-HUP");
    journal(&dir, 2);
    std::thread::sleep(Duration::from_millis(1_100));
    send(15, "v");
    // Cannot be taken over; cannot be read at all.
    let good = std::fs::read_to_string(dir.join("shop.toml")).expect("a file");
    for bad in [
        good.replace("retention = \"30d\"", "retention = \"20d\""),
        good + "oops = 1",
    ] {
        std::fs::write(dir.join("shop.toml"), bad).expect("a file");
        job.signal("-HUP");
        std::thread::sleep(Duration::from_millis(400));
    }
    send(10, "v");
    job.kill();
    policy("three", "0s");
    let job = start("1");
    journal(&dir, 3);
    std::thread::sleep(Duration::from_millis(1_100));
    send(20, "w");
    let decisions = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    assert_eq!(collector.terminate(), Some(0));

    let text = String::from_utf8(decisions).expect("text");
    let names = text.split("\"policy\":\"").skip(1);
    let mut names: Vec<&str> = names.filter_map(|rest| rest.split('@').next()).collect();
    names.dedup();
    assert_eq!(names, ["one", "two", "three"]);
    let rules = ["-w", "2", "--policy-schedule", "decisions.jsonl.rules"];
    check_replay(
        &dir,
        &[&["lane.jsonl"], &rules[..]].concat(),
        text.as_bytes(),
    );
}

#[test]
fn a_watched_policy_that_is_gone_is_missed_once_and_taken_up_when_it_is_back() {
    let (_guard, dir) = folder();
    let (path, policy) = (
        dir.join("shop.toml"),
        restage::visit::policy::DEFAULT_POLICY,
    );
    std::fs::write(&path, policy).expect("a file");
    let flags = ["up", "--policy", "shop.toml", "--monitor", "127.0.0.1:0"];
    let up = Layer::start(
        &dir,
        &[&flags[..], &["--listen", "127.0.0.1:0"]].concat(),
        2,
    );
    let times = |words: &str| up.said().matches(words).count();
    let said = |words: &str| {
        let begin = Instant::now();
        while times(words) == 0 {
            let waited = begin.elapsed();
            assert!(waited < Duration::from_secs(20), "{words}: {}", up.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    std::fs::remove_file(&path).expect("it is there");
    said("shop.toml cannot be read any more: entity not found; the policy in force stays");
    std::thread::sleep(Duration::from_millis(500));
    let other = policy.replacen("name = \"", "name = \"other-", 1);
    assert_ne!(other, policy);
    std::fs::write(&path, other).expect("a file");
    said("shop.toml is back");
    let journal = dir.join("restage-data/decisions.jsonl.rules");
    let begin = Instant::now();
    while !std::fs::read_to_string(&journal).is_ok_and(|journal| journal.contains("other-")) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", up.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((times("any more"), times("is back")), (1, 1));
    assert_eq!(up.terminate(), Some(0));
}
