//! How a slot learns, as its policy says.

use super::super::policy::ARMS_MAX;
use serde::{Deserialize, Serialize};

/// One value for each arm of a slot; those beyond the slot's own arms are not used.
pub type PerArm<T> = [T; ARMS_MAX];

/// How statistics become shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Each arm by the probability that it is the best (Thompson 1933).
    Thompson,
    /// The arm with the greatest mean, but for a share `epsilon` that is spread evenly.
    EpsilonGreedy {
        /// The share, 0 to 1.
        epsilon: f64,
    },
    /// Each arm by exp(mean / temperature), with the mean taken relative to the slot's.
    Softmax {
        /// The temperature, above 0; 0.1 is a tenth of the slot's mean reward.
        temperature: f64,
    },
    /// Fixed shares in proportion to these numbers; nothing is learned.
    Fixed {
        /// A number for each arm.
        weights: PerArm<u32>,
    },
    /// A pairwise model over all slots of this method together (Hill et al. 2017).
    Multivariate,
}

impl Method {
    /// Whether what is earned moves what is shown: under fixed shares every draw is made, however
    /// little it promises.
    pub fn learns(&self) -> bool {
        !matches!(self, Method::Fixed { .. })
    }
}

/// What rewards look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// Between 0 and 1 an exposure: conversions. Their mean has a Beta posterior.
    Bernoulli,
    /// Any amount: money. Their mean has a normal posterior.
    Normal,
}

/// How a slot learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnSpec {
    /// How statistics become shares.
    pub method: Method,
    /// Least share of every arm that may be shown, in millionths; at most 1,000,000 over the number
    /// of arms.
    pub floor_ppm: u32,
    /// Exposures of an arm in a leaf below which the leaf's shares stay even.
    pub warm_up: i64,
    /// How much an arm's effect differs between leaves: the deviation between leaves of its mean
    /// reward, relative to the leaf's (τ of a random-effects model; DerSimonian and Laird 1986). A leaf
    /// leans the more on the slot's others the less they differ.
    pub heterogeneity: f64,
    /// Where the best arm for all draws is expected to lose less than this share of its reward,
    /// it gets all but the floor ([`super::remaining`]); only for [`Method::Thompson`].
    pub settle: f64,
    /// An arm is taken out when it is worse than the holdout by more than this, relative to the
    /// holdout's mean: 0.1 is a tenth worse. `None` takes no arm out.
    pub kill: Option<f64>,
    /// Share of visitors who keep this slot's default, for comparison, in millionths.
    pub holdout_ppm: u32,
}
