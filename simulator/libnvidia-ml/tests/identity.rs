//! Devices can be told apart and found again by each of their names.

mod common;

use common::{Nvml, inside};
use ffi_headers::nvml::*;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::ptr::null_mut;

fn find(nvml: &Nvml, function: &str, name: &str) -> Result<nvmlDevice_t, nvmlReturn_t> {
    let name = CString::new(name).expect("no NUL in it");
    let mut device = null_mut();
    match call!(nvml, function, fn(*const std::ffi::c_char, *mut nvmlDevice_t), name.as_ptr(), &mut device) {
        NVML_SUCCESS => Ok(device),
        code => Err(code),
    }
}

fn text(array: &[std::ffi::c_char]) -> String {
    array.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect()
}

#[test]
fn every_name_finds_its_device_again() {
    inside("every_name_finds_its_device_again", "H200", 3, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let mut seen = BTreeSet::new();
        for index in 0..3 {
            let device = nvml.device(index);
            let uuid = nvml.text("nvmlDeviceGetUUID", device, 96).expect("uuid");
            let serial = nvml.text("nvmlDeviceGetSerial", device, 30).expect("serial");
            let mut pci = nvmlPciInfo_t::default();
            let code = call!(nvml, "nvmlDeviceGetPciInfo_v3", fn(nvmlDevice_t, *mut nvmlPciInfo_t), device, &mut pci);
            assert_eq!(code, NVML_SUCCESS);
            let bus_id = text(&pci.busId);
            assert_eq!(bus_id, format!("{:08X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device));
            assert_eq!(format!("0000{}", text(&pci.busIdLegacy)), bus_id);
            assert_eq!(uuid.len(), 40, "{uuid}");
            assert_eq!(find(nvml, "nvmlDeviceGetHandleByUUID", &uuid), Ok(device));
            assert_eq!(find(nvml, "nvmlDeviceGetHandleBySerial", &serial), Ok(device));
            for name in ["nvmlDeviceGetHandleByPciBusId", "nvmlDeviceGetHandleByPciBusId_v2"] {
                assert_eq!(find(nvml, name, &bus_id), Ok(device));
                assert_eq!(find(nvml, name, &text(&pci.busIdLegacy).to_lowercase()), Ok(device));
            }
            assert_eq!(nvml.query::<u32>("nvmlDeviceGetMinorNumber", device), Ok(index));
            seen.extend([uuid, serial, bus_id]);
        }
        assert_eq!(seen.len(), 9, "no two devices share a name: {seen:?}");
        assert_eq!(find(nvml, "nvmlDeviceGetHandleByUUID", "GPU-none"), Err(NVML_ERROR_NOT_FOUND));
        assert_eq!(find(nvml, "nvmlDeviceGetHandleBySerial", "0"), Err(NVML_ERROR_NOT_FOUND));
        assert_eq!(find(nvml, "nvmlDeviceGetHandleByPciBusId_v2", "0000:ff:00.0"), Err(NVML_ERROR_NOT_FOUND));
        assert_eq!(find(nvml, "nvmlDeviceGetHandleByPciBusId_v2", "no bus"), Err(NVML_ERROR_INVALID_ARGUMENT));
    });
}

#[test]
fn a_short_buffer_is_refused_and_left_alone() {
    inside("a_short_buffer_is_refused_and_left_alone", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        assert_eq!(nvml.text("nvmlDeviceGetName", device, 12).as_deref(), Ok("NVIDIA H200"));
        let mut buffer = [b'x'; 11];
        let name = "nvmlDeviceGetName";
        let code = call!(nvml, name, fn(nvmlDevice_t, *mut u8, u32), device, buffer.as_mut_ptr(), 11);
        assert_eq!(code, NVML_ERROR_INSUFFICIENT_SIZE);
        assert_eq!(buffer, [b'x'; 11]);
    });
}

/// Old callers' structures are smaller: nothing may be written past their end.
#[test]
fn older_pci_forms_stay_within_their_structures() {
    inside("older_pci_forms_stay_within_their_structures", "A100-80GB", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        for (name, size) in
            [("nvmlDeviceGetPciInfo", 32), ("nvmlDeviceGetPciInfo_v2", 52), ("nvmlDeviceGetPciInfo_v3", 68)]
        {
            let mut bytes = [0xa5u8; 96];
            let code = call!(nvml, name, fn(nvmlDevice_t, *mut u8), nvml.device(0), bytes.as_mut_ptr());
            assert_eq!(code, NVML_SUCCESS, "{name}");
            assert!(bytes.starts_with(b"0000:18:00.0\0"), "{name}");
            assert_eq!(bytes[28..32], 0x20b2_10de_u32.to_ne_bytes(), "{name}: device id");
            assert!(bytes[size..].iter().all(|byte| *byte == 0xa5), "{name} writes past {size} bytes");
        }
    });
}

#[test]
fn the_extended_pci_form_insists_on_its_version() {
    inside("the_extended_pci_form_insists_on_its_version", "T4", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let mut pci = nvmlPciInfoExt_t { version: 0x0100_0040, ..Default::default() };
        let name = "nvmlDeviceGetPciInfoExt";
        assert_eq!(call!(nvml, name, fn(nvmlDevice_t, *mut nvmlPciInfoExt_t), nvml.device(0), &mut pci), NVML_SUCCESS);
        assert_eq!((pci.pciDeviceId, pci.baseClass), (0x1eb8_10de, 3));
        pci.version = 0x0200_0040;
        assert_eq!(
            call!(nvml, name, fn(nvmlDevice_t, *mut nvmlPciInfoExt_t), nvml.device(0), &mut pci),
            NVML_ERROR_ARGUMENT_VERSION_MISMATCH
        );
    });
}
