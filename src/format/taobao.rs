//! Taobao's UserBehavior: `user,item,category,behaviour,seconds`, without a header.
//!
//! Behaviours are pv, cart, fav and buy. The published files are grouped by user and so jump back
//! in time at every user: they are sorted before they are replayed.

use crate::event::Reason;

use super::table::{Table, field};
use super::{Decoder, Line, RawEvent, Rows, time};

/// Reads Taobao's CSV.
pub struct Taobao {
    table: Table,
}

impl Default for Taobao {
    fn default() -> Self {
        let columns = [
            (field::VISITOR, 0),
            (field::ITEM, 1),
            (field::CATEGORY, 2),
            (field::KIND, 3),
            (field::TIME, 4),
        ];
        Taobao {
            table: Table::fixed(b',', 5, &columns),
        }
    }
}

impl Taobao {
    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        self.table.read(line)?.0.read(time::whole_seconds)
    }
}

impl Decoder for Taobao {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::Kind;

    #[test]
    fn the_four_behaviours_are_read() {
        let kinds = [
            ("pv", Kind::ItemView),
            ("cart", Kind::AddToCart),
            ("fav", Kind::Click),
            ("buy", Kind::Purchase),
        ];
        for (behaviour, kind) in kinds {
            let mut expected = RawEvent::new(1_511_848_000_000, kind, b"9");
            expected.item = b"8";
            expected.category = b"7";
            let row = format!("9,8,7,{behaviour},1511848000");
            assert_eq!(decode(&mut Taobao::default(), &[row]), [event(expected)]);
        }
    }

    #[test]
    fn rows_that_are_wrong_have_a_reason() {
        for (row, reason) in [
            ("9,8,7,pv", Reason::FieldCount),
            ("9,8,7,pv,-1", Reason::Timestamp),
            ("9,8,7,pv,1511848000.5", Reason::Timestamp),
            ("9,8,7,pv,1511848000000", Reason::Timestamp),
            ("9,8,7,see,1511848000", Reason::Kind),
            (",8,7,pv,1511848000", Reason::Id),
        ] {
            assert_eq!(
                decode(&mut Taobao::default(), &[row]),
                [reject(0, reason)],
                "{row}"
            );
        }
    }
}
