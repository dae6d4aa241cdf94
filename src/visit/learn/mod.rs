//! Learning what to show: from what is known of the arms to the weights by which they are drawn.
//!
//! [`subject`] is what statistics are about, [`stat`] what is known of an arm, in integers; [`spec`] how a slot learns; [`weights`] turns
//! the one by the other into shares, by the probability of being [`best`], integrated on the panels of
//! [`gauss`] by their exponentials ([`exponential`]), until there is no value [`remaining`] in going on; [`draw`] adds the floor and draws an arm. [`pairwise`] learns slots that interact over
//! whole [`layout`]s, with the linear algebra of [`cholesky`], and [`mixture`] draws one. [`apportion`]
//! makes shares whole numbers. [`confidence`] says what a difference is worth at any time; [`safety`]
//! takes bad arms out and watches the sample ratio, with the chi-square law of [`gamma`].
//!
//! Everything here is a pure function: the same statistics give the same weights, to the last bit, on
//! every machine (exponentials and logarithms from libm, sums in one order).

pub mod apportion;
pub mod attribution;
pub mod best;
pub mod cholesky;
pub mod confidence;
pub mod draw;
pub mod exponential;
pub mod fact;
pub mod gamma;
pub mod gauss;
pub mod group;
pub mod layout;
pub mod learner;
pub mod mixture;
pub mod moments;
pub mod pairwise;
pub mod remaining;
pub mod safety;
pub mod spec;
pub mod stat;
mod stated;
pub mod store;
pub mod strata;
pub mod subject;
pub mod tables;
pub mod weights;
