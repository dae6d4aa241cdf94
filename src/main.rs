//! `restage`: one file per subcommand stands in `src/cli`; this is only the way in.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(restage::cli::run());
}
