//! The 64 opaque bytes by which one process tells another of something that it shares.

use simulator::protocol::Key;

/// Distinguishes the bytes from any others.
const MARK: u64 = u64::from_le_bytes(*b"simgpu\0\x01");

/// What the bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub key: Key,
    /// Numbers whose meaning the kind of the object defines.
    pub place: [u64; 3],
}

impl Token {
    pub fn bytes(self) -> [u8; 64] {
        let [a, b, c] = self.place;
        let mut bytes = [0; 64];
        for (place, word) in bytes.chunks_exact_mut(8).zip([MARK, self.key.object, self.key.secret, a, b, c]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` for bytes that are no token.
    pub fn read(bytes: [u8; 64]) -> Option<Self> {
        let words: [u64; 8] =
            std::array::from_fn(|at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at * 8 + byte])));
        let [mark, object, secret, a, b, c, 0, 0] = words else { return None };
        (mark == MARK).then_some(Self { key: Key { object, secret }, place: [a, b, c] })
    }
}
