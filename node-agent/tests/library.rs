//! Where libhami_core.so is looked for, and which file is refused because the loader would pass over it.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Place, assert_refused, stdout};

/// `hami` installed at `bin` within the place, without any variable that names a library.
fn installed(place: &Place, bin: &str) -> PathBuf {
    let folder = place.path(bin);
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("hami");
    std::fs::copy(env!("CARGO_BIN_EXE_hami"), &program).expect("a copy of hami");
    program
}

fn preloaded_by(program: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(["run", "--", "printenv", "LD_PRELOAD"]).env_remove("HAMI_CORE_LIBRARY").env_remove("LD_PRELOAD");
    command.output().expect("hami starts")
}

#[test]
fn it_is_found_where_installations_put_it_the_nearest_first() {
    let place = Place::new();
    let program = installed(&place, "usr/bin");
    for library in ["usr/lib", "usr/lib/hami", "usr/bin"] {
        std::fs::create_dir_all(place.path(library)).expect("a folder");
        let library = place.path(library).join("libhami_core.so");
        std::fs::copy(place.library(), &library).expect("a copy of the library");
        assert_eq!(stdout(&preloaded_by(&program)), format!("{}\n", library.display()));
    }
}

#[test]
fn where_it_was_looked_for_is_said() {
    let place = Place::new();
    let program = installed(&place, "opt/bin");
    let folder = place.path("opt/bin").display().to_string();
    let places = ["/libhami_core.so", "/../lib/hami/libhami_core.so", "/../lib/libhami_core.so"]
        .map(|end| format!("{folder}{end}"));
    let words: Vec<_> =
        ["--library", "HAMI_CORE_LIBRARY"].into_iter().chain(places.iter().map(String::as_str)).collect();
    assert_refused(&preloaded_by(&program), 125, &words);
}

#[test]
fn the_option_goes_before_the_variable_and_may_be_relative() {
    let place = Place::new();
    std::fs::copy(place.library(), place.path("mine.so")).expect("a copy");
    let mut run = place.hami_run(["--library", "mine.so", "--", "printenv", "LD_PRELOAD"]);
    let output = run.current_dir(place.path("")).output().expect("hami");
    let expected = place.path("").canonicalize().expect("the folder").join("mine.so");
    assert_eq!(stdout(&output), format!("{}\n", expected.display()));
}

#[test]
fn a_file_that_the_loader_would_pass_over_is_refused() {
    let place = Place::new();
    let real = std::fs::read(place.library()).expect("the library");
    let mut other_machine = real.clone();
    other_machine[18] = 40; // EM_ARM
    std::fs::create_dir(place.path("folder.so")).expect("a folder");
    let files: [(&str, Option<&[u8]>, &str); 8] = [
        ("missing.so", None, "No such file"),
        ("folder.so", None, "not a shared library"),
        ("empty.so", Some(b""), "not a shared library"),
        ("text.so", Some(b"a text that is long enough"), "not a shared library"),
        ("arm.so", Some(&other_machine), "another machine"),
        ("with space.so", Some(&real), "' '"),
        ("with:colon.so", Some(&real), "':'"),
        ("with$ORIGIN.so", Some(&real), "'$'"),
    ];
    for (name, content, word) in files {
        let path = place.path(name);
        if let Some(content) = content {
            std::fs::write(&path, content).expect("the file");
        }
        let output = place.run(["--library", path.to_str().expect("UTF-8"), "--", "echo", "ran"]);
        assert_refused(&output, 125, &[name, word]);
    }
}
