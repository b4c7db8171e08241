/* Function pointer types: contexts made for graphics interop. The rest of graphics interop is not declared. */
#ifndef HAMI_CUDA_FUNCTIONS_GRAPHICS_H
#define HAMI_CUDA_FUNCTIONS_GRAPHICS_H

/* VDPAU's own types (vdpau/vdpau.h): VdpDevice is a handle of 32 bits, VdpGetProcAddress a function. */
typedef CUresult (*PFN_cuGLCtxCreate)(CUcontext *pCtx, unsigned int Flags, CUdevice device);
typedef CUresult (*PFN_cuGLCtxCreate_v2)(CUcontext *pCtx, unsigned int Flags, CUdevice device);
typedef CUresult (*PFN_cuVDPAUCtxCreate)(CUcontext *pCtx, unsigned int flags, CUdevice device,
    uint32_t vdpDevice, void *vdpGetProcAddress);
typedef CUresult (*PFN_cuVDPAUCtxCreate_v2)(CUcontext *pCtx, unsigned int flags, CUdevice device,
    uint32_t vdpDevice, void *vdpGetProcAddress);

#endif
