//! Exploration of all states: three processes that take, give and recover, a death at every access, a new owner of a slot.
//!
//! Run by `make model-check`; `docs/region.md` gives the command, what it covers and how many states there are.
//! A state is the memory and, of each process, where in which operation it is. A step is one access of one process, its
//! death, or the coming of a new owner for the slot of a dead one. The memory holds the word, the records, and of each
//! slot the generation and whether the kernel has an owner for it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::*;
use crate::recovery;
use crate::states::{Access, Fault, Point, direct, replay, set_fault};

const SLOTS: usize = 3;
const LIMIT: u64 = 10;
/// Places of a memory: the word, four for each record, a generation and an owner for each slot.
const PLACES: usize = 1 + 6 * SLOTS;
const OWNER: usize = 1 + 5 * SLOTS;

/// What a process does, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    /// Becomes the owner of its slot, as `Region::join` does.
    Join,
    Take(u64),
    Give(u64),
    /// Looks whether the owner of another slot is dead, as `Region::sweep` does.
    Sweep(u16),
    /// Takes, if it was refused before.
    TakeAgain(u64),
}

use Operation::{Give, Join, Sweep, Take, TakeAgain};

/// Who takes part, and what may happen to them.
#[derive(Debug, Clone, Copy)]
struct Scene {
    /// By slot: what its owner does.
    owners: [&'static [Operation]; SLOTS],
    /// By slot: what the next owner does, once the first one is dead.
    next: [&'static [Operation]; SLOTS],
    deaths: u32,
    arrivals: u32,
}

/// Where a process is between two operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Start {
    slot: usize,
    next_owner: bool,
    /// How many operations it has done.
    done: usize,
    cursor: (u64, u64),
    refused: bool,
}

/// Where a process is: what it has read in its present operation, as a chain, and what it does next.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: Start,
    before: Option<(u32, u128)>,
    next: Option<(usize, Access)>,
    /// What it holds for certain: outside of operations that change it.
    holds: Option<u64>,
}

/// A state, in one number: the memory's, the places' of the three owners, deaths and arrivals so far.
#[derive(Debug, Clone, Copy)]
struct State {
    memory: u32,
    at: [u32; SLOTS],
    deaths: u32,
    arrivals: u32,
}

/// The place of a dead process.
const DEAD: u32 = 0;

impl State {
    fn pack(self) -> u128 {
        let numbers = [self.memory, self.at[0], self.at[1], self.at[2]];
        assert!(numbers.iter().all(|number| *number < 1 << 30) && self.deaths < 4 && self.arrivals < 4);
        let packed = numbers.iter().fold(0_u128, |packed, number| packed << 30 | u128::from(*number));
        packed << 4 | u128::from(self.deaths << 2 | self.arrivals)
    }

    fn unpack(packed: u128) -> Self {
        let number = |index: u32| (packed >> (4 + 30 * index)) as u32 & ((1 << 30) - 1);
        let (deaths, arrivals) = (packed as u32 >> 2 & 3, packed as u32 & 3);
        Self { memory: number(3), at: [number(2), number(1), number(0)], deaths, arrivals }
    }
}

/// What can happen in a state.
#[derive(Debug, Clone, Copy)]
enum Move {
    Step(usize),
    Death(usize),
    Arrival(usize),
}

const MOVES: [Move; 3 * SLOTS] = [
    Move::Step(0),
    Move::Step(1),
    Move::Step(2),
    Move::Death(0),
    Move::Death(1),
    Move::Death(2),
    Move::Arrival(0),
    Move::Arrival(1),
    Move::Arrival(2),
];

/// The device whose places the model memory holds.
struct Device {
    word: AtomicU128,
    records: [Record; SLOTS],
    generations: [AtomicU64; SLOTS],
    owners: [AtomicU64; SLOTS],
}

impl Device {
    fn new() -> Self {
        let record = |slot: usize| Record {
            after: [AtomicU64::at(1 + 4 * slot), AtomicU64::at(2 + 4 * slot)],
            intent: AtomicU64::at(3 + 4 * slot),
            acked: AtomicU64::at(4 + 4 * slot),
        };
        Self {
            word: AtomicU128::at(0),
            records: core::array::from_fn(record),
            generations: core::array::from_fn(|slot| AtomicU64::at(1 + 4 * SLOTS + slot)),
            owners: core::array::from_fn(|slot| AtomicU64::at(OWNER + slot)),
        }
    }

