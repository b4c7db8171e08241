//! The server's loop: accepts clients, answers them, and deals with every disconnection before it answers anything.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind,
    getsockopt, listen, recvmsg, send, sendmsg, socket,
};

use super::engine::Engine;
use super::ledger::Ledger;
use super::shared::{Answer, Shared};
use crate::books::SharedBooks;
use crate::device::Description;
use crate::protocol::{MAX_PACKET, Reply, Request, SHORT_PACKET};

/// Time between two samples of utilisation, as long as the longer of NVML's documented periods (1/6 s to 1 s) allows.
const SAMPLE_PERIOD: Duration = Duration::from_millis(200);

/// A running simulation. Dropping it ends the simulation: clients find their connection closed.
pub struct Server {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    listener: OwnedFd,
    books: OwnedFd,
    ledger: Ledger,
    engine: Engine,
    shared: Shared,
    clients: HashMap<RawFd, Client>,
}

struct Client {
    fd: OwnedFd,
    slot: usize,
}

impl Server {
    /// Starts a server with `description` that listens at `path`.
    ///
    /// # Errors
    /// When the socket or the shared memory cannot be made.
    pub fn start(path: &Path, description: Description) -> io::Result<Self> {
        Self::start_with(path, description, None)
    }

    /// As [`Self::start`]; `usage_log` gets a line of JSON for each client and device when the client goes.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(path: &Path, description: Description, usage_log: Option<File>) -> io::Result<Self> {
        let (books, books_fd) = SharedBooks::create()?;
        let books = Arc::new(books);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
        listen(&listener, Backlog::MAXCONN)?;
        let (stop_reader, stop_writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let engine = Engine::new(Arc::clone(&books), &description, usage_log);
        let ledger = Ledger::new(books, description);
        let (shared, clients) = (Shared::default(), HashMap::new());
        let mut state = State { listener, books: books_fd, ledger, engine, shared, clients };
        let thread = std::thread::Builder::new().name("simgpu-server".into()).spawn(move || state.run(&stop_reader))?;
        Ok(Self { stop: Some(stop_writer), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread has already been printed; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl State {
    fn run(&mut self, stop: &OwnedFd) {
        let mut next_sample = Instant::now() + SAMPLE_PERIOD;
        loop {
            let until_sample = next_sample.saturating_duration_since(Instant::now());
            let timeout = if self.clients.is_empty() { None } else { Some(until_sample) };
            let ready = self.wait(stop.as_fd(), timeout);
            if ready.contains(&stop.as_raw_fd()) {
                return;
            }
            if ready.contains(&self.listener.as_raw_fd()) {
                self.accept();
            }
            for fd in ready {
                self.serve(fd);
            }
            if Instant::now() >= next_sample {
                self.ledger.sample();
                next_sample = Instant::now() + SAMPLE_PERIOD;
            }
        }
    }

    /// Waits until something can be read, drops the clients that are gone and returns the rest.
    fn wait(&mut self, stop: BorrowedFd<'_>, timeout: Option<Duration>) -> Vec<RawFd> {
        let listening = [stop, self.listener.as_fd()];
        let clients = self.clients.values().map(|client| client.fd.as_fd());
        let mut fds: Vec<_> =
            listening.into_iter().chain(clients).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        fds.extend(self.shared.watched().map(|fd| PollFd::new(fd, PollFlags::empty())));
        // A millisecond more than asked, as poll counts whole ones.
        let timeout = timeout.map_or(PollTimeout::NONE, |t| {
            PollTimeout::try_from(t + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        if poll(&mut fds, timeout).is_err() {
            return Vec::new();
        }
        let mut ready = Vec::new();
        let mut gone = Vec::new();
        for fd in &fds {
            let events = fd.revents().unwrap_or(PollFlags::empty());
            let raw = fd.as_fd().as_raw_fd();
            let closed = events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
            let known = self.clients.contains_key(&raw) || self.shared.watched().any(|fd| fd.as_raw_fd() == raw);
            if closed && known {
                gone.push(raw);
            } else if !events.is_empty() {
                ready.push(raw);
            }
        }
        drop(fds);
        for fd in gone {
            self.dismiss(fd);
        }
        ready
    }

    fn accept(&mut self) {
        while let Ok(raw) = accept4(self.listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK) {
            let fd = adopt(raw);
            let Ok(peer) = getsockopt(&fd, PeerCredentials) else { continue };
            let Some(slot) = self.ledger.admit(peer.pid() as u32) else {
                answer(&fd, &Reply::Refused("the simulation has no room for another process".into()));
                continue;
            };
            let welcome = Reply::Welcome { slot, description: self.ledger.description().clone() };
            let packet = serde_json::to_vec(&welcome).unwrap_or_default();
            let books = [self.books.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&books)];
            let flags = MsgFlags::MSG_NOSIGNAL;
            match sendmsg::<UnixAddr>(fd.as_raw_fd(), &[IoSlice::new(&packet)], &control, flags, None) {
                Ok(_) => drop(self.clients.insert(raw, Client { fd, slot })),
                Err(_) => self.ledger.dismiss(slot),
            }
        }
    }

    /// Answers one request of the client behind `fd`, if it is one and still there.
    fn serve(&mut self, fd: RawFd) {
        if !self.clients.contains_key(&fd) {
            return;
        }
        let mut buffer = [0; SHORT_PACKET];
        match receive(fd, &mut buffer) {
            Ok((length, attached)) if length > 0 => {
                let (reply, given) = self.reply(fd, &buffer[..length], attached);
                if let Some(client) = self.clients.get(&fd) {
                    match given {
                        Some(given) => answer_with(&client.fd, &reply, given.as_raw_fd()),
                        None => answer(&client.fd, &reply),
                    }
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            _ => self.dismiss(fd),
        }
    }

    fn reply(&mut self, fd: RawFd, packet: &[u8], attached: Option<OwnedFd>) -> Answer {
        let request = match serde_json::from_slice(packet) {
            Ok(request) => request,
            Err(error) => return (Reply::Refused(format!("not a request: {error}")), None),
        };
        // Memory of the dead is free: a request sees it so, however the events were ordered in this round.
        self.drain_disconnects();
        let Some(slot) = self.clients.get(&fd).map(|client| client.slot) else {
            return (Reply::Refused("disconnected".into()), None);
        };
        let (shared, ledger) = (&mut self.shared, &mut self.ledger);
        let reply = match request {
            Request::Reserve { device, pages } => match self.ledger.reserve(slot, device, pages) {
                Some(true) => Reply::Reserved,
                Some(false) => Reply::OutOfMemory,
                None => Reply::Refused(format!("there is no device {device}")),
            },
            Request::Report => self.report(),
            Request::Channel => return self.open_channel(slot),
            Request::Share { contents, note } => shared.share(ledger, slot, contents, note, attached),
            Request::Export { object } => return shared.export(slot, object),
            Request::Import => return shared.import(ledger, slot, attached),
            Request::Open(key) => return shared.open(ledger, slot, key),
            Request::LetGo { object } => shared.let_go(ledger, slot, object),
            Request::Exists { object } => shared.exists(object),
        };
        (reply, None)
    }

    fn open_channel(&mut self, slot: usize) -> Answer {
        let (pid, started_ns) = self.ledger.identity(slot).unwrap_or_default();
        match self.engine.open_channel(slot, pid, started_ns) {
            Ok(Some((serial, file))) => (Reply::Channel { serial }, Some(Arc::new(file))),
            Ok(None) => (Reply::Refused("there is a channel already".into()), None),
            Err(error) => (Reply::Refused(format!("no channel: {error}")), None),
        }
    }

    fn report(&self) -> Reply {
        self.engine.refresh();
        let reply = Reply::Report(self.ledger.report());
        match serde_json::to_vec(&reply) {
            Ok(packet) if packet.len() <= MAX_PACKET => reply,
            _ => Reply::Refused(format!("the report is longer than {MAX_PACKET} bytes")),
        }
    }

    fn drain_disconnects(&mut self) {
        let mut fds: Vec<_> =
            self.clients.values().map(|client| PollFd::new(client.fd.as_fd(), PollFlags::empty())).collect();
        fds.extend(self.shared.watched().map(|fd| PollFd::new(fd, PollFlags::empty())));
        if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..)) {
            return;
        }
        let closed = |fd: &PollFd| fd.revents().is_some_and(|e| e.intersects(PollFlags::POLLHUP | PollFlags::POLLERR));
        let gone: Vec<_> = fds.iter().filter(|fd| closed(fd)).map(|fd| fd.as_fd().as_raw_fd()).collect();
        drop(fds);
        for fd in gone {
            self.dismiss(fd);
        }
    }

    fn dismiss(&mut self, fd: RawFd) {
        if let Some(client) = self.clients.remove(&fd) {
            self.engine.remove(client.slot);
            self.shared.dismiss(&mut self.ledger, client.slot);
            self.ledger.dismiss(client.slot);
        } else {
            self.shared.closed(&mut self.ledger, fd);
        }
    }
}

/// Sends `reply`; a client that cannot take it is seen to be gone at the next poll.
fn answer(fd: &OwnedFd, reply: &Reply) {
    if let Ok(packet) = serde_json::to_vec(reply) {
        let _ = send(fd.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
    }
}

/// Sends `reply` with a descriptor.
fn answer_with(fd: &OwnedFd, reply: &Reply, given: RawFd) {
    if let Ok(packet) = serde_json::to_vec(reply) {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let control = [ControlMessage::ScmRights(std::slice::from_ref(&given))];
        let _ = sendmsg::<UnixAddr>(fd.as_raw_fd(), &[IoSlice::new(&packet)], &control, flags, None);
    }
}

/// A packet and the descriptor that came with it.
fn receive(fd: RawFd, buffer: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<UnixAddr>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    // What does not fit into the space for one descriptor the kernel has closed.
    let attached = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    Ok((message.bytes, attached.map(adopt)))
}

#[expect(unsafe_code)]
// UNSAFETY: takes ownership of a raw descriptor.
fn adopt(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just installed this descriptor for us; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
