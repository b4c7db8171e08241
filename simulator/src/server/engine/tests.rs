//! Clients that write what makes no sense.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::core::Core;
use super::usage::Who;
use super::*;
use crate::channel::{FINAL, MAX_AFTER, Packet, Request};
use crate::presets::{DRIVERS, PRESETS};
use crate::timeline::{Kernel, Meet, Role, Work};

fn core() -> Core {
    let (books, _) = SharedBooks::create().expect("books");
    Core::new(Arc::new(books), &PRESETS[0].describe(2, None, &DRIVERS[0], 0), None)
}

/// Adds a client; returns its side of the channel.
fn join(core: &mut Core, slot: usize) -> SharedMemory {
    let (memory, file) = SharedMemory::create().expect("a channel");
    assert!(core.add(slot, memory, slot as u32 + 1, Who { pid: 1, started_ns: 0, slot }));
    SharedMemory::open(&File::from(file)).expect("a channel")
}

fn send(memory: &SharedMemory, packet: &Packet) {
    let tail = memory.tail.0.load(Ordering::Relaxed);
    memory.write(tail, packet);
    memory.tail.0.store(tail + 1, Ordering::SeqCst);
}

/// A kernel for a stream of the first context.
fn kernel(stream: u32, ns: u64, sent_at: u64) -> Packet {
    let kernel = Kernel { ns, width: 1, jitter_percent: 0, meet: None };
    Packet { context: 1, stream, cell: stream, sent_at, ..Packet::new(Request::Run(kernel.into())) }
}

/// The engine's thread may come to it whenever it likes.
#[test]
fn what_comes_to_an_idle_device_counts_from_when_it_was_sent() {
    const MS: u64 = 1_000_000;
    let mut core = core();
    let memory = join(&mut core, 0);
    let end = |stream: u32| memory.cell(stream).end.load(Ordering::Relaxed) & !FINAL;
    core.pass();
    let quiet = monotonic_ns();
    while monotonic_ns() < quiet + 20 * MS {}
    send(&memory, &kernel(1, MS, quiet + 2 * MS));
    send(&memory, &kernel(2, 0, quiet + 10 * MS));
    send(&memory, &kernel(3, 60_000 * MS, quiet + 15 * MS));
    core.pass();
    assert_eq!((end(1), end(2)), (quiet + 3 * MS, quiet + 10 * MS));
    // The third one computes now, as everybody was told: what comes counts from now on, whatever it says.
    send(&memory, &kernel(4, 0, u64::MAX));
    send(&memory, &kernel(5, 0, quiet + 16 * MS));
    let before = monotonic_ns();
    core.pass();
    for stream in [4, 5] {
        assert!((before..=monotonic_ns() + MS).contains(&end(stream)), "{} of {before}", end(stream));
    }
    core.close();
}

/// Numbers that are mostly small, so that they often name what exists.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4u32, 1 => any::<u32>()]
}

fn packet() -> impl Strategy<Value = Packet> {
    let kernel =
        (any::<u64>(), any::<u32>(), any::<u8>(), any::<u64>(), 0..4u32).prop_map(|(ns, width, jitter, key, count)| {
            let meet = (count > 0).then_some(Meet { key, count });
            Request::Run(Work::Kernel(Kernel { ns, width, jitter_percent: jitter, meet }))
        });
    let ns = prop_oneof![0..1000u64, any::<u64>()];
    let request = prop_oneof![
        kernel,
        ns.clone().prop_map(|ns| Request::Run(Work::Compute { ns })),
        ns.clone().prop_map(|ns| Request::Run(Work::CopyToDevice { ns })),
        ns.prop_map(|ns| Request::Run(Work::CopyToHost { ns })),
        Just(Request::Run(Work::Marker)),
        Just(Request::Run(Work::Gate)),
        Just(Request::EndContext),
        Just(Request::CloseStream),
    ];
    let role = prop_oneof![Just(Role::Default), Just(Role::Blocking), Just(Role::Free)];
    let tag = prop_oneof![Just(0), (0..3u64, 0..3u64).prop_map(|(serial, n)| FINAL | serial << 32 | n), any::<u64>()];
    let names = (prop_oneof![9 => 0..2u8, 1 => any::<u8>()], number(), number(), number(), role);
    let waits = prop::collection::vec(number(), MAX_AFTER);
    let sent_at = prop_oneof![Just(0), 0..=1_000_000u64, any::<u64>()];
    let tags = ((number(), tag.clone()), tag, sent_at);
    (request, names, waits, tags).prop_map(|(request, names, waits, (record, shared_after, sent_at))| {
        let (device, context, stream, cell, role) = names;
        let after = waits.try_into().expect("as many as there are places");
        Packet { request, device, context, stream, role, cell, after, record, shared_after, sent_at }
    })
}

proptest! {
    /// Whatever a client asks for in whatever order, the engine goes on, and another client has its work done.
    #[test]
    fn no_order_of_commands_stops_the_engine(packets in prop::collection::vec(packet(), 1..80)) {
        let mut core = core();
        let memory = join(&mut core, 0);
        for part in packets.chunks(7) {
            part.iter().for_each(|packet| send(&memory, packet));
            core.has_news(false);
            core.pass();
        }
        core.remove(0);
        let memory = join(&mut core, 0);
        send(&memory, &Packet { context: 1, stream: 1, cell: 1, ..Packet::new(Request::Run(Work::Marker)) });
        core.pass();
        prop_assert!(memory.cell(1).end.load(Ordering::Relaxed) & FINAL != 0);
        core.close();
        prop_assert!(core.pass().is_none());
    }

    /// Bytes that are no commands, and positions that are none.
    #[test]
    fn bytes_that_make_no_sense_end_the_client_alone(words in any::<[u64; 17]>(), tail in any::<u64>()) {
        let mut core = core();
        let (memory, other) = (join(&mut core, 0), join(&mut core, 1));
        memory.scribble(0, words);
        memory.tail.0.store(tail, Ordering::SeqCst);
        send(&other, &Packet { context: 1, stream: 1, cell: 1, ..Packet::new(Request::Run(Work::Marker)) });
        core.has_news(false);
        core.pass();
        prop_assert!(other.cell(1).end.load(Ordering::Relaxed) & FINAL != 0);
        // As the engine's thread does after its own pass: it can sleep.
        core.moved = false;
        prop_assert!(!core.has_news(false));
    }
}
