/* Function pointer types: modules, libraries, functions, occupancy and launches. */
#ifndef HAMI_CUDA_FUNCTIONS_EXECUTION_H
#define HAMI_CUDA_FUNCTIONS_EXECUTION_H

typedef CUresult (*PFN_cuFuncGetAttribute)(int *pi, CUfunction_attribute attrib, CUfunction hfunc);
typedef CUresult (*PFN_cuFuncGetModule)(CUmodule *hmod, CUfunction hfunc);
typedef CUresult (*PFN_cuFuncGetName)(const char **name, CUfunction hfunc);
typedef CUresult (*PFN_cuFuncGetParamInfo)(CUfunction func, size_t paramIndex, size_t *paramOffset,
    size_t *paramSize);
typedef CUresult (*PFN_cuFuncIsLoaded)(CUfunctionLoadingState *state, CUfunction function);
typedef CUresult (*PFN_cuFuncLoad)(CUfunction function);
typedef CUresult (*PFN_cuFuncSetAttribute)(CUfunction hfunc, CUfunction_attribute attrib, int value);
typedef CUresult (*PFN_cuFuncSetBlockShape)(CUfunction hfunc, int x, int y, int z);
typedef CUresult (*PFN_cuFuncSetCacheConfig)(CUfunction hfunc, CUfunc_cache config);
typedef CUresult (*PFN_cuFuncSetSharedMemConfig)(CUfunction hfunc, CUsharedconfig config);
typedef CUresult (*PFN_cuFuncSetSharedSize)(CUfunction hfunc, unsigned int bytes);
typedef CUresult (*PFN_cuKernelGetAttribute)(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev);
typedef CUresult (*PFN_cuKernelGetFunction)(CUfunction *pFunc, CUkernel kernel);
typedef CUresult (*PFN_cuKernelGetLibrary)(CUlibrary *pLib, CUkernel kernel);
typedef CUresult (*PFN_cuKernelGetName)(const char **name, CUkernel hfunc);
typedef CUresult (*PFN_cuKernelGetParamInfo)(CUkernel kernel, size_t paramIndex, size_t *paramOffset,
    size_t *paramSize);
typedef CUresult (*PFN_cuKernelSetAttribute)(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev);
typedef CUresult (*PFN_cuKernelSetCacheConfig)(CUkernel kernel, CUfunc_cache config, CUdevice dev);
typedef CUresult (*PFN_cuLaunch)(CUfunction f);
typedef CUresult (*PFN_cuLaunchCooperativeKernel)(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
    unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams);
typedef CUresult (*PFN_cuLaunchCooperativeKernelMultiDevice)(CUDA_LAUNCH_PARAMS *launchParamsList,
    unsigned int numDevices, unsigned int flags);
typedef CUresult (*PFN_cuLaunchGrid)(CUfunction f, int grid_width, int grid_height);
typedef CUresult (*PFN_cuLaunchGridAsync)(CUfunction f, int grid_width, int grid_height, CUstream hStream);
typedef CUresult (*PFN_cuLaunchHostFunc)(CUstream hStream, CUhostFn fn, void *userData);
typedef CUresult (*PFN_cuLaunchHostFunc_v2)(CUstream hStream, CUhostFn fn, void *userData, unsigned int syncMode);
typedef CUresult (*PFN_cuLaunchKernel)(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
    unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra);
typedef CUresult (*PFN_cuLaunchKernelEx)(const CUlaunchConfig *config, CUfunction f, void **kernelParams,
    void **extra);
typedef CUresult (*PFN_cuLibraryEnumerateKernels)(CUkernel *kernels, unsigned int numKernels, CUlibrary lib);
typedef CUresult (*PFN_cuLibraryGetGlobal)(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name);
typedef CUresult (*PFN_cuLibraryGetKernel)(CUkernel *pKernel, CUlibrary library, const char *name);
typedef CUresult (*PFN_cuLibraryGetKernelCount)(unsigned int *count, CUlibrary lib);
typedef CUresult (*PFN_cuLibraryGetManaged)(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name);
typedef CUresult (*PFN_cuLibraryGetModule)(CUmodule *pMod, CUlibrary library);
typedef CUresult (*PFN_cuLibraryGetUnifiedFunction)(void **fptr, CUlibrary library, const char *symbol);
typedef CUresult (*PFN_cuLibraryLoadData)(CUlibrary *library, const void *code, CUjit_option *jitOptions,
    void **jitOptionsValues, unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
    unsigned int numLibraryOptions);
typedef CUresult (*PFN_cuLibraryLoadFromFile)(CUlibrary *library, const char *fileName, CUjit_option *jitOptions,
    void **jitOptionsValues, unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
    unsigned int numLibraryOptions);
