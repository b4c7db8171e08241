//! CUDA_VISIBLE_DEVICES: which devices a process gets, in which order, and that its ordinals stand for the right ones.

use ffi_headers::cuda::*;

use crate::common::{CONTEXT, MIB, describe};
use crate::{Client, Simulation};

pub const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

pub fn the_variable_selects_and_orders_devices() {
    let mut description = describe(4, None);
    for (device, gib) in description.devices.iter_mut().zip(1..) {
        device.memory_total = gib << 30;
    }
    let devices = description.devices.clone();
    let uuid = |index: usize| devices[index].uuid_string();
    let simulation = Simulation::described(description);
    let cases: &[(Option<&str>, &[usize])] = &[
        (None, &[0, 1, 2, 3]),
        (Some("2,1"), &[2, 1]),
        (Some(" 3 , 0"), &[3, 0]),
        (Some("0,2,-1,1"), &[0, 2]),
        (Some("0,4,1"), &[0]),
        (Some("3,3,1"), &[]),
        (Some(""), &[]),
        (Some("-1"), &[]),
        (Some("none"), &[]),
        (Some(&uuid(2)), &[2]),
        (Some(&format!("{},0,{}", &uuid(3)[..12], uuid(1))), &[3, 0, 1]),
        (Some(&format!("1,{},0", uuid(1))), &[]),
        (Some(&format!("0,{}0", uuid(1))), &[0]),
        (Some("GPU-"), &[]),
        (Some(&format!("0,MIG-{}/1/0,1", uuid(1))), &[0]),
    ];
    for (list, expected) in cases {
        let mut client = Client::start_with_visible(&simulation.socket(), "devices", *list);
        let init = if expected.is_empty() { CUDA_ERROR_NO_DEVICE } else { CUDA_SUCCESS };
        assert_eq!(client.line(), format!("{init} 0 {}", expected.len()), "{list:?}");
        for &index in *expected {
            let (device, pci) = (&devices[index], &devices[index].pci);
            let bus = format!("{:04X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device);
            let digits = uuid(index)["GPU-".len()..].replace('-', "");
            assert_eq!(client.line(), format!("{digits} {bus} {}", device.memory_total), "{list:?}");
        }
        assert_eq!(client.child.wait().expect("the child").code(), Some(0), "{list:?}");
    }
}

pub fn ordinals_stand_for_the_devices_selected() {
    let simulation = Simulation::new(3, 1 << 30);
    let mut client = Client::start_with_visible(&simulation.socket(), "obey", Some("2,0"));
    assert_eq!(client.ask("alloc 100"), 0);
    assert_eq!(client.ask("clear 100"), 0);
    assert_eq!(client.ask("free-memory"), 1024 - 100 - CONTEXT / MIB);
    let busy = |simulation: &Simulation| {
        let devices = simulation.report().devices;
        devices.iter().map(|device| device.processes.iter().any(|process| process.busy_ns > 0)).collect::<Vec<_>>()
    };
    assert_eq!(busy(&simulation), [false, false, true]);
    assert_eq!(client.ask("device 1"), 0);
    assert_eq!(client.ask("alloc 300"), 0);
    assert_eq!(client.ask("free-memory"), 1024 - 300 - CONTEXT / MIB);
    let used: Vec<_> = simulation.report().devices.iter().map(|device| device.used_bytes).collect();
    assert_eq!(used, [CONTEXT + 300 * MIB, 0, CONTEXT + 100 * MIB]);
    assert_eq!(client.ask("free"), 0);
    let used: Vec<_> = simulation.report().devices.iter().map(|device| device.used_bytes).collect();
    assert_eq!(used, [CONTEXT, 0, CONTEXT]);
}
