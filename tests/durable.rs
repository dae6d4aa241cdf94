//! The durable layer under everything that a disk may do to it: a toy job is cut off at every operation,
//! with every fault, and by chance, and started again until it is done.
//!
//! What must hold: whatever readers are shown is a prefix of the one right output, nothing that was
//! committed is ever lost, and in the end all of it is there, in the segments and in the outlet. A state
//! file that was changed or cut gives an error that names it, or an older snapshot, and never another
//! output.
//!
//! A schedule is a seed. `RESTAGE_SCHEDULES=100000 cargo test --release --test durable -- schedules` tries
//! more of them, `RESTAGE_SEED=17 cargo test --test durable -- schedules` the one that failed.

use restage::log::error::LogError;
use restage::log::inspect::{inspect, read_committed};
use restage::log::memory::{Fault, Memory, Stop};
use restage::log::{Epoch, Options, Part, Row, Totals, Writer, open, read_rules};
use restage::rng::Rng;
use std::path::Path;

const DIR: &str = "state";
/// From the root: a manifest names the outlet wherever the process was started.
const OUTLET: &str = "/out";
const CONFIG: u128 = 7;

/// The job: a step an epoch, whose output hangs on everything before it.
#[derive(Clone, Copy, Default)]
struct Toy {
    epoch: u64,
    state: u64,
    totals: Totals,
}

/// The job's rules: a factor, and from which epoch on. The first holds from the beginning.
type Rules = Vec<(u64, u64)>;

fn text_of(rules: &Rules) -> Vec<u8> {
    let numbers = rules.iter().flat_map(|(from, factor)| [*from, *factor]);
    numbers.flat_map(u64::to_le_bytes).collect()
}

fn rules_of(text: &[u8]) -> Rules {
    let number = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().unwrap());
    let places = (0..text.len()).step_by(16);
    places.map(|at| (number(at), number(at + 8))).collect()
}

impl Toy {
    fn step(&mut self) -> Vec<u8> {
        self.step_by(&Rules::new())
    }

    fn step_by(&mut self, rules: &Rules) -> Vec<u8> {
        self.epoch += 1;
        let in_force = rules.iter().rev().find(|(from, _)| *from <= self.epoch);
        let factor = in_force.map_or(0, |(_, factor)| factor << 32);
        self.state = restage::event::mix(self.state ^ self.epoch ^ factor);
        let length = (self.state % 40) as usize;
        let output = format!("{:>length$}\n", self.state).into_bytes();
        self.totals.bytes += output.len() as u64;
        let digest = output.iter().map(|byte| u128::from(*byte)).sum::<u128>();
        self.totals.digest = self.totals.digest.wrapping_mul(31).wrapping_add(digest);
        output
    }

    fn row(&self) -> Row {
        Row {
            epoch: Epoch(self.epoch),
            totals: self.totals,
            lanes: Vec::new(),
        }
    }

    fn part(&self) -> Part {
        let numbers = [self.epoch, self.state];
        Part {
            kind: 1,
            number: 0,
            bytes: numbers.iter().flat_map(|n| n.to_le_bytes()).collect(),
        }
    }

    fn of(part: &Part, totals: Totals) -> Toy {
        let number = |at: usize| u64::from_le_bytes(part.bytes[at..at + 8].try_into().unwrap());
        Toy {
            epoch: number(0),
            state: number(8),
            totals,
        }
    }

    /// All that it puts out up to an epoch.
    fn whole(epochs: u64) -> Vec<u8> {
        Toy::whole_by(epochs, &Rules::new())
    }

    fn whole_by(epochs: u64, rules: &Rules) -> Vec<u8> {
        let mut toy = Toy::default();
        (0..epochs).flat_map(|_| toy.step_by(rules)).collect()
    }
}

fn options() -> Options {
    Options {
        segment_bytes_max: 700,
        outlet: Some(OUTLET.into()),
    }
}

