//! Several processes, of which one is lost in one way or another.

use super::*;

/// Two processes of a durable run that speak through these addresses, each begun by a prefix of its
/// command.
fn two(shop: &Shop, addresses: &[String], prefixes: [&[&str]; 2]) -> [Child; 2] {
    let hosts = shop.path("hosts");
    std::fs::write(&hosts, addresses.join("\n")).unwrap();
    [0, 1].map(|process: usize| {
        let plain = if process == 0 {
            shop.durable()
        } else {
            shop.command()
        };
        let mut command = match prefixes[process] {
            [] => plain,
            [program, before @ ..] => {
                let mut command = Command::new(program);
                command.args(before).arg(plain.get_program());
                command.args(plain.get_args());
                command.stdin(Stdio::null()).stdout(Stdio::null());
                command.stderr(Stdio::piped());
                command
            }
        };
        let number = process.to_string();
        command.args(["-n", "2", "-p", &number, "--watchdog", "2"]);
        command.args(["--hostfile", text(&hosts)]);
        command.spawn().unwrap()
    })
}

fn wait_for_output(shop: &Shop, children: &mut [Child]) {
    while shop.out().is_empty() {
        for child in children.iter_mut() {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One of two processes is killed, or frozen: the other one says so and ends, whichever it is.
#[test]
fn a_process_that_is_lost_ends_the_others() {
    let shop = Shop::new(200_000, "learning.toml");
    let frozen = "nothing was heard";
    for (victim, signal, within, words) in [
        (1, "-KILL", 2, "process"),
        (0, "-KILL", 2, "process"),
        (1, "-STOP", 6, frozen),
    ] {
        shop.clear();
        let mut children = two(&shop, &free_addresses(2), [&[], &[]]);
        wait_for_output(&shop, &mut children);
        let [first, second] = children;
        let (mut lost, other) = if victim == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let id = lost.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
        let begun = Instant::now();
        let output = other.wait_with_output().unwrap();
        let noticed = begun.elapsed();
        lost.kill().unwrap();
        lost.wait().unwrap();
        let what = format!("{signal} of process {victim}");
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains(words), "{what}: {}", said(&output));
        assert!(noticed < Duration::from_secs(within), "{what}: {noticed:?}");
        shop.check(&what);
    }
}

/// Two networks with a cable between them, until this is dropped.
struct Cable([String; 2]);

impl Cable {
    /// None where they may not be made.
    fn lay() -> Option<Cable> {
        let id = std::process::id();
        let cable = Cable([0, 1].map(|end| format!("restage-{id}-{end}")));
        let [one, two] = &cable.0;
        let ends = format!("link add rs{id}a netns {one} type veth peer name rs{id}b netns {two}");
        let mut steps = vec![format!("netns add {one}"), format!("netns add {two}"), ends];
        for (name, end, address) in [(one, "a", "10.77.0.1"), (two, "b", "10.77.0.2")] {
            steps.push(format!("-n {name} addr add {address}/24 dev rs{id}{end}"));
            steps.push(format!("-n {name} link set rs{id}{end} up"));
            steps.push(format!("-n {name} link set lo up"));
        }
        steps.iter().all(|step| ip(step)).then_some(cable)
    }

    fn cut(&self) {
        let id = std::process::id();
        // The one end stays up, and nothing comes through any more.
        assert!(ip(&format!("-n {} link set rs{id}b down", self.0[1])));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in &self.0 {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(step: &str) -> bool {
    let done = Command::new("ip")
        .args(step.split(' '))
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

/// A cable is cut: no connection is closed, and both notice within the watchdog's time.
#[test]
fn a_silent_cut_is_noticed() {
    let Some(cable) = Cable::lay() else {
        eprintln!("skipped: networks of one's own can only be made by root");
        return;
    };
    let shop = Shop::new(200_000, "learning.toml");
    let addresses = ["10.77.0.1:2101", "10.77.0.2:2101"].map(String::from);
    let [one, two_] = &cable.0;
    let prefixes = [one, two_].map(|name| ["ip", "netns", "exec", name]);
    let mut children = two(&shop, &addresses, [&prefixes[0], &prefixes[1]]);
    wait_for_output(&shop, &mut children);
    cable.cut();
    let begun = Instant::now();
    for output in ends(children.into()) {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("nothing was heard"),
            "{}",
            said(&output)
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(6));
    shop.check("cut");
}

/// The script starts a whole cluster, gives its results, and ends with the code of what failed.
#[test]
fn a_script_starts_a_cluster() {
    let shop = Shop::new(8_000, "learning.toml");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster.sh");
    let logs = shop.path("said");
    let cluster = |more: &[&str]| {
        let mut command = Command::new("sh");
        command
            .arg(&script)
            .args(["-n", "3", "--logs", text(&logs), "--"]);
        command.args(&shop.arguments).args(more);
        command.env("RESTAGE_BIN", env!("CARGO_BIN_EXE_restage"));
        command.output().unwrap()
    };
    let out = shop.path("out.jsonl");
    let done = cluster(&["--out", text(&out), "--json"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(shop.out() == shop.right);
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["processes"], 3);
    let mut twice = restage();
    let hosts = shop.path("hosts");
    std::fs::write(&hosts, "127.0.0.1:2101\nlocalhost:2101\n").unwrap();
    twice.args(&shop.arguments);
    let twice = twice
        .args(["-n", "2", "--hostfile", text(&hosts)])
        .output()
        .unwrap();
    assert_eq!(twice.status.code(), Some(2));
    assert!(
        said(&twice).contains("the same address"),
        "{}",
        said(&twice)
    );
    let failed = cluster(&["--batch", "0"]);
    assert_eq!(failed.status.code(), Some(2), "{}", said(&failed));
    assert!(said(&failed).contains("--batch"), "{}", said(&failed));
}

/// The script's code is that of the process that failed first, and ends the others. Told to end, it waits until
/// process 0 has committed. Programs and paths are found from the folder that another shell begins in.
#[test]
fn a_script_ends_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let (ssh, logs) = (dir.path().join("ssh"), dir.path().join("said"));
    let stub = "#!/bin/sh\n[ \"$1\" = \"$DEAD\" ] && exit 255\ncd / && exec sh -c \"$2\"\n";
    std::fs::write(&ssh, stub).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ssh, mode).unwrap();
    let [one, two] = &free_addresses(2)[..] else {
        panic!("two were asked for");
    };
    let hosts = format!(
        "{one}\n# the other\n{}\n",
        two.replace("127.0.0.1", "localhost")
    );
    std::fs::write(dir.path().join("hosts"), hosts).unwrap();
    let start = |dead: &str| {
        let mut command = Command::new("sh");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster.sh"))
            .args(["-n", "2", "--hostfile", "hosts", "--logs", "said", "--"])
            .args([
                "run",
                "lane.jsonl",
                "--state",
                "state",
                "--out",
                "out.jsonl",
            ])
            .current_dir(&dir)
            .env("RESTAGE_BIN", env!("CARGO_BIN_EXE_restage"))
            .env("RESTAGE_SSH", &ssh)
            .env("DEAD", dead)
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let begun = Instant::now();
    let failed = start("localhost").wait_with_output().unwrap();
    assert_eq!(failed.status.code(), Some(255), "{}", said(&failed));
    assert!(said(&failed).contains("process 1 ended with code 255"));
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "nobody is waited for"
    );

    let child = start("nobody");
    let log = || std::fs::read_to_string(logs.join("process-0.log")).unwrap_or_default();
    let begun = Instant::now();
    while !log().contains("lane.jsonl.head") && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Not HUP: where the tests run under nohup, no shell can hear of it.
    signal("-TERM", child.id());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{} {}", said(&ended), log());
    assert!(log().contains("is committed"), "{}", log());
}
