//! Which pool stream-ordered allocations came from: a destroyed pool's memory is back when the last of its is freed.

use super::by_address::{ALLOCATION_PARTS, ByAddress};

/// Number of a pool in this process's books; never used twice, as a handle may be.
pub(crate) type PoolNumber = u64;

/// Live stream-ordered allocations, by address.
#[derive(Debug)]
pub(crate) struct PoolPointers {
    pools: ByAddress<PoolNumber>,
    /// Pointers that the driver has freed and given away again, before the thread that freed them came to say so.
    overtaken: Vec<(u64, PoolNumber)>,
}

impl Default for PoolPointers {
    fn default() -> Self {
        Self { pools: ByAddress::of(ALLOCATION_PARTS), overtaken: Vec::new() }
    }
}

impl PoolPointers {
    /// Enters an allocation.
    pub(crate) fn enter(&mut self, address: u64, pool: PoolNumber) {
        if let Some(freed) = self.pools.part(address).insert(address, pool) {
            self.overtaken.push((address, freed));
        }
    }

    /// Strikes out an allocation that the driver has freed; answers its pool, or `None` if it is none of ours.
    pub(crate) fn strike(&mut self, address: u64) -> Option<PoolNumber> {
        match self.overtaken.iter().position(|(overtaken, _)| *overtaken == address) {
            Some(at) => Some(self.overtaken.swap_remove(at).1),
            None => self.pools.part(address).remove(&address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_given_away_again_at_once_is_two_allocations() {
        let mut pointers = PoolPointers::default();
        pointers.enter(5, 1);
        pointers.enter(5, 2);
        assert_eq!([pointers.strike(5), pointers.strike(5), pointers.strike(5)], [Some(1), Some(2), None]);
    }
}
