//! What leaves the operator when a visitor is erased: the record among the decisions, a word to those
//! who keep rows for training, and the end of the visitor's story.
//!
//! The record is part of the digest. In the canonical order it has no session and the number 0.

use super::Lines;
use super::emitter::Emitter;
use crate::flow::container::Tag;
use crate::flow::story::time;
use crate::visit::output::Forgotten;
use std::io::Write;

impl Emitter {
    /// Says that a visitor was erased, and drops what is kept of the live session.
    pub(super) fn forget(&mut self, gone: &Forgotten<'_>) {
        if let Some(watch) = &mut self.watch {
            watch.forgotten(gone);
        }
        self.forget_rows(gone);
        if self.spec.follow == Some(gone.visitor) {
            self.steps += 1;
            let number = self.steps.to_be_bytes();
            self.emissions
                .write(gone.at.0, Tag::Story, &[&number], |body| {
                    // Writing to memory cannot fail.
                    let _ = paragraph(gone, body);
                });
        }
        let line = &mut self.line;
        line.clear();
        self.spec
            .recorder
            .forgotten_json(gone.at, gone.visitor_text, line);
        self.digest.add(line);
        match self.spec.lines {
            Lines::None => return,
            Lines::Json => line.push(b'\n'),
            Lines::Csv => {
                line.clear();
                self.spec
                    .recorder
                    .forgotten_csv(gone.at, gone.visitor_text, line);
            }
        }
        let key: [&[u8]; 3] = [gone.visitor_text, b"\0\0", &0u32.to_be_bytes()];
        self.emissions
            .write(gone.at.0, Tag::Decision, &key, |body| {
                body.extend_from_slice(line);
            });
        self.cut_if_full();
    }

    /// The rows of the live session go, and those of sessions that have ended are not to be used.
    fn forget_rows(&mut self, gone: &Forgotten<'_>) {
        if self
            .spec
            .rows
            .is_some_and(|sample| sample.holds(gone.visitor))
        {
            self.rows.forget(gone.visitor);
            // After the rows of sessions that ended in the same ms: no name of a session has this byte.
            let key: [&[u8]; 2] = [gone.visitor_text, b"\0\xff"];
            self.emissions.write(gone.at.0, Tag::Rows, &key, |body| {
                body.extend_from_slice(&gone.visitor.0.to_le_bytes());
            });
        }
    }
}

/// The last paragraph of the visitor's story.
fn paragraph(gone: &Forgotten<'_>, out: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(out, "{}  erase: the visitor is forgotten", time(gone.at.0))?;
    if let Some(visit) = gone.live {
        let session = visit.session_text();
        let session = String::from_utf8_lossy(&session);
        let events = visit.session.events;
        writeln!(
            out,
            "    dropped   session {session}, live after {events} events, as if it had never begun"
        )?;
    }
    writeln!(
        out,
        "    known     sessions: {}; facts taken back from what is learned: {}",
        gone.sessions, gone.facts
    )?;
    match gone.keep_ms {
        0 => writeln!(out, "    after it  a stranger at the next event")?,
        keep_ms => writeln!(
            out,
            "    after it  no event of the visitor is taken before {} (limits.erased_keep)",
            time(gone.at.0.saturating_add(keep_ms))
        )?,
    }
    writeln!(out)
}