/// Runs the job until it is done or something goes wrong. `promised` is what was committed for certain.
fn run(disk: &Memory, epochs: u64, rng: &mut Rng, promised: &mut u64) -> Result<(), LogError> {
    let opened = open(disk.clone(), Path::new(DIR), CONFIG, options())?;
    let mut writer: Writer<Memory> = opened.writer;
    let mut toy = Toy::default();
    if let Some(resume) = opened.resume {
        if let Some(snapshot) = &resume.snapshot {
            toy = Toy::of(&snapshot.parts[0], snapshot.totals);
            assert_eq!(Epoch(toy.epoch), snapshot.epoch);
        }
        for row in &resume.rows {
            while toy.epoch < row.epoch.0 {
                toy.step();
            }
            assert_eq!(
                toy.row(),
                *row,
                "what was committed is what comes out again"
            );
        }
    }
    assert!(toy.totals.bytes >= *promised, "what was committed is there");
    while toy.epoch < epochs {
        let mut group = Vec::new();
        for _ in 0..=rng.below(3) {
            if toy.epoch < epochs {
                let output = toy.step();
                group.push((toy.row(), output));
            }
        }
        writer.commit(&group)?;
        *promised = toy.totals.bytes;
        if rng.chance(0.2) {
            writer.begin_snapshot()?;
            writer.put_part(&toy.part())?;
            writer.put_part(&Part::default())?;
            writer.finish_snapshot(Epoch(toy.epoch), toy.totals)?;
        }
    }
    writer.close(true)
}

/// What a reader is shown now; nothing if there is nothing to be read.
fn shown(disk: &Memory) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    match read_committed(disk, Path::new(DIR), 0, |bytes| {
        output.extend_from_slice(bytes)
    }) {
        Ok(totals) => {
            assert_eq!(totals.bytes, output.len() as u64);
            Some(output)
        }
        Err(LogError::Collected { .. }) => None,
        Err(error) => panic!("a reader met {error}"),
    }
}

fn outlet(disk: &Memory) -> Vec<u8> {
    let files = disk.files();
    let found = files
        .into_iter()
        .find(|(path, _)| path == Path::new(OUTLET));
    found.map_or(Vec::new(), |(_, bytes)| bytes)
}

fn check(disk: &Memory, right: &[u8], promised: u64) {
    if let Some(output) = shown(disk) {
        assert!(right.starts_with(&output), "readers see a prefix");
        assert!(
            output.len() as u64 >= promised,
            "readers see what was committed"
        );
    }
}

/// Starts the job again until it is done. Faults are over after the first failures.
fn finish(disk: &Memory, epochs: u64, rng: &mut Rng, mut promised: u64, stop: Stop) {
    let right = Toy::whole(epochs);
    for _ in 0..20 {
        disk.restart(stop);
        check(disk, &right, promised);
        match run(disk, epochs, rng, &mut promised) {
            Ok(()) => {
                check(disk, &right, promised);
                assert_eq!(outlet(disk), right, "all of it, once");
                return;
            }
            Err(error) => assert!(disk.faults_met() > 0, "{error}"),
        }
    }
    panic!("never done");
}

fn operations(epochs: u64, seed: u64) -> u64 {
    let disk = Memory::new(seed);
    run(&disk, epochs, &mut Rng::new(seed), &mut 0).unwrap();
    assert_eq!(outlet(&disk), Toy::whole(epochs));
    disk.operations()
}

/// Every operation of a run goes wrong in every way, and the run ends by either kind of stop.
#[test]
fn every_operation_may_fail() {
    let (epochs, seed) = (24, 3);
    let count = operations(epochs, seed);
    assert!(count > 100, "{count} operations");
    let faults = [
        Fault::PowerCut,
        Fault::NoSpace,
        Fault::Io,
        Fault::ShortRead,
        Fault::FlippedBit,
    ];
    for operation in 0..count {
        for fault in faults {
            for stop in [Stop::Killed, Stop::PowerLost] {
                let disk = Memory::new(operation);
                disk.fail_at(operation, fault);
                let (mut rng, mut promised) = (Rng::new(seed), 0);
                let done = run(&disk, epochs, &mut rng, &mut promised);
                let told = format!("operation {operation}, {fault:?}, {stop:?}, {done:?}");
                let told = Told(told);
                if fault == Fault::ShortRead {
                    done.as_ref().unwrap();
                }
                if let (Err(error), 0) = (&done, disk.faults_met()) {
                    panic!("operation {operation}: {error}");
                }
                finish(&disk, epochs, &mut rng, promised, stop);
                std::mem::forget(told);
            }
        }
    }
}

/// Power cuts and faults by chance, several a run.
#[test]
fn schedules_by_chance() {
    let one = std::env::var("RESTAGE_SEED").ok();
    let many = std::env::var("RESTAGE_SCHEDULES").ok();
    let many = many.map_or(3_000, |text| text.parse().expect("a number"));
    let seeds = match one {
        Some(seed) => {
            let seed: u64 = seed.parse().expect("a number");
            seed..seed + 1
        }
        None => 0..many,
    };
    for seed in seeds {
        let told = Told(format!(
            "RESTAGE_SEED={seed} cargo test --test durable -- schedules"
        ));
        schedule(seed);
        std::mem::forget(told);
    }
}

