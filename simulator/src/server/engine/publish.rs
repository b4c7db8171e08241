//! Telling clients when their commands end: what is final, and what is foretold.

use std::sync::atomic::Ordering;

use super::core::Core;
use crate::channel::{Cell, FINAL};
use crate::futex;
use crate::timeline::{CommandId, Ended, FOREVER, Prediction};

/// How far ahead ends are foretold, in nanoseconds, and how many at a time.
const HORIZON_NS: u64 = 1_000_000;
const MOST: usize = 256;
/// The engine looks again this long before something happens that it has not foretold, in nanoseconds.
const LEAD_NS: u64 = 300_000;
/// When everything is foretold, ends are made final this long after the last, in nanoseconds.
const TIDY_NS: u64 = 2_000_000;

/// What was foretold last.
#[derive(Default)]
pub struct Foretold {
    commands: Vec<CommandId>,
    pass: u64,
}

impl Core {
    /// Makes ends final.
    pub(super) fn finish(&mut self, ended: &[Ended]) {
        for end in ended {
            let info = std::mem::take(&mut self.infos[end.command.index()]);
            if info.command == Some(end.command) {
                self.write_end(info.slot, info.cell, info.record, end.at);
            }
        }
    }

    /// Writes a final end where its client and others see it.
    pub(super) fn write_end(&mut self, slot: usize, cell: u32, record: (u32, u64), at: u64) {
        if let Some(client) = self.clients.get(&slot).filter(|_| cell != 0) {
            let cell = client.memory.cell(cell);
            // SeqCst: before the look at the bell, see `knock`; a client may use the cell again from here on.
            cell.end.store(FINAL | at, Ordering::SeqCst);
            knock(cell);
        }
        let (word, tag) = record;
        if tag == 0 {
            return;
        }
        if let Some(word) = self.books.cell(word) {
            // Release: who sees the end sees what came before it. A failure means that the event has been recorded again.
            let _ = word.compare_exchange(tag, at, Ordering::Release, Ordering::Relaxed);
        }
        self.records.remove(&tag);
        for gate in self.expected.remove(&tag).unwrap_or_default() {
            self.timeline.open(gate);
        }
    }

    /// Publishes what comes, as far as it can be seen. Returns when to look again at the latest.
    pub(super) fn foretell(&mut self) -> u64 {
        let now = self.timeline.now();
        let prediction = self.timeline.predict(now + HORIZON_NS, MOST);
        self.foretold.pass += 1;
        let pass = self.foretold.pass;
        let mut wake = FOREVER;
        let commands = prediction.ended.iter().map(|end| end.command).collect();
        let before = std::mem::replace(&mut self.foretold.commands, commands);
        for end in &prediction.ended {
            let info = &mut self.infos[end.command.index()];
            if info.command != Some(end.command) {
                continue;
            }
            info.pass = pass;
            if info.record.1 != 0 {
                // Other processes see the end when it is final.
                wake = wake.min(end.at);
            }
            if info.published == end.at || info.cell == 0 {
                continue;
            }
            let earlier = info.published == 0 || end.at < info.published;
            info.published = end.at;
            if let Some(client) = self.clients.get(&info.slot) {
                let cell = client.memory.cell(info.cell);
                // SeqCst: see `write_end`.
                cell.end.store(end.at, Ordering::SeqCst);
                if earlier {
                    knock(cell);
                }
            }
        }
        for command in before {
            let info = &mut self.infos[command.index()];
            if info.command == Some(command) && info.pass != pass && info.published != 0 {
                info.published = 0;
                if let Some(client) = self.clients.get(&info.slot) {
                    // SeqCst: with the other stores to this word.
                    client.memory.cell(info.cell).end.store(0, Ordering::SeqCst);
                }
            }
        }
        self.publish_usage(&prediction);
        let quiet = prediction.next == FOREVER && self.all_stop(&prediction);
        self.quiet_from = if quiet { prediction.ended.last().map_or(now, |last| last.at.max(now)) } else { u64::MAX };
        wake.min(next_look(now, &prediction))
    }
}

/// When the engine has to look again, if nothing arrives.
fn next_look(now: u64, prediction: &Prediction) -> u64 {
    match (prediction.next, prediction.ended.last()) {
        (FOREVER, None) => FOREVER,
        (FOREVER, Some(last)) => last.at + TIDY_NS,
        (next, _) => next.saturating_sub(LEAD_NS).max(now + (prediction.until - now) / 2),
    }
}

/// Wakes who sleeps until the cell changes.
fn knock(cell: &Cell) {
    // SeqCst: after the store of the end; a client sets the bell before it looks at the end once more.
    if cell.bell.load(Ordering::SeqCst) != 0 {
        // Relaxed: who sets it again looks at the end again.
        cell.bell.store(0, Ordering::Relaxed);
        futex::wake(&cell.bell);
    }
}
