//! Names that vendor libraries export, one per line, sorted: read from the dynamic symbol tables of Debian's packages, and
//! from the headers of newer releases.

/// Names that `libcuda.so.1` of driver 535.261.03 exports.
pub const CUDA_535: &str = include_str!("../symbols/libcuda.535.261.03.txt");

/// Names that `libcuda.so.1` of driver 550.163.01 exports.
pub const CUDA_550: &str = include_str!("../symbols/libcuda.550.163.01.txt");

/// Names that `libnvidia-ml.so.1` of driver 535.261.03 exports.
pub const NVML_535: &str = include_str!("../symbols/libnvidia-ml.535.261.03.txt");

/// Names that `libnvidia-ml.so.1` of driver 550.163.01 exports.
pub const NVML_550: &str = include_str!("../symbols/libnvidia-ml.550.163.01.txt");

/// Names of the functions that NVML 12.9 declares; a driver of that release may export more.
pub const NVML_12_9: &str = include_str!("../symbols/nvml-12.9-names.txt");

/// The functions that the headers of CUDA 13.5 declare, in all their forms. A line has four words: the exported name; the
/// name by which `cuGetProcAddress` knows it; the CUDA version (1000 × major + 10 × minor) from which on it answers with
/// it; and `ptsz` or `ptds` for a form for per-thread default streams, `-` for others.
pub const CUDA_13_5: &str = include_str!("../symbols/cuda-13.5-names.txt");

/// Names of the functions that NVML 13.5 declares.
pub const NVML_13_5: &str = include_str!("../symbols/nvml-13.5-names.txt");
