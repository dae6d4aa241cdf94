//! A visitor is forgotten: by the core, by the job, and by the command.

#[path = "../common/mod.rs"]
mod common;
#[path = "../script/mod.rs"]
mod script;

mod command;
mod core;
mod files;
mod job;
mod readers;
