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
        (0..4).map(|index| config.memory_limit(index)).collect::<Vec<_>>(),
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
    ] {
        let message = read(&[(name, value)]).unwrap_err().to_string();
        assert!(message.contains(&format!("{name}={value:?}")) && message.contains("accepted"), "{message}");
    }
}

#[test]
fn what_has_no_effect_yet_is_known() {
    let without_effect = |variables| read(variables).unwrap().without_effect().collect::<Vec<_>>();
    assert_eq!(without_effect(&[("CUDA_DEVICE_SM_LIMIT_1", "30")]), ["CUDA_DEVICE_SM_LIMIT"]);
    assert_eq!(without_effect(&[("CUDA_OVERSUBSCRIBE", "true")]), [""; 0]);
    let none = &[("CUDA_DEVICE_SM_LIMIT", "0"), ("CUDA_DEVICE_SM_LIMIT_1", "100"), ("CUDA_DEVICE_SM_LIMIT_2", "120")];
    assert_eq!(without_effect(none), [""; 0]);
}

#[test]
fn a_device_that_nobody_can_place_has_the_smallest_limit() {
    let unplaced = |variables: &[(&str, &str)]| read(variables).unwrap().memory_limit(None);
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
