//! Who used how much device-time: in the books, and over time in a log.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::core::Core;
use crate::presets::MAX_DEVICES;
use crate::timeline::{Prediction, Usage};

/// Width of a bucket of the log, in nanoseconds.
const BUCKET_NS: u64 = 10_000_000;

/// A client, for the log.
#[derive(Clone, Copy)]
pub struct Who {
    pub pid: u32,
    pub started_ns: u64,
    pub slot: usize,
}

/// Sums of device-time, and the log.
pub struct UsageLog {
    devices: usize,
    file: Option<File>,
    totals: [u64; MAX_DEVICES],
    clients: HashMap<usize, ClientUse>,
    /// Slots and devices whose figures in the books are not those counted here, or grow.
    changed: Vec<(usize, usize)>,
}

struct ClientUse {
    who: Who,
    totals: [u64; MAX_DEVICES],
    buckets: Vec<Buckets>,
}

#[derive(Clone, Default)]
struct Buckets {
    first_ns: u64,
    busy_ns: Vec<u64>,
}

/// One line of the log.
#[derive(Serialize)]
struct Line<'a> {
    pid: u32,
    /// CLOCK_MONOTONIC nanoseconds at which the client connected.
    start: u64,
    slot: usize,
    device: usize,
    bucket_ns: u64,
    /// CLOCK_MONOTONIC start of the first bucket.
    first_ns: u64,
    busy_ns: &'a [u64],
}

impl Buckets {
    fn add(&mut self, mut from: u64, to: u64) {
        if self.busy_ns.is_empty() {
            self.first_ns = from / BUCKET_NS * BUCKET_NS;
        }
        while from < to {
            let index = ((from - self.first_ns) / BUCKET_NS) as usize;
            let end = to.min(self.first_ns + (index as u64 + 1) * BUCKET_NS);
            if self.busy_ns.len() <= index {
                self.busy_ns.resize(index + 1, 0);
            }
            self.busy_ns[index] += end - from;
            from = end;
        }
    }
}

impl UsageLog {
    pub fn new(devices: usize, file: Option<File>) -> Self {
        Self { devices, file, totals: [0; MAX_DEVICES], clients: HashMap::new(), changed: Vec::new() }
    }

    pub fn devices(&self) -> usize {
        self.devices
    }

    /// A client comes.
    pub fn begin(&mut self, who: Who) {
        let buckets = vec![Buckets::default(); self.devices];
        self.clients.insert(who.slot, ClientUse { who, totals: [0; MAX_DEVICES], buckets });
    }

    /// A client has gone: its lines are written.
    pub fn end(&mut self, slot: usize) {
        let Some(client) = self.clients.remove(&slot) else { return };
        self.changed.retain(|changed| changed.0 != slot);
        let Some(file) = &mut self.file else { return };
        for (device, buckets) in client.buckets.iter().enumerate().filter(|(_, buckets)| !buckets.busy_ns.is_empty()) {
            let line = Line {
                pid: client.who.pid,
                start: client.who.started_ns,
                slot,
                device,
                bucket_ns: BUCKET_NS,
                first_ns: buckets.first_ns,
                busy_ns: &buckets.busy_ns,
            };
            let written = serde_json::to_string(&line)
                .map_err(std::io::Error::from)
                .and_then(|line| file.write_all((line + "\n").as_bytes()));
            if let Err(error) = written {
                eprintln!("simgpu: the usage log cannot be written: {error}");
            }
        }
    }
}

impl Core {
    /// Counts times of computing that are over.
    pub(super) fn count(&mut self, usage: &[Usage]) {
        for part in usage {
            let passed = part.to - part.from;
            let log = &mut self.usage;
            log.totals[part.device] += passed;
            let Some(&slot) = self.owners.get(&part.context) else { continue };
            let Some(client) = log.clients.get_mut(&slot) else { continue };
            client.totals[part.device] += passed;
            if log.file.is_some() {
                client.buckets[part.device].add(part.from, part.to);
            }
            log.changed.push((slot, part.device));
        }
    }

    /// Whether the end of all that computes now is foretold.
    pub(super) fn all_stop(&self, prediction: &Prediction) -> bool {
        (0..self.usage.devices()).all(|device| {
            self.timeline.computing(device).is_none_or(|(context, _)| {
                prediction.usage.iter().any(|part| part.device == device && part.context == context)
            })
        })
    }

    /// Puts the sums into the books, and lets the figures of those grow who compute now, until they stop.
    pub(super) fn publish_usage(&mut self, prediction: &Prediction) {
        let log = &mut self.usage;
        let set = |slot: usize, device: usize, from: u64, to: u64| {
            if let (Some(place), Some(client)) = (self.books.slot(slot), log.clients.get(&slot)) {
                place.devices[device].busy.set(client.totals[device], from, to);
            }
        };
        let mut growing = Vec::new();
        for device in 0..log.devices {
            // Relaxed: a lone figure.
            self.books.engine.switches[device].store(self.timeline.switches(device), Ordering::Relaxed);
            let Some((context, since)) = self.timeline.computing(device) else {
                self.books.busy[device].set(log.totals[device], 0, 0);
                continue;
            };
            let stop = prediction.usage.iter().find(|part| part.device == device && part.context == context);
            let until = stop.map_or(prediction.next, |part| part.to);
            self.books.busy[device].set(log.totals[device], since, until);
            if let Some(&slot) = self.owners.get(&context) {
                set(slot, device, since, until);
                growing.push((slot, device));
            }
        }
        for (slot, device) in log.changed.drain(..).filter(|changed| !growing.contains(changed)) {
            set(slot, device, 0, 0);
        }
        log.changed = growing;
    }
}