/// Says what failed, or how it is repeated, if it is dropped.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("{}", self.0);
    }
}

fn schedule(seed: u64) {
    let mut rng = Rng::new(seed);
    let epochs = 10 + u64::from(rng.below(40));
    let right = Toy::whole(epochs);
    let disk = Memory::new(seed);
    let mut promised = 0;
    for _ in 0..1 + rng.below(6) {
        let faults = [
            Fault::PowerCut,
            Fault::NoSpace,
            Fault::Io,
            Fault::FlippedBit,
        ];
        let fault = faults[rng.below(4) as usize];
        let at = disk.operations() + u64::from(rng.below(120));
        disk.fail_at(at, fault);
        if fault == Fault::FlippedBit {
            // In the last group it looks like a torn append: what it held is computed again.
            promised = 0;
        }
        let done = run(&disk, epochs, &mut rng, &mut promised);
        let cut = done.is_err();
        assert!(
            !cut || disk.faults_met() > 0,
            "seed {seed}: {}",
            done.unwrap_err()
        );
        let stop = if rng.chance(0.5) {
            Stop::Killed
        } else {
            Stop::PowerLost
        };
        disk.restart(stop);
        check(&disk, &right, promised);
    }
    finish(&disk, epochs, &mut rng, promised, Stop::PowerLost);
}

/// Operations before a process has claimed a new folder: what it sees until then may be its successor's.
const LOOKING: u64 = 4;

/// A process sleeps before any one of its operations, its successor does the whole job, and it wakes: not
/// a byte of its own is ever shown, and the successor's state is whole.
#[test]
fn who_wakes_too_late_writes_nothing() {
    let (epochs, seed) = (24, 5);
    let right = Toy::whole(epochs);
    for operation in 0..operations(epochs, seed) {
        let disk = Memory::new(seed);
        let successor = disk.clone();
        disk.interrupt_at(operation, move || {
            let (mut rng, mut promised) = (Rng::new(99), 0);
            run(&successor, epochs, &mut rng, &mut promised).unwrap();
        });
        let mut told = 0;
        let woke = run(&disk, epochs, &mut Rng::new(seed), &mut told);
        check(&disk, &right, right.len() as u64);
        assert_eq!(outlet(&disk), right);
        // One that slept before it looked around is a successor itself, and after the last commit nothing
        // more is made to count; all others must end.
        let may_end_well = operation < LOOKING || told == right.len() as u64;
        assert!(woke.is_err() || may_end_well, "operation {operation}");
        disk.restart(Stop::PowerLost);
        let mut promised = right.len() as u64;
        run(&disk, epochs, &mut Rng::new(1), &mut promised).unwrap();
        assert_eq!(outlet(&disk), right);
    }
}

/// Every byte of every state file is flipped, and every file is cut at every length.
#[test]
fn every_flip_and_truncation_is_noticed_or_costs_a_snapshot() {
    let epochs = 12;
    let right = Toy::whole(epochs);
    let disk = Memory::new(1);
    let (mut rng, mut promised) = (Rng::new(11), 0);
    // Ended in the middle, so that the last segment is open.
    disk.fail_at(operations(epochs, 11) - 12, Fault::PowerCut);
    run(&disk, epochs, &mut rng, &mut promised).unwrap_err();
    disk.restart(Stop::Killed);
    let files = disk.files();
    let state = files.iter().filter(|(path, _)| path.starts_with(DIR));
    let (mut refused, mut older) = (0, 0);
    for (path, bytes) in state {
        let flips = (0..bytes.len()).map(|at| {
            let mut changed = bytes.clone();
            changed[at] ^= 0x08;
            (at, changed)
        });
        let cuts = (0..bytes.len()).map(|at| (at, bytes[..at].to_vec()));
        for (at, changed) in flips.chain(cuts) {
            let copy = disk.copy(2);
            copy.overwrite(path, changed);
            let mut nothing = 0;
            match run(&copy, epochs, &mut Rng::new(4), &mut nothing) {
                Err(LogError::Damaged(damage)) => {
                    assert_eq!(&damage.path, path, "the file is named");
                    let offset = damage.offset as usize;
                    assert!(offset <= at, "byte {at}: {damage}");
                    assert_eq!(offset, begin_of(bytes, offset), "a frame's begin");
                    refused += 1;
                }
                Err(error) => panic!("{}: {error}", path.display()),
                Ok(()) => {
                    assert_eq!(outlet(&copy), right, "{}", path.display());
                    older += 1;
                }
            }
        }
    }
    assert!(
        refused > 900 && older > 900,
        "{refused} refused, {older} made good"
    );
}

