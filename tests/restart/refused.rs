//! What a durable run does not go on with, and what makes no difference to it.

use super::*;

/// Each of these is refused with a reason and a code, and nothing of the state is touched.
#[test]
fn what_does_not_go_on_is_refused() {
    let shop = Shop::new(8_000, "learning.toml");
    let first = ends(shop.start(&[1], Some("40:after")));
    assert_eq!(first[0].status.signal(), Some(9));
    let log = shop.path("log.csv");
    let whole = std::fs::read(&log).unwrap();
    let refused = |command: &mut Command, code: i32, words: &str| {
        let output = command.output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let mut other = shop.durable();
    refused(
        other.args(["--out-format", "csv"]),
        2,
        "another configuration",
    );
    let mut elsewhere = shop.command();
    let (state, other) = (shop.path("state"), shop.path("other.jsonl"));
    elsewhere.args(["--state", text(&state), "--out", text(&other)]);
    refused(&mut elsewhere, 2, "out.jsonl");
    let mut sorted = shop.durable();
    refused(sorted.arg("--sort"), 2, "--sort");
    let mut out = shop.command();
    refused(
        out.args(["--state", text(&state), "--out", "-"]),
        2,
        "--out -",
    );
    // A start that comes to nothing claims nothing, so it takes nothing away from a run that goes on.
    let claims = || {
        let names = std::fs::read_dir(&state).unwrap();
        let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
        let mut claims: Vec<_> = names
            .filter(|name| name.starts_with("generation-"))
            .collect();
        claims.sort();
        claims
    };
    let before = claims();
    std::fs::rename(&log, shop.path("away.csv")).unwrap();
    refused(&mut shop.durable(), 5, "log.csv");
    std::fs::rename(shop.path("away.csv"), &log).unwrap();
    assert_eq!(claims(), before);
    // Another log under the same name: what was committed does not come out again.
    let changed = String::from_utf8(whole.clone())
        .unwrap()
        .replace(",item_view,", ",click,");
    std::fs::write(&log, changed).unwrap();
    refused(&mut shop.durable(), 1, "other output than was committed");
    std::fs::write(&log, &whole).unwrap();
    let on = ends(shop.start(&[2], None));
    assert!(on[0].status.success(), "{}", said(&on[0]));
    assert!(shop.out() == shop.right);
    // A snapshot that decayed costs a snapshot; both, all of them.
    for name in std::fs::read_dir(&state).unwrap() {
        let path = name.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("snapshot-")
        {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let inspected = restage()
                .args(["snapshot", "inspect", text(&state)])
                .output()
                .unwrap();
            assert_eq!(inspected.status.code(), Some(4));
            assert!(said(&inspected).contains("byte"), "{}", said(&inspected));
        }
    }
    let on = ends(shop.start(&[1], None));
    assert!(on[0].status.success(), "{}", said(&on[0]));
    assert!(
        said(&on[0]).contains("going on without it"),
        "{}",
        said(&on[0])
    );
    assert!(shop.out() == shop.right);
}

/// Another spelling of the log's path is the same log; plots of half a run are none; and a log that
/// grew after its end was taken for it is said to have.
#[test]
fn paths_plots_and_ends() {
    // Long enough for a snapshot on a fast machine.
    let shop = Shop::new(80_000, "policy.toml");
    let first = ends(shop.start(&[1], Some("40:after")));
    assert_eq!(first[0].status.signal(), Some(9));
    let spelled = shop.dir.path().join("./log.csv");
    let mut other = Shop {
        arguments: shop.arguments.clone(),
        ..shop
    };
    other.arguments[1] = text(&spelled).into();
    let on = ends(other.start(&[1], None));
    assert!(on[0].status.success(), "{}", said(&on[0]));
    assert!(other.out() == other.right);
    let plots = other.path("plots");
    let output = other.durable().args(["--plot", text(&plots)]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--plot"), "{}", said(&output));
    let log = other.path("log.csv");
    let mut grown = std::fs::read_to_string(&log).unwrap();
    let row: Vec<&str> = grown.lines().last().unwrap().split(',').collect();
    let later = |ms: &str| (ms.parse::<u64>().unwrap() + 3_600_000).to_string();
    let (arrival, event) = (later(row[0]), later(row[1]));
    let mut new = vec![arrival.as_str(), event.as_str(), "somebody-new", ""];
    new.extend(&row[4..11]);
    new.push("new");
    let new = new.join(",") + "\n";
    grown.push_str(&new);
    std::fs::write(&log, grown).unwrap();
    let output = other.durable().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("restage run"), "{}", said(&output));
    assert!(other.out() == other.right, "nothing is written");
}

/// A snapshot's end may lie after the end of the log. What is appended then and belongs before it is refused,
/// although nothing that was committed would change.
#[test]
fn a_log_that_grew_within_its_last_snapshot_is_refused() {
    let shop = Shop::new(100, "policy.toml");
    let row = |ms: u64, visitor: u64| format!("{ms},v{visitor},page_view\n");
    let (begin_ms, last_ms) = (1_767_571_200_000, 1_767_571_201_599);
    let rows = (0..).map(|at| (begin_ms + at / 6, at % 3_000));
    let rows = rows.take_while(|(ms, _)| *ms <= last_ms);
    let rows: String = rows.map(|(ms, visitor)| row(ms, visitor)).collect();
    let log = "event_ms,visitor,kind\n".to_owned() + &rows;
    std::fs::write(shop.path("log.csv"), &log).unwrap();
    let (state, out) = (shop.path("state"), shop.path("out.jsonl"));
    let mut run = shop.command();
    run.args(["--state", text(&state), "--out", text(&out)]);
    run.args(["--snapshot-every", "1ms", "--batch", "8"]);
    // The first snapshot is ordered at the start, for two quanta on: past the end of so short a log.
    let reaches = (0..20).any(|_| {
        shop.clear();
        let done = run.output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        let look = ["snapshot", "ls", text(&state), "--json"];
        let output = restage().args(look).output().unwrap();
        let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        page["snapshots"][0]["until_ms"].as_u64() > Some(last_ms)
    });
    assert!(reaches, "no snapshot ends after the log");
    let committed = shop.out();
    let grown = log.clone() + &row(last_ms + 20, 9_999);
    std::fs::write(shop.path("log.csv"), grown).unwrap();
    for _ in 0..2 {
        let output = run.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("have grown"), "{}", said(&output));
        assert!(shop.out() == committed, "nothing is written");
    }
    std::fs::write(shop.path("log.csv"), log).unwrap();
    let done = run.output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(shop.out() == committed);
}

