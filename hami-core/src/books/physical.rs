//! Physical memory that is made, mapped and shared on its own: who holds on to it, until nobody does.
//!
//! The driver frees such memory when its last handle is released and its last mapping is gone. So here each handle, each
//! mapping and each tie to an array or a multicast object is one hold, and the bytes come back with the last hold.

use std::collections::BTreeMap;

use super::AddressMap;

/// Number of a piece of physical memory in these books; never used twice.
pub(crate) type Piece = u64;

/// One piece of physical memory.
#[derive(Debug)]
struct Physical {
    /// Number of its device in the region; meaningless where `bytes` is 0.
    device: usize,
    /// What it was charged for; 0 for objects that take nothing themselves.
    bytes: u64,
    /// Handles, mappings and ties that keep it, those included that the driver is just asked to end.
    holds: u64,
    /// Pieces that are tied to this one, a multicast object, and go free with it.
    tied: Vec<(Tie, Piece)>,
}

/// Where a piece is tied to an array or a multicast object: two numbers that name the place there.
pub(crate) type Tie = (u64, u64);

/// A range of addresses behind which a piece lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    length: u64,
    piece: Piece,
}

/// All pieces of this process that were charged, by whatever leads to them.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    all: AddressMap<Physical>,
    last: Piece,
    /// By handle: the piece, and how many times it was got and not yet released.
    handles: AddressMap<(Piece, u64)>,
    /// By first address, in order: a range that is unmapped may be several mappings. They are few, since each is at least a
    /// page.
    mappings: BTreeMap<u64, Mapping>,
    /// Handles and mappings, by first address, that the driver is just asked to end: until it has, another thread may still
    /// map or retain what they lead to. Nearly always empty.
    releasing: Vec<(u64, Piece)>,
    unmapping: Vec<(u64, Mapping)>,
    /// By array: pieces that are mapped into it.
    arrays: AddressMap<Vec<(Tie, Piece)>>,
}

/// Bytes that a device got back.
pub(crate) type Back = (usize, u64);

