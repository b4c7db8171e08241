//! Spellings of CUDA_VISIBLE_DEVICES, held against the documents' examples.

use super::*;

/// Two of the UUIDs begin with the same eight digits.
const DEVICES: &[Device] = &[
    (0, *b"\x89\x32\xf9\x37\xd7\x2c\x41\x06\xc1\x2f\x20\xbd\x9f\xae\xd9\xf6"),
    (1, *b"\x89\x32\xf9\x37\x00\x2c\x41\x06\xc1\x2f\x20\xbd\x9f\xae\xd9\xf6"),
    (2, *b"\x11\x11\x11\x11\x00\x2c\x41\x06\xc1\x2f\x20\xbd\x9f\xae\xd9\xf6"),
    (3, *b"\xab\xcd\xef\x00\x00\x2c\x41\x06\xc1\x2f\x20\xbd\x9f\xae\xd9\xf6"),
];

/// The indices of all ordinals up to five.
fn indices(list: &str, devices: &[Device]) -> [Option<usize>; 5] {
    core::array::from_fn(|ordinal| container_index(list, ordinal, devices))
}

#[test]
fn indices_are_taken_in_the_lists_order() {
    for devices in [DEVICES, &[]] {
        assert_eq!(indices("2, 0 ,1", devices), [Some(2), Some(0), Some(1), None, None]);
        assert_eq!(indices("3", devices), [Some(3), None, None, None, None]);
        // The digits in front count, as the driver reads them.
        assert_eq!(indices("1gpu,+2", devices), [Some(1), Some(2), None, None, None]);
    }
}

#[test]
fn the_list_ends_at_the_first_entry_that_names_nothing() {
    for ending in ["-1", "NoDevFiles", "", " ", "GPU-", "GPU-x", "gpu-11111111", "MIG-", "none", "\u{0663}"] {
        assert_eq!(indices(&format!("1,{ending},0"), DEVICES), [Some(1), None, None, None, None], "{ending:?}");
        assert_eq!(indices(&format!("{ending},0"), &[]), [None; 5], "{ending:?}");
    }
    // So it does at a device that is not there, once it is known which are.
    for ending in ["4", "99999999999999999999999", "GPU-22222222", "GPU-8932f937"] {
        assert_eq!(indices(&format!("1,{ending},0"), DEVICES), [Some(1), None, None, None, None], "{ending:?}");
    }
}

#[test]
fn a_uuid_or_a_beginning_that_one_device_has_names_it() {
    let list = "GPU-8932f937-0,GPU-1,GPU-ABCDEF00-002c-4106-c12f-20bd9faed9f6,0";
    assert_eq!(indices(list, DEVICES), [Some(1), Some(2), Some(3), Some(0), None]);
    // Too long, and hyphens elsewhere.
    for wrong in ["GPU-abcdef00-002c-4106-c12f-20bd9faed9f60", "GPU-abcdef000-02c", "GPU-abcdef00002c"] {
        assert_eq!(indices(wrong, DEVICES), [None; 5], "{wrong:?}");
    }
    // Without the devices' UUIDs it cannot be told, but the indices behind it can.
    assert_eq!(indices("GPU-1,2", &[]), [None, Some(2), None, None, None]);
}

#[test]
fn a_mig_instance_is_at_its_device_where_its_name_says_which() {
    let old = "MIG-GPU-11111111-002c-4106-c12f-20bd9faed9f6/7/0";
    let named = Entry::MigOf { gpu: "11111111-002c-4106-c12f-20bd9faed9f6", instance: 7, compute: 0 };
    assert_eq!(entry(old), Some(named));
    assert_eq!(indices(old, DEVICES), [Some(2), None, None, None, None]);
    let new = "MIG-b7c8ab8e-2ed2-5b3e-b9d0-9a9a6b6f1c1e";
    assert_eq!(entry(new), Some(Entry::Mig("b7c8ab8e-2ed2-5b3e-b9d0-9a9a6b6f1c1e")));
    assert_eq!(indices(&format!("{new},1"), DEVICES), [None, Some(1), None, None, None]);
    for wrong in ["MIG-GPU-11111111/1", "MIG-GPU-11111111/1/2/3", "MIG-GPU-/1/2", "MIG-GPU-11111111/-1/0", "MIG-1/2/3"]
    {
        assert_eq!(entry(wrong), None, "{wrong:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered_with_a_known_device_or_nothing(list in ".{0,200}", ordinal: usize) {
        for ordinal in [ordinal, ordinal % 8] {
            let index = container_index(&list, ordinal, DEVICES);
            proptest::prop_assert!(index.is_none_or(|index| index < DEVICES.len()));
        }
    }

    #[test]
    fn lists_of_names_lead_where_they_say(wanted in proptest::collection::vec((0_usize..4, 0_usize..3), 1..6)) {
        let name = |(index, form): &(usize, usize)| match form {
            0 => index.to_string(),
            1 => ["GPU-8932f937-d", "GPU-8932f937-0", "GPU-1", "GPU-a"][*index].to_owned(),
            _ => ["GPU-8932F937-D72C", "GPU-8932f937-002c-41", "GPU-11111111-0", "GPU-abcd"][*index].to_owned(),
        };
        let list = wanted.iter().map(name).collect::<Vec<_>>().join(", ");
        for (ordinal, (index, _)) in wanted.iter().enumerate() {
            proptest::prop_assert_eq!(container_index(&list, ordinal, DEVICES), Some(*index), "{}", list);
        }
        proptest::prop_assert_eq!(container_index(&list, wanted.len(), DEVICES), None);
    }
}

#[test]
fn a_list_of_uuids_has_a_place_for_each_device() {
    let (first, second) = ([0xab; 16], [0xcd; 16]);
    let full = "GPU-abababab-abab-abab-abab-abababababab, GPU-cdcd";
    assert_eq!(place_by_uuid(full, first), Some(Some(0)));
    assert_eq!(place_by_uuid(full, second), Some(Some(1)));
    assert_eq!(place_by_uuid(full, [0xef; 16]), Some(None));
    for other in ["", "all", "void", "0,1", "MIG-abababab-abab-abab-abab-abababababab"] {
        assert_eq!(place_by_uuid(other, first), None, "{other}");
    }
}