/// Where the header or frame begins that holds a byte of a state file.
fn begin_of(bytes: &[u8], at: usize) -> usize {
    const HEADER_BYTES: usize = 56;
    if at < HEADER_BYTES {
        return 0;
    }
    let mut begin = HEADER_BYTES;
    while begin + 4 <= bytes.len() {
        let length: [u8; 4] = bytes[begin..begin + 4].try_into().unwrap();
        // Length, kind and zeros before the body, and the checksum behind it.
        let end = begin + 8 + u32::from_le_bytes(length) as usize + 8;
        if at < end {
            break;
        }
        begin = end;
    }
    begin
}

/// From its first snapshot on a generation has two manifests: damage to the newest costs a snapshot.
#[test]
fn the_first_snapshot_keeps_the_manifest_before_it() {
    let disk = Memory::new(1);
    let mut writer = open(disk.clone(), Path::new(DIR), CONFIG, options())
        .unwrap()
        .writer;
    let mut toy = Toy::default();
    let mut group = || {
        let output = toy.step();
        (toy, vec![(toy.row(), output)])
    };
    let (_, first) = group();
    writer.commit(&first).unwrap();
    let (toy, second) = group();
    writer.commit(&second).unwrap();
    writer.begin_snapshot().unwrap();
    writer.put_part(&toy.part()).unwrap();
    writer
        .finish_snapshot(Epoch(toy.epoch), toy.totals)
        .unwrap();
    let (_, third) = group();
    writer.commit(&third).unwrap();
    drop(writer);
    let files = disk.files();
    let manifests: Vec<_> = files
        .iter()
        .filter(|(path, _)| path.to_str().unwrap().contains("manifest-"))
        .collect();
    assert_eq!(manifests.len(), 2, "{manifests:?}");
    let (newest, mut bytes) = manifests[1].clone();
    bytes[70] ^= 1;
    disk.overwrite(&newest, bytes);
    disk.restart(Stop::Killed);
    let opened = open(disk.clone(), Path::new(DIR), CONFIG, options()).unwrap();
    assert_eq!(opened.notes[0].path, newest);
    let resume = opened.resume.unwrap();
    assert!(resume.snapshot.is_none() && resume.rows.len() == 3);
}

/// What is written into a folder, to the byte.
#[test]
fn the_bytes_of_a_folder_are_pinned() {
    let disk = Memory::new(1);
    run(&disk, 12, &mut Rng::new(11), &mut 0).unwrap();
    let files = disk.files();
    let state = files.iter().filter(|(path, _)| path.starts_with(DIR));
    let mut all = Vec::new();
    for (path, bytes) in state {
        all.extend_from_slice(path.to_str().unwrap().as_bytes());
        all.extend_from_slice(bytes);
    }
    let digest = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&all));
    assert_eq!(
        digest, "9aea3dde9e09c4cc06c87c4bd2df4c5b",
        "state files are written in other bytes: raise `VERSION` in src/log/frame.rs, keep what reads the \
         version before (tests/fixtures/state/README.md), and put the new digest here"
    );
}

#[test]
fn a_folder_belongs_to_one_configuration_and_one_outlet() {
    let disk = Memory::new(1);
    run(&disk, 5, &mut Rng::new(1), &mut 0).unwrap();
    let other = open(disk.clone(), Path::new(DIR), 8, options());
    let error = other.err().expect("another configuration");
    assert!(matches!(error, LogError::Config { .. }) && error.exit_code() == 2);
    let fresh = open(disk.clone(), Path::new("other"), CONFIG, options());
    let error = fresh.err().expect("somebody else's file");
    assert!(matches!(error, LogError::Outlet { .. }), "{error}");
}

