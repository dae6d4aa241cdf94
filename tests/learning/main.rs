//! The loop as a whole: facts that come and go, tables that follow a lag later, and what may never
//! happen while they do.
//!
//! [`world`] holds a second implementation of the loop, by plain loops over what stands; the parts
//! hold the job, or the core, against it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../script/mod.rs"]
mod script;

mod accounts;
mod alike;
mod bots;
mod chances;
mod erasure;
mod lag;
mod naive;
mod promises;
mod retraction;
mod rises;
mod safety;
mod strata;
mod walk;
mod world;
