//! Tests of spans: unions, gaps, what is believed of a doubtful one.

use super::*;

const A: StreamId = StreamId { context: 1, handle: 16, thread: 0 };
const B: StreamId = StreamId { context: 1, handle: 32, thread: 0 };
const ONE: Key = Key(7);
const ALONE: Claim = Claim { expected: 0, until: 0, calls: Some(0) };

/// Events by the time at which they are passed.
fn harvest(spans: &mut Spans<u64>, now: u64) -> Vec<Measured> {
    let mut all = Vec::new();
    let look = |_, event, _| {
        if event <= now { Look::Passed { at: event, by_clock: event } } else { Look::Pending }
    };
    spans.harvest((A, 0, 0), look, |_, _, measured| all.extend(measured), |_| panic!("nothing was lost"));
    all
}

fn sent(cost: u64, launches: u32) -> Sent {
    Sent { cost, launches, key: ONE, known: true }
}

#[test]
fn a_gapless_span_is_what_lies_between_its_marks() {
    let mut spans = Spans::default();
    spans.marked(A, 1000, [0; 2], ALONE);
    spans.sent(A, sent(500, 5));
    spans.marked(A, 1700, [100; 2], ALONE); // the first is still to be passed: no gap
    assert_eq!((spans.in_flight(), spans.commands(), spans.busy(A)), (500, 5, true));
    assert_eq!(harvest(&mut spans, 1500), []);
    let sample = Some(Sample { least: 140, most: 140, doubtful: false });
    assert_eq!(harvest(&mut spans, 1700), [Measured { sent: sent(500, 5), took: 700, sample }]);
    assert_eq!((spans.in_flight(), spans.commands(), spans.busy(A)), (0, 0, false));
}

#[test]
fn idle_time_of_the_host_is_not_charged() {
    let mut spans = Spans::default();
    spans.marked(A, 10, [10; 2], ALONE);
    assert_eq!(harvest(&mut spans, 20), []);
    spans.sent(A, sent(300, 3));
    spans.marked(A, 10_000, [9_900; 2], ALONE);
    let [measured] = harvest(&mut spans, 10_000)[..] else { panic!("one span") };
    assert_eq!((measured.took, measured.sample), (300, None), "as expected, and nothing is learnt from it");
    // But what the device did after the last command was sent is its time.
    spans.sent(A, sent(300, 3));
    spans.marked(A, 12_000, [10_500; 2], ALONE);
    let [measured] = harvest(&mut spans, 12_000)[..] else { panic!("one span") };
    assert_eq!((measured.took, measured.sample), (1_394, Some(Sample { least: 464, most: 666, doubtful: true })));
}

#[test]
fn streams_side_by_side_are_charged_their_union() {
    let mut spans = Spans::default();
    for stream in [A, B] {
        spans.marked(stream, 100, [0; 2], ALONE);
        spans.sent(stream, sent(1000, 1));
    }
    spans.marked(A, 1100, [10; 2], ALONE);
    spans.marked(B, 1300, [20; 2], ALONE);
    let took: Vec<u64> = harvest(&mut spans, 2000).iter().map(|measured| measured.took).collect();
    assert_eq!(took, [1000, 200]);
}

#[test]
fn beyond_the_turn_little_more_than_expected_is_believed() {
    let mut spans = Spans::default();
    spans.marked(A, 100, [0; 2], ALONE);
    spans.sent(A, sent(1600, 1));
    spans.marked(A, 9000, [10; 2], Claim { expected: 1700, until: 2000, calls: None }); // 8900 ns for what mostly takes 1600
    let [measured] = harvest(&mut spans, 9000)[..] else { panic!("one span") };
    assert_eq!((measured.took, measured.sample.map(|sample| sample.doubtful)), (2000, Some(true)));
}

#[test]
fn waiting_for_another_device_is_clipped() {
    let mut spans = Spans { clips: true, ..Spans::default() };
    spans.marked(A, 100, [0; 2], ALONE);
    spans.sent(A, sent(50_000, 1));
    spans.marked(A, 900_000_000, [10; 2], ALONE);
    let [measured] = harvest(&mut spans, 900_000_000)[..] else { panic!("one span") };
    assert!(measured.took <= 4 * 50_000 + CLIPPED, "{measured:?}");
    // What was never measured has no typical cost.
    spans.sent(A, Sent { known: false, ..sent(50_000, 1) });
    spans.marked(A, 1_000_000_000, [20; 2], ALONE);
    let [measured] = harvest(&mut spans, 1_000_000_000)[..] else { panic!("one span") };
    assert_eq!(measured.took, 100_000_000 - 10, "but for what the program took to send it");
}

#[test]
fn lost_marks_and_destroyed_contexts_leave_nothing_behind() {
    let mut spans = Spans::default();
    let other = StreamId { context: 2, ..A };
    for stream in [A, other] {
        spans.marked(stream, 0_u64, [0; 2], ALONE);
        spans.sent(stream, sent(10, 1));
        spans.marked(stream, 0, [0; 2], ALONE);
    }
    let mut gone = Vec::new();
    spans.context_destroyed(2, |sent| gone.push(sent));
    assert_eq!((gone.as_slice(), spans.in_flight()), ([sent(10, 1)].as_slice(), 10));
    let mut lost = Vec::new();
    spans.harvest((A, 0, 0), |_, _, _| Look::Lost, |_, _, measured| assert_eq!(measured, None), |sent| lost.push(sent));
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
    for (stream, put, passed) in [(A, 0, 1000), (B, 500, 600)] {
        spans.marked(stream, passed - 1, [put; 2], ALONE);
        spans.sent(stream, sent(300, 2));
        spans.marked(stream, passed, [put; 2], ALONE);
        spans.sent(stream, sent(100, 1));
    }
    spans.stall(500); // what was put before
    assert_eq!((spans.stalled(A), spans.stalled(B)), (true, false));
    assert_eq!((spans.in_flight(), spans.commands(), spans.open_cost()), (300, 2, 100));
    assert_eq!(harvest(&mut spans, 600).len(), 1);
    assert_eq!((spans.in_flight(), spans.stalled(A)), (0, true));
    assert_eq!(harvest(&mut spans, 999), []);
    assert_eq!((spans.in_flight(), spans.open_cost(), spans.stalled(A)), (300, 200, false));
}