    fn ledger<'a>(&'a self) -> Ledger<'a, impl Fn(u16) -> Option<&'a Record>> {
        Ledger { word: &self.word, record: move |slot| self.records.get(usize::from(slot)) }
    }

    /// Does an operation with the protocol's own code; answers where the process is then.
    fn run(&self, operation: Operation, start: Start) -> Start {
        let slot = start.slot as u16;
        let mut cursor = Cursor { seq: start.cursor.0, held: start.cursor.1 };
        let mut refused = start.refused;
        match operation {
            Join => {
                let owned = self.owners[start.slot].compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
                assert!(owned.is_ok(), "only the dead are followed");
                [cursor] = recovery::take_over(|_| self.ledger(), slot, &self.generations[start.slot]);
            }
            Take(bytes) => refused = self.ledger().take(slot, &mut cursor, bytes, LIMIT).is_err(),
            Give(bytes) => self.ledger().give(slot, &mut cursor, bytes),
            Sweep(other) => {
                let unowned = || self.owners[usize::from(other)].load(Ordering::Acquire) == 0;
                let generation = &self.generations[usize::from(other)];
                recovery::sweep_slot(|_| self.ledger(), 1, other, generation, unowned);
            }
            TakeAgain(bytes) if refused => {
                refused = self.ledger().take(slot, &mut cursor, bytes, LIMIT).is_err();
            }
            TakeAgain(_) => {}
        }
        Start { done: start.done + 1, cursor: (cursor.seq, cursor.held), refused, ..start }
    }
}

/// What an exploration has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    states: usize,
    transitions: u64,
    /// States in which all have come to their end, or died.
    ends: u64,
    memories: usize,
}

struct Exploration {
    scene: Scene,
    device: Device,
    places: Vec<Place>,
    starts: FxHashMap<Start, u32>,
    after: FxHashMap<(u32, u128), u32>,
    /// Places at which it no longer matters what was read before.
    points: FxHashMap<(Start, Point), u32>,
    /// Whether that is made use of.
    merges: bool,
    memories: Vec<Vec<u128>>,
    known: FxHashMap<Vec<u128>, u32>,
    /// By memory: what each slot holds, as recovery would see it.
    held: Vec<[u64; SLOTS]>,
    found: Found,
}

impl Exploration {
    fn new(scene: Scene) -> Self {
        let start = Start { slot: 0, next_owner: false, done: 0, cursor: (0, 0), refused: false };
        let dead = Place { start, before: None, next: None, holds: None };
        Self {
            scene,
            device: Device::new(),
            places: vec![dead],
            starts: FxHashMap::default(),
            after: FxHashMap::default(),
            points: FxHashMap::default(),
            merges: true,
            memories: Vec::new(),
            known: FxHashMap::default(),
            held: Vec::new(),
            found: Found { states: 0, transitions: 0, ends: 0, memories: 0 },
        }
    }

    /// The number of the place at which a process stands that has come to `start`.
    fn begin(&mut self, mut start: Start) -> u32 {
        loop {
            if let Some(place) = self.starts.get(&start) {
                return *place;
            }
            let program = if start.next_owner { self.scene.next } else { self.scene.owners }[start.slot];
            let holds = Some(start.cursor.1);
            let next = match program.get(start.done) {
                None => None,
                Some(operation) => match replay(Vec::new(), || self.device.run(*operation, start)) {
                    Err(next) => Some((next.place, next.access)),
                    Ok(after) => {
                        start = after; // without an access
                        continue;
                    }
                },
            };
            self.places.push(Place { start, before: None, next, holds });
            let place = self.places.len() as u32 - 1;
            self.starts.insert(start, place);
            return place;
        }
    }

    /// The place of a process that was at `place` and has read `value`.
    fn advance(&mut self, place: u32, value: u128) -> u32 {
        if let Some(known) = self.after.get(&(place, value)) {
            return *known;
        }
        let start = self.places[place as usize].start;
        let mut read = vec![value];
        let mut at = place;
        while let Some((before, value)) = self.places[at as usize].before {
            read.push(value);
            at = before;
        }
        read.reverse();
        let program = if start.next_owner { self.scene.next } else { self.scene.owners }[start.slot];
        let operation = program[start.done];
        let next = match replay(read, || self.device.run(operation, start)) {
            Ok(after) => self.begin(after),
            Err(next) => {
                let new = self.places.len() as u32;
                let number = next
                    .point
                    .filter(|_| self.merges)
                    .map_or(new, |point| *self.points.entry((start, point)).or_insert(new));
                if number == new {
                    let holds = matches!(operation, Sweep(_)).then_some(start.cursor.1);
                    let next = Some((next.place, next.access));
                    self.places.push(Place { start, before: Some((place, value)), next, holds });
                }
                number
            }
        };
        self.after.insert((place, value), next);
        next
    }

