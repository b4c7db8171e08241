//! Writes `src/cuda.rs` and `src/nvml.rs` from the headers in `include/`: `cargo run -p ffi-headers --example regenerate`.
#[path = "../tests/generator/mod.rs"]
mod generator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for interface in generator::INTERFACES {
        let text = generator::generate(interface)?;
        std::fs::write(interface.output(), text)?;
    }
    Ok(())
}
