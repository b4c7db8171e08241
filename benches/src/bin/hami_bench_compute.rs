//! The benchmark of compute shares as a program: `make bench-compute`.

fn main() -> std::process::ExitCode {
    hami_benches::compute::main()
}
