"""Kernels as PTX text that the driver compiles by itself: fixed work, endless, waiting for the host, meeting a peer.

Each takes (address a, address b, number n). Work is a chain of dependent operations, never a clock that is watched: a kernel
that the device sets aside for a while must not come out as if it had worked meanwhile. The names follow the simulator's
convention too (`_us250`: 250 µs, `_forever`, `_meet2`), so that the same programs run there."""

# The oldest device that the drivers of CUDA 13 know; newer ones run the same text.
HEAD = ".version 6.4\n.target sm_75\n.address_size 64\n"
PARAMETERS = ".param .u64 a, .param .u64 b, .param .u32 n"

# n rounds of a multiply-add whose result is stored, under a condition that never holds.
WORK = """
  .reg .pred %p; .reg .u32 %i, %n; .reg .f32 %x; .reg .u64 %a;
  ld.param.u32 %n, [n];
  ld.param.u64 %a, [a];
  mov.u32 %i, 0;
  mov.f32 %x, 0f3F800000;
ROUND:
  fma.rn.f32 %x, %x, 0f3F7FFF00, 0f3A000000;
  add.u32 %i, %i, 1;
  setp.lt.u32 %p, %i, %n;
  @%p bra ROUND;
  setp.eq.f32 %p, %x, 0fBF800000;
  @!%p bra DONE;
  st.global.f32 [%a], %x;
DONE:
  ret;
"""
# Until the word at `a` is not 0.
WAIT = """
  .reg .pred %p; .reg .u32 %v; .reg .u64 %a;
  ld.param.u64 %a, [a];
LOOK:
  ld.volatile.global.u32 %v, [%a];
  setp.eq.u32 %p, %v, 0;
  @%p bra LOOK;
  ret;
"""
# Writes n at `a`, then waits until the peer's word at `b` is n or more.
MEET = """
  .reg .pred %p; .reg .u32 %v, %n; .reg .u64 %a, %b;
  ld.param.u64 %a, [a];
  ld.param.u64 %b, [b];
  ld.param.u32 %n, [n];
  st.volatile.global.u32 [%a], %n;
  membar.sys;
LOOK:
  ld.volatile.global.u32 %v, [%b];
  setp.lt.u32 %p, %v, %n;
  @%p bra LOOK;
  ret;
"""

EMPTY, ENDLESS, PERSISTENT, PEER = "empty_us0", "wait_forever", "wait_us300000", "peer_meet2_us50"


def work_name(microseconds):
    """The entry whose work takes about so long, once `n` is set for the device."""
    return f"work_us{microseconds}"


def image(work=(20, 200, 1000, 10000)):
    """A module with every kernel; `work` lists the lengths in microseconds that have an entry."""
    bodies = {EMPTY: "  ret;", ENDLESS: WAIT, PERSISTENT: WAIT, PEER: MEET} | {work_name(us): WORK for us in work}
    entries = [f".visible .entry {name}({PARAMETERS})\n{{\n{body.strip()}\n}}\n" for name, body in bodies.items()]
    return HEAD + "\n".join(entries)