impl Pieces {
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.releasing.is_empty() && self.unmapping.is_empty()
    }

    /// Enters new physical memory with its first handle. Objects without memory of their own have 0 bytes.
    pub(crate) fn made(&mut self, handle: u64, device: usize, bytes: u64) {
        self.last += 1;
        self.all.insert(self.last, Physical { device, bytes, holds: 1, tied: Vec::new() });
        self.handles.insert(handle, (self.last, 1));
    }

    /// The program has got one handle more to a piece that is held for it.
    pub(crate) fn retained(&mut self, handle: u64, piece: Piece) {
        self.handles.entry(handle).or_insert((piece, 0)).1 += 1;
    }

    /// The program has imported a handle. One that it has already is one more of the same piece; another is another process's
    /// memory, which pays for it.
    pub(crate) fn imported(&mut self, handle: u64) {
        if let Some((piece, count)) = self.handles.get_mut(&handle) {
            *count += 1;
            let piece = *piece;
            self.hold(piece);
        }
    }

    /// The piece mapped at an address, the driver being asked to unmap it or not.
    fn at(&self, address: u64) -> Option<Piece> {
        let mut before = self.mappings.range(..=address).next_back().into_iter().chain(
            // Looked through last: what is mapped now counts before what is about to go.
            self.unmapping.iter().rev().map(|(start, mapping)| (start, mapping)),
        );
        let (_, mapping) = before.find(|(start, one)| address >= **start && address - **start < one.length)?;
        Some(mapping.piece)
    }

    fn hold(&mut self, piece: Piece) {
        if let Some(physical) = self.all.get_mut(&piece) {
            physical.holds += 1;
        }
    }

    /// Strikes out one handle, which the driver is about to be asked to release: its value may be another's as soon as
    /// that is done. [`released`](Self::released) or [`handle_stays`](Self::handle_stays) follows.
    pub(crate) fn strike_handle(&mut self, handle: u64) -> Option<Piece> {
        let (piece, count) = self.handles.get_mut(&handle)?;
        let piece = *piece;
        *count -= 1;
        if *count == 0 {
            self.handles.remove(&handle);
        }
        self.releasing.push((handle, piece));
        Some(piece)
    }

    /// The driver has released it.
    pub(crate) fn released(&mut self, handle: u64, piece: Piece) -> Vec<Back> {
        self.no_longer_releasing(handle, piece);
        self.ended(piece)
    }

    fn no_longer_releasing(&mut self, handle: u64, piece: Piece) {
        if let Some(at) = self.releasing.iter().position(|known| *known == (handle, piece)) {
            self.releasing.swap_remove(at);
        }
    }

    /// The driver did not release it.
    pub(crate) fn handle_stays(&mut self, handle: u64, piece: Piece) {
        self.no_longer_releasing(handle, piece);
        self.handles.entry(handle).or_insert((piece, 0)).1 += 1;
    }

    /// The driver has ended one hold on a piece. Answers what came back with the last one.
    pub(crate) fn ended(&mut self, piece: Piece) -> Vec<Back> {
        let mut back = Vec::new();
        let mut ended = vec![piece];
        while let Some(piece) = ended.pop() {
            let Some(physical) = self.all.get_mut(&piece) else { continue };
            physical.holds -= 1;
            if physical.holds == 0
                && let Some(gone) = self.all.remove(&piece)
            {
                if gone.bytes > 0 {
                    back.push((gone.device, gone.bytes));
                }
                ended.extend(gone.tied.into_iter().map(|(_, piece)| piece));
            }
        }
        back
    }

    /// Holds the memory of a handle, which the driver is about to be asked to map or to bind: another thread may release the
    /// handle meanwhile. [`mapped`](Self::mapped) or [`tied`](Self::tied) follows, or [`ended`](Self::ended).
    pub(crate) fn hold_handle(&mut self, handle: u64) -> Option<Piece> {
        let known = self.handles.get(&handle).map(|(piece, _)| *piece);
        // The driver may map it yet, before it releases it.
        let releasing = || self.releasing.iter().rev().find(|(going, _)| *going == handle).map(|(_, piece)| *piece);
        let piece = known.or_else(releasing)?;
        self.hold(piece);
        Some(piece)
    }

    /// The same for what is mapped at an address.
    pub(crate) fn hold_at(&mut self, address: u64) -> Option<Piece> {
        let piece = self.at(address)?;
        self.hold(piece);
        Some(piece)
    }

    /// Enters a mapping of a piece that is held for it.
    pub(crate) fn mapped(&mut self, address: u64, length: u64, piece: Piece) {
        self.mappings.insert(address, Mapping { length, piece });
    }

    /// Strikes out the mappings that lie in a range which the driver is about to be asked to unmap;
    /// [`unmapped`](Self::unmapped) or [`mappings_stay`](Self::mappings_stay) follows.
    pub(crate) fn strike_mappings(&mut self, address: u64, length: u64) -> Vec<(u64, Mapping)> {
        let end = address.saturating_add(length);
        let inside = self.mappings.range(address..end).filter(|(start, one)| *start + one.length <= end);
        let struck: Vec<_> = inside.map(|(start, one)| (*start, *one)).collect();
        for (start, _) in &struck {
            self.mappings.remove(start);
        }
        self.unmapping.extend(&struck);
        struck
    }

    /// The driver did not unmap them.
    pub(crate) fn mappings_stay(&mut self, struck: Vec<(u64, Mapping)>) {
        self.no_longer_unmapping(&struck);
        self.mappings.extend(struck);
    }

    /// Ends the holds of mappings that are gone.
    pub(crate) fn unmapped(&mut self, struck: Vec<(u64, Mapping)>) -> Vec<Back> {
        self.no_longer_unmapping(&struck);
        struck.into_iter().flat_map(|(_, mapping)| self.ended(mapping.piece)).collect()
    }

    fn no_longer_unmapping(&mut self, struck: &[(u64, Mapping)]) {
        for (start, mapping) in struck {
            let same = |(known, one): &(u64, Mapping)| known == start && one.piece == mapping.piece;
            if let Some(at) = self.unmapping.iter().position(same) {
                self.unmapping.swap_remove(at);
            }
        }
    }

    /// Ties a piece that is held for it to a place of a multicast object. Answers what came back if there is no such object.
    pub(crate) fn tied(&mut self, object: u64, tie: Tie, piece: Piece) -> Vec<Back> {
        let object = self.handles.get(&object).map(|(object, _)| *object);
        match object.and_then(|object| self.all.get_mut(&object)) {
            Some(object) => {
                object.tied.push((tie, piece));
                Vec::new()
            }
            None => self.ended(piece),
        }
    }

    /// The driver has untied a device's memory from a place of a multicast object.
    pub(crate) fn untied(&mut self, object: u64, device: usize, tie: Tie) -> Vec<Back> {
        let Some((object, _)) = self.handles.get(&object).copied() else { return Vec::new() };
        let of_device = |piece| self.all.get(piece).is_some_and(|physical: &Physical| physical.device == device);
        let ties = self.all.get(&object).map_or(&[][..], |object| &object.tied);
        let Some(at) = ties.iter().position(|(known, piece)| *known == tie && of_device(piece)) else {
            return Vec::new();
        };
        match self.all.get_mut(&object) {
            Some(object) => {
                let (_, piece) = object.tied.swap_remove(at);
                self.ended(piece)
            }
            None => Vec::new(),
        }
    }

    /// A piece that is held for it was mapped into an array, in place of what was there.
    pub(crate) fn mapped_into_array(&mut self, array: u64, tie: Tie, piece: Piece) -> Vec<Back> {
        let back = self.unmapped_from_array(array, tie);
        self.arrays.entry(array).or_default().push((tie, piece));
        back
    }

    /// Nothing is mapped any more at a place of an array.
    pub(crate) fn unmapped_from_array(&mut self, array: u64, tie: Tie) -> Vec<Back> {
        let Some(ties) = self.arrays.get_mut(&array) else { return Vec::new() };
        let Some(at) = ties.iter().position(|(known, _)| *known == tie) else { return Vec::new() };
        let (_, piece) = ties.swap_remove(at);
        self.ended(piece)
    }

    /// An array is gone, and with it what held memory there.
    pub(crate) fn array_gone(&mut self, array: u64) -> Vec<Back> {
        let ties = self.arrays.remove(&array).unwrap_or_default();
        ties.into_iter().flat_map(|(_, piece)| self.ended(piece)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn memory_stays_until_it_is_released_and_unmapped() {
        let mut pieces = Pieces::default();
        pieces.made(7, 1, 4 * MIB);
        let piece = pieces.hold_handle(7).unwrap();
        pieces.mapped(100, 4 * MIB, piece);
        let piece = pieces.strike_handle(7).unwrap();
        assert_eq!(pieces.released(7, piece), []);
        assert_eq!(pieces.strike_handle(7), None);
        let struck = pieces.strike_mappings(100, 4 * MIB);
        assert_eq!(pieces.unmapped(struck), [(1, 4 * MIB)]);
        assert!(pieces.is_empty());
    }

    #[test]
    fn a_retained_handle_is_one_hold_more() {
        let mut pieces = Pieces::default();
        pieces.made(7, 0, MIB);
        let piece = pieces.hold_handle(7).unwrap();
        pieces.mapped(100, MIB, piece);
        let piece = pieces.hold_at(100 + MIB - 1).unwrap();
        pieces.retained(7, piece);
        assert_eq!(pieces.hold_at(100 + MIB), None);
        let struck = pieces.strike_mappings(100, MIB);
        assert_eq!(pieces.unmapped(struck), []);
        for back in [vec![], vec![(0, MIB)]] {
            let piece = pieces.strike_handle(7).unwrap();
            assert_eq!(pieces.released(7, piece), back);
        }
    }

    #[test]
    fn what_comes_home_is_one_hold_more() {
        let mut pieces = Pieces::default();
        pieces.made(7, 0, MIB);
        pieces.imported(7);
        pieces.imported(8);
        assert_eq!(pieces.strike_handle(8), None);
        for back in [vec![], vec![(0, MIB)]] {
            let piece = pieces.strike_handle(7).unwrap();
            assert_eq!(pieces.released(7, piece), back);
        }
    }

    #[test]
    fn what_the_driver_refuses_changes_nothing() {
        let mut pieces = Pieces::default();
        pieces.made(7, 0, MIB);
        let piece = pieces.hold_handle(7).unwrap();
        pieces.mapped(100, MIB, piece);
        let piece = pieces.strike_handle(7).unwrap();
        pieces.handle_stays(7, piece);
        // Half a mapping cannot be unmapped.
        assert!(pieces.strike_mappings(100, MIB / 2).is_empty());
        let struck = pieces.strike_mappings(0, 200 + MIB);
        pieces.mappings_stay(struck);
        assert_eq!(pieces.at(100), Some(piece));
        let piece = pieces.strike_handle(7).unwrap();
        assert_eq!(pieces.released(7, piece), []);
        let struck = pieces.strike_mappings(0, 200 + MIB);
        assert_eq!(pieces.unmapped(struck), [(0, MIB)]);
    }

    #[test]
    fn what_the_driver_is_about_to_end_can_still_be_held() {
        let mut pieces = Pieces::default();
        pieces.made(7, 0, MIB);
        let piece = pieces.strike_handle(7).unwrap();
        // Mapped by another thread, before the driver releases the handle.
        assert_eq!(pieces.hold_handle(7), Some(piece));
        pieces.mapped(100, MIB, piece);
        assert_eq!(pieces.released(7, piece), []);
        assert_eq!(pieces.hold_handle(7), None);
        let struck = pieces.strike_mappings(100, MIB);
        // Retained by another, before the driver unmaps it.
        assert_eq!(pieces.hold_at(100), Some(piece));
        pieces.retained(8, piece);
        assert_eq!(pieces.unmapped(struck), []);
        assert_eq!(pieces.hold_at(100), None);
        let piece = pieces.strike_handle(8).unwrap();
        assert_eq!(pieces.released(8, piece), [(0, MIB)]);
        assert!(pieces.is_empty());
    }

    #[test]
    fn a_multicast_object_keeps_what_is_bound_to_it() {
        let mut pieces = Pieces::default();
        pieces.made(1, 0, 0);
        pieces.made(2, 0, MIB);
        pieces.made(3, 1, MIB);
        let piece = pieces.hold_handle(2).unwrap();
        assert_eq!(pieces.tied(1, (0, 0), piece), []);
        let piece = pieces.hold_handle(3).unwrap();
        assert_eq!(pieces.tied(1, (0, 0), piece), []);
        for handle in [2, 3] {
            let piece = pieces.strike_handle(handle).unwrap();
            assert_eq!(pieces.released(handle, piece), []);
        }
        assert_eq!(pieces.untied(1, 0, (0, 0)), [(0, MIB)]);
        let object = pieces.strike_handle(1).unwrap();
        assert_eq!(pieces.released(1, object), [(1, MIB)]);
        assert!(pieces.is_empty());
    }

    #[test]
    fn an_array_keeps_what_is_mapped_into_it() {
        let mut pieces = Pieces::default();
        pieces.made(2, 0, MIB);
        let piece = pieces.hold_handle(2).unwrap();
        assert_eq!(pieces.mapped_into_array(9, (0, 0), piece), []);
        let piece = pieces.strike_handle(2).unwrap();
        assert_eq!(pieces.released(2, piece), []);
        assert_eq!(pieces.array_gone(9), [(0, MIB)]);
    }
}
