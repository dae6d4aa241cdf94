//! `restage simulate`: write a log of the simulated shop, or close the loop with the job.

use super::simulate_closed::ClosedLoop;
use super::{Failure, print, reader_is_gone};
use crate::format::LogWriter;
use crate::simulate::{Scratch, Shop, ShopParams, stock};
use clap::Args;
use std::path::{Path, PathBuf};

/// Write a log of the simulated shop, or close the loop with the job
///
/// The log is a pure function of the flags: the same seed gives the same bytes everywhere.
/// The name says the form: .jsonl is JSON lines, anything else CSV; .gz and .zst compress.
///
/// With --closed-loop shoppers react to the page, and a policy is put to the test: between the
/// default layout, even draws, the best fixed layout and an oracle, all under the same luck.
#[derive(Args, Debug)]
#[command(
    override_usage = "restage simulate --out FILE [OPTIONS]\n       restage simulate --closed-loop [OPTIONS]",
    after_help = "\
Examples:
  restage simulate --events 100000 --seed 7 -o shop.csv
  restage simulate --events 5000000 --seed 1 -o shop.csv.zst --catalogue items.csv
  restage simulate --events 1000 -o - | head
  restage simulate --closed-loop --policy shop.toml
  restage simulate --closed-loop --sessions 50000 --runs 3 --json --plot plots"
)]
pub struct Simulate {
    /// How many events to write
    #[arg(
        long,
        default_value_t = 100_000,
        value_name = "N",
        conflicts_with = "closed_loop"
    )]
    events: u64,
    /// Which log to write
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// First visits an hour, averaged over the day
    #[arg(long, value_name = "N", conflicts_with = "closed_loop")]
    visits_per_hour: Option<f64>,
    /// Where to; `-` is stdout. In a closed loop: the log of the policy under test, first run
    #[arg(
        short,
        long,
        value_name = "FILE",
        required_unless_present = "closed_loop"
    )]
    out: Option<PathBuf>,
    /// Write the shop's catalogue (CSV), too, for `restage replay --catalogue`: items that sell out and come
    /// back, and prices that move, while the log goes on
    #[arg(long, value_name = "FILE", conflicts_with = "closed_loop")]
    catalogue: Option<PathBuf>,
    #[command(flatten)]
    closed: ClosedLoop,
}

impl Simulate {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        match self.out.as_deref() {
            out if self.closed.closed_loop => self.closed.run(self.seed, out),
            Some(out) => self.log(out),
            None => Err(Failure::usage("--out is missing: where to write the log")),
        }
    }

    /// Writes a log of the open-loop shop.
    fn log(&self, out: &Path) -> Result<(), Failure> {
        let mut params = ShopParams {
            seed: self.seed,
            ..ShopParams::default()
        };
        if let Some(visits) = self.visits_per_hour {
            params.visits_per_hour = visits;
        }
        params.check().map_err(|error| Failure::new(2, error))?;
        let start_ms = params.start_ms;
        let (mut shop, mut end_ms) = (Shop::new(params), start_ms);
        match self.write(out, &mut shop, &mut end_ms) {
            Ok(()) => {}
            Err(error) if reader_is_gone(&error) => {}
            Err(error) => return Err(not_written(out, error)),
        }
        if let Some(path) = &self.catalogue {
            let text = stock::csv(shop.catalogue(), self.seed, (start_ms, end_ms));
            std::fs::write(path, text).map_err(|error| not_written(path, error))?;
        }
        if out.as_os_str() == "-" {
            return Ok(());
        }
        let beside = self.catalogue.as_ref().map(|path| path.display());
        let beside = beside.map_or(String::new(), |path| {
            format!(", and what it sells to {path}")
        });
        print(
            format!(
                "wrote {} events to {}{beside}\n",
                self.events,
                out.display()
            )
            .as_bytes(),
        )
    }

    /// Writes the log, and notes when the last event arrived.
    fn write(&self, out: &Path, shop: &mut Shop, end_ms: &mut u64) -> std::io::Result<()> {
        let mut writer = LogWriter::create(out)?;
        let mut scratch = Scratch::default();
        for event in shop.take(usize::try_from(self.events).unwrap_or(usize::MAX)) {
            writer.write(&event.raw(&mut scratch))?;
            *end_ms = event.arrival_ms;
        }
        writer.finish()
    }
}

/// A log that could not be written.
pub(super) fn not_written(out: &Path, error: std::io::Error) -> Failure {
    let what = format!("{} could not be written", out.display());
    Failure::new(5, anyhow::Error::new(error).context(what))
}