/// The job under rules that change while it runs.
fn run_by_rules(disk: &Memory, epochs: u64, rng: &mut Rng) -> Result<(), LogError> {
    let opened = open(disk.clone(), Path::new(DIR), CONFIG, options())?;
    let mut writer: Writer<Memory> = opened.writer;
    let mut rules = match &opened.rules {
        Some(text) => rules_of(text),
        None => {
            let first = vec![(0, 1)];
            writer.put_rules(&text_of(&first))?;
            first
        }
    };
    let mut toy = Toy::default();
    if let Some(resume) = opened.resume {
        assert!(opened.rules.is_some(), "output without its rules");
        if let Some(snapshot) = &resume.snapshot {
            toy = Toy::of(&snapshot.parts[0], snapshot.totals);
        }
        for row in &resume.rows {
            while toy.epoch < row.epoch.0 {
                toy.step_by(&rules);
            }
            assert_eq!(toy.row(), *row, "by the rules that are known");
        }
    }
    while toy.epoch < epochs {
        if rng.chance(0.3) && rules.last().is_some_and(|(from, _)| *from <= toy.epoch) {
            rules.push((toy.epoch + 1, u64::from(rng.below(1_000))));
            writer.put_rules(&text_of(&rules))?;
        }
        let output = toy.step_by(&rules);
        writer.commit(&[(toy.row(), output)])?;
        if rng.chance(0.2) {
            writer.begin_snapshot()?;
            writer.put_part(&toy.part())?;
            writer.finish_snapshot(Epoch(toy.epoch), toy.totals)?;
        }
    }
    writer.close(true)
}

/// Whatever goes wrong around a change of the rules: nothing that goes by them is shown before they are
/// known, and what is known makes what was shown again.
#[test]
fn rules_are_known_before_anything_that_goes_by_them() {
    let mut changed = 0;
    for seed in 0..1_500 {
        let told = Told(format!("seed {seed}"));
        let mut rng = Rng::new(seed);
        let (epochs, disk) = (12 + u64::from(rng.below(20)), Memory::new(seed));
        let known = || read_rules(&disk, Path::new(DIR)).unwrap();
        let is_right = || {
            let right = known().map(|text| Toy::whole_by(epochs, &rules_of(&text)));
            let right = right.unwrap_or_default();
            let seen = shown(&disk).unwrap_or_default();
            // Behind what was synced of the outlet a power cut may have left anything.
            let contents = inspect(&disk, Path::new(DIR)).unwrap();
            let synced = contents.map_or(0, |contents| contents.in_force.released_bytes);
            let outlet = &outlet(&disk)[..synced as usize];
            assert!(right.starts_with(&seen) && right.starts_with(outlet));
            right
        };
        for _ in 0..rng.below(6) {
            let fault = [Fault::PowerCut, Fault::NoSpace, Fault::Io][rng.below(3) as usize];
            disk.fail_at(disk.operations() + u64::from(rng.below(150)), fault);
            let done = run_by_rules(&disk, epochs, &mut rng);
            assert!(done.is_ok() || disk.faults_met() > 0, "{done:?}");
            disk.restart([Stop::Killed, Stop::PowerLost][rng.below(2) as usize]);
            is_right();
        }
        let done = (0..20).any(|_| {
            let done = run_by_rules(&disk, epochs, &mut rng).is_ok();
            disk.restart(Stop::Killed);
            done
        });
        assert!(done, "never done");
        assert_eq!(outlet(&disk), is_right(), "all of it, once");
        let rules = rules_of(&known().expect("there are rules"));
        changed += rules.len() - 1;
        std::mem::forget(told);
    }
    assert!(changed > 3_000, "{changed} changes");
}

/// Every byte of the file of rules is flipped, and it is cut at every length.
#[test]
fn rules_that_were_damaged_are_refused_with_their_file() {
    let disk = Memory::new(5);
    run_by_rules(&disk, 20, &mut Rng::new(2)).unwrap();
    let files = disk.files();
    let is_rules = |path: &Path| path.starts_with(DIR) && path.to_string_lossy().contains("rules-");
    let newest = files.iter().filter(|(path, _)| is_rules(path)).max();
    let (path, bytes) = newest.expect("there are rules");
    let flips = (0..bytes.len()).map(|at| {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        changed
    });
    let cuts = (0..bytes.len()).map(|at| bytes[..at].to_vec());
    let longer = [bytes.clone(), vec![0]].concat();
    for changed in flips.chain(cuts).chain([longer]) {
        let copy = disk.copy(2);
        copy.overwrite(path, changed);
        let error = read_rules(&copy, Path::new(DIR)).expect_err("it was changed");
        assert_eq!(&error.damage().expect("it is damage").path, path);
        assert!(open(copy, Path::new(DIR), CONFIG, options()).is_err());
    }
}
