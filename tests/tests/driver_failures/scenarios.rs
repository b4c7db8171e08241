//! The calls that are made: every function that is accounted is in one of the scenarios, with something at stake.

/// Each begins in a fresh process and ends with nothing in use. A line is a call, as `tests/programs/failures.c` reads it;
/// `start` makes a device's primary context current and a stream `s`, `stop` lets go of both. `= 801` behind a call is what it is
/// to answer, 0 where nothing is said: the simulator has no OpenGL, and knows no variables in PTX.
pub const SCENARIOS: &[&str] = &[
    // Contexts.
    "start
     cuMemAlloc_v2 &a 4M
     stop",
    "cuInit 0
     cuDevicePrimaryCtxRetain &p 0
     cuDevicePrimaryCtxRetain &p 0
     cuCtxSetCurrent @p
     cuMemAlloc_v2 &a 4M
     cuDevicePrimaryCtxRelease 0
     cuDevicePrimaryCtxRelease 0",
    "start
     cuMemAlloc_v2 &a 4M
     cuDevicePrimaryCtxReset 0",
    "start
     cuMemAllocManaged &a 4M 1
     cuDevicePrimaryCtxReset_v2 0",
    "cuInit 0
     cuCtxCreate &c 0 0
     cuMemAlloc_v2 &a 4M
     cuCtxDestroy @c",
    "cuInit 0
     cuCtxCreate_v2 &c 0 0
     cuMemAlloc_v2 &a 4M
     cuCtxAttach &d 0
     cuCtxDetach @d
     cuCtxDestroy_v2 @c",
    "cuInit 0
     cuCtxCreate_v3 &c 0 0 0 0
     cuMemAlloc_v2 &a 4M
     cuCtxDetach @c",
    "cuInit 0
     cuCtxCreate_v4 &c 0 0 0
     cuMemAlloc_v2 &a 4M
     cuCtxDestroy_v2 @c",
    "cuInit 0
     cuGLCtxCreate &c 0 0 = 801",
    "cuInit 0
     cuGLCtxCreate_v2 &c 0 0 = 801",
    "cuInit 0
     cuVDPAUCtxCreate &c 0 0 0 0 = 801",
    "cuInit 0
     cuVDPAUCtxCreate_v2 &c 0 0 0 0 = 801",
    "cuInit 0
     cuDeviceGetDevResource 0 part 1
     cuDevResourceGenerateDesc &d part 1
     cuGreenCtxCreate &g @d 0 1
     cuGreenCtxCreate &h @d 0 1
     cuCtxFromGreenCtx &c @g
     cuCtxSetCurrent @c
     cuMemAlloc_v2 &a 4M
     cuGreenCtxDestroy @h
     cuMemFree_v2 @a
     cuGreenCtxDestroy @g",
    // Linear memory.
    "start
     cuMemAlloc_v2 &a 4M
     cuMemAllocPitch_v2 &b &q 1000 5000 4
     cuMemAllocManaged &c 33M 1
     cuMemFree_v2 @b
     cuMemFree_v2 @a
     cuMemFree_v2 @c
     stop",
    "start
     cuMemAlloc &a 4M
     cuMemAllocPitch &b &q 1000 5000 4
     cuMemFree @a
     cuMemFree @b
     stop",
    // Stream-ordered memory.
    "start
     cuMemAllocAsync &a 10M @s
     cuMemAllocAsync_ptsz &b 40M 0
     cuMemAlloc_v2 &c 4M
     cuMemFreeAsync @a @s
     cuMemFreeAsync_ptsz @b 0
     cuMemFreeAsync @c @s
     cuCtxSynchronize
     cuMemAllocAsync &a 10M @s
     cuMemFreeAsync @a @s
     cuCtxSynchronize_v2 0
     cuMemAllocAsync &a 10M @s
     cuMemFree_v2 @a
     cuStreamSynchronize @s
     cuMemAllocAsync &a 10M @s
     cuMemFreeAsync @a @s
     cuStreamSynchronize_ptsz 0
     cuMemAllocAsync &a 10M @s
     cuMemFreeAsync @a @s
     cuEventCreate &e 0
     cuEventRecord @e @s
     cuEventSynchronize @e
     cuEventDestroy_v2 @e
     stop",
    "start
     cuMemPoolCreate &o pool
     cuMemAllocFromPoolAsync &a 40M @o @s
     cuMemAllocFromPoolAsync_ptsz &b 10M @o 0
     cuMemFreeAsync @b 0
     cuMemPoolTrimTo @o 0
     cuMemPoolExportToShareableHandle &f @o 1 0
     cuMemPoolImportFromShareableHandle &i @f 1 0
     cuMemPoolDestroy @i
     cuMemPoolDestroy @o
     cuMemFreeAsync @a @s
     cuCtxSynchronize
     stop",
    // Physical memory.
    "start
     cuMemAddressReserve &r 64M 0 0 0
     cuMemCreate &h 64M physical 0
     cuMemMap @r 64M 0 @h 0
     cuMemSetAccess @r 64M access 1
     cuMemRelease @h
     cuMemRetainAllocationHandle &g @r
     cuMemUnmap @r 64M
     cuMemRelease @g
     cuMemAddressFree @r 64M
     stop",
    "start
     cuMemCreate &h 64M shareable 0
     cuMemExportToShareableHandle &f @h 1 0
     cuMemImportFromShareableHandle &g @f 1
     close @f
     cuMemRelease @h
     cuMemRelease @g
     stop",
    "start
     cuMulticastCreate &m multicast
     cuMulticastAddDevice @m 0
     cuMemCreate &h 64M physical 0
     cuMulticastBindMem @m 0 @h 0 64M 0
     cuMulticastUnbind @m 0 0 64M
     cuMemAddressReserve &r 64M 0 0 0
     cuMemMap @r 64M 0 @h 0
     cuMemSetAccess @r 64M access 1
     cuMulticastBindAddr @m 0 @r 64M 0
     cuMemUnmap @r 64M
     cuMemRelease @h
     cuMulticastUnbind @m 0 0 64M
     cuMemRelease @m
     stop",
    "start
     cuMulticastCreate &m multicast
     cuMulticastAddDevice @m 0
     cuMemCreate &h 64M physical 0
     cuMulticastBindMem_v2 @m 0 0 @h 0 64M 0
     cuMulticastUnbind @m 0 0 64M
     cuMemAddressReserve &r 64M 0 0 0
     cuMemMap @r 64M 0 @h 0
     cuMemSetAccess @r 64M access 1
     cuMulticastBindAddr_v2 @m 0 0 @r 64M 0
     cuMemUnmap @r 64M
     cuMemRelease @h
     cuMulticastUnbind @m 0 0 64M
     cuMemRelease @m
     stop",
    "start
     cuArray3DCreate_v2 &a empty
     cuMemCreate &h 64M physical 0
     place @a @h
     cuMemMapArrayAsync into_array 1 @s
     cuMemRelease @h
     cuMemMapArrayAsync_ptsz out_of_array 1 0
     cuMemCreate &h 64M physical 0
     place @a @h
     cuMemMapArrayAsync_ptsz into_array 1 0
     cuMemRelease @h
     cuArrayDestroy @a
     stop",
    // Arrays.
    "start
     cuArrayCreate &a flat_v1
     cuArrayCreate_v2 &b flat
     cuArray3DCreate &c deep_v1
     cuArray3DCreate_v2 &d deep
     cuMipmappedArrayCreate &e deep 3
     cuArrayDestroy @a
     cuArrayDestroy @b
     cuArrayDestroy @c
     cuArrayDestroy @d
     cuMipmappedArrayDestroy @e
     stop",
    // Graphs.
    "start
     cuGraphCreate &g 0
     cuGraphAddMemAllocNode &n @g 0 0 node
     cuGraphAddMemFreeNode &x @g &n 1 node.dptr
     cuGraphInstantiateWithFlags &e @g 0
     cuGraphUpload @e @s
     cuGraphLaunch @e @s
     cuStreamSynchronize @s
     cuDeviceGraphMemTrim 0
     cuGraphLaunch_ptsz @e 0
     cuGraphLaunch @e @s
     cuCtxSynchronize
     cuGraphExecDestroy @e
     cuDeviceGraphMemTrim 0
     cuGraphDestroy @g
     stop",
    "start
     cuGraphCreate &g 0
     cuGraphAddMemAllocNode &n @g 0 0 node
     cuGraphAddMemFreeNode &x @g &n 1 node.dptr
     cuGraphInstantiate &e @g 0 0 0
     cuGraphUpload_ptsz @e 0
     cuGraphExecDestroy @e
     cuGraphInstantiate_v2 &e @g 0 0 0
     cuGraphLaunch @e @s
     cuCtxSynchronize
     cuGraphExecDestroy @e
     cuGraphInstantiateWithParams &e @g instantiation
     cuGraphExecDestroy @e
     cuGraphInstantiateWithParams_ptsz &e @g instantiation
     cuGraphExecDestroy @e
     cuGraphDestroy @g
     cuDeviceGraphMemTrim 0
     stop",
    // Code and limits.
    "start
     cuModuleLoad &m file
     cuModuleLoadData &n image
     cuModuleLoadDataEx &o image 0 0 0
     cuModuleLoadFatBinary &q image
     cuLibraryLoadData &l image 0 0 0 0 0 0
     cuLibraryLoadFromFile &k file 0 0 0 0 0 0
     cuModuleUnload @m
     cuModuleUnload @n
     cuModuleUnload @o
     cuModuleUnload @q
     cuLibraryUnload @l
     cuLibraryUnload @k
     cuCtxSetLimit 2 72M
     cuCtxSetLimit 2 8M
     stop",
    "start
     cuModuleLoadData &m image
     cuModuleGetFunction &f @m nothing
     cuFuncLoad @f
     cuModuleGetGlobal &a &b @m nothing = 500
     cuModuleGetGlobal_v2 &a &b @m nothing = 500
     cuModuleUnload @m
     cuLibraryLoadData &l image 0 0 0 0 0 0
     cuLibraryGetKernel &k @l nothing
     cuKernelGetFunction &f @k
     cuLibraryGetModule &m @l
     cuLibraryGetGlobal &a &b @l nothing = 500
     cuLibraryGetManaged &a &b @l nothing = 801
     cuLibraryUnload @l
     stop",
];

