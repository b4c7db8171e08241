//! The compile-time arrows between the crates: only those of ARCHITECTURE.md exist.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// One row per crate: what it may be built from, and what its own tests, benchmarks and build script may use beside that.
/// The simulator shares only ffi-headers with what is tested on it: shared logic would hide the one's mistakes from the other.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("ffi-headers", &[], &[]),
    ("shared-region", &["ffi-headers"], &[]),
    ("hami-core", &["ffi-headers", "shared-region"], &[]),
    ("node-agent", &["ffi-headers", "shared-region"], &[]),
    ("simulator", &["ffi-headers"], &[]),
    ("simulator-libcuda", &["ffi-headers", "simulator"], &[]),
    ("simulator-libnvidia-ml", &["ffi-headers", "simulator"], &[]),
    ("hami-tests", &[], &["ffi-headers", "shared-region", "simulator"]),
    ("hami-benches", &["hami-tests"], &[]),
];

/// One dependency between two crates of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrow {
    from: String,
    to: String,
    only_tests: bool,
}

/// The arrows that the table does not allow, and the crates that have no row, each as a line.
fn faults(crates: &BTreeSet<String>, arrows: &[Arrow]) -> Vec<String> {
    let rows: BTreeMap<_, _> = ARROWS.iter().map(|(name, built, tested)| (*name, (*built, *tested))).collect();
    let missing =
        crates.iter().filter(|name| !rows.contains_key(name.as_str())).map(|name| format!("{name} has no row"));
    let gone = rows.keys().filter(|name| !crates.contains(**name)).map(|name| format!("{name} has a row and no crate"));
    let wrong = arrows.iter().filter(|arrow| {
        let (built, tested) = rows.get(arrow.from.as_str()).copied().unwrap_or_default();
        !(built.contains(&arrow.to.as_str()) || arrow.only_tests && tested.contains(&arrow.to.as_str()))
    });
    missing.chain(gone).chain(wrong.map(|a| format!("{} must not depend on {}", a.from, a.to))).collect()
}

/// The crates of this workspace and the dependencies among them, as cargo reads them.
fn workspace() -> (BTreeSet<String>, Vec<Arrow>) {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let packages = metadata.workspace_packages();
    let crates: BTreeSet<_> = packages.iter().map(|package| package.name.to_string()).collect();
    let arrows = packages.iter().flat_map(|package| {
        package.dependencies.iter().filter(|dependency| dependency.path.is_some()).map(|dependency| Arrow {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            only_tests: dependency.kind != DependencyKind::Normal,
        })
    });
    let arrows = arrows.collect();
    (crates, arrows)
}

#[test]
fn the_crates_depend_on_each_other_as_the_table_says() {
    let (crates, arrows) = workspace();
    assert_ne!(arrows, [], "cargo metadata shows no dependency at all: the test sees nothing");
    assert_eq!(faults(&crates, &arrows), Vec::<String>::new());
}

#[test]
fn a_wrong_arrow_a_crate_without_row_and_a_row_without_crate_are_faults() {
    let (mut crates, _) = workspace();
    let arrow = |from: &str, to: &str, only_tests| Arrow { from: from.into(), to: to.into(), only_tests };
    let arrows = [
        arrow("simulator", "hami-core", false),
        arrow("hami-core", "simulator", true),
        arrow("shared-region", "hami-core", false),
        arrow("hami-tests", "ffi-headers", false),
        arrow("hami-tests", "ffi-headers", true),
    ];
    crates.insert("stranger".into());
    crates.remove("simulator");
    let expected = [
        "stranger has no row",
        "simulator has a row and no crate",
        "simulator must not depend on hami-core",
        "hami-core must not depend on simulator",
        "shared-region must not depend on hami-core",
        "hami-tests must not depend on ffi-headers",
    ];
    assert_eq!(faults(&crates, &arrows), expected);
}
