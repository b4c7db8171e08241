//! What differs between device models, and what the machine as a whole says.

mod common;

use common::{Nvml, inside};
use ffi_headers::nvml::*;
use std::ptr::null_mut;

fn pair(nvml: &Nvml, name: &str, device: nvmlDevice_t) -> Result<(u32, u32), nvmlReturn_t> {
    let (mut first, mut second) = (9, 9);
    match call!(nvml, name, fn(nvmlDevice_t, *mut u32, *mut u32), device, &mut first, &mut second) {
        NVML_SUCCESS => Ok((first, second)),
        code => Err(code),
    }
}

fn retired_pages(nvml: &Nvml, device: nvmlDevice_t) -> (nvmlReturn_t, u32) {
    let mut count = 3;
    let code = call!(
        nvml,
        "nvmlDeviceGetRetiredPages",
        fn(nvmlDevice_t, u32, *mut u32, *mut u64),
        device,
        NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR,
        &mut count,
        null_mut()
    );
    (code, count)
}

fn remapped_rows(nvml: &Nvml, device: nvmlDevice_t) -> Result<[u32; 4], nvmlReturn_t> {
    let mut rows = [9; 4];
    let [a, b, c, d] = &mut rows;
    let name = "nvmlDeviceGetRemappedRows";
    match call!(nvml, name, fn(nvmlDevice_t, *mut u32, *mut u32, *mut u32, *mut u32), device, a, b, c, d) {
        NVML_SUCCESS => Ok(rows),
        code => Err(code),
    }
}

#[test]
fn a_hopper_device_has_mig_and_remaps_rows() {
    inside("a_hopper_device_has_mig_and_remaps_rows", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        assert_eq!(nvml.query("nvmlDeviceGetArchitecture", device), Ok(NVML_DEVICE_ARCH_HOPPER));
        assert_eq!(nvml.query("nvmlDeviceGetNumGpuCores", device), Ok(132u32 * 128));
        assert_eq!(pair(nvml, "nvmlDeviceGetMigMode", device), Ok((0, 0)));
        assert_eq!(remapped_rows(nvml, device), Ok([0; 4]));
        assert_eq!(retired_pages(nvml, device), (NVML_ERROR_NOT_SUPPORTED, 3));
        assert_eq!(pair(nvml, "nvmlDeviceGetEccMode", device), Ok((1, 1)));
        assert_eq!(nvml.query::<u32>("nvmlDeviceGetFanSpeed", device), Err(NVML_ERROR_NOT_SUPPORTED));
    });
}

#[test]
fn a_turing_device_has_no_mig_and_retires_pages() {
    inside("a_turing_device_has_no_mig_and_retires_pages", "T4", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        assert_eq!(nvml.query("nvmlDeviceGetArchitecture", device), Ok(NVML_DEVICE_ARCH_TURING));
        assert_eq!(nvml.query("nvmlDeviceGetNumGpuCores", device), Ok(40u32 * 64));
        assert_eq!(pair(nvml, "nvmlDeviceGetMigMode", device), Err(NVML_ERROR_NOT_SUPPORTED));
        assert_eq!(remapped_rows(nvml, device), Err(NVML_ERROR_NOT_SUPPORTED));
        assert_eq!(retired_pages(nvml, device), (NVML_SUCCESS, 0));
    });
}

#[test]
fn supported_clocks_obey_the_count_rule() {
    inside("supported_clocks_obey_the_count_rule", "T4", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        let (code, count, _) = nvml.list::<u32>("nvmlDeviceGetSupportedMemoryClocks", device, 1);
        assert_eq!((code, count), (NVML_ERROR_INSUFFICIENT_SIZE, 2));
        let (code, count, clocks) = nvml.list::<u32>("nvmlDeviceGetSupportedMemoryClocks", device, 3);
        assert_eq!((code, count, clocks), (NVML_SUCCESS, 2, vec![5001, 405, 0]));
        let mut count = 0;
        let name = "nvmlDeviceGetSupportedGraphicsClocks";
        let mut graphics = |memory, clocks| {
            call!(nvml, name, fn(nvmlDevice_t, u32, *mut u32, *mut u32), device, memory, &mut count, clocks)
        };
        assert_eq!(graphics(1, null_mut()), NVML_ERROR_NOT_FOUND);
        assert_eq!(graphics(5001, null_mut()), NVML_ERROR_INSUFFICIENT_SIZE);
        let mut clocks = vec![0; count as usize];
        let mut room = count;
        let code =
            call!(nvml, name, fn(nvmlDevice_t, u32, *mut u32, *mut u32), device, 5001, &mut room, clocks.as_mut_ptr());
        assert_eq!(code, NVML_SUCCESS);
        assert_eq!((clocks.first(), clocks.last()), (Some(&1590), Some(&300)));
        assert!(clocks.is_sorted_by(|a, b| a > b), "highest first: {clocks:?}");
    });
}

