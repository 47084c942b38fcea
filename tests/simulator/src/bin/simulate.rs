//! Tells many stories, and says whether Mayfly kept its promises in all of them.
//! `make simulate SEEDS=1000 START=0`.

fn main() -> std::process::ExitCode {
    mayfly_simulator::simulation::main(std::env::args().skip(1))
}
