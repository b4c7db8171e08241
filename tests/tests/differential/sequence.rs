//! Sequences of steps: how they are drawn, written down and read back.

use std::fmt;

use proptest::prelude::*;
use proptest::strategy::Union;

use crate::executor::Door;
use crate::kinds::{KINDS, Kind};
use crate::world::{DEVICES, MIB};

/// Longest sequence, in steps.
const LONGEST: usize = 40;
/// Most processes of the tenant.
const PROCESSES: u8 = 4;
/// Quotas that are drawn, in bytes: none of a context, barely one, several; in whole pages or not; more than the device.
const QUOTAS: &[u64] = &[
    40 * MIB,
    98 * MIB,
    150 * MIB + 1,
    203 * MIB,
    331 * MIB,
    420_000_001,
    512 * MIB,
    600_000_003,
    777 * MIB,
    900 * MIB,
    1100 * MIB,
    1500 * MIB,
    1999 * MIB,
    4096 * MIB,
];

/// Who else is on the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    Nobody,
    /// A process of another tenant, with a quota of its own.
    Limited,
    /// A process that the library is preloaded into, without any limit.
    Unlimited,
}

const NEIGHBOURS: [(Neighbour, &str); 3] =
    [(Neighbour::Nobody, "nobody"), (Neighbour::Limited, "limited"), (Neighbour::Unlimited, "unlimited")];

/// What a sequence runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Processes of the tenant.
    pub processes: u8,
    pub neighbour: Neighbour,
    /// Per device, in NVML's order.
    pub quotas: [u64; DEVICES],
    /// The neighbour's.
    pub neighbours_quotas: [u64; DEVICES],
    /// Whether CUDA_VISIBLE_DEVICES turns the order of the devices round.
    pub swapped: bool,
    /// Whether each process begins with a primary context.
    pub contexts: bool,
    /// Whether everything is freed at the end; else the processes are killed with what they hold.
    pub frees: bool,
}

/// One step: who does what, through which door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Taken modulo the number of processes, the neighbour's included.
    pub process: u8,
    pub door: Door,
    /// Row of [`KINDS`].
    pub kind: usize,
    pub arguments: [u64; 3],
}

/// A whole sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

fn quotas() -> impl Strategy<Value = [u64; DEVICES]> {
    [prop::sample::select(QUOTAS), prop::sample::select(QUOTAS)]
}

fn setting() -> impl Strategy<Value = Setting> {
    let neighbour = prop_oneof![
        4 => Just(Neighbour::Nobody),
        1 => Just(Neighbour::Limited),
        1 => Just(Neighbour::Unlimited),
    ];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.9), prop::bool::weighted(0.7));
    (1..=PROCESSES, neighbour, quotas(), quotas(), flags).prop_map(
        |(processes, neighbour, quotas, neighbours_quotas, (swapped, contexts, frees))| Setting {
            processes,
            neighbour,
            quotas,
            neighbours_quotas,
            swapped,
            contexts,
            frees,
        },
    )
}

/// Steps of all kinds but those whose name begins with one of `without`.
fn step(without: &[String]) -> impl Strategy<Value = Step> {
    let wanted = |row: &Kind| !without.iter().any(|prefix| row.name.starts_with(prefix.as_str()));
    let kinds = KINDS.iter().enumerate().filter(|(_, row)| wanted(row)).map(|(kind, row)| {
        let [a, b, c] = row.arguments.map(|(least, most)| least..=most);
        let doors = prop::sample::select(Door::ALL.map(|(door, _)| door).to_vec());
        let step = (0..=PROCESSES, doors, [a, b, c]);
        let step = step.prop_map(move |(process, door, arguments)| Step { process, door, kind, arguments });
        (row.weight, step.boxed())
    });
    Union::new_weighted(kinds.collect())
}

/// Any sequence without some kinds of steps.
pub fn sequences(without: &[String]) -> impl Strategy<Value = Sequence> {
    (setting(), prop::collection::vec(step(without), 1..=LONGEST))
        .prop_map(|(setting, steps)| Sequence { setting, steps })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let door = Door::ALL.iter().find(|(door, _)| *door == self.door).expect("every door has a name").1;
        let [a, b, c] = self.arguments;
        write!(f, "{} {door} {} {a} {b} {c}", self.process, KINDS[self.kind].name)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { processes, neighbour, quotas, neighbours_quotas, swapped, contexts, frees } = &self.setting;
        let neighbour = NEIGHBOURS.iter().find(|(one, _)| one == neighbour).expect("every one has a name").1;
        let [first, second] = quotas;
        let [third, fourth] = neighbours_quotas;
        writeln!(
            f,
            "setting {processes} {neighbour} {first} {second} {third} {fourth} {} {} {}",
            u8::from(*swapped),
            u8::from(*contexts),
            u8::from(*frees)
        )?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// The words of a line, read one after the other.
struct Words<'a>(std::str::SplitWhitespace<'a>, &'a str);

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("a word is missing in {:?}", self.1))
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("{word:?} is no number, in {:?}", self.1))
    }

    fn one_of<T: Copy>(&mut self, names: &[(T, &str)]) -> Result<T, String> {
        let word = self.word()?;
        let found = names.iter().find(|(_, name)| *name == word);
        found.map(|(one, _)| *one).ok_or_else(|| format!("{word:?} is unknown, in {:?}", self.1))
    }
}

impl Sequence {
    /// Reads what `Display` wrote; empty lines and lines that begin with `#` do not count.
    ///
    /// # Errors
    /// The first line that cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = lines.next().ok_or("there is no line")?;
        let mut words = Words(first.split_whitespace(), first);
        if words.word()? != "setting" {
            return Err(format!("the first line is {first:?}, not a setting"));
        }
        let setting = Setting {
            processes: words.number()?.clamp(1, PROCESSES.into()) as u8,
            neighbour: words.one_of(&NEIGHBOURS)?,
            quotas: [words.number()?, words.number()?],
            neighbours_quotas: [words.number()?, words.number()?],
            swapped: words.number()? != 0,
            contexts: words.number()? != 0,
            frees: words.number()? != 0,
        };
        let steps = lines.map(|line| {
            let mut words = Words(line.split_whitespace(), line);
            let names: Vec<_> = KINDS.iter().enumerate().map(|(kind, row)| (kind, row.name)).collect();
            Ok(Step {
                process: words.number()? as u8,
                door: words.one_of(&Door::ALL)?,
                kind: words.one_of(&names)?,
                arguments: [words.number()?, words.number()?, words.number()?],
            })
        });
        Ok(Self { setting, steps: steps.collect::<Result<_, String>>()? })
    }
}
