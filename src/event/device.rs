//! What a shopper holds in hand: four kinds, as logs name them.

use serde::{Deserialize, Serialize};

/// The kind of device of an event.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Device {
    /// The log does not say.
    #[default]
    Unknown,
    /// A desktop or laptop computer.
    Desktop,
    /// A telephone.
    Mobile,
    /// A tablet.
    Tablet,
}

/// Number of devices.
pub const DEVICE_COUNT: usize = 4;

impl Device {
    /// All devices, in the order of their numbers.
    pub const ALL: [Device; DEVICE_COUNT] = [
        Device::Unknown,
        Device::Desktop,
        Device::Mobile,
        Device::Tablet,
    ];

    /// The name in logs and records.
    pub const fn name(self) -> &'static str {
        match self {
            Device::Unknown => "unknown",
            Device::Desktop => "desktop",
            Device::Mobile => "mobile",
            Device::Tablet => "tablet",
        }
    }

    /// The device with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Device> {
        Device::ALL.get(usize::from(number)).copied()
    }

    /// Reads a device by its name, whatever the case. An empty text, and a name that is none of
    /// ours (`tv`, `console`), is [`Device::Unknown`]: a device never spoils a row.
    pub fn parse(text: &[u8]) -> Device {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("desktop") || is("pc") || is("computer") || is("web") => Device::Desktop,
            () if is("mobile") || is("phone") || is("smartphone") => Device::Mobile,
            () if is("tablet") => Device::Tablet,
            () => Device::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_round_trip() {
        for (number, device) in Device::ALL.into_iter().enumerate() {
            assert_eq!(Device::from_number(number as u8), Some(device));
            assert_eq!(Device::parse(device.name().as_bytes()), device);
        }
        assert_eq!(Device::from_number(4), None);
        assert_eq!(Device::parse(b"Smartphone"), Device::Mobile);
        assert_eq!(Device::parse(b"fridge"), Device::Unknown);
    }
}