#[test]
fn devices_are_one_node_apart() {
    inside("devices_are_one_node_apart", "H200", 3, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let ancestor = |one, other| {
            let mut level = 7;
            let name = "nvmlDeviceGetTopologyCommonAncestor";
            let code = call!(nvml, name, fn(nvmlDevice_t, nvmlDevice_t, *mut u32), one, other, &mut level);
            (code, level)
        };
        assert_eq!(ancestor(nvml.device(0), nvml.device(2)), (NVML_SUCCESS, NVML_TOPOLOGY_NODE));
        assert_eq!(ancestor(nvml.device(1), nvml.device(1)), (NVML_SUCCESS, NVML_TOPOLOGY_INTERNAL));
        assert_eq!(ancestor(nvml.device(1), null_mut()).0, NVML_ERROR_INVALID_ARGUMENT);
        let mut count = 4;
        let mut near: [nvmlDevice_t; 4] = [null_mut(); 4];
        let name = "nvmlDeviceGetTopologyNearestGpus";
        let mut nearest = |level| {
            let device = nvml.device(1);
            let array = near.as_mut_ptr();
            call!(nvml, name, fn(nvmlDevice_t, u32, *mut u32, *mut nvmlDevice_t), device, level, &mut count, array)
        };
        assert_eq!(nearest(NVML_TOPOLOGY_NODE), NVML_SUCCESS);
        assert_eq!((count, near[0], near[1]), (2, nvml.device(0), nvml.device(2)));
    });
}

#[test]
fn the_machine_names_its_versions_and_processes() {
    inside("the_machine_names_its_versions_and_processes", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let text = |name, room: u32| {
            let mut buffer = [1u8; 80];
            let code = call!(nvml, name, fn(*mut u8, u32), buffer.as_mut_ptr(), room);
            (code, buffer.iter().take_while(|byte| **byte != 0).map(|byte| *byte as char).collect::<String>())
        };
        assert_eq!(text("nvmlSystemGetDriverVersion", 80), (NVML_SUCCESS, "550.163.01".into()));
        assert_eq!(text("nvmlSystemGetNVMLVersion", 80), (NVML_SUCCESS, "12.550.163.01".into()));
        assert_eq!(text("nvmlSystemGetDriverVersion", 10).0, NVML_ERROR_INSUFFICIENT_SIZE);
        let mut cuda = 0;
        assert_eq!(call!(nvml, "nvmlSystemGetCudaDriverVersion_v2", fn(*mut i32), &mut cuda), NVML_SUCCESS);
        assert_eq!(cuda, 12040);
        let process = |pid, room| {
            let mut buffer = [1u8; 4096];
            let code = call!(nvml, "nvmlSystemGetProcessName", fn(u32, *mut u8, u32), pid, buffer.as_mut_ptr(), room);
            (code, buffer.iter().take_while(|byte| **byte != 0).map(|byte| *byte as char).collect::<String>())
        };
        let own = std::env::args().next().expect("our own name");
        assert_eq!(process(std::process::id(), 4096), (NVML_SUCCESS, own.clone()));
        assert_eq!(process(std::process::id(), 6), (NVML_SUCCESS, own[..5].to_owned()), "cut to the buffer");
        assert_eq!(process(u32::MAX, 4096).0, NVML_ERROR_NOT_FOUND);
    });
}

/// nvidia-smi's private table exists and refuses everything; no other table exists.
#[test]
fn only_one_private_table_exists_and_it_is_empty() {
    inside("only_one_private_table_exists_and_it_is_empty", "H200", 1, |nvml| {
        let mut table: *const [Option<unsafe extern "C" fn() -> nvmlReturn_t>; 256] = std::ptr::null();
        let mut identifier =
            [0xc4u8, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4];
        let name = "nvmlInternalGetExportTable";
        let mut ask =
            |identifier: *const u8| call!(nvml, name, fn(*mut *const [_; 256], *const u8), &mut table, identifier);
        assert_eq!(ask(identifier.as_ptr()), NVML_SUCCESS);
        identifier[15] ^= 1;
        assert_eq!(ask(identifier.as_ptr()), NVML_ERROR_NOT_FOUND);
        for entry in common::read_table(table) {
            assert_eq!(common::Invoke::invoke(entry.expect("not null"), ()), NVML_ERROR_NOT_SUPPORTED);
        }
    });
}
