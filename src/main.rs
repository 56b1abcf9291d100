//! The `levelgate` program: see `levelgate --help`.

fn main() {}
