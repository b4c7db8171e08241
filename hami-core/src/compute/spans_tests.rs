//! Tests of spans: unions, gaps, what is believed of a doubtful one.

use super::measure::{CLIPPED, UNSEEN};
use super::*;
use crate::compute::learner::Source;

const A: StreamId = StreamId { context: 1, handle: 16, thread: 0 };
const B: StreamId = StreamId { context: 1, handle: 32, thread: 0 };
const ONE: Key = Key(7);
const ALONE: Claim = Claim { expected: 0, until: 0, calls: Some(0) };

fn put(at: u64) -> Put {
    Put { began: at, ended: at, behind: Behind::Anything }
}

/// Events by the time at which they are passed.
fn harvest(spans: &mut Spans<u64>, now: u64) -> Vec<Measured> {
    let mut all = Vec::new();
    let look = |_, event, _| {
        if event <= now { Look::Passed { at: event, by_clock: event } } else { Look::Pending }
    };
    spans.harvest((A, 0, 0, None), look, |_, _, measured| all.extend(measured), |_| panic!("nothing was lost"));
    all
}

fn sent(cost: u64, launches: u32) -> Sent {
    Sent { cost, launches, key: ONE, known: true }
}

#[test]
fn a_gapless_span_is_what_lies_between_its_marks() {
    let mut spans = Spans::default();
    spans.marked(A, 1000, put(0), ALONE);
    spans.sent(A, sent(500, 5));
    spans.marked(A, 1700, put(100), ALONE); // the first is still to be passed: no gap
    assert_eq!((spans.in_flight(), spans.commands(), spans.busy(A)), (500, 5, true));
    assert_eq!(harvest(&mut spans, 1500), []);
    let sample = Some(Sample { least: 140, most: 140, source: Source::Gapless });
    assert_eq!(harvest(&mut spans, 1700), [Measured { sent: sent(500, 5), took: 700, sample }]);
    assert_eq!((spans.in_flight(), spans.commands(), spans.busy(A)), (0, 0, false));
}

#[test]
fn idle_time_of_the_host_is_not_charged() {
    let mut spans = Spans::default();
    spans.marked(A, 10, put(10), ALONE);
    assert_eq!(harvest(&mut spans, 20), []);
    spans.sent(A, sent(300, 3));
    spans.marked(A, 10_000, put(9_900), ALONE);
    let [measured] = harvest(&mut spans, 10_000)[..] else { panic!("one span") };
    let sample = Some(Sample { least: 31, most: 3_330, source: Source::Open });
    assert_eq!((measured.took, measured.sample), (300, sample), "as expected");
    // But what the device did after the last command was sent is its time.
    spans.sent(A, sent(300, 3));
    spans.marked(A, 12_000, put(10_500), ALONE);
    let [measured] = harvest(&mut spans, 12_000)[..] else { panic!("one span") };
    assert_eq!(
        (measured.took, measured.sample),
        (1_494, Some(Sample { least: 498, most: 666, source: Source::FromIdle }))
    );
}

#[test]
fn streams_side_by_side_are_charged_their_union() {
    let mut spans = Spans::default();
    for stream in [A, B] {
        spans.marked(stream, 100, put(0), ALONE);
        spans.sent(stream, sent(1000, 1));
    }
    spans.marked(A, 1100, put(10), ALONE);
    spans.marked(B, 1300, put(20), ALONE);
    let took: Vec<u64> = harvest(&mut spans, 2000).iter().map(|measured| measured.took).collect();
    assert_eq!(took, [1000, 200]);
}

#[test]
fn beyond_the_turn_little_more_than_expected_is_believed() {
    let mut spans = Spans::default();
    spans.marked(A, 100, put(0), ALONE);
    spans.sent(A, sent(1600, 1));
    spans.marked(A, 9000, put(10), Claim { expected: 1700, until: 2000, calls: None }); // 8900 ns for what mostly takes 1600
    let [measured] = harvest(&mut spans, 9000)[..] else { panic!("one span") };
    assert_eq!((measured.took, measured.sample.map(|sample| sample.source)), (2000, Some(Source::Shared)));
}