    /// The number of a memory; what must hold in every one is checked when it is new.
    fn memory(&mut self, memory: Vec<u128>) -> Result<u32, String> {
        if let Some(number) = self.known.get(&memory) {
            return Ok(*number);
        }
        let mut copy = memory.clone();
        let ledger = self.device.ledger();
        let (used, held) = direct(&mut copy, || (ledger.used(), core::array::from_fn(|slot| ledger.held(slot as u16))));
        self.held.push(held);
        self.known.insert(memory.clone(), self.held.len() as u32 - 1);
        self.memories.push(memory);
        if used > LIMIT {
            return Err(format!("{used} bytes in use, over the limit"));
        }
        if used != held.iter().sum::<u64>() {
            return Err(format!("{used} bytes in use, but the slots hold {held:?}"));
        }
        Ok(self.held.len() as u32 - 1)
    }

    /// The state after a move; `None`: it cannot happen.
    fn after(&mut self, state: State, happens: Move) -> Result<Option<State>, String> {
        let mut new = state;
        match happens {
            Move::Step(who) => {
                let Some((place, access)) = self.places[state.at[who] as usize].next else { return Ok(None) };
                let mut memory = self.memories[state.memory as usize].clone();
                let read = access.on(&mut memory[place]);
                new.memory = self.memory(memory)?;
                new.at[who] = self.advance(state.at[who], read);
            }
            Move::Death(who) => {
                if state.at[who] == DEAD || state.deaths == self.scene.deaths {
                    return Ok(None);
                }
                let mut memory = self.memories[state.memory as usize].clone();
                memory[OWNER + who] = 0; // the kernel drops the lock
                new.memory = self.memory(memory)?;
                new.at[who] = DEAD;
                new.deaths += 1;
            }
            Move::Arrival(who) => {
                if state.at[who] != DEAD || state.arrivals == self.scene.arrivals || self.scene.next[who].is_empty() {
                    return Ok(None);
                }
                let start = Start { slot: who, next_owner: true, done: 0, cursor: (0, 0), refused: false };
                new.at[who] = self.begin(start);
                new.arrivals += 1;
            }
        }
        Ok(Some(new))
    }

    fn check(&mut self, state: State) -> Result<(), String> {
        let held = self.held[state.memory as usize];
        let mut all_ended = true;
        for (slot, seen) in held.iter().enumerate() {
            let place = self.places[state.at[slot] as usize];
            all_ended &= place.next.is_none();
            // A new owner that has not joined holds nothing, whatever its slot does.
            let joined = !place.start.next_owner || place.start.done > 0;
            if let Some(holds) = place.holds.filter(|holds| joined && holds != seen) {
                return Err(format!("slot {slot} holds {holds} bytes, but {seen} by its record"));
            }
        }
        if all_ended { self.wind_up(state) } else { Ok(()) }
    }

    /// All have come to their end, or died: when all is given back and recovered, nothing may be left.
    fn wind_up(&mut self, state: State) -> Result<(), String> {
        self.found.ends += 1;
        let mut memory = self.memories[state.memory as usize].clone();
        let ledger = self.device.ledger();
        let places = state.at.map(|place| self.places[place as usize]);
        let left = direct(&mut memory, || {
            for (slot, place) in places.iter().enumerate() {
                if state.at[slot] == DEAD {
                    ledger.recover(slot as u16, Dead::MySlot);
                } else {
                    let (seq, held) = place.start.cursor;
                    ledger.give(slot as u16, &mut Cursor { seq, held }, held);
                }
            }
            (ledger.used(), [0, 1, 2].map(|slot| ledger.held(slot)))
        });
        if left == (0, [0; SLOTS]) {
            Ok(())
        } else {
            Err(format!("at the end {} bytes are left: {:?}", left.0, left.1))
        }
    }

