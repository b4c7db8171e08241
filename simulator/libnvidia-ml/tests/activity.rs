//! Utilisation and what depends on it; events and field values.

mod common;

use common::{Nvml, eventually, inside};
use ffi_headers::nvml::*;
use simulator::client;
use simulator::client::channel::Command;
use simulator::timeline::Role;
use std::ptr::null_mut;

fn utilisation(nvml: &Nvml, device: nvmlDevice_t) -> u32 {
    nvml.query::<nvmlUtilization_t>("nvmlDeviceGetUtilizationRates", device).expect("utilisation").gpu
}

#[test]
fn work_shows_as_utilisation_of_device_and_process() {
    inside("work_shows_as_utilisation_of_device_and_process", "T4", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let device = nvml.device(0);
        let simulation = client::connect().expect("a simulation");
        assert_eq!(utilisation(nvml, device), 0);
        assert_eq!(nvml.query("nvmlDeviceGetPerformanceState", device), Ok(NVML_PSTATE_8));
        let idle: u32 = nvml.query("nvmlDeviceGetPowerUsage", device).expect("power");
        simulation.count_context(0, true);
        let channel = simulation.channel().expect("a channel");
        let queue = channel.queue(channel.context(0), Role::Blocking);
        queue.submit(&Command::new(simulation.kernel_cost("spin_forever").kernel(1, 1, simulation.device(0)).into()));
        eventually("a full sampling period of work", || (utilisation(nvml, device) == 100).then_some(()));
        assert_eq!(nvml.query("nvmlDeviceGetPerformanceState", device), Ok(NVML_PSTATE_0));
        let busy: u32 = nvml.query("nvmlDeviceGetPowerUsage", device).expect("power");
        assert!(busy > idle, "{busy} mW at work, {idle} mW idle");
        let clock = |domain| {
            let mut mhz = 0;
            let name = "nvmlDeviceGetClockInfo";
            (call!(nvml, name, fn(nvmlDevice_t, u32, *mut u32), device, domain, &mut mhz), mhz)
        };
        assert_eq!(clock(NVML_CLOCK_SM), (NVML_SUCCESS, 1590));
        assert_eq!(clock(NVML_CLOCK_COUNT).0, NVML_ERROR_INVALID_ARGUMENT);

        let mut last_seen = 0;
        let sample = eventually("a sample of this process at work", || {
            let mut count = 4;
            let mut samples = [nvmlProcessUtilizationSample_t::default(); 4];
            let code = process_utilisation(nvml, device, samples.as_mut_ptr(), &mut count, last_seen);
            assert!([NVML_SUCCESS, NVML_ERROR_NOT_FOUND].contains(&code), "{code}");
            samples.into_iter().take(count as usize).find(|s| code == NVML_SUCCESS && s.smUtil > 90)
        });
        assert_eq!(sample.pid, std::process::id());
        last_seen = u64::MAX;
        let mut count = 4;
        assert_eq!(process_utilisation(nvml, device, null_mut(), &mut count, last_seen), NVML_ERROR_NOT_FOUND);
        assert_eq!(count, 0);
        assert_eq!(process_utilisation(nvml, device, null_mut(), &mut count, 0), NVML_ERROR_INSUFFICIENT_SIZE);
        assert_eq!(count, 1);
    });
}

fn process_utilisation(
    nvml: &Nvml,
    device: nvmlDevice_t,
    samples: *mut nvmlProcessUtilizationSample_t,
    count: &mut u32,
    last_seen: u64,
) -> nvmlReturn_t {
    let name = "nvmlDeviceGetProcessUtilization";
    call!(
        nvml,
        name,
        fn(nvmlDevice_t, *mut nvmlProcessUtilizationSample_t, *mut u32, u64),
        device,
        samples,
        count,
        last_seen
    )
}

