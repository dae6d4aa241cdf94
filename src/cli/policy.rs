//! `restage policy`: print the default policy or one that learns, check one, list what conditions may name.

use super::args::{read_policy, text_of};
use super::{Failure, print};
use crate::simulate::closed::policies;
use crate::visit::feature::FEATURES;
use crate::visit::policy::{DEFAULT_POLICY, LEARNING_POLICY, PRODUCTS_POLICY, Policy};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// Print the default layout policy, or check one
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  restage policy > shop.toml
  restage policy --learning > learning.toml
  restage policy --products > products.toml
  restage policy check shop.toml
  restage policy --features"
)]
pub struct PolicyCommand {
    #[command(subcommand)]
    action: Option<Action>,
    /// List the features that conditions may name
    #[arg(long)]
    features: bool,
    /// Print an example whose slots learn what to show
    #[arg(long, conflicts_with = "features")]
    learning: bool,
    /// Print an example with a slot that shows products
    #[arg(long, conflicts_with_all = ["features", "learning"])]
    products: bool,
    /// Print the policy that `simulate --closed-loop` puts to the test if it is given none
    #[arg(long, conflicts_with_all = ["features", "learning", "products"])]
    closed_loop: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether a policy can be used, and what is wrong with it if not
    #[command(after_help = "\
Examples:
  restage policy check shop.toml
  restage policy check bold.toml --against shop.toml")]
    Check {
        /// The policy
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say, too, whether a job that runs under this one can take it over without a new state
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
}

impl PolicyCommand {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Some(Action::Check { file, against }) => {
                let policy = read_policy(&file)?;
                let rules: usize = policy.slots.iter().map(|slot| slot.rules.len()).sum();
                let arms: usize = policy.slots.iter().map(|slot| slot.arms.len()).sum();
                let learned = policy.slots.iter().filter(|slot| slot.learn.is_some());
                let learned = match learned.count() {
                    0 => String::new(),
                    count => format!(" ({count} of them learned)"),
                };
                let verdict = format!(
                    "{}: good; {} with {} slots{learned}, {arms} arms, {rules} rules\n",
                    file.display(),
                    policy.label,
                    policy.slots.len(),
                );
                let notes = policy.notes().into_iter();
                let notes: String = notes.map(|note| format!("note: {note}\n")).collect();
                print((verdict + &notes).as_bytes())?;
                against.map_or(Ok(()), |before| take_over(&file, &before))
            }
            None if self.features => print(feature_list().as_bytes()),
            None if self.closed_loop => print(policies::learning("learned", "thompson").as_bytes()),
            None if self.products => print(PRODUCTS_POLICY.as_bytes()),
            None if self.learning => print(LEARNING_POLICY.as_bytes()),
            None => print(DEFAULT_POLICY.as_bytes()),
        }
    }
}

/// Says whether a policy can take over from another in a running job.
fn take_over(file: &Path, before: &Path) -> Result<(), Failure> {
    let old = read_policy(before)?;
    let taken = Policy::read_after(&text_of(file)?, &old)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let mut said = format!("a job that runs under {} can take it over\n", old.label);
    for (slot, was) in taken.slots.iter().zip(&old.slots) {
        for arm in &slot.arms {
            let is_new = was.arms.iter().all(|other| other.name != arm.name);
            let what = match (is_new, arm.retired) {
                (true, _) => "is new: nothing is known of it",
                (_, true) => "is gone: pages that show it change at once",
                _ => continue,
            };
            said += &format!("slot {}: arm {} {what}\n", slot.name, arm.name);
        }
    }
    print(said.as_bytes())
}

fn feature_list() -> String {
    let lines = FEATURES.iter().map(|feature| {
        format!(
            "{:<24} {:<11} {}  [{}]\n",
            feature.name, feature.unit, feature.definition, feature.source
        )
    });
    lines.collect()
}