    /// Visits every state; an error is the fault found and the moves that lead to it.
    fn run(mut self) -> Result<Found, String> {
        let mut memory = vec![0; PLACES];
        memory[OWNER..].fill(1);
        let memory = self.memory(memory)?;
        let owner = |slot| Start { slot, next_owner: false, done: 0, cursor: (0, 0), refused: false };
        let at = [0, 1, 2].map(|slot| self.begin(owner(slot)));
        let first = State { memory, at, deaths: 0, arrivals: 0 };
        let mut seen = FxHashSet::default();
        seen.insert(first.pack());
        let mut path = vec![(first.pack(), 0)];
        let mut on_path = seen.clone();
        while let Some((state, tried)) = path.last_mut() {
            let state = State::unpack(*state);
            let Some(happens) = MOVES.get(*tried) else {
                path.pop();
                on_path.remove(&state.pack());
                continue;
            };
            *tried += 1;
            let visited = self.after(state, *happens).and_then(|new| {
                let Some(new) = new else { return Ok(()) };
                self.found.transitions += 1;
                if seen.insert(new.pack()) {
                    self.check(new)?;
                    on_path.insert(new.pack());
                    path.push((new.pack(), 0));
                } else if on_path.contains(&new.pack()) {
                    return Err("they go round in a circle".to_owned());
                }
                Ok(())
            });
            if let Err(fault) = visited {
                set_fault(None);
                return Err(format!("{fault}; after these moves:\n{}", self.story(&path)));
            }
        }
        self.found.states = seen.len();
        self.found.memories = self.memories.len();
        Ok(self.found)
    }

    fn story(&self, path: &[(u128, usize)]) -> String {
        let line = |(state, tried): &(u128, usize)| match MOVES[tried.saturating_sub(1)] {
            Move::Step(who) => {
                let place = self.places[State::unpack(*state).at[who] as usize];
                format!("slot {who}, operation {}: {:?}\n", place.start.done, place.next)
            }
            other => format!("{other:?}\n"),
        };
        path.iter().map(line).collect()
    }
}

fn explore(name: &str, scene: Scene) -> Found {
    let found = Exploration::new(scene).run().unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let Found { states, transitions, ends, memories } = found;
    println!("{name}: {states} states, {transitions} transitions, {memories} memories, {ends} ends");
    found
}

const IDLE: &[Operation] = &[];
/// What any next owner of a slot does.
const NEXT: &[Operation] = &[Join, Take(3), Give(3)];
/// The whole of it: three owners that take and give, recover whoever is dead, and try again when they were refused. Three
/// of the four processes may die anywhere, and one of the dead is followed by a new owner.
const ALL: Scene = Scene {
    owners: [
        &[Take(6), Give(2), Sweep(1), Sweep(2), TakeAgain(6)],
        &[Take(5), Give(5), Sweep(0), Sweep(2), TakeAgain(5)],
        &[Take(4), Give(1), Sweep(0), Sweep(1), TakeAgain(4)],
    ],
    next: [NEXT; SLOTS],
    deaths: 3,
    arrivals: 1,
};
/// The same with two owners.
const TWO: Scene = Scene { owners: [ALL.owners[0], ALL.owners[1], IDLE], deaths: 2, ..ALL };

#[test]
fn three_processes_with_a_death_at_every_step() {
    let found = explore("three processes", ALL);
    // Figures that only grow with the model: fewer mean that it no longer looks everywhere.
    assert!(found.states > 30_000_000 && found.ends > 1_000, "{found:?}");
}

/// That a process carries only what `carries_only` is told is a claim: without it as many memories and ends are found.
#[test]
fn what_a_process_carries_is_all_that_matters() {
    let scene = Scene { deaths: 1, ..TWO };
    let merged = explore("two processes", scene);
    let mut exploration = Exploration::new(scene);
    exploration.merges = false;
    let all = exploration.run().expect("the same histories");
    println!("two processes, each history by itself: {} states", all.states);
    assert!(all.states > merged.states);
    assert_eq!((all.memories, all.ends), (merged.memories, merged.ends));
}

/// The exploration of a protocol that lacks something; it must find that.
fn finds(fault: Fault, scene: Scene) {
    set_fault(Some(fault));
    let found = Exploration::new(scene).run();
    set_fault(None);
    let story = found.expect_err("nothing was found");
    println!("{fault:?}: {}", story.lines().next().unwrap_or(""));
}

#[test]
fn the_acknowledgement_is_needed() {
    finds(Fault::NoAcknowledgement, TWO);
}

#[test]
fn the_generation_is_needed() {
    finds(Fault::NoGeneration, ALL);
}

#[test]
fn the_outcome_must_come_before_the_word() {
    finds(Fault::OutcomeLast, TWO);
}
