//! The house rules that a compiler does not check: first lines, lengths, reasons for unsafe code, no names of one workplace.

use std::path::{Path, PathBuf};
use std::process::Command;

use hami_tests::artefacts;

/// Longer files are hard to keep in the head; few come near.
const LONGEST: usize = 600;

/// The output of bindgen, held against the headers by a test of its own.
const GENERATED: &[&str] = &["ffi-headers/src/cuda.rs", "ffi-headers/src/nvml.rs"];

/// What only one workplace has: another reader can do nothing with it.
fn workplace_names() -> [String; 3] {
    // In pieces, so that this file does not hold them.
    [["/wo", "rk/"].concat(), ["/tmp/", "target-"].concat(), ["sub", "agent"].concat()]
}

/// The files of the repository that git knows or would take, by their path from its root.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(artefacts::repository())
        .output()
        .expect("git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("file names in UTF-8");
    let files: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    // A file may be deleted and not yet committed.
    files.into_iter().filter(|file| artefacts::repository().join(file).is_file()).collect()
}

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(artefacts::repository().join(file)).expect("a file of the repository"))
        .into_owned()
}

/// Source files written by hand, and their text.
fn sources(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let wanted = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
            && !GENERATED.iter().any(|generated| file == Path::new(generated))
    };
    let found: Vec<_> = files().into_iter().filter(wanted).map(|file| (file.clone(), text(&file))).collect();
    assert!(!found.is_empty(), "no {extensions:?} in the repository: the test sees nothing");
    found
}

fn assert_none(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

/// Whether the first line (the second after `#!`) is a comment with a word in it.
fn says_its_job(text: &str) -> bool {
    let line = text.lines().find(|line| !line.starts_with("#!/")).unwrap_or("");
    let comment = ["//!", "//", "#", "/*", "\"\"\""].iter().find_map(|mark| line.strip_prefix(mark));
    comment.is_some_and(|words| words.trim().len() >= 10)
}

#[test]
fn the_first_line_of_a_file_says_its_job() {
    let silent = sources(&["rs", "h", "c", "py", "sh"]).into_iter().filter(|(_, text)| !says_its_job(text));
    assert_none("no first line that says the file's job", silent.map(|(file, _)| file.display().to_string()).collect());
}

#[test]
fn files_are_short() {
    let long = sources(&["rs", "h", "c", "py", "sh"]).into_iter().filter(|(_, text)| text.lines().count() > LONGEST);
    let named = long.map(|(file, text)| format!("{}: {} lines", file.display(), text.lines().count())).collect();
    assert_none(&format!("longer than {LONGEST} lines"), named);
}

/// The lines that opt into unsafe code and have no reason beside them: on the line, below it, or in the comments above it.
fn without_reason(text: &str) -> Vec<usize> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let opts_in = |line: &str| {
        line.starts_with('#')
            && line.contains("unsafe_code")
            && ["expect(", "allow("].iter().any(|word| line.contains(word))
    };
    let has_reason = |at: usize| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("//") || line.starts_with('#'));
        above.chain(&lines[at..lines.len().min(at + 2)]).any(|line| line.contains("UNSAFETY:"))
    };
    (0..lines.len()).filter(|at| opts_in(lines[*at]) && !has_reason(*at)).map(|at| at + 1).collect()
}

#[test]
fn each_module_with_unsafe_code_says_why() {
    let mut found = 0;
    let mut faults = Vec::new();
    for (file, text) in sources(&["rs"]) {
        found += text.matches("(unsafe_code").count();
        faults.extend(without_reason(&text).into_iter().map(|line| format!("{}:{line}", file.display())));
    }
    assert_ne!(found, 0, "no module with unsafe code in the repository: the test sees nothing");
    assert_none("unsafe code without a line `UNSAFETY: reason` beside", faults);
}

#[test]
fn no_name_of_one_workplace_is_in_a_file() {
    let mut faults = Vec::new();
    for file in files() {
        let text = text(&file);
        let hits = workplace_names().into_iter().filter(|name| text.contains(name.as_str()));
        faults.extend(hits.map(|name| format!("{}: {name}", file.display())));
    }
    assert_none("names of one workplace", faults);
}

#[test]
fn the_rules_see_what_breaks_them() {
    assert!(says_its_job("#!/usr/bin/env bash\n# Builds the library.\n"));
    assert!(!says_its_job("use std::fs;\n") && !says_its_job("//!\n") && !says_its_job(""));
    let above = "// UNSAFETY: calls the driver.\n#[allow(clippy::all)]\n#[expect(unsafe_code)]\nmod ffi;\n";
    let below = "//! A module.\n\n#![expect(unsafe_code)]\n// UNSAFETY: calls the driver.\n";
    let on_it = "#[expect(unsafe_code)] // UNSAFETY: calls the driver.\n";
    for good in [above, below, on_it] {
        assert_eq!(without_reason(good), Vec::<usize>::new(), "{good}");
    }
    let bad =
        "// calls the driver\n#[expect(unsafe_code)]\nmod ffi;\n\n// UNSAFETY: other.\n\n#![allow(unsafe_code)]\n";
    assert_eq!(without_reason(bad), [2, 7]);
}
