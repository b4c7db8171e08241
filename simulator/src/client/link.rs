//! One client's socket: a request and its reply at a time.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, recvmsg,
    send, sendmsg, socket,
};

use crate::protocol::{MAX_PACKET, Reply, Request, SHORT_PACKET};

/// An open connection. The descriptor is closed by exec and inherited by fork, like an open device file.
pub struct Link {
    socket: Mutex<OwnedFd>,
}

impl Link {
    /// Connects, and receives the server's welcome and the descriptor of the books.
    pub fn connect(path: &Path) -> io::Result<(Self, Reply, OwnedFd)> {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        let (welcome, books) = receive_with_descriptor(&fd)?;
        Ok((Self { socket: Mutex::new(fd) }, welcome, books))
    }

    /// Sends `request`, with a descriptor if there is one, and waits for its reply and the descriptor that comes with it.
    pub fn ask_with(&self, request: &Request, given: Option<BorrowedFd<'_>>) -> io::Result<(Reply, Option<OwnedFd>)> {
        let packet = serde_json::to_vec(request)?;
        let given = given.map(|fd| fd.as_raw_fd());
        let rights = given.as_ref().map(|fd| ControlMessage::ScmRights(std::slice::from_ref(fd)));
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let slices = [IoSlice::new(&packet)];
        retry(|| sendmsg::<UnixAddr>(socket.as_raw_fd(), &slices, rights.as_slice(), MsgFlags::MSG_NOSIGNAL, None))?;
        receive(&socket, SHORT_PACKET)
    }

    /// Whether the server is still there. Does not wait: a link that is in use counts as open.
    pub fn is_open(&self) -> bool {
        let Ok(socket) = self.socket.try_lock() else { return true };
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
    }

    /// Sends `request` and waits for its reply.
    pub fn ask(&self, request: &Request) -> io::Result<Reply> {
        let packet = serde_json::to_vec(request)?;
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        retry(|| send(socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL))?;
        let mut buffer = vec![0; if matches!(request, Request::Report) { MAX_PACKET } else { SHORT_PACKET }];
        let length = retry(|| recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()))?;
        parse(&buffer[..length])
    }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

fn parse(packet: &[u8]) -> io::Result<Reply> {
    if packet.is_empty() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the simulation has ended"));
    }
    Ok(serde_json::from_slice(packet)?)
}

fn receive_with_descriptor(fd: &OwnedFd) -> io::Result<(Reply, OwnedFd)> {
    match receive(fd, MAX_PACKET)? {
        (Reply::Refused(why), _) => Err(io::Error::other(why)),
        (reply, Some(books)) => Ok((reply, books)),
        (reply, None) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("no books came with {reply:?}"))),
    }
}

/// A reply of at most `longest` bytes and the descriptor that came with it.
fn receive(fd: &OwnedFd, longest: usize) -> io::Result<(Reply, Option<OwnedFd>)> {
    let mut buffer = vec![0; longest];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    loop {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = match recvmsg::<UnixAddr>(fd.as_raw_fd(), &mut slices, Some(&mut control), flags) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let received = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        let length = message.bytes;
        let attached = received.map(adopt);
        return Ok((parse(&buffer[..length])?, attached));
    }
}

#[expect(unsafe_code)]
// UNSAFETY: takes ownership of a raw descriptor.
fn adopt(raw: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has just installed this descriptor for us through SCM_RIGHTS; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
