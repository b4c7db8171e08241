//! What a span took: how much of the device's time, by the times of its marks and by what is known of others.

use shared_region::turns::MAX_LEASE;

use super::{Behind, Held, Measured, Sent, Span, Spans};
use crate::compute::learner::{Key, Sample, Source};

/// What the way to an idle device may take of each command's time: a fiftieth, and so many nanoseconds at most.
pub(super) const UNSEEN: u64 = 10_000;
/// What one launch may take beyond four times what is expected, in nanoseconds, where waiting for another device may be in it.
pub(super) const CLIPPED: u64 = 1_000_000;
/// The least that is learnt of a command beside others, as a part of what it took.
const BESIDE_OTHERS: u64 = 32;

/// How long after a turn began others' work may mostly still be there, in nanoseconds.
const LEFT_OVER: u64 = 300_000;

impl<E: Copy> Spans<E> {
    /// How much of a span lies in the time in which the device was ours alone: in our turn, from when it came at once to a mark in
    /// an empty stream; or from a little after its beginning, if no such mark tells better. `None`: others' work was there.
    fn alone(&self, from: u64, end: u64, held: Option<Held>) -> Option<u64> {
        let Held { since, until } = held?;
        let first = match (self.clear, self.delayed) {
            (Some(clear), _) if clear >= since => clear,
            (_, Some(delayed)) if delayed >= since => return None,
            _ => since + LEFT_OVER,
        };
        Some(end.min(until).saturating_sub(from.max(first)))
    }

    /// What a span took: what it adds to the union of all, between the bounds that idle time leaves.
    /// `crowded`: others wanted the device at the time; `late`: it ended after the turn.
    pub(super) fn measure(
        &mut self,
        begin: u64,
        end: u64,
        span: &Span,
        (crowded, late, held): (bool, bool, Option<Held>),
    ) -> Measured {
        let from = begin.max(self.covered);
        let (idle, sending) = (span.idle(begin), span.sending(begin));
        let alone = self.alone(from, end, held);
        let crowded = crowded && alone.is_none_or(|alone| alone < end.saturating_sub(from));
        let Sent { cost, launches, key, known } = span.sent;
        let each = u64::from(launches);
        let most = end.saturating_sub(from);
        // A kernel that waits for one on another device takes as long as that one is kept waiting, by its own tenant's debt. If
        // all of it were charged, each side's debt would make the other's grow without end.
        let clipped = self.clips && known && most > cost * 4 + each * CLIPPED;
        let most = if clipped { cost * 4 + each * CLIPPED } else { most };
        // What ended after its turn, or took far longer than it mostly does, others have had a part in. A little more than
        // expected is believed all the same, or what has become dearer would never show. Not of what has outlived a turn: there
        // they certainly had.
        let shared = crowded && (late || (known && most > cost + cost / 2));
        let believed = match (shared, known) {
            _ if clipped => cost,
            // Of what outlasts the turn others have half.
            (true, _) if alone.is_some_and(|alone| alone > 0) => alone.map_or(cost, |alone| most.midpoint(alone)),
            (true, true) if most <= MAX_LEASE => cost + cost / 4,
            // There is nothing better.
            (true, false) if most <= MAX_LEASE => most,
            (true, false) => most / 2,
            _ => cost,
        };
        // After a gap, a command's way to the device is in it too, which the program does not see.
        let unseen = if idle > 0 && known { (cost / 50).min(each * UNSEEN) } else { 0 };
        let least =
            if shared || clipped { believed.min(most) } else { most.saturating_sub(idle.saturating_add(unseen)) };
        // A single command comes to an idle device as late after the mark before it as it was sent after that; and the mark
        // behind it comes later still, which matters only if the command was done by then.
        let single = launches == 1 && begin >= self.covered && !shared && !clipped;
        let most = if single { most.saturating_sub(sending).max(least) } else { most };
        let lasts = single && sending > 0 && most > 2 * idle.saturating_sub(sending);
        // While the call that sends it lasts, nobody can tell when the device has it: a graph takes its time to be written, a function
        // to be loaded. Unless the device was done when the call returned: that may have waited for it.
        let running = end.saturating_sub(span.put.ended) > UNSEEN;
        let all_sent = if running { end.saturating_sub(span.put.began.max(from)) } else { most };
        let least = if lasts { all_sent.min(most).saturating_sub(unseen).max(least) } else { least };
        let took = believed.clamp(least, most);
        // What was idle is taken to lie at the end: another stream's span may fill it.
        self.covered = self.covered.max(if shared || clipped || idle > 0 { from + took } else { end });
        // What other streams of ours did meanwhile may lie in it or not, where the stream ran dry long before its mark; unless
        // the kernels are so small that they run side by side.
        let marked_at_once = matches!(span.put.behind, Behind::Command { .. });
        let beside = idle > 0 && from > begin && !marked_at_once && !key.is_narrow();
        let mostly_alone = alone.is_some_and(|alone| alone >= most / 2);
        let source = match idle {
            _ if crowded && mostly_alone && !clipped => Source::FromIdle,
            _ if crowded || clipped => Source::Shared,
            0 => Source::Gapless,
            idle if !beside && (lasts || idle <= most / 2) => Source::FromIdle,
            _ => Source::Open,
        };
        // A command that mostly runs beside others adds little to the union, but alone it takes as long as it takes. What it is
        // learnt to cost is not less than this part, or a grant for when it is alone would hold any number of them.
        let whole = end - begin.min(end);
        let apart = if source == Source::Gapless { whole / BESIDE_OTHERS } else { 0 };
        let most = if beside { whole } else { most.max(apart) };
        let sample = (key != Key::NONE).then(|| Sample { least: least.max(apart) / each, most: most / each, source });
        Measured { sent: span.sent, took, sample }
    }
}
