//! The command lines that the README shows: each one runs as it stands there.

use hami_tests::{Run, artefacts};

/// The commands in the blocks marked `sh`, without their comments.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let command = line.split(" #").next().unwrap_or("").trim();
            if !command.is_empty() && !command.starts_with('#') {
                found.push(command.to_owned());
            }
        }
    }
    found
}

fn readme() -> Vec<String> {
    let path = artefacts::repository().join("README.md");
    commands(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn make_knows_each_target() {
    let commands = readme();
    let targets: Vec<_> = commands.iter().filter_map(|command| command.strip_prefix("make ")).collect();
    assert_ne!(targets, [""; 0], "the README shows no `make` command: the test sees nothing");
    for target in targets {
        // A dry run: this test may itself run under `make test`.
        Run::new("make").arg("--dry-run").arg(target).folder(artefacts::repository()).output().succeeded();
    }
}

#[test]
fn each_other_command_runs_as_typed() {
    let commands: Vec<_> = readme().into_iter().filter(|command| !command.starts_with("make ")).collect();
    assert_ne!(commands, [""; 0], "the README shows no command beside `make`: the test sees nothing");
    // `make demo` stands before them, and fetches this.
    artefacts::client("nvidia-550");
    for command in commands {
        Run::new("sh").args(["-c", &command]).folder(artefacts::repository()).output().succeeded();
    }
}

#[test]
fn commands_are_found_in_a_page() {
    let page = "text\n```sh\nmake demo   # shows it\n\n# alone\na -- b\n```\nmake nothing\n```rust\nlet x;\n```\n";
    assert_eq!(commands(page), ["make demo", "a -- b"]);
}
