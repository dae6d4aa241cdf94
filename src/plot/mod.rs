//! Plots of what a replay counted and of how good a model is, as SVG files.
//!
//! Of a replay: `events.svg` shows how much came in and how much was decided over time,
//! `phases.svg` how many sessions were live in which phase, and `p_purchase.svg` how well the score
//! told those that bought from those that did not. Of a model: [`intent`]; of a policy:
//! [`off_policy`]; of an experiment: [`mod@lift`]; of a closed loop: [`closed_loop`]. A plot is a
//! function of the [`Tally`] or the judgement alone: the same numbers give the same bytes, for any
//! number of workers. Counts of nothing give a plot that says so.
//!
//! [`sheet`] is what all are drawn on, [`scale`] and [`time_axis`] are the axes. A file is written
//! only when its picture is complete. Cost: a few milliseconds, and 150 kB a file at most.

mod auc_by_prefix;
pub mod closed_loop;
mod curves;
pub mod events;
pub mod intent;
#[cfg(test)]
mod intent_tests;
pub mod latency;
pub mod lift;
pub mod off_policy;
pub mod phases;
mod reliability;
pub mod scale;
pub mod scores;
pub mod sheet;
#[cfg(test)]
mod tests;
pub mod time_axis;

use crate::visit::tally::Tally;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why there are no plots.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The folder could not be made.
    #[error("could not create the folder {path} for plots", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A picture could not be drawn.
    #[error("could not draw the plot {path}", path = .path.display())]
    Draw {
        /// The file it was for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write the plot {path}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A name of a file, and a function that draws what belongs there into a string.
type Plot<T> = (&'static str, fn(&T, &mut String) -> io::Result<()>);

/// The plots of a replay.
const PLOTS: [Plot<Tally>; 3] = [
    ("events.svg", events::draw),
    ("phases.svg", phases::draw),
    ("p_purchase.svg", scores::draw),
];

/// Draws the plots of a replay into a folder, which is made if it is not there, and returns the
/// paths of the files. Files of the same names are replaced.
///
/// # Errors
/// The first folder or file that could not be written; files before it are complete.
pub fn replay_plots(dir: &Path, tally: &Tally) -> Result<Vec<PathBuf>, PlotError> {
    write_plots(dir, &PLOTS, tally)
}

/// Draws plots of the same thing into a folder.
fn write_plots<T: ?Sized>(
    dir: &Path,
    plots: &[Plot<T>],
    of: &T,
) -> Result<Vec<PathBuf>, PlotError> {
    fs::create_dir_all(dir).map_err(|source| PlotError::Folder {
        path: dir.to_owned(),
        source,
    })?;
    let mut paths = Vec::with_capacity(plots.len());
    let mut svg = String::new();
    for (name, draw) in plots {
        let path = dir.join(name);
        if let Err(source) = draw(of, &mut svg) {
            return Err(PlotError::Draw { path, source });
        }
        if let Err(source) = fs::write(&path, &svg) {
            return Err(PlotError::Write { path, source });
        }
        paths.push(path);
    }
    Ok(paths)
}
