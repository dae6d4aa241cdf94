//! `restage simulate`: write a log of the simulated shop.

use super::{Failure, print, reader_is_gone};
use crate::format::LogWriter;
use crate::simulate::{Scratch, Shop, ShopParams};
use clap::Args;
use std::path::PathBuf;

/// Write a log of the simulated shop
///
/// The log is a pure function of the flags: the same seed gives the same bytes everywhere.
/// The name says the form: .jsonl is JSON lines, anything else CSV; .gz and .zst compress.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage simulate --events 100000 --seed 7 -o shop.csv
  restage simulate --events 5000000 --seed 1 -o shop.csv.zst
  restage simulate --events 1000 -o - | head")]
pub struct Simulate {
    /// How many events to write
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    events: u64,
    /// Which log to write
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// First visits an hour, averaged over the day
    #[arg(long, value_name = "N")]
    visits_per_hour: Option<f64>,
    /// Where to; `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Simulate {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let mut params = ShopParams {
            seed: self.seed,
            ..ShopParams::default()
        };
        if let Some(visits) = self.visits_per_hour {
            params.visits_per_hour = visits;
        }
        params.check().map_err(|error| Failure::new(2, error))?;
        let shop = Shop::new(params);
        match self.write(shop) {
            Ok(()) => Ok(()),
            Err(error) if reader_is_gone(&error) => Ok(()),
            Err(error) => {
                let what = format!("{} could not be written", self.out.display());
                Err(Failure::new(5, anyhow::Error::new(error).context(what)))
            }
        }?;
        if self.out.as_os_str() == "-" {
            return Ok(());
        }
        print(format!("wrote {} events to {}\n", self.events, self.out.display()).as_bytes())
    }

    fn write(&self, shop: Shop) -> std::io::Result<()> {
        let mut writer = LogWriter::create(&self.out)?;
        let mut scratch = Scratch::default();
        for event in shop.take(usize::try_from(self.events).unwrap_or(usize::MAX)) {
            writer.write(&event.raw(&mut scratch))?;
        }
        writer.finish()
    }
}
