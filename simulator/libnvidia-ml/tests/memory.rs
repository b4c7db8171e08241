//! Memory figures and process lists follow what processes take.

mod common;

use common::{Nvml, inside};
use ffi_headers::nvml::*;
use simulator::books::PAGE_BYTES;
use simulator::client;
use std::os::fd::AsRawFd;

fn v1(nvml: &Nvml, device: nvmlDevice_t) -> (u64, u64, u64) {
    let memory: nvmlMemory_t = nvml.query("nvmlDeviceGetMemoryInfo", device).expect("memory");
    (memory.total, memory.free, memory.used)
}

fn v2(nvml: &Nvml, device: nvmlDevice_t) -> nvmlMemory_v2_t {
    let mut memory = nvmlMemory_v2_t { version: 0x0200_0028, ..Default::default() };
    let code = call!(nvml, "nvmlDeviceGetMemoryInfo_v2", fn(nvmlDevice_t, *mut nvmlMemory_v2_t), device, &mut memory);
    assert_eq!(code, NVML_SUCCESS);
    memory
}

#[test]
fn both_forms_follow_what_is_taken_and_agree() {
    inside("both_forms_follow_what_is_taken_and_agree", "H200", 2, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let (first, second) = (nvml.device(0), nvml.device(1));
        let total = 143_771 << 20;
        assert_eq!(v1(nvml, first), (total, total, 0));
        let simulation = client::connect().expect("a simulation");
        simulation.reserve_pages(1, 300).expect("600 MiB");
        let used = 300 * PAGE_BYTES;
        assert_eq!(v1(nvml, second), (total, total - used, used));
        assert_eq!(v1(nvml, first), (total, total, 0), "the other device");
        let memory = v2(nvml, second);
        assert_eq!(memory.total, memory.reserved + memory.free + memory.used);
        assert_eq!((memory.version, memory.total, memory.used), (0x0200_0028, total, used));
        simulation.release_pages(1, 300);
        assert_eq!(v1(nvml, second), (total, total, 0));
    });
}

#[test]
fn the_second_form_insists_on_its_version() {
    inside("the_second_form_insists_on_its_version", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        for version in [0, 0x28, 0x0100_0028, 0x0200_0020] {
            let mut memory = nvmlMemory_v2_t { version, total: 7, ..Default::default() };
            let name = "nvmlDeviceGetMemoryInfo_v2";
            let code = call!(nvml, name, fn(nvmlDevice_t, *mut nvmlMemory_v2_t), nvml.device(0), &mut memory);
            assert_eq!(code, NVML_ERROR_ARGUMENT_VERSION_MISMATCH, "{version:#x}");
            assert_eq!(memory.total, 7, "left alone");
        }
    });
}

const FIRST_FORMS: [&str; 3] = [
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
];

#[test]
fn nobody_runs_on_an_idle_device() {
    inside("nobody_runs_on_an_idle_device", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        for name in FIRST_FORMS {
            assert_eq!(nvml.list::<nvmlProcessInfo_v1_t>(name, device, 0).0, NVML_SUCCESS, "{name}");
            for suffix in ["_v2", "_v3"] {
                let (code, count, _) = nvml.list::<nvmlProcessInfo_v2_t>(&format!("{name}{suffix}"), device, 4);
                assert_eq!((code, count), (NVML_SUCCESS, 0), "{name}{suffix}");
            }
        }
    });
}

/// Two processes with a context each: both are listed with their own bytes, in each form, under the count-and-size rule.
#[test]
fn processes_are_listed_with_their_bytes() {
    inside("processes_are_listed_with_their_bytes", "H200", 1, |nvml| {
        let (from_parent, to_child) = nix::unistd::pipe().expect("a pipe");
        let child = common::fork(|| {
            let simulation = client::connect().expect("a simulation");
            simulation.reserve_pages(0, 10).expect("20 MiB");
            simulation.count_context(0, true);
            // Its own copy of the writing end would keep the pipe open after the parent's death.
            nix::unistd::close(to_child.as_raw_fd()).expect("close");
            nix::unistd::read(&from_parent, &mut [0]).expect("wait for the parent to write or end");
        });
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let simulation = client::connect().expect("a simulation");
        simulation.reserve_pages(0, 25).expect("50 MiB");
        simulation.count_context(0, true);
        let device = nvml.device(0);
        let name = FIRST_FORMS[0];
        let expected = {
            let mut both = [(child.as_raw() as u32, 10 * PAGE_BYTES), (std::process::id(), 25 * PAGE_BYTES)];
            both.sort_unstable();
            both
        };
        common::eventually("both processes are listed", || {
            (nvml.list::<nvmlProcessInfo_v1_t>(name, device, 9).1 == 2).then_some(())
        });
        let (code, count, infos) = nvml.list::<nvmlProcessInfo_v1_t>(name, device, 2);
        assert_eq!((code, count), (NVML_SUCCESS, 2));
        assert_eq!(infos.iter().map(|i| (i.pid, i.usedGpuMemory)).collect::<Vec<_>>(), expected);
        for suffix in ["_v2", "_v3"] {
            let (code, _, infos) = nvml.list::<nvmlProcessInfo_v2_t>(&format!("{name}{suffix}"), device, 2);
            assert_eq!(code, NVML_SUCCESS);
            assert_eq!(infos.iter().map(|i| (i.pid, i.usedGpuMemory)).collect::<Vec<_>>(), expected);
            assert!(infos.iter().all(|i| i.gpuInstanceId == u32::MAX && i.computeInstanceId == u32::MAX));
        }
        for room in [0, 1] {
            let (code, count, infos) = nvml.list::<nvmlProcessInfo_v1_t>(name, device, room);
            assert_eq!((code, count), (NVML_ERROR_INSUFFICIENT_SIZE, 2));
            assert!(infos.iter().all(|i| i.pid == 0), "nothing is written");
        }
        let bar1: nvmlBAR1Memory_t = nvml.query("nvmlDeviceGetBAR1MemoryInfo", device).expect("BAR1");
        assert_eq!(bar1.bar1Free + bar1.bar1Used, bar1.bar1Total);
        nix::unistd::write(&to_child, &[1]).expect("let the child end");
        assert_eq!(common::wait(child), 0);
        common::eventually("the child's memory is back", || (v1(nvml, device).2 == 25 * PAGE_BYTES).then_some(()));
        assert_eq!(nvml.list::<nvmlProcessInfo_v1_t>(name, device, 9).1, 1);
    });
}
