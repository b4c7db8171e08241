//! What `cargo bench` runs: the same as the program `hami-bench`.

fn main() -> std::process::ExitCode {
    hami_benches::main()
}
