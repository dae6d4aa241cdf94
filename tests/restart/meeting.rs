//! Processes that do not come together: nothing is taken over, and each is told by which flag they differ.

use super::*;

/// What a folder has been claimed by.
fn claims(shop: &Shop) -> Vec<String> {
    let names = std::fs::read_dir(shop.path("state")).unwrap();
    let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("generation-"))
        .collect()
}

/// A first process that waits for others in vain, or whose others do not fit, leaves the state to the run that
/// has it; with its others it takes it over.
#[test]
fn a_start_that_never_gets_its_others_takes_nothing_over() {
    let shop = Shop::new(200_000, "learning.toml");
    let hosts = shop.path("hosts");
    let joined = |command: &mut Command, process: &str| {
        command.args(["-n", "2", "-p", process, "--hostfile", text(&hosts)]);
    };
    let holder = shop.start(&[1], None).remove(0);
    until("it writes", || !shop.out().is_empty());
    // It stays where it is, however fast the machine.
    signal("-STOP", holder.id());
    let before = claims(&shop);
    assert_eq!(before.len(), 1);

    let begin = || {
        std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
        let said = std::fs::File::create(shop.path("said")).unwrap();
        let mut first = shop.durable();
        joined(&mut first, "0");
        first.stderr(said).spawn().unwrap()
    };
    let mut alone = begin();
    let told = || std::fs::read_to_string(shop.path("said")).unwrap();
    until("it waits", || told().contains("waits for process 1"));
    assert_eq!(claims(&shop), before);
    signal("-TERM", alone.id());
    assert_eq!(alone.wait().unwrap().code(), Some(0), "{}", told());

    let mut first = begin();
    let mut other = shop.command();
    joined(&mut other, "1");
    let output = other.args(["-w", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(first.wait().unwrap().code(), Some(2), "{}", told());
    assert!(
        told().contains("-w: it has 2, and process 0 1"),
        "{}",
        told()
    );
    assert_eq!(claims(&shop), before);

    let mut first = begin();
    let mut other = shop.command();
    joined(&mut other, "1");
    let other = other.output().unwrap();
    assert!(other.status.success(), "{}", said(&other));
    assert!(first.wait().unwrap().success(), "{}", told());
    assert!(shop.out() == shop.right);
    signal("-CONT", holder.id());
    let holder = holder.wait_with_output().unwrap();
    assert_eq!(holder.status.code(), Some(4), "{}", said(&holder));
    assert!(said(&holder).contains("superseded by generation 2"));
    assert!(shop.out() == shop.right);
}

/// Both of two processes that were given something else say by which flag, and what each of them has.
#[test]
fn what_differs_is_named_by_its_flag() {
    let shop = Shop::new(200, "products.toml");
    let hosts = shop.path("hosts");
    let policy = std::fs::read_to_string(&shop.arguments[5]).unwrap();
    let named = policy.replacen("name = \"", "name = \"other-", 1);
    assert_ne!(named, policy);
    std::fs::write(shop.path("other.toml"), named).unwrap();
    for (name, copy) in [("items.csv", "other.csv"), ("log.csv", "log2.csv")] {
        let mut file = std::fs::read_to_string(shop.path(name)).unwrap();
        let last = file.lines().last().unwrap().to_owned();
        file.push_str(&(last + "\n"));
        std::fs::write(shop.path(copy), file).unwrap();
    }
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let trees = data.join("trees.json");
    let at = |name: &str| text(&shop.path(name)).to_owned();
    let replaced = |place: usize, by: String| {
        let mut arguments = shop.arguments.clone();
        arguments[place] = by;
        arguments
    };
    let with = |more: &[&str]| {
        let more = more.iter().map(|argument| (*argument).to_owned());
        shop.arguments.iter().cloned().chain(more).collect()
    };
    let others: [(Vec<String>, &str); 9] = [
        (with(&["-w", "3"]), "-w: it has 3, and process 0 1"),
        (replaced(5, at("other.toml")), "--policy: it has other-"),
        (with(&["--model", text(&trees)]), "--model: it has "),
        (
            replaced(3, at("other.csv")),
            "--catalogue: it has other.csv@",
        ),
        (replaced(1, at("log2.csv")), "logs: it has "),
        (with(&["--sort"]), "--sort: it has yes, and process 0 no"),
        (
            with(&["--lateness", "2h"]),
            "--lateness: it has 7200000 ms, and process 0 3600000 ms",
        ),
        (
            with(&["--future", "1m"]),
            "--future: it has 60000 ms, and process 0 600000 ms",
        ),
        (
            with(&["--format", "restage-csv"]),
            "--format: it has restage-csv, and process 0 auto",
        ),
    ];
    let start = |arguments: &[String], numbers: [&str; 2], hosts: &Path| {
        let mut command = restage();
        command
            .args(arguments)
            .args(["-n", numbers[0], "-p", numbers[1]]);
        command.args(["--hostfile", text(hosts)]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let check = |pair: [Child; 2], words: &str| {
        let [first, other] = pair.map(|child| child.wait_with_output().unwrap());
        for output in [&first, &other] {
            assert_eq!(output.status.code(), Some(2), "{words}: {}", said(output));
        }
        assert!(said(&first).contains(words), "{words}: {}", said(&first));
        let flag = words.split(':').next().unwrap();
        assert!(
            said(&other).contains(&format!("{flag}: it has ")),
            "{words}: {}",
            said(&other)
        );
    };
    for (arguments, words) in others {
        std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
        let first = start(&shop.arguments, ["2", "0"], &hosts);
        check([first, start(&arguments, ["2", "1"], &hosts)], words);
    }
    let all = free_addresses(3);
    std::fs::write(&hosts, all[..2].join("\n")).unwrap();
    let three = shop.path("three");
    std::fs::write(&three, all.join("\n")).unwrap();
    let pair = [
        start(&shop.arguments, ["2", "0"], &hosts),
        start(&shop.arguments, ["3", "1"], &three),
    ];
    check(pair, "-n: it has 3, and process 0 2");

    // The addresses of 0 and 1 are exchanged in one of the files.
    std::fs::write(
        &three,
        [&all[2], &all[0], &all[1]].map(String::as_str).join("\n"),
    )
    .unwrap();
    std::fs::write(&hosts, all.join("\n")).unwrap();
    let mut first = start(&shop.arguments, ["3", "0"], &hosts);
    let other = start(&shop.arguments, ["3", "2"], &three)
        .wait_with_output()
        .unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", said(&other));
    assert!(
        said(&other).contains("--hostfile: it answers at "),
        "{}",
        said(&other)
    );
}
