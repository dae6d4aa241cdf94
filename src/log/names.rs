//! The names of state files: `KIND-GENERATION-NUMBER`, and `generation-GENERATION` for claims.
//!
//! A generation is claimed by one process, which numbers its files of each kind from 0. So no name is
//! ever used twice, nothing is overwritten, and a listing is a history. Names of other shapes are not
//! ours and are left alone; those with `.new` at the end were being written when their writer ended.

use super::Generation;
use super::frame::FileKind;

/// At the end of names of files that are not yet in force.
pub const UNFINISHED: &str = ".new";

/// What files with a generation and a number may be.
const KINDS: [FileKind; 4] = [
    FileKind::Segment,
    FileKind::Snapshot,
    FileKind::Manifest,
    FileKind::Rules,
];

/// A name of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A claim.
    Claim(Generation),
    /// A file by its generation and number.
    File(FileKind, Generation, u64),
}

impl Name {
    /// What a name stands for, if it is one of ours.
    pub fn parse(text: &str) -> Option<Name> {
        let (kind, numbers) = text.split_once('-')?;
        let parsed = match (kind, numbers.split_once('-')) {
            ("generation", None) => Name::Claim(Generation(numbers.parse().ok()?)),
            (_, Some((generation, number))) => {
                let kind = KINDS.into_iter().find(|known| known.name() == kind)?;
                Name::File(
                    kind,
                    Generation(generation.parse().ok()?),
                    number.parse().ok()?,
                )
            }
            _ => return None,
        };
        // Only one spelling of each.
        (parsed.text() == text).then_some(parsed)
    }

    /// The name.
    pub fn text(self) -> String {
        match self {
            Name::Claim(generation) => format!("generation-{:08}", generation.0),
            Name::File(kind, generation, number) => {
                format!("{}-{:08}-{number:08}", kind.name(), generation.0)
            }
        }
    }

    /// The generation that wrote it.
    pub fn generation(self) -> Generation {
        match self {
            Name::Claim(generation) | Name::File(_, generation, _) => generation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_in_one_spelling_only() {
        let g = Generation(12);
        let files = KINDS.map(|kind| Name::File(kind, g, 4));
        for name in files.into_iter().chain([Name::Claim(g)]) {
            assert_eq!(Name::parse(&name.text()), Some(name));
        }
        assert_eq!(files[0].text(), "segment-00000012-00000004");
        for text in [
            "segment-12-4",
            "generation-1",
            "segment-00000012",
            "x-00000001-00000001",
            "",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        assert_eq!(Name::parse("manifest-00000001-00000000.new"), None);
    }
}