#[test]
fn waiting_for_another_device_is_clipped() {
    let mut spans = Spans { clips: true, ..Spans::default() };
    spans.marked(A, 100, put(0), ALONE);
    spans.sent(A, sent(50_000, 1));
    spans.marked(A, 900_000_000, put(10), ALONE);
    let [measured] = harvest(&mut spans, 900_000_000)[..] else { panic!("one span") };
    assert!(measured.took <= 4 * 50_000 + CLIPPED, "{measured:?}");
    // What was never measured has no typical cost.
    spans.sent(A, Sent { known: false, ..sent(50_000, 1) });
    spans.marked(A, 1_000_000_000, put(900_000_010), ALONE);
    let [measured] = harvest(&mut spans, 1_000_000_000)[..] else { panic!("one span") };
    assert_eq!(measured.took, 100_000_000 - 10, "but for what the program took to send it");
}

#[test]
fn lost_marks_and_destroyed_contexts_leave_nothing_behind() {
    let mut spans = Spans::default();
    let other = StreamId { context: 2, ..A };
    for stream in [A, other] {
        spans.marked(stream, 0_u64, put(0), ALONE);
        spans.sent(stream, sent(10, 1));
        spans.marked(stream, 0, put(0), ALONE);
    }
    let mut gone = Vec::new();
    spans.context_destroyed(2, |sent| gone.push(sent));
    assert_eq!((gone.as_slice(), spans.in_flight()), ([sent(10, 1)].as_slice(), 10));
    let mut lost = Vec::new();
    spans.harvest(
        (A, 0, 0, None),
        |_, _, _| Look::Lost,
        |_, _, measured| assert_eq!(measured, None),
        |sent| lost.push(sent),
    );
    assert_eq!((lost.as_slice(), spans.in_flight(), spans.commands()), ([sent(10, 1)].as_slice(), 0, 0));
    assert!(spans.marks.is_empty());
}

#[test]
fn the_number_of_streams_is_bounded() {
    let mut spans: Spans<u64> = Spans::default();
    for handle in 0..10 * MOST_STREAMS {
        spans.sent(StreamId { handle, ..A }, sent(1, 1));
    }
    assert_eq!(spans.streams.len(), MOST_STREAMS);
}

#[test]
fn a_stream_that_does_not_get_on_counts_for_nothing_until_it_does() {
    let mut spans = Spans::default();
    for (stream, begun, passed) in [(A, 0, 1000), (B, 500, 600)] {
        spans.marked(stream, passed - 1, put(begun), ALONE);
        spans.sent(stream, sent(300, 2));
        spans.marked(stream, passed, put(begun), ALONE);
        spans.sent(stream, sent(100, 1));
    }
    spans.marked(B, 2000, Put { behind: Behind::AWait, ..put(600) }, ALONE);
    spans.stall(500);
    assert!(!spans.stalled(A), "a kernel that takes long, whatever another stream waits for");
    spans.marked(A, 1000, Put { behind: Behind::AWait, ..put(600) }, ALONE);
    spans.stall(500); // what was put before
    assert_eq!((spans.stalled(A), spans.stalled(B)), (true, false));
    assert_eq!((spans.in_flight(), spans.commands(), spans.open_cost()), (400, 3, 0), "B's alone");
    assert_eq!(harvest(&mut spans, 600).len(), 1);
    assert_eq!((spans.in_flight(), spans.stalled(A)), (100, true));
    assert_eq!(harvest(&mut spans, 999), []);
    assert_eq!((spans.in_flight(), spans.open_cost(), spans.stalled(A)), (500, 0, false));
}

#[test]
fn a_span_in_which_the_stream_may_have_waited_is_charged_as_expected() {
    let mut spans = Spans::default();
    spans.marked(A, 1000, put(0), ALONE);
    assert!(!spans.needs_mark(A));
    spans.sent(A, sent(500, 5));
    spans.interrupt(A);
    assert!(spans.needs_mark(A));
    spans.marked(A, 90_000, put(100), ALONE);
    spans.sent(A, sent(500, 5)); // from there on all is as ever
    spans.marked(A, 90_700, put(200), ALONE);
    let [waited, after] = harvest(&mut spans, 90_700)[..] else { panic!("two spans") };
    let sample = Some(Sample { least: 0, most: 17_800, source: Source::Open });
    assert_eq!((waited.took, waited.sample, after.took), (500, sample, 700));
}

