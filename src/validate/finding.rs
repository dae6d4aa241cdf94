//! Something found in a log: how often, and where first.

use serde::Serialize;

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The physical line, from 1.
    pub line: u64,
    /// The byte at which the row begins, after decompression.
    pub byte: u64,
    /// How far or how long, where the finding is a jump or a silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

impl Place {
    /// A place with an extent.
    pub(super) fn lasting(self, ms: u64) -> Place {
        Place {
            ms: Some(ms),
            ..self
        }
    }
}

/// A count and the first places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How often.
    pub count: u64,
    /// Where first.
    pub places: Vec<Place>,
}

impl Finding {
    /// Counts another one.
    pub(super) fn add(&mut self, place: Place, places_max: usize) {
        self.count += 1;
        if self.places.len() < places_max {
            self.places.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut finding = Finding::default();
        for line in 1..=10 {
            let place = Place {
                line,
                byte: 0,
                ms: None,
            };
            finding.add(place, 3);
        }
        assert_eq!((finding.count, finding.places.len()), (10, 3));
        assert_eq!(finding.places[2].line, 3);
    }
}
