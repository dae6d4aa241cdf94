//! Off-policy estimates as a page for people.
//!
//! First what the log is, then every estimator with its interval and its lead over the log's own
//! policy and the verdict, then the groups, then what the weights look like, and last the warnings. What
//! the rows do not define is a dash, and so are leads where the verdict is that nothing is known. Cost: none to speak of.

use super::report::{Estimate, Estimates};
use super::sums::PerEstimator;
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::page::{named, table};
use crate::grouped::grouped;

/// What stands for a figure that is not there.
const NONE: &str = "-";
/// Characters of a line of a warning.
const LINE_LENGTH: usize = 86;

/// What each estimator is, in the order of their names.
const ABOUT: [&str; 7] = [
    "what the log's policy earned",
    "rows the target would have chosen, too",
    "the model's guesses alone",
    "rewards weighted by target / propensity",
    "the same over the sum of the weights",
    "guesses, corrected by weighted residuals",
    "the same, guesses alone where weights are large",
];

impl Estimates {
    /// A page for people, of a target policy against a log, both named.
    pub fn text(&self, target: &str, log: &str) -> String {
        let overall = &self.overall;
        let mut lines = vec![
            named("target", target),
            named("log", &format!("{log}: {}", counted(overall))),
            String::new(),
        ];
        lines.extend(estimators(overall));
        lines.push(named_lines("verdict", &overall.verdict.line()));
        if !overall.verdict.is_known() {
            let what = "do not believe the estimates above: they show what the formulas give on such a log";
            lines.push(named("", what));
        }
        lines.push(String::new());
        if self.groups.len() > 1 {
            lines.extend(table(&self.group_cells()));
            lines.push(String::new());
        }
        lines.push(named("weights", &self.weights_line()));
        lines.push(named("model", &format!(
            "shrunken means of cells, cross-fitted in {} folds; switched above a weight of {:.3}",
            self.folds, self.switch_at
        )));
        if self.replicates > 0 {
            let value = format!(
                "95 %, percentiles of {} replicates of {} units",
                grouped(u64::from(self.replicates)),
                grouped(u64::from(self.units))
            );
            lines.push(named("intervals", &value));
        }
        for warning in &overall.warnings {
            lines.push(named_lines("warning", &warning.to_string()));
        }
        lines.join("\n") + "\n"
    }

    /// A row of names, then a row a group.
    fn group_cells(&self) -> Vec<Vec<String>> {
        let names = ["", "rows", "rewarded", "ess"].into_iter();
        let estimators = PerEstimator::<f64>::NAMES.into_iter();
        let mut cells: Vec<Vec<String>> =
            vec![names.chain(estimators).map(str::to_owned).collect()];
        for group in &self.groups {
            let estimate = &group.estimate;
            let mut row = vec![
                group.group.clone(),
                grouped(estimate.rows),
                grouped(estimate.clicks),
                format!("{:.0}", estimate.ess),
            ];
            row.extend(estimate.estimates.values().map(number));
            cells.push(row);
        }
        cells
    }

    fn weights_line(&self) -> String {
        let weights = &self.overall.weights;
        let rows = self.overall.rows.max(1) as f64;
        format!(
            "mean {:.3}, largest {:.1}, the top hundredth has {:.0} % of their sum; {:.0} effective rows ({:.1} %)",
            weights.mean,
            weights.max,
            weights.top_hundredth_share * 100.0,
            self.overall.ess,
            self.overall.ess / rows * 100.0
        )
    }
}

fn counted(estimate: &Estimate) -> String {
    format!(
        "{} rows, {} of them rewarded",
        grouped(estimate.rows),
        grouped(estimate.clicks)
    )
}

/// A line an estimator, under a line of names.
fn estimators(estimate: &Estimate) -> Vec<String> {
    let answers = estimate.verdict.is_known();
    let on_policy = estimate.estimates.on_policy;
    let mut cells = vec![
        ["estimator", "per row", "95 % interval", "vs log"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let values = estimate.estimates.values().into_iter();
    for ((name, value), interval) in PerEstimator::<f64>::NAMES
        .iter()
        .zip(values)
        .zip(estimate.interval.values())
    {
        let lead = match (value, on_policy) {
            (Some(value), Some(own)) if answers && own != 0.0 && *name != "on_policy" => {
                format!("{:+.1} %", (value / own - 1.0) * 100.0)
            }
            _ => NONE.to_owned(),
        };
        cells.push(vec![
            (*name).to_owned(),
            number(value),
            interval.map_or(NONE.to_owned(), between),
            lead,
        ]);
    }
    // Names read from the left; numbers stay flush right.
    let width = cells.iter().map(|row| row[0].len()).max().unwrap_or(0);
    for row in &mut cells {
        row[0] = format!("{:<width$}", row[0]);
    }
    let about = std::iter::once("").chain(ABOUT);
    table(&cells)
        .into_iter()
        .zip(about)
        .map(|(line, about)| format!("{line}  {about}").trim_end().to_owned())
        .collect()
}

/// A number with four digits that mean something.
pub fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return NONE.to_owned();
    };
    let magnitude = if value == 0.0 {
        0.0
    } else {
        libm::floor(libm::log10(value.abs()))
    };
    let places = (3.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.places$}")
}

/// A text behind its name, in lines of a length that is read easily.
fn named_lines(name: &str, text: &str) -> String {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    let lines = names.zip(wrapped(text));
    let lines: Vec<String> = lines.map(|(name, line)| named(name, &line)).collect();
    lines.join("\n")
}

/// A text in lines of a length that is read easily.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + word.chars().count() < LINE_LENGTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn between(interval: Interval) -> String {
    format!(
        "{} to {}",
        number(Some(interval.lo)),
        number(Some(interval.hi))
    )
}
