//! The benchmarks as a program, for tests and for runs outside cargo.

fn main() -> std::process::ExitCode {
    hami_benches::main()
}
