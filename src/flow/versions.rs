//! Changes that wait for the version of the tables that first knows them.
//!
//! A differential change's own time is the last millisecond before its version; the message that
//! brings it may be stamped earlier. So changes are kept by their own time, each time with a capability
//! of its own, and a version is complete when the frontier has passed that millisecond. Sending under
//! the message's stamp would hold up the loop; sending under any later time would let results depend on
//! how messages were cut.
//!
//! Cost: a probe of a small tree a change.

use std::collections::BTreeMap;
use timely::dataflow::operators::{Capability, InputCapability};
use timely::progress::frontier::AntichainRef;

/// What has come for a version that is not complete, and the right to answer it.
type Open<D> = (Option<Capability<u64>>, Vec<D>);

/// Changes by the last time before their version.
pub struct Versions<D> {
    open: BTreeMap<u64, Open<D>>,
    /// Room of a version that is over, for the next.
    spare: Vec<D>,
}

impl<D> Default for Versions<D> {
    fn default() -> Self {
        Versions {
            open: BTreeMap::new(),
            spare: Vec::new(),
        }
    }
}

impl<D> Versions<D> {
    /// Takes a change of a time, with the capability of the message that brought it.
    pub fn take(&mut self, capability: &InputCapability<u64>, time: u64, change: D) {
        self.open(capability, time).push(change);
    }

    /// Opens the version of a time for an answer, whatever has come for it; its changes.
    pub fn open(&mut self, capability: &InputCapability<u64>, time: u64) -> &mut Vec<D> {
        let (open, spare) = (&mut self.open, &mut self.spare);
        let (held, changes) = open
            .entry(time)
            .or_insert_with(|| (None, std::mem::take(spare)));
        if held.is_none()
            && let Some(mut capability) = capability.retain_least(0)
        {
            // The earlier stamp would hold up the loop.
            capability.downgrade(&time);
            *held = Some(capability);
        }
        changes
    }

    /// Whether no version before that of a time is open.
    pub fn is_first(&self, time: u64) -> bool {
        let first = self.open.first_key_value();
        first.is_none_or(|(first, _)| *first >= time)
    }

    /// Takes back the room of a version that is over: what many changes needed once they will need again.
    pub fn reuse(&mut self, mut changes: Vec<D>) {
        changes.clear();
        self.spare = changes;
    }

    /// The next version, in ms, that is complete by all frontiers, with its changes.
    pub fn next_complete(
        &mut self,
        frontiers: &[AntichainRef<'_, u64>],
    ) -> Option<(u64, Option<Capability<u64>>, Vec<D>)> {
        let entry = self.open.first_entry()?;
        if frontiers
            .iter()
            .any(|frontier| frontier.less_equal(entry.key()))
        {
            return None;
        }
        let version_ms = entry.key().saturating_add(1);
        let (capability, changes) = entry.remove();
        Some((version_ms, capability, changes))
    }
}
