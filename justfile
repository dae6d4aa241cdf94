# The few commands; CONTRIBUTING.md explains them.

default:
    @just --list

# Run the job on the bundled log
demo:
    cargo run --release -- replay data/demo.csv --out decisions.jsonl

# Everything that CI checks
check:
    cargo test
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# What an event costs in the core, and the whole job over 5 million events
bench:
    cargo bench --bench core
    scripts/bench-replay.sh

# Every figure and plot of docs/performance.md
bench-all:
    scripts/bench-all.sh

# The demo shop in a real browser
browser:
    scripts/browser.sh

# All live layers under load
live:
    cargo bench --bench live
    cargo bench --bench kills

# Every fuzz target for SECONDS
fuzz SECONDS="60":
    scripts/fuzz.sh {{SECONDS}}
