//! YooChoose (RecSys 2015) in its three shapes; Serenade's example has the first.
//!
//! ```text
//! SessionId<TAB>ItemId<TAB>Time        with this header, seconds with a fraction
//! session,time,item,category           the clicks, without a header, ISO 8601
//! session,time,item,price,quantity     the buys, likewise
//! ```
//!
//! The data know sessions and no visitors: a session is its own visitor. Clicks are item views. In
//! the clicks the category `0` means that none is known. A log may mix clicks and buys.

use crate::event::Reason;

use super::table::{Named, Table, field};
use super::{Decoder, HeaderFault, Line, RawEvent, Rows, time};

/// Names in the header of the tab-separated shape.
pub(super) const NAMES: [&str; 3] = ["SessionId", "ItemId", "Time"];

const COLUMNS: [Named; 4] = [
    (field::VISITOR, NAMES[0], true),
    (field::SESSION, NAMES[0], true),
    (field::ITEM, NAMES[1], true),
    (field::TIME, NAMES[2], true),
];
const CLICKS: [(usize, usize); 5] = [
    (field::VISITOR, 0),
    (field::SESSION, 0),
    (field::TIME, 1),
    (field::ITEM, 2),
    (field::CATEGORY, 3),
];
const BUYS: [(usize, usize); 6] = [
    (field::VISITOR, 0),
    (field::SESSION, 0),
    (field::TIME, 1),
    (field::ITEM, 2),
    (field::PRICE, 3),
    (field::QUANTITY, 4),
];

/// Reads the tab-separated shape.
pub struct YoochooseTsv {
    table: Table,
}

impl YoochooseTsv {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HeaderFault`] when a column is missing or there twice.
    pub fn new(header: &[u8]) -> Result<YoochooseTsv, HeaderFault> {
        let (table, _) = Table::named(b'\t', header, &COLUMNS)?;
        Ok(YoochooseTsv { table })
    }

    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        let (mut fields, _) = self.table.read(line)?;
        fields.kind = b"item_view";
        fields.read(time::seconds)
    }
}

impl Decoder for YoochooseTsv {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

/// Reads the original files of clicks and buys.
pub struct YoochooseDat {
    clicks: Table,
    buys: Table,
}

impl Default for YoochooseDat {
    fn default() -> Self {
        YoochooseDat {
            clicks: Table::fixed(b',', 4, &CLICKS),
            buys: Table::fixed(b',', 5, &BUYS),
        }
    }
}

impl YoochooseDat {
    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        // The data have no quotes, so commas count the fields.
        if memchr::memchr_iter(b',', line).count() == 4 {
            let (mut fields, _) = self.buys.read(line)?;
            fields.kind = b"purchase";
            return fields.read(time::iso8601);
        }
        let (mut fields, _) = self.clicks.read(line)?;
        fields.kind = b"item_view";
        if fields.category == b"0" {
            fields.category = b"";
        }
        fields.read(time::iso8601)
    }
}

impl Decoder for YoochooseDat {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::{Kind, Micros};

    fn expected<'a>(ms: u64, kind: Kind) -> RawEvent<'a> {
        let mut expected = RawEvent::new(ms, kind, b"5");
        expected.session = b"5";
        expected.item = b"66";
        expected
    }

    #[test]
    fn the_tab_separated_shape_has_seconds() {
        let mut decoder = YoochooseTsv::new(b"SessionId\tItemId\tTime").unwrap();
        let found = decode(
            &mut decoder,
            &["5\t66\t1396437466.94", "5\t66", "5\t66\tnoon"],
        );
        assert_eq!(
            found,
            [
                event(expected(1_396_437_466_940, Kind::ItemView)),
                reject(0, Reason::FieldCount),
                reject(0, Reason::Timestamp),
            ]
        );
    }

    #[test]
    fn the_original_shapes_are_told_apart_by_their_fields() {
        let found = decode(
            &mut YoochooseDat::default(),
            &[
                "5,2014-04-07T10:51:09.277Z,66,0",
                "5,2014-04-07T10:51:09.277Z,66,S",
                "5,2014-04-07T10:51:09.277Z,66,1257,2",
                "5,2014-04-07T10:51:09.277Z,66",
                "5,2014-04-07T10:51:09.277Z,66,1257,2,3",
            ],
        );
        let click = expected(1_396_867_869_277, Kind::ItemView);
        let mut special = click;
        special.category = b"S";
        let mut buy = expected(1_396_867_869_277, Kind::Purchase);
        buy.price = Micros::new(1_257_000_000);
        buy.quantity = 2;
        assert_eq!(
            found,
            [
                event(click),
                event(special),
                event(buy),
                reject(0, Reason::FieldCount),
                reject(0, Reason::FieldCount),
            ]
        );
    }
}
