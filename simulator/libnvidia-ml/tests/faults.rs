//! Calls that fail because the plan in the environment says so.

mod common;

use common::Nvml;
use ffi_headers::nvml::*;
use ffi_headers::symbols::{NVML_535, NVML_550};
use simulator::faults::FAIL_ENV;
use std::collections::BTreeSet;

/// Every exported name with a code of its own, except the one function that answers a text.
fn names() -> Vec<(&'static str, nvmlReturn_t)> {
    let names: BTreeSet<_> = NVML_535.split_whitespace().chain(NVML_550.split_whitespace()).collect();
    names.into_iter().filter(|name| *name != "nvmlErrorString").zip(7000..).collect()
}

#[test]
fn every_function_can_be_made_to_fail() {
    let plan: Vec<_> = names().iter().map(|(name, code)| format!("{name}={code}")).collect();
    assert!(plan.len() > 340);
    common::inside_with("every_function_can_be_made_to_fail", (FAIL_ENV, &plan.join(",")), |nvml| {
        let call = |name| call!(nvml, name, fn(usize, usize, usize, usize, usize), 0, 0, 0, 0, 0);
        let wrong: Vec<_> = names().into_iter().filter(|(name, code)| call(name) != *code).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

#[test]
fn only_the_planned_calls_fail() {
    let plan = "nvmlInit_v2@1=9,nvmlDeviceGetMemoryInfo@2+=15";
    common::inside_with("only_the_planned_calls_fail", (FAIL_ENV, plan), |nvml| {
        assert_eq!(nvml.init(), NVML_ERROR_DRIVER_NOT_LOADED);
        assert_eq!(call!(nvml, "nvmlShutdown", fn()), NVML_ERROR_UNINITIALIZED, "the call that failed did nothing");
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let query = |nvml: &Nvml| nvml.query::<nvmlMemory_t>("nvmlDeviceGetMemoryInfo", nvml.device(0)).map(drop);
        assert_eq!([query(nvml), query(nvml), query(nvml)], [Ok(()), Err(15), Err(15)]);
    });
}