/// Memory of every kind, in one process; of most kinds also far more than the quota, which must be refused whatever fails.
pub const EVERYTHING: &str = "start
     cuMemAlloc_v2 &a 64M
     cuMemAlloc_v2 &z 1200M = 2
     cuMemAllocPitch_v2 &b &q 1000 5000 4
     cuMemAllocPitch_v2 &z &q 1M 1200 4 = 2
     cuMemAllocManaged &c 33M 1
     cuMemAllocManaged &z 1200M 1 = 2
     cuCtxCreate_v2 &d 0 0
     cuMemAlloc_v2 &e 4M
     cuMemAlloc_v2 &z 1200M = 2
     cuCtxDestroy_v2 @d
     cuCtxSetCurrent @p
     cuMemAllocAsync &f 40M @s
     cuMemAllocAsync &z 1200M @s = 2
     cuMemAllocAsync_ptsz &z 1200M 0 = 2
     cuMemFreeAsync @f @s
     cuCtxSynchronize
     cuMemPoolCreate &o pool
     cuMemAllocFromPoolAsync &g 40M @o @s
     cuMemAllocFromPoolAsync &z 1200M @o @s = 2
     cuMemFreeAsync @g @s
     cuMemAllocFromPoolAsync &g 20M @o @s
     cuMemPoolTrimTo @o 0
     cuMemPoolDestroy @o
     cuMemFreeAsync @g @s
     cuStreamSynchronize @s
     cuDeviceGetDefaultMemPool &y 0
     cuMemAllocFromPoolAsync &g 40M @y @s
     cuMemAllocFromPoolAsync &z 1200M @y @s = 2
     cuMemFreeAsync @g @s
     cuStreamSynchronize @s
     cuMemCreate &h 64M physical 0
     cuMemCreate &z 1200M physical 0 = 2
     cuMemAddressReserve &r 64M 0 0 0
     cuMemMap @r 64M 0 @h 0
     cuMemRelease @h
     cuMemUnmap @r 64M
     cuArray3DCreate_v2 &i deep
     cuArray3DCreate_v2 &z huge = 2
     cuMipmappedArrayCreate &j deep 3
     cuMipmappedArrayCreate &z huge 3 = 2
     cuArrayDestroy @i
     cuMipmappedArrayDestroy @j
     cuGraphCreate &u 0
     cuGraphCreate &v 0
     cuGraphAddEmptyNode &w @v 0 0
     cuGraphAddChildGraphNode &w @u 0 0 @v
     cuGraphInstantiateWithFlags &t @u 0
     cuGraphExecDestroy @t
     cuGraphCreate &k 0
     cuGraphAddMemAllocNode &n @k 0 0 node
     cuGraphAddMemFreeNode &x @k &n 1 node.dptr
     cuGraphInstantiateWithFlags &l @k 0
     cuGraphLaunch @l @s
     cuCtxSynchronize
     cuDeviceGraphMemTrim 0
     cuGraphLaunch @l @s
     cuCtxSynchronize
     cuGraphExecDestroy @l
     cuDeviceGraphMemTrim 0
     cuGraphCreate &m 0
     cuGraphAddMemAllocNode &n @m 0 0 huge_node
     cuGraphAddMemFreeNode &x @m &n 1 huge_node.dptr
     cuGraphInstantiateWithFlags &l @m 0
     cuGraphLaunch @l @s = 2
     cuCtxSynchronize
     cuMemFree_v2 @a
     cuMemFree_v2 @b
     cuMemFree_v2 @c
     stop";

/// Code, and limits of a context; with more than the quota as well.
pub const CODE: &str = "start
     cuModuleLoadData &n image
     cuLibraryLoadData &l image 0 0 0 0 0 0
     cuLibraryGetModule &m @l
     cuCtxSetLimit 2 72M
     cuCtxSetLimit 2 1200M = 2
     cuCtxSetLimit 2 8M
     cuModuleUnload @n
     cuLibraryUnload @l
     cuMemAlloc_v2 &a 922M
     cuModuleLoadData &n image = 2
     cuMemFree_v2 @a
     stop";

/// A scenario's calls one by one.
pub fn orders(scenario: &'static str) -> Vec<&'static str> {
    let orders = scenario.lines().flat_map(|line| match line.trim() {
        "start" => vec!["cuInit 0", "cuDevicePrimaryCtxRetain &p 0", "cuCtxSetCurrent @p", "cuStreamCreate &s 1"],
        "stop" => vec!["cuStreamDestroy_v2 @s", "cuDevicePrimaryCtxRelease_v2 0"],
        order => vec![order],
    });
    orders.collect()
}