#[test]
fn each_field_has_its_own_answer() {
    inside("each_field_has_its_own_answer", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let ids =
            [NVML_FI_DEV_POWER_MAX_LIMIT, NVML_FI_DEV_RETIRED_SBE, 100_000, NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT];
        let mut fields = ids.map(|id| nvmlFieldValue_t { fieldId: id, nvmlReturn: 77, ..Default::default() });
        let name = "nvmlDeviceGetFieldValues";
        let count = fields.len() as i32;
        let call = |count: i32, fields: *mut nvmlFieldValue_t| {
            call!(nvml, name, fn(nvmlDevice_t, i32, *mut nvmlFieldValue_t), nvml.device(0), count, fields)
        };
        assert_eq!(call(count, fields.as_mut_ptr()), NVML_SUCCESS);
        let codes = fields.map(|field| field.nvmlReturn);
        assert_eq!(codes, [NVML_SUCCESS, NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_INVALID_ARGUMENT, NVML_SUCCESS]);
        assert_eq!(fields[0].valueType, NVML_VALUE_TYPE_UNSIGNED_INT);
        assert_eq!(common::as_unsigned(fields[0].value), 700_000);
        assert_eq!(fields[3].valueType, NVML_VALUE_TYPE_SIGNED_INT);
        assert_eq!(common::as_unsigned(fields[3].value) as i32, -8);
        assert!(fields[0].timestamp > 0);
        assert_eq!(call(0, fields.as_mut_ptr()), NVML_ERROR_INVALID_ARGUMENT);
        assert_eq!(call(1, null_mut()), NVML_ERROR_INVALID_ARGUMENT);
    });
}

#[test]
fn event_sets_live_until_freed_and_time_out() {
    inside("event_sets_live_until_freed_and_time_out", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let mut set: nvmlEventSet_t = null_mut();
        assert_eq!(call!(nvml, "nvmlEventSetCreate", fn(*mut nvmlEventSet_t), &mut set), NVML_SUCCESS);
        let register = |types| {
            let name = "nvmlDeviceRegisterEvents";
            call!(nvml, name, fn(nvmlDevice_t, u64, nvmlEventSet_t), nvml.device(0), types, set)
        };
        assert_eq!(register(u64::from(nvmlEventTypeXidCriticalError)), NVML_SUCCESS);
        assert_eq!(register(1 << 40), NVML_ERROR_NOT_SUPPORTED);
        let wait = || {
            let mut data = nvmlEventData_t::default();
            call!(nvml, "nvmlEventSetWait_v2", fn(nvmlEventSet_t, *mut nvmlEventData_t, u32), set, &mut data, 1)
        };
        assert_eq!(wait(), NVML_ERROR_TIMEOUT);
        let free = || call!(nvml, "nvmlEventSetFree", fn(nvmlEventSet_t), set);
        assert_eq!(free(), NVML_SUCCESS);
        assert_eq!(free(), NVML_ERROR_INVALID_ARGUMENT);
        assert_eq!(wait(), NVML_ERROR_INVALID_ARGUMENT);
        assert_eq!(register(0), NVML_ERROR_INVALID_ARGUMENT);
    });
}

#[test]
fn settings_are_not_the_clients_to_change() {
    inside("settings_are_not_the_clients_to_change", "H200", 1, |nvml| {
        assert_eq!(nvml.init(), NVML_SUCCESS);
        let set = |name, value| call!(nvml, name, fn(nvmlDevice_t, u32), nvml.device(0), value);
        assert_eq!(set("nvmlDeviceSetPersistenceMode", 0), NVML_ERROR_NO_PERMISSION);
        assert_eq!(set("nvmlDeviceSetPowerManagementLimit", 300_000), NVML_ERROR_NO_PERMISSION);
        assert_eq!(set("nvmlDeviceSetDefaultFanSpeed_v2", 0), NVML_ERROR_NOT_SUPPORTED);
        assert_eq!(nvml.query("nvmlDeviceGetPowerManagementLimit", nvml.device(0)), Ok(700_000));
    });
}
