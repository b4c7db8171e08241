//! What processes share: who holds it, who pays for it, and when it goes.
//!
//! Device memory is paid for by the client that shared it while that one holds it, then by the one that has held it longest,
//! then, while only open descriptors keep it alive, by nobody.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};

use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use super::ledger::Ledger;
use crate::books::{MAX_CELLS, PAGE_BYTES};
use crate::protocol::{Contents, Key, Reply};

/// Everything that is shared now.
#[derive(Default)]
pub struct Shared {
    objects: HashMap<u64, Object>,
    last: u64,
    /// By inode, so that each file is kept open once, however many objects lie in it.
    files: HashMap<u64, Weak<OwnedFd>>,
    /// Reading ends of the pipes whose writing ends stand for objects.
    pipes: HashMap<RawFd, Pipe>,
    free_cells: Option<Vec<u32>>,
}

struct Object {
    key: Key,
    contents: Contents,
    note: Vec<u64>,
    file: Option<Arc<OwnedFd>>,
    sharer: usize,
    /// Slots and how often each holds it, in the order in which they came.
    holders: Vec<(usize, u32)>,
    payer: Option<usize>,
    /// Open pipes that stand for it.
    descriptors: u32,
}

struct Pipe {
    end: OwnedFd,
    inode: u64,
    object: u64,
}

/// A reply and the descriptor that goes with it.
pub type Answer = (Reply, Option<Arc<OwnedFd>>);

impl Object {
    /// Device and pages that it takes.
    fn pages(&self) -> Option<(usize, u32)> {
        match self.contents {
            Contents::Memory { device: Some(device), bytes, .. } => Some((device, (bytes / PAGE_BYTES) as u32)),
            _ => None,
        }
    }
}

impl Shared {
    /// A new object that `slot` holds, and pays for.
    pub fn share(
        &mut self,
        ledger: &Ledger,
        slot: usize,
        contents: Contents,
        note: Vec<u64>,
        file: Option<OwnedFd>,
    ) -> Reply {
        let contents = match contents {
            Contents::Memory { device, bytes, .. } => {
                let device_exists = device.is_none_or(|device| device < ledger.devices());
                if file.is_none() || !device_exists || !bytes.is_multiple_of(PAGE_BYTES) || bytes >> 40 != 0 {
                    return Reply::Refused(format!("cannot share {contents:?}"));
                }
                contents
            }
            Contents::Cell { .. } => {
                let free = self.free_cells.get_or_insert_with(|| (0..MAX_CELLS as u32).rev().collect());
                let Some(number) = free.pop() else { return Reply::OutOfMemory };
                ledger.clear_cell(number);
                Contents::Cell { number }
            }
            Contents::Nothing => contents,
        };
        let Ok(secret) = random() else { return Reply::Refused("no random numbers".into()) };
        self.last += 1;
        let key = Key { object: self.last, secret };
        let file = file.map(|file| self.keep_open(file));
        let holders = vec![(slot, 1)];
        let made = Object { key, contents, note, file, sharer: slot, holders, payer: Some(slot), descriptors: 0 };
        self.objects.insert(key.object, made);
        Reply::Shared { key, contents }
    }

    /// A descriptor that stands for an object of `slot`.
    pub fn export(&mut self, slot: usize, object: u64) -> Answer {
        let Some(found) = self.objects.get_mut(&object).filter(|o| o.holders.iter().any(|h| h.0 == slot)) else {
            return (Reply::NoSuchObject, None);
        };
        let made = nix::unistd::pipe2(OFlag::O_CLOEXEC).and_then(|(end, given)| Ok((fstat(&end)?.st_ino, end, given)));
        // Fails when the server may open no more.
        let Ok((inode, end, given)) = made else { return (Reply::OutOfMemory, None) };
        found.descriptors += 1;
        self.pipes.insert(end.as_raw_fd(), Pipe { end, inode, object });
        (Reply::Exported, Some(Arc::new(given)))
    }

    /// Makes `slot` a holder of the object for which `descriptor` stands.
    pub fn import(&mut self, ledger: &mut Ledger, slot: usize, descriptor: Option<OwnedFd>) -> Answer {
        let inode = descriptor.as_ref().and_then(|descriptor| fstat(descriptor).ok()).map(|stat| stat.st_ino);
        let pipe = self.pipes.values().find(|pipe| Some(pipe.inode) == inode);
        match pipe.map(|pipe| pipe.object) {
            Some(object) => self.hold(ledger, slot, object),
            None => (Reply::NoSuchObject, None),
        }
    }

