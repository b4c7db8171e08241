//! The environment's variables, read from a table instead of the process.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, Unreadable> {
    Config::from_lookup(|name| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some((*value).to_owned()).filter(|value| !value.trim().is_empty())
    })
}

#[test]
fn an_index_goes_before_the_general_limit_and_zero_lifts_it() {
    let config = read(&[
        ("CUDA_DEVICE_MEMORY_LIMIT", "4g"),
        ("CUDA_DEVICE_MEMORY_LIMIT_1", "1g"),
        ("CUDA_DEVICE_MEMORY_LIMIT_2", "0"),
        ("CUDA_DEVICE_MEMORY_LIMIT_3", ""),
    ])
    .unwrap();
    assert_eq!(
        (0..4).map(|index| config.wish(Some(index)).memory).collect::<Vec<_>>(),
        [Some(4 << 30), Some(1 << 30), None, Some(4 << 30)]
    );
    assert!(config.limits_anything() && config.differs_by_index());
}

#[test]
fn nothing_set_limits_nothing() {
    for variables in [&[][..], &[("CUDA_DEVICE_MEMORY_LIMIT", "0")], &[("CUDA_DEVICE_MEMORY_LIMIT", " ")]] {
        assert!(!read(variables).unwrap().limits_anything());
    }
}

#[test]
fn an_unreadable_value_is_named_with_what_is_accepted() {
    for (name, value) in [
        ("CUDA_DEVICE_MEMORY_LIMIT", "abc"),
        ("CUDA_DEVICE_MEMORY_LIMIT_7", "-1"),
        ("CUDA_DEVICE_SM_LIMIT", "-5"),
        ("CUDA_DEVICE_SM_LIMIT_2", "50%"),
        ("GPU_CORE_UTILIZATION_POLICY", "hard"),
        ("CUDA_TASK_PRIORITY", "high"),
        ("CUDA_TASK_PRIORITY", "-1"),
    ] {
        let message = read(&[(name, value)]).unwrap_err().to_string();
        assert!(message.contains(&format!("{name}={value:?}")) && message.contains("accepted"), "{message}");
    }
}

#[test]
fn a_share_has_an_index_like_memory_and_zero_or_a_hundred_lifts_it() {
    let config = read(&[
        ("CUDA_DEVICE_SM_LIMIT", "40"),
        ("CUDA_DEVICE_SM_LIMIT_1", "25.5"),
        ("CUDA_DEVICE_SM_LIMIT_2", "0"),
        ("CUDA_DEVICE_SM_LIMIT_3", "100"),
        ("CUDA_DEVICE_SM_LIMIT_4", ""),
    ])
    .unwrap();
    let cores = (0..5).map(|index| config.wish(Some(index)).cores);
    assert_eq!(cores.collect::<Vec<_>>(), [Some(4000), Some(2550), None, None, Some(4000)]);
    assert_eq!(config.wish(None).cores, Some(2550), "nobody knows which device it is");
    assert!(config.limits_compute() && !config.limits_memory() && config.differs_by_index());
    let none = &[("CUDA_DEVICE_SM_LIMIT", "0"), ("CUDA_DEVICE_SM_LIMIT_1", "100"), ("CUDA_DEVICE_SM_LIMIT_2", "120")];
    assert!(!read(none).unwrap().limits_anything());
}

#[test]
fn a_policy_says_how_a_share_is_held_and_disable_lifts_it() {
    let with = |policy| read(&[("CUDA_DEVICE_SM_LIMIT", "30"), ("GPU_CORE_UTILIZATION_POLICY", policy)]).unwrap();
    for (name, policy) in [
        ("default", Policy::FixedShare),
        ("FORCE", Policy::FixedShare),
        ("Burst-Share", Policy::BurstShare),
        ("best-effort", Policy::BestEffort),
    ] {
        let share = with(name).wish(Some(0)).share();
        assert_eq!((share.cores, share.policy, share.gated), (Some(3000), policy, true), "{name}");
    }
    assert_eq!(with("disable").wish(Some(0)).share().cores, None);
    assert!(!with("DISABLE").limits_anything());
    let alone = |policy| read(&[("GPU_CORE_UTILIZATION_POLICY", policy)]).unwrap();
    assert!(!alone("force").limits_anything() && !alone("burst-share").limits_anything(), "there is no share to hold");
    assert!(alone("best-effort").limits_compute(), "what the others leave is less than all");
}

#[test]
fn a_priority_alone_takes_turns_without_a_cap() {
    assert_eq!(read(&[]).unwrap().wish(Some(0)).share().priority, 1);
    let config = read(&[("CUDA_TASK_PRIORITY", "0")]).unwrap();
    let share = config.wish(Some(0)).share();
    assert_eq!((share.cores, share.priority, share.gated), (None, 0, true));
    assert!(config.limits_compute());
}

#[test]
fn a_file_of_limits_goes_before_the_environment_and_may_lift_it() {
    let asked = Wish { memory: Some(1 << 30), cores: Some(3000), policy: Some(Policy::BurstShare), priority: Some(0) };
    assert_eq!(asked.under(Limit::default()), asked, "what it leaves open stays");
    let other = Limit { memory: Some(5), cores: Some(1250), policy: Some(Policy::FixedShare), priority: Some(3) };
    let under = Wish { memory: Some(5), cores: Some(1250), policy: Some(Policy::FixedShare), priority: Some(3) };
    assert_eq!((asked.under(other), Wish::default().under(other)), (under, under));
    for cores in [0, 10_000, u16::MAX] {
        let lifted = asked.under(Limit { memory: Some(0), cores: Some(cores), ..Limit::default() });
        assert_eq!((lifted.memory, lifted.cores), (None, None));
    }
}

#[test]
fn a_share_survives_being_one_word() {
    for cores in [None, Some(1), Some(9999)] {
        for policy in [None, Some(Policy::BurstShare), Some(Policy::BestEffort), Some(Policy::Disabled)] {
            for priority in [None, Some(0), Some(9)] {
                let share = Wish { memory: None, cores, policy, priority }.share();
                assert_eq!(Share::from_bits(share.to_bits()), share);
            }
        }
    }
}

#[test]
fn a_device_that_nobody_can_place_has_the_smallest_limit() {
    let unplaced = |variables: &[(&str, &str)]| read(variables).unwrap().wish(None).memory;
    let one = ("CUDA_DEVICE_MEMORY_LIMIT_1", "1g");
    assert_eq!(
        unplaced(&[("CUDA_DEVICE_MEMORY_LIMIT", "4g"), one, ("CUDA_DEVICE_MEMORY_LIMIT_2", "0")]),
        Some(1 << 30)
    );
    assert_eq!(unplaced(&[("CUDA_DEVICE_MEMORY_LIMIT", "512m"), one]), Some(512 << 20));
    assert_eq!(unplaced(&[one]), Some(1 << 30));
    assert_eq!(unplaced(&[]), None);
}

#[test]
fn an_ordinal_is_placed_by_the_list_of_visible_devices() {
    let placed = |variables: &[(&str, &str)], ordinal| read(variables).unwrap().container_index(ordinal);
    assert_eq!(placed(&[], 3), Some(3));
    let list = &[("CUDA_VISIBLE_DEVICES", "2, GPU-11111111,0")];
    assert_eq!([0, 1, 2, 3].map(|ordinal| placed(list, ordinal)), [Some(2), None, Some(0), None]);
}
