//! The client's side of what processes share.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use super::Simulation;
use crate::protocol::{Contents, Key, Reply, Request};

/// An object that this process holds.
#[derive(Debug)]
pub struct Opened {
    /// By what others can open it.
    pub key: Key,
    /// What it is.
    pub contents: Contents,
    /// From the process that shared it.
    pub note: Vec<u64>,
    /// Whether this process shared it.
    pub own: bool,
    /// The file of memory.
    pub file: Option<OwnedFd>,
}

/// Why something cannot be shared or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// There is no such object, or it has gone.
    #[error("there is no such object")]
    NoSuchObject,
    /// The server has no room for one more.
    #[error("the simulation has no room for it")]
    Full,
    /// The simulation has ended, or this process is a fork of the one that connected.
    #[error("the simulation has ended")]
    Disconnected,
}

impl Simulation {
    /// Makes something known to others; memory with the file it lies in. Pages of a device are in use by this process and are
    /// the server's to free from then on.
    ///
    /// # Errors
    /// [`ShareError`]; nothing is shared then.
    pub fn share(
        &self,
        contents: Contents,
        note: Vec<u64>,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<(Key, Contents), ShareError> {
        match self.ask_with(&Request::Share { contents, note }, file)? {
            (Reply::Shared { key, contents }, _) => Ok((key, contents)),
            (reply, _) => Err(error(&reply)),
        }
    }

    /// A descriptor that stands for an object that this process holds.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn export(&self, object: u64) -> Result<OwnedFd, ShareError> {
        match self.ask_with(&Request::Export { object }, None)? {
            (Reply::Exported, Some(descriptor)) => Ok(descriptor),
            (reply, _) => Err(error(&reply)),
        }
    }

    /// Holds the object for which a descriptor stands, once more.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn import(&self, descriptor: BorrowedFd<'_>) -> Result<Opened, ShareError> {
        opened(self.ask_with(&Request::Import, Some(descriptor))?)
    }

    /// Holds the object with this key, once more.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn open_shared(&self, key: Key) -> Result<Opened, ShareError> {
        opened(self.ask_with(&Request::Open(key), None)?)
    }

    /// Gives one holding back. Returns whether the object still exists: others hold it then.
    pub fn let_go(&self, object: u64) -> bool {
        matches!(self.ask(&Request::LetGo { object }), Ok(Reply::Exists(true)))
    }

    /// Whether an object still exists.
    pub fn still_exists(&self, object: u64) -> bool {
        matches!(self.ask(&Request::Exists { object }), Ok(Reply::Exists(true)))
    }

    /// A word that processes share.
    pub fn cell(&self, number: u32) -> Option<&AtomicU64> {
        self.books.cell(number)
    }

    fn ask_with(
        &self,
        request: &Request,
        given: Option<BorrowedFd<'_>>,
    ) -> Result<(Reply, Option<OwnedFd>), ShareError> {
        if !self.is_this_process() {
            return Err(ShareError::Disconnected);
        }
        self.link.ask_with(request, given).map_err(|_: io::Error| ShareError::Disconnected)
    }
}

fn opened((reply, file): (Reply, Option<OwnedFd>)) -> Result<Opened, ShareError> {
    match reply {
        Reply::Opened { key, contents, note, own } => Ok(Opened { key, contents, note, own, file }),
        other => Err(error(&other)),
    }
}

fn error(reply: &Reply) -> ShareError {
    match reply {
        Reply::NoSuchObject => ShareError::NoSuchObject,
        Reply::OutOfMemory => ShareError::Full,
        _ => ShareError::Disconnected,
    }
}