#[test]
fn a_thread_s_own_streams_end_with_it() {
    let mut spans = Spans::default();
    let own = StreamId { handle: 2, thread: 77, ..A };
    spans.marked(own, 100, put(0), ALONE);
    spans.sent(own, sent(300, 3));
    spans.marked(own, 400, put(0), ALONE);
    spans.sent(own, sent(50, 1));
    spans.sent(A, sent(20, 1)); // stays
    let mut lost = Vec::new();
    spans.retire(|id| id.thread == 77, |sent| lost.push(sent));
    assert_eq!((lost, spans.open_cost(), spans.in_flight()), (vec![sent(50, 1)], 20, 300));
    assert!(!spans.busy(own), "another thread's by now");
    assert_eq!(harvest(&mut spans, 400)[0].took, 300, "what had its marks is measured all the same");
}

#[test]
fn what_ended_in_our_own_turn_is_ours_whatever_others_wanted() {
    let turn = Held { since: 1_000, until: 3_000_000 };
    let held = Some(turn);
    let rivals = Claim { expected: 0, until: 300_000, calls: None };
    let measured = |delay: u64, held: Option<Held>| {
        let mut spans = Spans::default();
        spans.marked(A, 2_020 + delay, put(2_000), ALONE);
        spans.sent(A, sent(200_000, 1));
        spans.marked(A, 1_002_020 + delay, put(2_010), rivals);
        let look = |_, at, _| Look::Passed { at, by_clock: at };
        let mut all = Vec::new();
        spans.harvest((A, 9, 0, held), look, |_, _, measured| all.extend(measured), |_| panic!("nothing was lost"));
        let [measured] = all[..] else { panic!("one span") };
        (measured.took, measured.sample.map(|sample| sample.source))
    };
    assert_eq!(measured(0, held), (1_000_000, Some(Source::Gapless)), "five times what was expected");
    // Of what outlasts the turn another has half; and if somebody's work was there when the turn came, most of it may be another's.
    assert_eq!(measured(0, Some(Held { until: 900_000, ..turn })), (948_990, Some(Source::FromIdle)));
    for (delay, held) in [(AT_ONCE + 1, held), (0, None)] {
        assert_eq!(measured(delay, held), (250_000, Some(Source::Shared)));
    }
}

#[test]
fn kernels_side_by_side_are_not_thought_to_be_next_to_nothing() {
    let mut spans = Spans::default();
    for stream in [A, B] {
        spans.marked(stream, 100, put(0), ALONE);
        spans.sent(stream, sent(320_000, 1));
    }
    spans.marked(A, 320_100, put(10), ALONE);
    spans.marked(B, 320_100, put(20), ALONE);
    let [_, beside] = harvest(&mut spans, 400_000)[..] else { panic!("two spans") };
    let sample = Some(Sample { least: 10_000, most: 10_000, source: Source::Gapless });
    assert_eq!((beside.took, beside.sample), (0, sample));
}

#[test]
fn how_long_the_call_took_that_sends_is_not_what_the_command_took() {
    let measured = |end: u64| {
        let mut spans = Spans::default();
        spans.marked(A, 1_000, put(1_000), ALONE);
        spans.sent(A, sent(1_000_000, 1));
        spans.marked(A, end, Put { behind: Behind::Command { since: 2_000 }, ..put(101_000) }, ALONE);
        let [Measured { sample: Some(sample), .. }] = harvest(&mut spans, end)[..] else { panic!("one span") };
        (sample.least, sample.most)
    };
    assert_eq!(
        measured(1_001_000),
        (900_000 - UNSEEN, 1_000_000 - 1_000 - SENDING),
        "it was running when the call returned"
    );
    assert_eq!(
        measured(101_000),
        (0, 100_000 - 1_000 - SENDING),
        "the call may have waited for it, or it took no time"
    );
}
