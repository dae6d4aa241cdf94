//! A disk in memory that fails on purpose: the storage of tests.
//!
//! It has the semantics that a file system promises and not one more. Appended bytes are in the page
//! cache until their file is synced: at a power cut they survive whole, in part, with holes of zeros
//! or garbage at the end, or not at all. Names that were created, renamed or removed are in the cache
//! until their folder is synced: at a power cut each such change survives or not, whatever became of
//! the others. After a failed sync the bytes it was for can be read, and will never reach the disk,
//! however often sync is called again. Every call is an operation with a number; faults are injected
//! by number, so a test that counts the operations of a clean run can fail each of them in turn.
//!
//! Chance is drawn from one seeded generator: a seed and a schedule of faults are a whole run.

use super::storage::{AppendFile, Storage, StorageError};
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct Memory(Arc<Mutex<Machine>>);

/// A file on it that is being written.
pub struct MemoryFile {
    disk: Memory,
    inode: usize,
    path: PathBuf,
    /// Where the next bytes go.
    at: usize,
    boot: u64,
}

/// What may go wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this and all later operations fail, until [`Memory::restart`].
    PowerCut,
    /// No space: an append writes a part; anything else that needs space fails.
    NoSpace,
    /// EIO: the operation fails; a failed sync loses what it was for, a rename may have happened.
    Io,
    /// A read gives fewer bytes than it could.
    ShortRead,
    /// A read gives a bit that is not on the disk.
    FlippedBit,
}

/// How a machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The processes end; the system lives on and loses nothing.
    Killed,
    /// The machine loses what was not synced.
    PowerLost,
}

struct Machine {
    rng: Rng,
    inodes: Vec<Inode>,
    /// Names as running processes see them, and as they are on the disk.
    names: BTreeMap<PathBuf, usize>,
    names_on_disk: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    folders_on_disk: BTreeSet<PathBuf>,
    /// Changes of names that were not synced, in order.
    changes: Vec<Change>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    faults_met: u64,
    interruption: Option<(u64, Box<dyn FnOnce() + Send>)>,
    boot: u64,
    down: bool,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// From here on nothing was synced.
    dirty_from: usize,
    /// What a failed sync was for: it never reaches the disk.
    lost: Vec<Range<usize>>,
}

impl Inode {
    /// Bytes that were written again are dirty again: a later sync is for them, too.
    fn rewrite(&mut self, range: Range<usize>) {
        let lost = std::mem::take(&mut self.lost);
        let parts = lost.into_iter().flat_map(|old| {
            let before = old.start..old.end.min(range.start);
            let after = old.start.max(range.end)..old.end;
            [before, after]
        });
        self.lost = parts.filter(|part| part.start < part.end).collect();
    }
}

#[derive(Clone)]
enum Change {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
    Folder(PathBuf),
}

impl Memory {
    /// An empty disk whose accidents are drawn from this seed.
    pub fn new(seed: u64) -> Memory {
        Memory(Arc::new(Mutex::new(Machine {
            rng: Rng::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            folders: BTreeSet::new(),
            folders_on_disk: BTreeSet::new(),
            changes: Vec::new(),
            operations: 0,
            faults: BTreeMap::new(),
            faults_met: 0,
            interruption: None,
            boot: 0,
            down: false,
        })))
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many of the faults came to pass.
    pub fn faults_met(&self) -> u64 {
        self.lock().faults_met
    }

    /// Lets operation number `operation`, counted from 0, go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.lock().faults.insert(operation, fault);
    }

    /// Does something right before operation number `operation`: what others do while the process
    /// that is about to write sleeps.
    pub fn interrupt_at(&self, operation: u64, act: impl FnOnce() + Send + 'static) {
        self.lock().interruption = Some((operation, Box::new(act)));
    }

    /// Ends all processes, forgets all faults, and starts the machine again.
    pub fn restart(&self, stop: Stop) {
        let mut machine = self.lock();
        machine.boot += 1;
        machine.down = false;
        machine.faults.clear();
        machine.interruption = None;
        if stop == Stop::PowerLost {
            machine.lose_names();
            machine.lose_bytes();
        }
    }

