//! The control room asks for nothing that is not there.

use super::*;
use serde_json::Value;

/// Members that are there only when something is out of the ordinary.
const NOW_AND_THEN: [&str; 3] = ["barred_ms", "over_budget", "currency"];

/// The members that a script asks of a variable.
fn asked(script: &str, variable: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in script.match_indices(variable) {
        let before = script[..at].chars().next_back();
        let rest = script[at + variable.len()..].trim_start_matches('?');
        if before.is_some_and(|c| is_name(c) || c == '.' || c == '"') {
            continue;
        }
        if let Some(name) = rest.strip_prefix('.') {
            names.push(name.chars().take_while(|&c| is_name(c)).collect());
        }
    }
    // A variable's name may end a sentence of a comment.
    names.retain(|name: &String| !name.is_empty());
    names
}

#[test]
fn all_that_the_control_room_asks_for_is_in_a_real_answer() {
    let (_guard, dir) = folder();
    let ports = ["--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"];
    let up = ["up", "--dir", "data", "--snapshot-every", "300ms"];
    // Visits that are soon over: what they were like is counted then.
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shop");
    let policy = std::fs::read_to_string(format!("{shop}.toml")).expect("the policy");
    let policy = policy.replace("after = \"12s\"", "after = \"1s\"");
    let policy = format!("{policy}\n[session]\nidle = \"2s\"\n");
    std::fs::write(dir.join("shop.toml"), policy).expect("a file");
    let catalogue = format!("{shop}.csv");
    let rules = ["--policy", "shop.toml", "--catalogue", &catalogue];
    let layer = Layer::start(&dir, &[&up[..], &rules, &ports].concat(), 2);
    let monitor = layer.addresses[1];
    let json = |path: &str| -> Value {
        let (status, text) = get(monitor, path);
        assert_eq!(status, 200, "{path}: {text}");
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    };
    let send = |origin: &str| {
        let head = format!(
            "POST /v1/simulated HTTP/1.1\r\nhost: {monitor}\r\nconnection: close\r\n{origin}\r\n"
        );
        raw(monitor, head.as_bytes()).0
    };
    assert_eq!(send("origin: http://evil.example\r\n"), 403);
    assert_eq!(send(&format!("origin: http://{monitor}\r\n")), 202);
    assert_eq!(send(""), 409, "some are on their way");
    let is_whole = |page: &Value| {
        let slots = page["slots"].as_array().map_or(0, Vec::len);
        let known = |name: &str| page[name].as_array().is_some_and(|all| !all.is_empty());
        slots == 2
            && known("drift")
            && known("snapshots")
            && known("lanes")
            && page["serve"].is_object()
    };
    let begin = Instant::now();
    let mut page = json("/v1/status");
    while !is_whole(&page) {
        assert!(begin.elapsed() < Duration::from_secs(60), "{page}");
        std::thread::sleep(Duration::from_millis(200));
        page = json("/v1/status");
    }
    let crowd = json("/v1/simulated");
    assert!(
        crowd["busy"].as_bool() == Some(true) && crowd["sent"].as_u64() > Some(0),
        "{crowd}"
    );
    assert_eq!(json("/v1/ready")["ready"], true);

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/web/control/control.js");
    let script = std::fs::read_to_string(script).expect("the script");
    let all = |values: &Value| values.as_array().cloned().unwrap_or_default();
    let slots = all(&page["slots"]);
    let leaves: Vec<Value> = slots.iter().flat_map(|slot| all(&slot["leaves"])).collect();
    let arms = slots
        .iter()
        .chain(&leaves)
        .flat_map(|one| all(&one["arms"]));
    let metric = page["lift"]["metrics"]["conversion"].clone();
    let there = [
        ("page", vec![page.clone()]),
        ("lift", vec![page["lift"].clone()]),
        ("metric", vec![metric]),
        ("slot", slots.clone()),
        ("leaf", leaves.clone()),
        ("arm", arms.collect()),
        ("drift", all(&page["drift"])),
        ("lane", all(&page["lanes"])),
        ("snapshot", all(&page["snapshots"])),
        ("collect", vec![page["collect"].clone()]),
        ("serve", vec![page["serve"].clone()]),
        ("crowd", vec![crowd]),
    ];
    for (variable, values) in there {
        let names = asked(&script, variable);
        assert!(names.len() > 1, "the script has no {variable}");
        for name in names {
            let has = |value: &Value| value.get(&name).is_some();
            let is_there = values.iter().any(has) || NOW_AND_THEN.contains(&&*name);
            assert!(is_there, "{variable}.{name} is in no answer: {values:?}");
        }
    }
}
