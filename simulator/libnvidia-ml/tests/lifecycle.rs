//! Initialising, shutting down, forking; what a wrong handle gets.

mod common;

use common::{inside, outside};
use ffi_headers::nvml::*;
use std::ptr::null_mut;

#[test]
fn without_a_simulation_the_driver_is_not_loaded() {
    outside("without_a_simulation_the_driver_is_not_loaded", |nvml| {
        assert_eq!(nvml.init(), NVML_ERROR_DRIVER_NOT_LOADED);
        assert_eq!(nvml.shutdown(), NVML_ERROR_UNINITIALIZED);
        let mut count = 7;
        assert_eq!(call!(nvml, "nvmlDeviceGetCount_v2", fn(*mut u32), &mut count), NVML_ERROR_UNINITIALIZED);
        assert_eq!(count, 7);
    });
}

#[test]
fn initialisation_is_counted() {
    inside("initialisation_is_counted", "H200", 2, |nvml| {
        let count = || {
            let mut count = 0;
            match call!(nvml, "nvmlDeviceGetCount_v2", fn(*mut u32), &mut count) {
                NVML_SUCCESS => Ok(count),
                code => Err(code),
            }
        };
        assert_eq!(count(), Err(NVML_ERROR_UNINITIALIZED));
        assert_eq!(nvml.init(), NVML_SUCCESS);
        assert_eq!(call!(nvml, "nvmlInitWithFlags", fn(u32), NVML_INIT_FLAG_NO_ATTACH), NVML_SUCCESS);
        assert_eq!(call!(nvml, "nvmlInitWithFlags", fn(u32), 0x80), NVML_ERROR_INVALID_ARGUMENT);
        assert_eq!(nvml.shutdown(), NVML_SUCCESS);
        assert_eq!(count(), Ok(2));
        assert_eq!(nvml.shutdown(), NVML_SUCCESS);
        assert_eq!(count(), Err(NVML_ERROR_UNINITIALIZED));
        assert_eq!(nvml.shutdown(), NVML_ERROR_UNINITIALIZED);
        assert_eq!(nvml.init(), NVML_SUCCESS);
        assert_eq!(count(), Ok(2));
    });
}

#[test]
fn wrong_handles_and_null_pointers_are_invalid_arguments() {
    inside("wrong_handles_and_null_pointers_are_invalid_arguments", "H200", 2, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let mut handle = null_mut();
        let by_index = "nvmlDeviceGetHandleByIndex_v2";
        assert_eq!(call!(nvml, by_index, fn(u32, *mut nvmlDevice_t), 2, &mut handle), NVML_ERROR_INVALID_ARGUMENT);
        assert_eq!(call!(nvml, by_index, fn(u32, *mut nvmlDevice_t), 0, null_mut()), NVML_ERROR_INVALID_ARGUMENT);
        let good = nvml.device(1);
        for wrong in [null_mut(), good.wrapping_byte_add(1), good.wrapping_byte_add(8), (&raw mut handle).cast()] {
            assert_eq!(nvml.query::<u32>("nvmlDeviceGetIndex", wrong), Err(NVML_ERROR_INVALID_ARGUMENT));
        }
        assert_eq!(nvml.query::<u32>("nvmlDeviceGetIndex", good), Ok(1));
        assert_eq!(
            call!(nvml, "nvmlDeviceGetIndex", fn(nvmlDevice_t, *mut u32), good, null_mut()),
            NVML_ERROR_INVALID_ARGUMENT
        );
    });
}

/// A fork keeps the initialised state and its handles, and may initialise for itself.
#[test]
fn a_forked_child_goes_on() {
    inside("a_forked_child_goes_on", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        let before: nvmlMemory_t = nvml.query("nvmlDeviceGetMemoryInfo", device).expect("memory");
        let child = common::fork(|| {
            assert_eq!(nvml.query::<u32>("nvmlDeviceGetIndex", device), Ok(0));
            assert_eq!(nvml.shutdown(), NVML_SUCCESS);
            assert_eq!(nvml.init(), NVML_SUCCESS);
            let memory: nvmlMemory_t = nvml.query("nvmlDeviceGetMemoryInfo", device).expect("memory");
            assert_eq!((memory.total, memory.used), (before.total, before.used));
        });
        assert_eq!(common::wait(child), 0);
        assert_eq!(nvml.query::<u32>("nvmlDeviceGetIndex", device), Ok(0), "the parent is not disturbed");
    });
}

#[test]
fn many_threads_initialise_ask_and_shut_down() {
    inside("many_threads_initialise_ask_and_shut_down", "H200", 2, |nvml| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert_eq!(nvml.init(), NVML_SUCCESS);
                        let memory: nvmlMemory_t =
                            nvml.query("nvmlDeviceGetMemoryInfo", nvml.device(1)).expect("memory");
                        assert_eq!(memory.free + memory.used, memory.total);
                        assert_eq!(nvml.shutdown(), NVML_SUCCESS);
                    }
                });
            }
        });
        assert_eq!(nvml.shutdown(), NVML_ERROR_UNINITIALIZED);
    });
}

#[test]
fn error_texts_need_no_initialisation() {
    outside("error_texts_need_no_initialisation", |nvml| {
        assert_eq!(nvml.error_string(NVML_SUCCESS), "Success");
        assert_eq!(nvml.error_string(NVML_ERROR_DRIVER_NOT_LOADED), "Driver Not Loaded");
        assert_eq!(nvml.error_string(4711), "Unknown Error");
    });
}
