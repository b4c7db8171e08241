//! Our declarations against independent ones: cudarc's and nvml-wrapper-sys's. Each test also fails on what it forgot.
#[macro_use]
mod compare;
mod cuda_functions;
mod cuda_layouts;
mod cuda_values;
mod nvml_enumerators;
mod nvml_functions;
mod nvml_layouts;
mod nvml_values;
mod signature;
