//! The committed Rust declarations are what the C headers give today.
mod generator;

#[test]
fn committed_declarations_follow_the_headers() {
    for interface in generator::INTERFACES {
        let output = interface.output();
        let committed = std::fs::read_to_string(&output).expect("the generated module is committed");
        let fresh = generator::generate(interface).expect("the headers compile");
        let changed = committed.lines().zip(fresh.lines()).position(|(old, new)| old != new);
        assert!(
            committed == fresh,
            "{} is stale from line {} on: run `cargo run -p ffi-headers --example regenerate`",
            output.display(),
            changed.unwrap_or_else(|| committed.lines().count().min(fresh.lines().count())) + 1,
        );
    }
}