    /// A disk with the same files, all of them synced.
    pub fn copy(&self, seed: u64) -> Memory {
        let copy = Memory::new(seed);
        {
            let from = self.lock();
            let mut machine = copy.lock();
            machine.inodes = from.inodes.clone();
            for inode in &mut machine.inodes {
                inode.dirty_from = inode.bytes.len();
                inode.lost.clear();
            }
            machine.names = from.names.clone();
            machine.names_on_disk = from.names.clone();
            machine.folders = from.folders.clone();
            machine.folders_on_disk = from.folders.clone();
        }
        copy
    }

    /// All files and their bytes, in order of path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let machine = self.lock();
        let file = |(path, &inode): (&PathBuf, &usize)| {
            (path.clone(), machine.inodes[inode].bytes.clone())
        };
        machine.names.iter().map(file).collect()
    }

    /// Replaces the bytes of a file, as decay or a clumsy hand would.
    pub fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let mut machine = self.lock();
        if let Some(&inode) = machine.names.get(path) {
            machine.inodes[inode] = Inode {
                dirty_from: bytes.len(),
                bytes,
                lost: Vec::new(),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation: whoever waited for it acts first, and it may have a fault.
    fn begin(
        &self,
        action: &'static str,
        path: &Path,
    ) -> Result<(MutexGuard<'_, Machine>, Option<Fault>), StorageError> {
        let mut machine = self.lock();
        let now = machine.operations;
        if let Some((_, act)) = machine.interruption.take_if(|(at, _)| *at == now) {
            drop(machine);
            act();
            machine = self.lock();
        }
        machine.operations += 1;
        let fault = machine.faults.remove(&now);
        machine.faults_met += u64::from(fault.is_some());
        machine.down |= fault == Some(Fault::PowerCut);
        let error = match fault {
            _ if machine.down => io::Error::other("the power is gone"),
            Some(Fault::NoSpace) if ["create", "open", "rename", "sync"].contains(&action) => {
                io::Error::from(ErrorKind::StorageFull)
            }
            Some(Fault::Io) if !["append to", "sync", "rename", "cut"].contains(&action) => {
                io::Error::other("input/output error")
            }
            _ => return Ok((machine, fault)),
        };
        Err(StorageError::new(action, path, error))
    }
}

impl Storage for Memory {
    type File = MemoryFile;

    fn create_folder(&self, folder: &Path) -> Result<(), StorageError> {
        let (mut machine, _) = self.begin("create", folder)?;
        let mut above: Vec<&Path> = folder.ancestors().collect();
        above.reverse();
        for folder in above.into_iter().filter(|path| path.parent().is_some()) {
            if machine.folders.insert(folder.to_owned()) {
                machine.changes.push(Change::Folder(folder.to_owned()));
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> Result<MemoryFile, StorageError> {
        let (mut machine, _) = self.begin("create", path)?;
        if machine.names.contains_key(path) {
            let error = io::Error::from(ErrorKind::AlreadyExists);
            return Err(StorageError::new("create", path, error));
        }
        let inode = machine.inodes.len();
        machine.inodes.push(Inode::default());
        machine.names.insert(path.to_owned(), inode);
        machine.changes.push(Change::Link(path.to_owned(), inode));
        Ok(MemoryFile {
            disk: self.clone(),
            inode,
            path: path.to_owned(),
            at: 0,
            boot: machine.boot,
        })
    }

    fn reopen(&self, path: &Path, offset: u64) -> Result<MemoryFile, StorageError> {
        let (mut machine, _) = self.begin("open", path)?;
        let inode = match machine.names.get(path) {
            Some(inode) => *inode,
            None => {
                let inode = machine.inodes.len();
                machine.inodes.push(Inode::default());
                machine.names.insert(path.to_owned(), inode);
                machine.changes.push(Change::Link(path.to_owned(), inode));
                inode
            }
        };
        Ok(MemoryFile {
            disk: self.clone(),
            inode,
            path: path.to_owned(),
            at: offset as usize,
            boot: machine.boot,
        })
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let (mut machine, fault) = self.begin("read", path)?;
        let inode = machine.inode("read", path)?;
        let bytes = &machine.inodes[inode].bytes;
        let rest = bytes.get(offset as usize..).unwrap_or(&[]);
        let mut count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        if count > 0 && fault == Some(Fault::FlippedBit) {
            let at = machine.rng.below(count as u32) as usize;
            into[at] ^= 1 << machine.rng.below(8);
        }
        if count > 1 && fault == Some(Fault::ShortRead) {
            count = 1 + machine.rng.below(count as u32 - 1) as usize;
        }
        Ok(count)
    }

    fn length(&self, path: &Path) -> Result<u64, StorageError> {
        let (machine, _) = self.begin("read", path)?;
        let inode = machine.inode("read", path)?;
        Ok(machine.inodes[inode].bytes.len() as u64)
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, StorageError> {
        let (machine, _) = self.begin("list", folder)?;
        let within = |path: &&PathBuf| path.parent() == Some(folder);
        let text = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        let files = machine.names.keys().filter(within).filter_map(text);
        let folders = machine.folders.iter().filter(within).filter_map(text);
        let mut names: Vec<String> = files.chain(folders).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let (mut machine, fault) = self.begin("rename", from)?;
        let inode = machine.inode("rename", from)?;
        if fault != Some(Fault::Io) || machine.rng.chance(0.5) {
            machine.names.remove(from);
            machine.names.insert(to.to_owned(), inode);
            let change = Change::Rename(from.to_owned(), to.to_owned(), inode);
            machine.changes.push(change);
        }
        failed_if(fault == Some(Fault::Io), "rename", from)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let (mut machine, _) = self.begin("remove", path)?;
        machine.inode("remove", path)?;
        machine.names.remove(path);
        machine.changes.push(Change::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), StorageError> {
        let (mut machine, fault) = self.begin("sync", folder)?;
        failed_if(fault == Some(Fault::Io), "sync", folder)?;
        let of_folder = |change: &mut Change| {
            let (Change::Link(path, _) | Change::Unlink(path)) = change else {
                let (Change::Rename(path, ..) | Change::Folder(path)) = change else {
                    return false;
                };
                return path.parent() == Some(folder);
            };
            path.parent() == Some(folder)
        };
        let synced: Vec<Change> = machine.changes.extract_if(.., of_folder).collect();
        for change in synced {
            machine.reach_disk(change);
        }
        Ok(())
    }
}

impl AppendFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let (part, failed) = self.write(bytes)?;
        self.at += part;
        match failed {
            Some(error) => Err(StorageError::new("append to", &self.path, error)),
            None => Ok(()),
        }
    }

    fn cut(&mut self) -> Result<(), StorageError> {
        let (mut machine, fault) = self.begin("cut")?;
        failed_if(fault == Some(Fault::Io), "cut", &self.path)?;
        let inode = &mut machine.inodes[self.inode];
        inode.bytes.truncate(self.at);
        inode.dirty_from = inode.dirty_from.min(self.at);
        let at = self.at;
        inode.lost.retain_mut(|range| {
            range.end = range.end.min(at);
            range.start < range.end
        });
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let (mut machine, fault) = self.begin("sync")?;
        let inode = &mut machine.inodes[self.inode];
        let end = inode.bytes.len();
        let dirty = std::mem::replace(&mut inode.dirty_from, end)..end;
        if fault == Some(Fault::Io) {
            inode.lost.push(dirty);
        }
        failed_if(fault == Some(Fault::Io), "sync", &self.path)
    }
}

impl MemoryFile {
    /// Writes bytes where the file stands; how many, and whether that failed.
    fn write(&self, bytes: &[u8]) -> Result<(usize, Option<io::Error>), StorageError> {
        let (mut machine, fault) = self.begin("append to")?;
        let failed = match fault {
            Some(Fault::NoSpace) => Some(ErrorKind::StorageFull.into()),
            Some(Fault::Io) => Some(io::Error::other("input/output error")),
            _ => None,
        };
        let part = match failed {
            Some(_) => machine.rng.below(bytes.len() as u32 + 1) as usize,
            None => bytes.len(),
        };
        let inode = &mut machine.inodes[self.inode];
        let end = self.at + part;
        if inode.bytes.len() < end {
            inode.bytes.resize(end, 0);
        }
        inode.bytes[self.at..end].copy_from_slice(&bytes[..part]);
        if part > 0 {
            inode.dirty_from = inode.dirty_from.min(self.at);
            inode.rewrite(self.at..end);
        }
        Ok((part, failed))
    }

    fn begin(
        &self,
        action: &'static str,
    ) -> Result<(MutexGuard<'_, Machine>, Option<Fault>), StorageError> {
        let (machine, fault) = self.disk.begin(action, &self.path)?;
        if machine.boot != self.boot {
            let error = io::Error::other("its process has ended");
            return Err(StorageError::new(action, &self.path, error));
        }
        Ok((machine, fault))
    }
}

fn failed_if(failed: bool, action: &'static str, path: &Path) -> Result<(), StorageError> {
    if failed {
        let error = io::Error::other("input/output error");
        return Err(StorageError::new(action, path, error));
    }
    Ok(())
}

impl Machine {
    fn inode(&self, action: &'static str, path: &Path) -> Result<usize, StorageError> {
        let missing = || StorageError::new(action, path, ErrorKind::NotFound.into());
        self.names.get(path).copied().ok_or_else(missing)
    }

    fn reach_disk(&mut self, change: Change) {
        match change {
            Change::Link(path, inode) => {
                self.names_on_disk.insert(path, inode);
            }
            Change::Unlink(path) => {
                self.names_on_disk.remove(&path);
            }
            Change::Rename(from, to, inode) => {
                self.names_on_disk.remove(&from);
                self.names_on_disk.insert(to, inode);
            }
            Change::Folder(path) => {
                self.folders_on_disk.insert(path);
            }
        }
    }

    /// Each change of names that was not synced happened or not.
    fn lose_names(&mut self) {
        let all_or_nothing = self.rng.below(4);
        for change in std::mem::take(&mut self.changes) {
            let survives = match all_or_nothing {
                0 => false,
                1 => true,
                _ => self.rng.chance(0.5),
            };
            if survives {
                self.reach_disk(change);
            }
        }
        let folders = &self.folders_on_disk;
        let reachable = |path: &PathBuf| {
            let parent = path.parent().unwrap_or(Path::new(""));
            let mut above = parent.ancestors().filter(|path| path.parent().is_some());
            above.all(|folder| folders.contains(folder))
        };
        let lost: Vec<PathBuf> = self
            .names_on_disk
            .keys()
            .filter(|path| !reachable(path))
            .cloned()
            .collect();
        for path in lost {
            self.names_on_disk.remove(&path);
        }
        self.names = self.names_on_disk.clone();
        self.folders = self.folders_on_disk.clone();
    }

    /// Bytes that were not synced survive, or are torn, or have holes, or are garbage, or are gone.
    fn lose_bytes(&mut self) {
        let rng = &mut self.rng;
        for inode in &mut self.inodes {
            for range in std::mem::take(&mut inode.lost) {
                let byte = if rng.chance(0.5) { 0 } else { 0xa5 };
                inode.bytes[range].fill(byte);
            }
            let dirty = inode.bytes.len() - inode.dirty_from;
            if dirty > 0 {
                let tail = inode.bytes.split_off(inode.dirty_from);
                inode.bytes.extend(what_survives(tail, rng));
            }
            inode.dirty_from = inode.bytes.len();
        }
    }
}

fn what_survives(mut tail: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let torn_at = rng.below(tail.len() as u32 + 1) as usize;
    match rng.below(6) {
        0 => {}
        1 => tail.clear(),
        2 => tail.truncate(torn_at),
        3 => tail[torn_at..].fill(0),
        4 => tail[torn_at..]
            .iter_mut()
            .for_each(|byte| *byte = rng.below(256) as u8),
        _ => {
            // A page in the middle did not make it, although later ones did.
            let end = (torn_at + 1 + rng.below(64) as usize).min(tail.len());
            tail[torn_at..end].fill(0);
        }
    }
    tail
}

#[cfg(test)]
mod tests;