    /// Makes `slot` a holder of the object with this key.
    pub fn open(&mut self, ledger: &mut Ledger, slot: usize, key: Key) -> Answer {
        match self.objects.get(&key.object).is_some_and(|object| object.key == key) {
            true => self.hold(ledger, slot, key.object),
            false => (Reply::NoSuchObject, None),
        }
    }

    fn hold(&mut self, ledger: &mut Ledger, slot: usize, object: u64) -> Answer {
        let Some(found) = self.objects.get_mut(&object) else { return (Reply::NoSuchObject, None) };
        match found.holders.iter_mut().find(|holder| holder.0 == slot) {
            Some(holder) => holder.1 += 1,
            None => found.holders.push((slot, 1)),
        }
        let opened = Reply::Opened {
            key: found.key,
            contents: found.contents,
            note: found.note.clone(),
            own: found.sharer == slot,
        };
        let file = found.file.clone();
        self.settle(ledger, object);
        (opened, file)
    }

    /// Takes one holding of `slot` away.
    pub fn let_go(&mut self, ledger: &mut Ledger, slot: usize, object: u64) -> Reply {
        if let Some(found) = self.objects.get_mut(&object) {
            if let Some(holder) = found.holders.iter_mut().find(|holder| holder.0 == slot) {
                holder.1 -= 1;
            }
            found.holders.retain(|holder| holder.1 > 0);
            self.settle(ledger, object);
        }
        self.exists(object)
    }

    /// Whether an object exists.
    pub fn exists(&self, object: u64) -> Reply {
        Reply::Exists(self.objects.contains_key(&object))
    }

    /// Takes every holding of a client that is gone away.
    pub fn dismiss(&mut self, ledger: &mut Ledger, slot: usize) {
        let held: Vec<u64> = self
            .objects
            .iter_mut()
            .filter_map(|(number, object)| {
                let before = object.holders.len();
                object.holders.retain(|holder| holder.0 != slot);
                if object.sharer == slot {
                    // The slot's next client is another process.
                    object.sharer = usize::MAX;
                }
                (object.holders.len() < before).then_some(*number)
            })
            .collect();
        held.into_iter().for_each(|object| self.settle(ledger, object));
    }

    /// What must be watched for hang-ups: no copy of a descriptor is left then.
    pub fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.values().map(|pipe| pipe.end.as_fd())
    }

    /// Takes note that the last copy of the descriptor at the other end of `watched` is closed; false for other descriptors.
    pub fn closed(&mut self, ledger: &mut Ledger, watched: RawFd) -> bool {
        let Some(pipe) = self.pipes.remove(&watched) else { return false };
        if let Some(object) = self.objects.get_mut(&pipe.object) {
            object.descriptors -= 1;
            self.settle(ledger, pipe.object);
        }
        true
    }

    /// Brings the payer up to date, and ends an object that nothing keeps alive.
    fn settle(&mut self, ledger: &mut Ledger, number: u64) {
        let Some(object) = self.objects.get_mut(&number) else { return };
        let pages = object.pages();
        if object.holders.is_empty() && object.descriptors == 0 {
            if let Some((device, pages)) = pages {
                ledger.free_pages(device, pages, object.payer);
            }
            if let (Contents::Cell { number }, Some(free)) = (object.contents, &mut self.free_cells) {
                free.push(number);
            }
            self.objects.remove(&number);
            self.files.retain(|_, file| file.strong_count() > 0);
            return;
        }
        let pays = |slot: &usize| object.holders.iter().any(|holder| holder.0 == *slot);
        let payer = object.payer.filter(pays).or(object.holders.first().map(|holder| holder.0));
        if payer != object.payer {
            if let Some((device, pages)) = pages {
                ledger.move_pages(device, pages, object.payer, payer);
            }
            object.payer = payer;
        }
    }

    /// The file, or the descriptor of the same file that is kept already.
    fn keep_open(&mut self, file: OwnedFd) -> Arc<OwnedFd> {
        let Ok(inode) = fstat(&file).map(|stat| stat.st_ino) else { return Arc::new(file) };
        if let Some(kept) = self.files.get(&inode).and_then(Weak::upgrade) {
            return kept;
        }
        let kept = Arc::new(file);
        self.files.insert(inode, Arc::downgrade(&kept));
        kept
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}
