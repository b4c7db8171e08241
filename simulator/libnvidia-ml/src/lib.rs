//! A simulated libnvidia-ml.so.1: NVML on the devices of a simulation. Exports every name of the drivers' symbol
//! lists; a name that no module here defines answers NOT_SUPPORTED and is listed by `simgpu --unsupported`. Parameter
//! names follow meaning, types follow nvml.h.
#![allow(non_snake_case)]

mod board;
mod clock;
mod device;
mod entry;
mod error;
mod event;
mod export_table;
mod field;
mod identity;
mod memory;
mod mig;
mod mode;
mod power;
mod process;
mod reliability;
mod session;
mod settings;
mod stubs;
mod system;
mod topology;
mod unit;
mod utilisation;