/// A log without a head is no lane yet: `restage run` says once what it waits for.
#[test]
fn a_lane_without_a_head_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lane = dir.path().join("lane.jsonl");
    std::fs::write(
        &lane,
        "{\"event_ms\":1,\"visitor\":\"v\",\"kind\":\"search\"}\n",
    )
    .unwrap();
    let (state, out) = (dir.path().join("state"), dir.path().join("out.jsonl"));
    let child = restage()
        .args([
            "run",
            text(&lane),
            "--state",
            text(&state),
            "--out",
            text(&out),
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(3_500));
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(
        said(&output).matches("lane.jsonl.head").count(),
        1,
        "{}",
        said(&output)
    );
}

/// What a run would refuse is not shown as if all were well: rules that are damaged, of another version or gone,
/// snapshots likewise, and what cannot be read at all.
#[test]
fn a_folder_that_is_refused_is_shown_as_such() {
    let shop = Shop::new(20_000, "learning.toml");
    assert!(ends(shop.start(&[1], None))[0].status.success());
    let state = shop.path("state");
    let newest = |kind: &str| {
        let names = std::fs::read_dir(&state).unwrap();
        let paths = names.map(|name| name.unwrap().path());
        let of_kind = paths.filter(|path| text(path).contains(&format!("/{kind}-")));
        of_kind.max().unwrap()
    };
    let look = |code: i32, words: &[&str]| {
        let output = restage()
            .args(["snapshot", "ls", text(&state)])
            .output()
            .unwrap();
        let both = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
        assert_eq!(output.status.code(), Some(code), "{both}");
        for word in words {
            assert!(both.contains(word), "{word}: {both}");
        }
    };
    let refused = |words: &str| {
        let output = shop.durable().output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    };
    let another = |bytes: &[u8]| {
        let mut other = bytes.to_vec();
        other[8..10].copy_from_slice(&2u16.to_le_bytes());
        let checksum = xxhash_rust::xxh3::xxh3_64(&other[..48]);
        other[48..56].copy_from_slice(&checksum.to_le_bytes());
        other
    };
    look(0, &["whole"]);

    let snapshot = newest("snapshot");
    let bytes = std::fs::read(&snapshot).unwrap();
    std::fs::write(&snapshot, another(&bytes)).unwrap();
    look(
        4,
        &["format 2", "of another version", "was written in version 2"],
    );
    std::fs::remove_file(&snapshot).unwrap();
    std::fs::create_dir(&snapshot).unwrap();
    look(5, &["could not be read", "(os error"]);
    std::fs::remove_dir(&snapshot).unwrap();
    std::fs::write(&snapshot, bytes).unwrap();
    look(0, &[]);

    let rules = newest("rules");
    let bytes = std::fs::read(&rules).unwrap();
    let mut flipped = bytes.clone();
    flipped[70] ^= 1;
    std::fs::write(&rules, flipped).unwrap();
    look(4, &[text(&rules), "byte 56", "checksum"]);
    refused("checksum");
    std::fs::write(&rules, another(&bytes)).unwrap();
    look(4, &[text(&rules), "was written in version 2"]);
    refused("was written in version 2");
    std::fs::remove_file(&rules).unwrap();
    look(4, &["rules-*", "the file was missing"]);
    refused("its rules were missing");
}

/// A live job without a state folder, and decisions that go where nothing can be taken back.
#[test]
fn what_a_durable_run_needs_is_said() {
    let shop = Shop::new(100, "policy.toml");
    let (state, pipe) = (shop.path("state"), shop.path("pipe"));
    let stateless = ["run", "lane.jsonl", "--out", "out.jsonl"];
    let output = restage().args(stateless).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--state <DIR>"), "{}", said(&output));
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for out in [&pipe, &shop.dir.path().to_owned()] {
        let mut run = shop.command();
        run.args(["--state", text(&state), "--out", text(out)]);
        let output = run.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(text(out)), "{}", said(&output));
        assert!(said(&output).contains("no regular file"));
    }
    assert!(!state.exists(), "nothing was begun");
}
