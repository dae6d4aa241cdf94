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
}

impl<D> Default for Versions<D> {
    fn default() -> Self {
        Versions {
            open: BTreeMap::new(),
        }
    }
}

impl<D> Versions<D> {
    /// Takes a change of a time, with the capability of the message that brought it.
    pub fn take(&mut self, capability: &InputCapability<u64>, time: u64, change: D) {
        let (held, changes) = self.open.entry(time).or_default();
        if held.is_none()
            && let Some(mut capability) = capability.retain_least(0)
        {
            // The earlier stamp would hold up the loop.
            capability.downgrade(&time);
            *held = Some(capability);
        }
        changes.push(change);
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
