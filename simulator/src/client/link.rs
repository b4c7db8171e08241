//! One client's socket: a request and its reply at a time.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, recvmsg, send, socket,
};

use crate::protocol::{MAX_PACKET, Reply, Request};

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

    /// Sends `request` and waits for its reply.
    pub fn ask(&self, request: &Request) -> io::Result<Reply> {
        let packet = serde_json::to_vec(request)?;
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        retry(|| send(socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL))?;
        let mut buffer = vec![0; if matches!(request, Request::Report) { MAX_PACKET } else { 512 }];
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
    let mut buffer = vec![0; MAX_PACKET];
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
        let books = received.map(adopt);
        let reply = parse(&buffer[..length])?;
        return match (reply, books) {
            (Reply::Refused(why), _) => Err(io::Error::other(why)),
            (reply, Some(books)) => Ok((reply, books)),
            (reply, None) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("no books came with {reply:?}"))),
        };
    }
}

#[expect(unsafe_code)]
// UNSAFETY: takes ownership of a raw descriptor.
fn adopt(raw: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has just installed this descriptor for us through SCM_RIGHTS; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