typedef CUresult (*PFN_cuLibraryUnload)(CUlibrary library);
typedef CUresult (*PFN_cuLinkAddData)(CUlinkState state, CUjitInputType type, void *data, size_t size,
    const char *name, unsigned int numOptions, CUjit_option *options, void **optionValues);
typedef CUresult (*PFN_cuLinkAddData_v2)(CUlinkState state, CUjitInputType type, void *data, size_t size,
    const char *name, unsigned int numOptions, CUjit_option *options, void **optionValues);
typedef CUresult (*PFN_cuLinkAddFile)(CUlinkState state, CUjitInputType type, const char *path,
    unsigned int numOptions, CUjit_option *options, void **optionValues);
typedef CUresult (*PFN_cuLinkAddFile_v2)(CUlinkState state, CUjitInputType type, const char *path,
    unsigned int numOptions, CUjit_option *options, void **optionValues);
typedef CUresult (*PFN_cuLinkComplete)(CUlinkState state, void **cubinOut, size_t *sizeOut);
typedef CUresult (*PFN_cuLinkCreate)(unsigned int numOptions, CUjit_option *options, void **optionValues,
    CUlinkState *stateOut);
typedef CUresult (*PFN_cuLinkCreate_v2)(unsigned int numOptions, CUjit_option *options, void **optionValues,
    CUlinkState *stateOut);
typedef CUresult (*PFN_cuLinkDestroy)(CUlinkState state);
typedef CUresult (*PFN_cuModuleEnumerateFunctions)(CUfunction *functions, unsigned int numFunctions, CUmodule mod);
typedef CUresult (*PFN_cuModuleGetFunction)(CUfunction *hfunc, CUmodule hmod, const char *name);
typedef CUresult (*PFN_cuModuleGetFunctionCount)(unsigned int *count, CUmodule mod);
typedef CUresult (*PFN_cuModuleGetGlobal)(CUdeviceptr_v1 *dptr, unsigned int *bytes, CUmodule hmod, const char *name);
typedef CUresult (*PFN_cuModuleGetGlobal_v2)(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name);
typedef CUresult (*PFN_cuModuleGetLoadingMode)(CUmoduleLoadingMode *mode);
typedef CUresult (*PFN_cuModuleGetSurfRef)(CUsurfref *pSurfRef, CUmodule hmod, const char *name);
typedef CUresult (*PFN_cuModuleGetTexRef)(CUtexref *pTexRef, CUmodule hmod, const char *name);
typedef CUresult (*PFN_cuModuleLoad)(CUmodule *module, const char *fname);
typedef CUresult (*PFN_cuModuleLoadData)(CUmodule *module, const void *image);
typedef CUresult (*PFN_cuModuleLoadDataEx)(CUmodule *module, const void *image, unsigned int numOptions,
    CUjit_option *options, void **optionValues);
typedef CUresult (*PFN_cuModuleLoadFatBinary)(CUmodule *module, const void *fatCubin);
typedef CUresult (*PFN_cuModuleUnload)(CUmodule hmod);
typedef CUresult (*PFN_cuOccupancyAvailableDynamicSMemPerBlock)(size_t *dynamicSmemSize, CUfunction func,
    int numBlocks, int blockSize);
typedef CUresult (*PFN_cuOccupancyMaxActiveBlocksPerMultiprocessor)(int *numBlocks, CUfunction func, int blockSize,
    size_t dynamicSMemSize);
typedef CUresult (*PFN_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)(int *numBlocks, CUfunction func,
    int blockSize, size_t dynamicSMemSize, unsigned int flags);
typedef CUresult (*PFN_cuOccupancyMaxActiveClusters)(int *numClusters, CUfunction func, const CUlaunchConfig *config);
typedef CUresult (*PFN_cuOccupancyMaxPotentialBlockSize)(int *minGridSize, int *blockSize, CUfunction func,
    CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize, int blockSizeLimit);
typedef CUresult (*PFN_cuOccupancyMaxPotentialBlockSizeWithFlags)(int *minGridSize, int *blockSize, CUfunction func,
    CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize, int blockSizeLimit, unsigned int flags);
typedef CUresult (*PFN_cuOccupancyMaxPotentialClusterSize)(int *clusterSize, CUfunction func,
    const CUlaunchConfig *config);
typedef CUresult (*PFN_cuParamSetSize)(CUfunction hfunc, unsigned int numbytes);
typedef CUresult (*PFN_cuParamSetf)(CUfunction hfunc, int offset, float value);
typedef CUresult (*PFN_cuParamSeti)(CUfunction hfunc, int offset, unsigned int value);
typedef CUresult (*PFN_cuParamSetv)(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes);

#endif
