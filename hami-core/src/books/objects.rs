//! Things with a handle that live in a context and take whole pages of their own: arrays and mipmapped arrays.

use super::AddressMap;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    /// Handle of the context it lives in; it dies with it.
    pub(crate) context: usize,
    /// Number of its device in the region.
    pub(crate) device: usize,
    /// What it was charged for.
    pub(crate) bytes: u64,
}

/// All of them, by handle.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    all: AddressMap<Object>,
}

impl Objects {
    /// Enters a new one. Answers the one that had the handle before, which is gone then, unnoticed.
    pub(crate) fn enter(&mut self, handle: u64, object: Object) -> Option<Object> {
        self.all.insert(handle, object)
    }

    /// Strikes one out. The driver is to be asked to destroy it only afterwards, since its handle may be another's as soon
    /// as that is done; if the driver refuses, it is to be entered again.
    pub(crate) fn strike(&mut self, handle: u64) -> Option<Object> {
        self.all.remove(&handle)
    }

    /// Strikes out all that lived in a context. Answers how many bytes of its device came back.
    pub(crate) fn context_gone(&mut self, context: usize) -> u64 {
        let dead = self.all.extract_if(|_, object| object.context == context);
        dead.map(|(_, object)| object.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_takes_its_own_along() {
        let mut objects = Objects::default();
        let of = |context, bytes| Object { context, device: 0, bytes };
        for (handle, object) in [(1, of(7, 10)), (2, of(8, 20)), (3, of(7, 30))] {
            assert_eq!(objects.enter(handle, object), None);
        }
        assert_eq!(objects.strike(1), Some(of(7, 10)));
        assert_eq!(objects.context_gone(7), 30);
        assert_eq!((objects.strike(3), objects.strike(2)), (None, Some(of(8, 20))));
    }
}
