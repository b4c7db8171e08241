//! Runs of pages that other processes may use: the server frees them, when nobody holds them any more.

use std::os::fd::AsFd;

use simulator::books::PAGE_BYTES;
use simulator::client::ShareError;
use simulator::protocol::{Contents, Key};

use super::{Pages, Source, Space};

/// Where an allocation lies in a run of pages that is shared.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// By what others open the run.
    pub key: Key,
    /// First byte of the allocation in the run.
    pub offset: u64,
    /// Size of the allocation.
    pub bytes: u64,
    /// Whether nothing else lies in the run.
    pub alone: bool,
}

impl Space {
    /// Shares the run of pages in which the allocation that starts at `address` lies; `None` when none does or it is of a
    /// source that `wanted` does not want.
    pub fn share(
        &mut self,
        address: u64,
        note: &[u64],
        wanted: impl Fn(Source) -> bool,
    ) -> Result<Option<Place>, ShareError> {
        let Some((block, inside)) = self.locate(address) else { return Ok(None) };
        let found = self.resolve(&block, inside).filter(|found| found.base == address && wanted(found.source));
        let Some(found) = found.filter(|_| !self.is_not_the_programs(block.start)) else { return Ok(None) };
        let alone = matches!(Pages::unpack(block.payload), Pages::Whole { .. });
        let key = self.share_run(block.start, block.length, note)?;
        Ok(Some(Place { key, offset: inside, bytes: found.bytes, alone }))
    }

    /// Shares what [`Self::allocate_physical`] gave.
    pub fn share_physical(&mut self, page: u32, note: &[u64]) -> Result<Key, ShareError> {
        let block = self.pages.block_at(page).ok_or(ShareError::NoSuchObject)?;
        self.share_run(block.start, block.length, note)
    }

    fn share_run(&mut self, start: u32, pages: u32, note: &[u64]) -> Result<Key, ShareError> {
        if let Some(key) = self.shared.get(&start) {
            return Ok(*key);
        }
        self.reclaim();
        let (offset, bytes) = (u64::from(start) * PAGE_BYTES, u64::from(pages) * PAGE_BYTES);
        let contents = Contents::Memory { device: Some(self.device), offset, bytes };
        let file = self.window.file().ok_or(ShareError::Full)?.as_fd();
        let (key, _) = self.simulation.share(contents, note.to_vec(), Some(file))?;
        self.shared.insert(start, key);
        // Others write unnoticed.
        self.pages.mark(start);
        Ok(key)
    }

    /// Ends a run if it is a shared one; false if it is not. While others hold it, its addresses stay out of use.
    #[inline]
    pub(super) fn give_shared(&mut self, start: u32) -> bool {
        !self.shared.is_empty() && self.end_shared(start)
    }

    #[cold]
    fn end_shared(&mut self, start: u32) -> bool {
        let Some(key) = self.shared.remove(&start) else { return false };
        if self.simulation.let_go(key.object) {
            self.pages.set_payload(start, Pages::Physical.pack());
            self.left.push((start, key.object));
        } else {
            self.clear(start);
        }
        true
    }

    /// Takes back the addresses of runs that nobody holds any more; returns whether there were any.
    pub(super) fn reclaim(&mut self) -> bool {
        let left = std::mem::take(&mut self.left);
        let before = left.len();
        let (held, gone): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, object)| self.simulation.still_exists(*object));
        self.left = held;
        gone.into_iter().for_each(|(start, _)| self.clear(start));
        self.left.len() < before
    }

    /// Frees addresses whose pages the server has freed.
    fn clear(&mut self, start: u32) {
        if let Some(block) = self.pages.free(start) {
            self.window.discard(block.start, block.length);
        }
    }
}
